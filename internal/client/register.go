package client

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/store"
)

// What strangers can fill.
const (
	// DefaultPerNetwork is how many programs an office behind one address may
	// bring within an hour; instances of one program are one (Register). What an
	// administrator adds is not counted.
	DefaultPerNetwork = 20
	// perProvider is how many times as many may come from a provider's whole
	// network (IPv4 /16, IPv6 /32), of which a single customer may have a /48 for
	// each registration.
	perProvider   = 10
	maxUnused     = 10_000  // never used for a sign-in, at most 4 kB each
	maxRegistered = 100_000 // in all
	// maxAddresses is how long the addresses of one are together, in bytes.
	maxAddresses = 2000
	// unusedAtLeast is how long a registration stays that nobody used although
	// there is no more room: programs send their user to sign in at once.
	unusedAtLeast = time.Hour
	maxText       = 500 // bytes, of an address that is only checked
)

// The codes of RegistrationError. The first two are RFC 7591's.
const (
	InvalidRedirect = "invalid_redirect_uri"
	InvalidMetadata = "invalid_client_metadata"
	Unavailable     = "temporarily_unavailable" // too many came: 429
	Denied          = "access_denied"           // nobody may register: 403
)

// RegistrationError is the answer to a registration that is refused (RFC 7591,
// section 3.2.2). Its description repeats nothing of what was sent.
type RegistrationError struct{ Code, Description string }

func (e *RegistrationError) Error() string { return e.Code + ": " + e.Description }

func refuse(code, format string, args ...any) error {
	return &RegistrationError{code, fmt.Sprintf(format, args...)}
}

// Metadata is what a program says of itself (RFC 7591, section 2). Members that
// are not here are of no meaning to us and are passed over.
type Metadata struct {
	Name            string   `json:"client_name,omitempty"`
	Redirects       []string `json:"redirect_uris,omitempty"`
	PostLogout      []string `json:"post_logout_redirect_uris,omitempty"`
	AuthMethod      string   `json:"token_endpoint_auth_method,omitempty"`
	Grants          []string `json:"grant_types,omitempty"`
	Responses       []string `json:"response_types,omitempty"`
	ApplicationType string   `json:"application_type,omitempty"`
	URI             string   `json:"client_uri,omitempty"`
	Logo            string   `json:"logo_uri,omitempty"`
	Policy          string   `json:"policy_uri,omitempty"`
	Terms           string   `json:"tos_uri,omitempty"`
	SoftwareID      string   `json:"software_id,omitempty"`
	SoftwareVersion string   `json:"software_version,omitempty"`
	IDTokenAlg      string   `json:"id_token_signed_response_alg,omitempty"`
}

// Metadata is a client as the answer to its registration shows it (RFC 7591,
// section 3.2.1), beside client_id and client_id_issued_at.
func (c *Client) Metadata() Metadata {
	m := Metadata{Name: c.Name, Redirects: c.Redirects, PostLogout: c.PostLogout, AuthMethod: "none", Grants: c.Grants, ApplicationType: "native",
		SoftwareID: c.SoftwareID, SoftwareVersion: c.SoftwareVersion, IDTokenAlg: c.IDTokenAlg}
	if c.HasGrant(GrantCode) {
		m.Responses = []string{"code"}
	}
	return m
}

// Register makes a public native client of a stranger's; it is durable before
// it is returned. The error is a *RegistrationError if the stranger is to hear
// of it, else our own trouble.
//
// What says of itself the same as another that nobody has judged is another
// instance of it, and gets its id (RFC 7591, section 3.2.1, leaves that to us). A
// public client's id proves nothing anyway; and an office of hundreds whose program
// registers takes one row and one of its network's registrations, which a neighbour
// who used those up cannot keep from it.
func (r *Registry) Register(ctx context.Context, from netip.Addr, m Metadata) (Client, error) {
	if r.Registration != AnyProgram && r.Registration != VerifiedOnly {
		return Client{}, refuse(Denied, "programs do not register here: an administrator adds them")
	}
	c, err := m.client()
	if err != nil {
		return Client{}, err
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	now := time.Now().UTC()
	if same, ok := r.instance(&c, now); ok {
		return same, nil
	}
	c.ID, c.Network, c.Created = newID("reg-"), network.Of(from), now
	if r.came.since(c.Network, now) >= r.PerNetwork || r.came.since(providerOf(c.Network), now) >= perProvider*r.PerNetwork {
		return Client{}, refuse(Unavailable, "too many programs registered from this network within an hour")
	}
	if err := r.makeRoom(ctx, now); err != nil {
		return Client{}, err
	}
	if err := r.Store.Write(ctx, func(tx *store.Tx) error { return tx.RegisterClient(c.row()) }); err != nil {
		return Client{}, err
	}
	e := &entry{Client: c, likeness: likeness(c.Name)}
	r.put(e)
	r.came.add(c.Network, now)
	return e.Client, nil
}

// instance finds a client that registered with the same words as another and stays
// for a while: long enough to sign in with it if nobody has yet. What an
// administrator allowed, they allowed to nobody else.
func (r *Registry) instance(c *Client, now time.Time) (Client, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, e := range r.table {
		if e.Kind != Registered || e.State != Unjudged || !e.sameWords(c) {
			continue
		}
		if now.Sub(e.Created) < unusedAtLeast/2 || !e.Used.IsZero() && now.Sub(e.Used) < idleFor/2 {
			return e.Client, true
		}
	}
	return Client{}, false
}

// sameWords says that two clients registered with the same metadata, as far as it is kept.
func (c *Client) sameWords(o *Client) bool {
	return c.Name == o.Name && c.SoftwareID == o.SoftwareID && c.SoftwareVersion == o.SoftwareVersion && c.URI == o.URI && c.IDTokenAlg == o.IDTokenAlg &&
		slices.Equal(c.Redirects, o.Redirects) && slices.Equal(c.PostLogout, o.PostLogout) && slices.Equal(c.Grants, o.Grants)
}

// makeRoom sees that there is room for one more; writing is held.
func (r *Registry) makeRoom(ctx context.Context, now time.Time) error {
	var idle []string
	unused, all := 0, 0
	r.mu.RLock()
	for id, e := range r.table {
		if e.Kind != Registered {
			continue
		}
		all++
		if e.Used.IsZero() && e.State == Unjudged {
			unused++
			if now.Sub(e.Created) >= unusedAtLeast {
				idle = append(idle, id)
			}
		}
	}
	r.mu.RUnlock()
	if unused < maxUnused && all < maxRegistered {
		return nil
	}
	if len(idle) == 0 {
		return refuse(Unavailable, "too many programs registered and were not used yet: try again in an hour")
	}
	return r.forget(ctx, idle, now)
}

// newID makes an id that nobody guesses and nobody else has: 128 random bits.
func newID(mark string) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return mark + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// client checks what a program says of itself.
func (m *Metadata) client() (Client, error) {
	c := Client{Name: unnamed, Kind: Registered, State: Unjudged, Public: true, Consent: true, PostLogout: m.PostLogout}
	if err := m.checkSort(); err != nil {
		return c, err
	}
	if c.Grants = m.Grants; len(c.Grants) == 0 {
		c.Grants = []string{GrantCode, GrantRefresh}
	}
	c.Grants = distinct(c.Grants)
	if len(m.Redirects) == 0 && c.HasGrant(GrantCode) {
		return c, refuse(InvalidRedirect, "redirect_uris is missing")
	}
	var err error
	if c.Redirects, err = native("redirect_uris", m.Redirects); err != nil {
		return c, err
	}
	if c.PostLogout, err = native("post_logout_redirect_uris", m.PostLogout); err != nil {
		return c, err
	}
	if len(strings.Join(c.Redirects, ""))+len(strings.Join(c.PostLogout, "")) > maxAddresses {
		return c, refuse(InvalidRedirect, "the addresses have more than %d characters together", maxAddresses)
	}
	for _, t := range []struct {
		member, said string
		to           *string
	}{{"client_name", m.Name, &c.Name}, {"software_id", m.SoftwareID, &c.SoftwareID}, {"software_version", m.SoftwareVersion, &c.SoftwareVersion}} {
		if t.said == "" {
			continue
		}
		name, fault := readName(t.said)
		if fault != "" {
			return c, refuse(InvalidMetadata, "%s %s", t.member, fault)
		}
		*t.to = name
	}
	c.IDTokenAlg = m.IDTokenAlg
	for _, t := range []struct{ member, said string }{{"client_uri", m.URI}, {"logo_uri", m.Logo}, {"policy_uri", m.Policy}, {"tos_uri", m.Terms}} {
		if t.said != "" && hostOf(t.said) == "" {
			return c, refuse(InvalidMetadata, "%s is no https address of a host with a name", t.member)
		}
	}
	// Of the addresses only the host of one is kept, to be shown as text: none is
	// fetched, linked or drawn, since whatever it showed would be a stranger's.
	c.URI = hostOf(m.URI)
	return c, nil
}

// checkSort checks that a public native client is asked for.
func (m *Metadata) checkSort() error {
	grants := []string{GrantCode, GrantRefresh, GrantDevice}
	switch {
	case m.AuthMethod != "" && m.AuthMethod != "none":
		return refuse(InvalidMetadata, "token_endpoint_auth_method is none: only public clients register themselves")
	case m.ApplicationType != "" && m.ApplicationType != "native":
		return refuse(InvalidMetadata, "application_type is native: an administrator adds web applications")
	case slices.ContainsFunc(m.Grants, func(g string) bool { return !slices.Contains(grants, g) }):
		return refuse(InvalidMetadata, "grant_types are authorization_code, refresh_token and %s", GrantDevice)
	case len(m.Grants) > 0 && !slices.Contains(m.Grants, GrantCode) && !slices.Contains(m.Grants, GrantDevice):
		return refuse(InvalidMetadata, "grant_types has neither authorization_code nor %s", GrantDevice)
	case slices.ContainsFunc(m.Responses, func(t string) bool { return t != "code" }):
		return refuse(InvalidMetadata, "response_types is code")
	case m.IDTokenAlg != "" && !slices.Contains(idTokenAlgs, m.IDTokenAlg):
		return refuse(InvalidMetadata, "id_token_signed_response_alg is ES256 or RS256")
	}
	return nil
}

// idTokenAlgs are the algorithms that the issuer has keys for.
var idTokenAlgs = []string{"ES256", "RS256"}

// native checks that a stranger's redirects stay on the device of whoever signs
// in. One to somebody's web server would let anybody on the internet collect
// codes behind a name of their choice; an administrator can add such a client.
func native(member string, given []string) ([]string, error) {
	if len(given) > maxRedirects {
		return nil, refuse(InvalidRedirect, "%s has more than %d addresses", member, maxRedirects)
	}
	for _, g := range given {
		a, fault := parseAddress(g)
		if fault == "" && a.sort == web {
			fault = "a program that registers itself is answered on its own device: on 127.0.0.1, [::1] or localhost, or by a scheme of its own; an administrator adds others"
		}
		if fault != "" {
			return nil, refuse(InvalidRedirect, "%s: %s", member, fault)
		}
	}
	return distinct(given), nil
}

// distinct is a list without what was said before; never nil.
func distinct(given []string) []string {
	list := []string{}
	for _, g := range given {
		if !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	return list
}

// hostOf is the host of a web address, in lower case; empty if it is none.
func hostOf(s string) string {
	if len(s) > maxText {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if !isHost(host) {
		return ""
	}
	return host
}
