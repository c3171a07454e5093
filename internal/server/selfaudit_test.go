package server

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/selfaudit"
	"github.com/portreeve/portreeve/internal/store"
)

// A list of networks that holds everything holds nobody to a place.
func TestNetworksThatHoldToAPlace(t *testing.T) {
	for text, want := range map[string]bool{"192.0.2.0/24": true, "10.0.0.0/8": true, "2001:db8::/32": true, "0.0.0.0/0": false, "128.0.0.0/1": false, "::/0": false} {
		if got := placed([]netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix(text)}); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if placed(nil) {
		t.Error("no network is a place")
	}
}

// The audit of a running server knows what its issuer does: who may bring
// programs, what they may, and which doors somebody went through.
func TestTheIssuerIsAudited(t *testing.T) {
	p := startPrograms(t)
	p.server.Config.OAuth.TokenAsPassword = true
	p.server.Config.DefaultDomain = "" // then it is people who say which domains are ours
	add := func(n client.New) client.Client {
		t.Helper()
		n.Confidential = true
		c, _, err := p.server.issuer.clients.Add(t.Context(), store.System, "", n)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	add(client.New{Name: "Abroad", Redirects: []string{"https://wiki.example.com/cb"}})
	add(client.New{Name: "Ours", Redirects: []string{"https://webmail.example.org/cb", "https://door.example.org/x", "https://localhost/"}})
	add(client.New{Name: "Robot", Account: p.mary.ID})
	found, err := p.server.selfAudit(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		if f.Kind != selfaudit.PasswordOnly {
			got = append(got, f.Kind+" "+strings.Join(f.Subjects, ","))
		}
	}
	slices.Sort(got)
	if want := []string{"consent-skipped Abroad", "registration-open https://door.example.org", "service-anywhere mary@example.org", "token-as-password https://door.example.org"}; !slices.Equal(got, want) {
		t.Errorf("found %q, not %q", got, want)
	}

	k, g, _ := p.session(client.Mail, "imap pop")
	k.open()
	for door, want := range map[protocol.Protocol]bool{protocol.IMAP: true, protocol.POP3: false} {
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // it is written down a moment later
			used, err := p.server.wentThrough(t.Context(), &g, door, time.Now().Add(-time.Hour))
			if err == nil && used == want {
				break
			}
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("%s: used %v, %v", door, used, err)
			}
		}
	}
	other := g
	other.ID = "another"
	if used, err := p.server.wentThrough(t.Context(), &other, protocol.IMAP, time.Now().Add(-time.Hour)); used || err != nil {
		t.Errorf("of another grant: %v, %v", used, err)
	}
}

// A door is idle that one grant has opened for long and none was used for.
func TestDoorsThatNobodyGoesThrough(t *testing.T) {
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	of := func(id, words string, days int) grant.Grant {
		s, err := scope.Parse(words)
		if err != nil {
			t.Fatal(err)
		}
		return grant.Grant{ID: id, Scope: s, Created: now.Add(-time.Duration(days) * 24 * time.Hour)}
	}
	doors := []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.IMAP}
	fault := errors.New("away")
	for name, c := range map[string]struct {
		grants []grant.Grant
		left   int
		used   []string // grant and door
		err    error
		idle   []protocol.Protocol
	}{
		"none":                  {nil, 9, nil, nil, nil},
		"used":                  {[]grant.Grant{of("a", "imap", 100)}, 9, []string{"a imap"}, nil, nil},
		"not used":              {[]grant.Grant{of("a", "imap pop", 100)}, 9, []string{"a imap"}, nil, []protocol.Protocol{protocol.POP3}},
		"not for long":          {[]grant.Grant{of("a", "imap pop", 80)}, 9, nil, nil, nil},
		"used by somebody else": {[]grant.Grant{of("a", "pop", 100), of("b", "pop", 3)}, 9, []string{"b pop3"}, nil, nil},
		"used by nobody":        {[]grant.Grant{of("a", "pop", 100), of("b", "pop", 3)}, 9, nil, nil, []protocol.Protocol{protocol.POP3}},
		"too many to know":      {[]grant.Grant{of("a", "pop", 100), of("b", "pop", 100)}, 1, nil, nil, nil},
		"trouble":               {[]grant.Grant{of("a", "pop", 100)}, 9, nil, fault, nil},
	} {
		l := &doorsLook{left: c.left, used: func(_ context.Context, g *grant.Grant, d protocol.Protocol, since time.Time) (bool, error) {
			if !since.Equal(now.Add(-selfaudit.Unused)) {
				t.Errorf("%s: since %s", name, since)
			}
			return slices.Contains(c.used, g.ID+" "+d.String()), c.err
		}}
		idle, err := l.idle(t.Context(), c.grants, doors, now)
		if !errors.Is(err, c.err) || !slices.Equal(idle, c.idle) {
			t.Errorf("%s: %v, %v", name, idle, err)
		}
	}
}

// Keys are due when their turn and a day are over.
func TestKeysAreDueADayAfterTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := openTurningKeys(t)
		time.Sleep(keysTurn + 23*time.Hour)
		if !keys.old(time.Now()) || time.Now().After(keys.due()) {
			t.Errorf("due on %s already", keys.due())
		}
		time.Sleep(2 * time.Hour)
		if !time.Now().After(keys.due()) {
			t.Errorf("due on %s only", keys.due())
		}
		if _, err := keys.Rotate(); err != nil || time.Now().After(keys.due()) {
			t.Errorf("rotated, %v, and due on %s", err, keys.due())
		}
	})
}
