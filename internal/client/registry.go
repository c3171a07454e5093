package client

import (
	"context"
	"net/netip"

	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// Registration is who may bring programs.
type Registration string

// The settings of registration.
const (
	AnyProgram   Registration = "open"     // any program registers and asks people for consent
	VerifiedOnly Registration = "verified" // any registers; it is refused until an administrator allowed it
	NoneRegister Registration = "off"      // none registers, and those that did are refused unless allowed
)

// Options are what the registry needs.
type Options struct {
	Store        *store.Store
	Box          *secret.Box
	Issuer       string       // the issuer's address, for names that claim to be it
	Registration Registration // empty: off
	PerNetwork   int          // registrations an hour from one /24 or /48; 0: DefaultPerNetwork
}

// Registry is every client. It is safe for concurrent use.
type Registry struct{ Options }

// Open reads the clients.
func Open(ctx context.Context, o Options) (*Registry, error) { return &Registry{Options: o}, nil }

// Apply brings the registry up to a change of the store.
func (r *Registry) Apply(ctx context.Context, c store.Change) error { return nil }

// Find finds a client by its id, forbidden ones too.
func (r *Registry) Find(id string) (Client, bool) { return Client{}, false }

// List lists the clients: those that come with the server, then by name.
func (r *Registry) List() []Client { return nil }

// May says whether a client may ask for tokens at all; the error is a
// *signin.Refusal with the code ClientForbidden.
func (r *Registry) May(c Client) error { return nil }

// Used notes that somebody signed in with a client.
func (r *Registry) Used(ctx context.Context, id string) error { return nil }

// Authenticate says whether a confidential client's secret is right, in the
// same time whether there is such a client or not.
func (r *Registry) Authenticate(id, secret string) bool { return false }

// RegistrationError is the answer to a registration that is refused (RFC 7591,
// section 3.2.2). Code is invalid_redirect_uri, invalid_client_metadata,
// temporarily_unavailable (too many came: answer 429), or access_denied
// (registration is off: answer 403).
type RegistrationError struct{ Code, Description string }

func (e *RegistrationError) Error() string { return e.Code + ": " + e.Description }

// Metadata is what a program says of itself (RFC 7591, section 2). Members that
// are not here are of no meaning to us and are passed over.
type Metadata struct {
	Name            string   `json:"client_name,omitempty"`
	Redirects       []string `json:"redirect_uris,omitempty"`
	PostLogout      []string `json:"post_logout_redirect_uris,omitempty"`
	AuthMethod      string   `json:"token_endpoint_auth_method,omitempty"`
	Grants          []string `json:"grant_types,omitempty"`
	Responses       []string `json:"response_types,omitempty"`
	Scope           string   `json:"scope,omitempty"`
	ApplicationType string   `json:"application_type,omitempty"`
	URI             string   `json:"client_uri,omitempty"`
	Logo            string   `json:"logo_uri,omitempty"`
	Policy          string   `json:"policy_uri,omitempty"`
	Terms           string   `json:"tos_uri,omitempty"`
	SoftwareID      string   `json:"software_id,omitempty"`
	SoftwareVersion string   `json:"software_version,omitempty"`
	IDTokenAlg      string   `json:"id_token_signed_response_alg,omitempty"`
}

// Register makes a public native client of a stranger's. The error is a
// *RegistrationError if the stranger is to hear of it, else our own trouble.
func (r *Registry) Register(ctx context.Context, from netip.Addr, m Metadata) (Client, error) {
	return Client{}, nil
}

// Metadata is a client as the answer to its registration shows it (RFC 7591,
// section 3.2.1), beside client_id and client_id_issued_at.
func (c *Client) Metadata() Metadata { return Metadata{} }

// New is a client that an administrator makes.
type New struct {
	Name              string    `json:"name"`
	Redirects         []string  `json:"redirects"`
	PostLogout        []string  `json:"postLogoutRedirects"`
	BackChannelLogout string    `json:"backChannelLogout"`
	Confidential      bool      `json:"confidential"`
	Account           string    `json:"account"` // person's id
	Scope             scope.Set `json:"-"`
	IDTokenAlg        string    `json:"idTokenAlg"`
}

// Fault is what is wrong with something that an administrator asked for.
type Fault struct{ Member, Text string }

func (f *Fault) Error() string { return f.Text }

// Add makes a managed client. The secret of a confidential one is nowhere else.
func (r *Registry) Add(ctx context.Context, who store.Actor, reason string, n New) (c Client, shown string, err error) {
	return c, "", nil
}

// Allow makes a client one that is known to be what it calls itself.
func (r *Registry) Allow(ctx context.Context, who store.Actor, reason, id string) (Client, error) {
	return Client{}, nil
}

// Forbid refuses a client from now on and ends what it was granted.
func (r *Registry) Forbid(ctx context.Context, who store.Actor, reason, id string) (Client, error) {
	return Client{}, nil
}

// Restrict lets a client have no more than some scopes; none: lifts the limit.
func (r *Registry) Restrict(ctx context.Context, who store.Actor, reason, id string, limit scope.Set) (Client, error) {
	return Client{}, nil
}

// Rename gives a client another name.
func (r *Registry) Rename(ctx context.Context, who store.Actor, reason, id, name string) (Client, error) {
	return Client{}, nil
}

// Remove forgets a client and ends what it was granted.
func (r *Registry) Remove(ctx context.Context, who store.Actor, reason, id string) (Client, error) {
	return Client{}, nil
}
