package server

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/selfaudit"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// auditedIssuer is our own issuer of tokens as the audit looks at it; nil where
// there is none.
func (s *Server) auditedIssuer(ctx context.Context, in *selfaudit.Input) (*selfaudit.Issuer, error) {
	if s.issuer == nil {
		return nil, nil
	}
	c := &s.Config.OAuth
	i := &selfaudit.Issuer{URL: s.issuer.url, AnyRegisters: client.Registration(c.Registration) == client.AnyProgram, TokenAsPassword: c.TokenAsPassword, DeviceCode: c.DeviceCode, Opens: s.takesTokens(),
		KeysDue: turningKeys{s.issuer.keys}.due(), Hosts: s.domains()}
	for n := range in.People { // whose mail is here, whatever the configuration says of it
		if d := in.People[n].Domain; !slices.Contains(i.Hosts, d) {
			i.Hosts = append(i.Hosts, d)
		}
	}
	if host := hostIn(i.URL); host != "" {
		i.Hosts = append(i.Hosts, host)
		if s.Config.Public.TLS == "implicit" && s.certs != nil && !s.certs.Covers(host) {
			i.Uncovered = host
		}
	}
	grants := map[string][]grant.Grant{}
	for _, g := range s.issuer.grants.List() {
		grants[g.Client] = append(grants[g.Client], g)
	}
	look := &doorsLook{left: maxDoorLooks, used: s.wentThrough}
	if time.Duration(s.Config.Log.Days)*24*time.Hour < selfaudit.Unused {
		look.left = 0 // the log does not reach back far enough to say so
	}
	for _, p := range s.issuer.clients.List() {
		if p.Kind == client.Builtin || p.State == client.Forbidden {
			continue
		}
		a := selfaudit.Program{ID: p.ID, Name: p.Name, Vouched: p.Verified(), SignsIn: len(p.Grants) > 0, Consent: p.Consent, Hosts: webHosts(p.Redirects), Limit: p.Limit, Account: p.Account,
			Created: p.Created, Used: p.Used, SecretMade: p.SecretMade}
		var words []string
		for _, g := range grants[p.ID] {
			words = append(words, g.Scope.Words()...)
		}
		a.Granted, _ = scope.Parse(strings.Join(slices.Compact(slices.Sorted(slices.Values(words))), " ")) // more than can be read at once is none
		var err error
		if a.Idle, err = look.idle(ctx, grants[p.ID], in.Doors, in.Now); err != nil {
			return nil, err
		}
		i.Programs = append(i.Programs, a)
	}
	return i, nil
}

// due is when the keys that sign now should have been followed by others, a day
// left for the server that turns them to have been down.
func (k turningKeys) due() (due time.Time) {
	for _, l := range k.Keys() {
		if at := l.Made.Add(keysTurn + 24*time.Hour); l.State == "prepared" && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due
}

func hostIn(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// webHosts are the hosts of web addresses that lie on no program's own machine.
func webHosts(addresses []string) (hosts []string) {
	for _, a := range addresses {
		if h := hostIn(a); strings.HasPrefix(a, "https://") && !network.Here(h) && !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

const (
	// maxDoorLooks bounds how often the log is asked in one audit.
	maxDoorLooks = 500
	// maxUses is how many of a person's latest sign-ins are looked at for one.
	maxUses = 200
)

// doorsLook finds doors that grants open and that nobody goes through.
type doorsLook struct {
	left int
	used func(ctx context.Context, g *grant.Grant, door protocol.Protocol, since time.Time) (bool, error)
}

// idle are the doors that at least one of a program's grants has opened for long
// and none was used for. What cannot be known is none.
func (l *doorsLook) idle(ctx context.Context, grants []grant.Grant, doors []protocol.Protocol, now time.Time) (idle []protocol.Protocol, err error) {
	since := now.Add(-selfaudit.Unused)
	grants = slices.Clone(grants)
	slices.SortFunc(grants, func(a, b grant.Grant) int { return b.Used.Compare(a.Used) })
	for _, d := range slices.Compact(slices.Sorted(slices.Values(doors))) {
		old, used := false, false
		for i := 0; i < len(grants) && !used; i++ {
			g := &grants[i]
			if !g.Scope.Covers(d) {
				continue
			}
			old = old || g.Created.Before(since)
			if l.left--; l.left < 0 {
				return nil, nil
			}
			if used, err = l.used(ctx, g, d, since); err != nil {
				return nil, err
			}
		}
		if old && !used {
			idle = append(idle, d)
		}
	}
	return idle, nil
}

// handedOut are the mechanisms of events that are about tokens, and no use of them.
var handedOut = []string{gate.AuthorizationCode, gate.DeviceCode, gate.RefreshToken, gate.ClientCredentials}

// wentThrough says that somebody came through a door by a grant, or that the log
// is too long to say that nobody did.
func (s *Server) wentThrough(ctx context.Context, g *grant.Grant, door protocol.Protocol, since time.Time) (bool, error) {
	seen, _, err := s.store.Events(ctx, store.EventFilter{From: since, User: g.Person, Protocols: []protocol.Protocol{door}, Outcome: signin.EndAllowed}, store.Cursor{}, maxUses)
	if err != nil {
		return false, err
	}
	for i := range seen {
		if seen[i].Grant == grant.Prefix+g.ID && !slices.Contains(handedOut, seen[i].Mechanism) {
			return true, nil
		}
	}
	return len(seen) == maxUses, nil
}
