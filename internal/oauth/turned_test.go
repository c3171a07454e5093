package oauth

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// turnedAway waits for rows of the log about programs that were turned away, until
// they count so many requests: refusals are written a moment later.
func (w *world) turnedAway(count int64) (rows []signin.Event) {
	w.t.Helper()
	var counted int64
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		var err error
		rows, _, err = w.store.Events(w.t.Context(), store.EventFilter{Codes: []signin.Code{signin.ClientForbidden}}, store.Cursor{}, 10_000)
		must(w.t, err)
		counted = 0
		for _, e := range rows {
			counted += e.Count
		}
		if counted >= count {
			return rows
		}
	}
	w.t.Fatalf("the log counts %d of %d", counted, count)
	return nil
}

// asksFrom sends a browser to the authorization endpoint.
func (w *world) asksFrom(from netip.Addr, agent string, v url.Values) *answer {
	w.t.Helper()
	return w.send("GET", pathAuthorize+"?"+v.Encode(), nil, func(r *http.Request) {
		r.RemoteAddr = netip.AddrPortFrom(from, 4711).String()
		r.Header.Set("User-Agent", agent)
	})
}

// A program that is forbidden, unknown or beyond its limit is in the log, by name
// and place; and with who is signed in at that browser, if anybody is.
func TestAProgramThatIsTurnedAwayIsInTheLog(t *testing.T) {
	var signedIn bool
	w := newWorldAt(t, issuer, func(o *Options) {
		o.Visitor = func(*http.Request) (signin.Principal, bool) {
			return signin.Principal{Person: leela, Address: "leela@example.org", Methods: mfa}, signedIn
		}
	})
	wiki, _ := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org/cb"}})
	_, _, err := w.clients.Forbid(t.Context(), store.System, "", wiki.ID)
	must(t, err)
	sends, err := scope.Parse("smtp")
	must(t, err)
	sender, _ := w.added(client.New{Name: "Sender", Redirects: []string{"https://sender.example.org/cb"}, Limit: sends})
	for i, c := range []struct {
		name, says string
		v          url.Values
	}{
		{"Wiki", "is forbidden", asking("client_id", wiki.ID, "redirect_uri", "https://wiki.example.org/cb")},
		{"of-another-server", whyUnknown, asking("client_id", "of-another-server")},
		{"Sender", `"smtp"`, asking("client_id", sender.ID, "redirect_uri", "https://sender.example.org/cb", "scope", "imap")},
	} {
		for _, signedIn = range []bool{false, true} {
			w.asksFrom(netip.MustParseAddr(home), "Thunderbird/153.7.0", c.v)
			var found *signin.Event
			for _, e := range w.turnedAway(int64(2*i + 1 + number(signedIn))) {
				if name, _ := e.ForClient(); name == c.name && (e.Facts.Person == leela) == signedIn {
					found = &e
				}
			}
			switch {
			case found == nil:
				t.Errorf("%s, signed in %v: not in the log", c.name, signedIn)
			case !strings.Contains(found.Detail, c.says), found.Facts.Addr.String() != home, found.Ending() != signin.EndRefused, found.Facts.Proven,
				found.Facts.Protocol != protocol.Portal, found.Facts.Credential != policy.CredentialBearer, found.Mechanism != "authorization_code":
				t.Errorf("%s, signed in %v: %+v", c.name, signedIn, found)
			case (found.Hints.UserAgent != "") != signedIn, (found.Typed != "") != signedIn:
				t.Errorf("%s, signed in %v: %q, %q", c.name, signedIn, found.Hints.UserAgent, found.Typed)
			}
		}
	}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Nobody fills the log by sending themselves with programs that they make up,
// under whatever names and from wherever in their own network.
func TestStrangersShareRows(t *testing.T) {
	w := newWorld(t)
	wiki, _ := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org/cb"}})
	_, _, err := w.clients.Forbid(t.Context(), store.System, "", wiki.ID)
	must(t, err)
	const times = 500
	for i := range times {
		from := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 8: byte(i >> 8), 9: byte(i), 15: 1})
		w.asksFrom(from, fmt.Sprint("Mozilla/5.0 Agent/", i), asking("client_id", fmt.Sprint("made-up-", i, strings.Repeat("x", i))))
		w.asksFrom(from, fmt.Sprint("Thunderbird/", i), asking("client_id", wiki.ID, "redirect_uri", "https://wiki.example.org/cb"))
	}
	rows := w.turnedAway(2 * times)
	if len(rows) > strangersNamed+2 {
		t.Errorf("%d rows", len(rows))
	}
	for _, e := range rows {
		if len(e.Detail) > 200 || e.Hints.UserAgent != "" || e.Facts.Addr != netip.MustParseAddr("2001:db8:1:2::") {
			t.Errorf("%q of %q from %s", e.Detail, e.Hints.UserAgent, e.Facts.Addr)
		}
	}
}

// Nor does somebody who is signed in, and is kept waiting by nothing, under
// browsers that they make up and from all addresses of their host.
func TestWhoIsSignedInSharesRowsInTheEnd(t *testing.T) {
	w := newWorldAt(t, issuer, func(o *Options) {
		o.Visitor = func(*http.Request) (signin.Principal, bool) {
			return signin.Principal{Person: leela, Address: "leela@example.org", Methods: mfa}, true
		}
	})
	const times = 500
	for i := range times {
		from := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 8: byte(i >> 8), 9: byte(i), 15: 1})
		w.asksFrom(from, fmt.Sprint("Mozilla/5.0 Agent/", i), asking("client_id", "of-another-server"))
	}
	rows := w.turnedAway(times)
	if len(rows) > placesNamed+1 {
		t.Errorf("%d rows", len(rows))
	}
	for _, e := range rows {
		if e.Facts.Person != leela {
			t.Errorf("%s: %q", e.Facts.Person, e.Detail)
		}
	}
}

// After an hour other programs that nobody knows are named.
func TestUnknownProgramsAreNamedAgainAfterAWhile(t *testing.T) {
	var l strangers
	now := time.Now()
	for i := range strangersNamed {
		if id := fmt.Sprint("program-", i); l.name(id, now) != id {
			t.Fatalf("%s has no name", id)
		}
	}
	if l.name("another", now) != "" || l.name("program-0", now) != "program-0" {
		t.Error("too many have names, or the first one has none any more")
	}
	if l.name("another", now.Add(strangersFor)) != "another" {
		t.Error("nobody has a name for ever")
	}
}

// A page elsewhere that sends somebody here under a name of its making writes no
// sentence into their sign-ins, and nothing that turns or hides one.
func TestAStrangersNameIsAnID(t *testing.T) {
	w := newWorld(t)
	for i, id := range []string{"\u202egnp.drib\u202c", "two\nlines", "Call 0800 123", "\x1b[2Jx", "<b>", "caf\u00e9\xff"} {
		w.asksFrom(netip.MustParseAddr(home), "curl", asking("client_id", id))
		for _, e := range w.turnedAway(int64(i + 1)) {
			name, _ := e.ForClient()
			if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' }) {
				t.Errorf("%q stands there as %q", id, name)
			}
		}
	}
}
