package portal

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

func TestConnectedProgramsAreShownAndEnded(t *testing.T) {
	w := newWorld(t)
	b, other := w.browser(t), w.browser(t)
	b.signIn("leela", right)
	b.get(w.asks(t))
	g := w.redeemed(t, client.Thunderbird, b.post("/connect/allow").to(t), back)
	b.get("/").contains(t, "One program is connected to your mail", "Thunderbird was connected to your mail")
	at := time.Now()
	out := w.gate.Grant(t.Context(), signin.Attempt{At: at, Client: netip.MustParseAddrPort("198.51.100.77:1"), Listener: "public"}, gate.Asked{Mechanism: gate.RefreshToken, Protocols: g.Scope.Protocols(), Client: "Thunderbird",
		Principal: signin.Principal{Person: leela, Address: g.Address, Methods: g.Methods, AuthTime: g.AuthTime, Grant: grant.Prefix + g.ID}})
	if !out.Allowed() {
		t.Fatalf("refreshing: %v", out.Code)
	}
	b.get("/programs").contains(t, "198.51.100.77")
	b.get("/programs").contains(t, "Connected programs", "Thunderbird", "read and delete your mail", "signed in with a password", "Programs you said yes to")
	other.signIn("fry", right)
	other.get("/programs")
	f := other.form("/signout").fields
	for action, field := range map[string]url.Values{"/programs/disconnect": {"id": {g.ID}}, "/programs/forget": {"client": {client.Thunderbird}}} {
		field.Set("token", f.Get("token"))
		if a := other.send("POST", action, field, nil); a.status != http.StatusNotFound {
			t.Errorf("%s of another's: %d", action, a.status)
		}
	}
	b.submit("/programs/disconnect").contains(t, "Disconnected. The program must sign in again", "None is connected now")
	if _, lives := w.grants.ByID(g.ID); lives {
		t.Error("it lives")
	}
	path := w.asks(t) // which the program does by itself, with this browser's session
	b.get(path).contains(t, "Before Thunderbird is connected")
	b.post("/confirm", "kind", "password", "password", right)
	w.redeemed(t, client.Thunderbird, b.send("GET", path, nil, nil).to(t), back)
	b.get(w.asks(t)).contains(t, "Connect Thunderbird?") // a proof from after the end is new enough
	b.get("/programs")
	b.submit("/programs/forget").contains(t, "Taken back")
	if len(w.grants.Of(leela)) != 0 || w.grants.Consented(leela, client.Thunderbird, scopes(t, "imap")) {
		t.Error("it is not forgotten")
	}
}

// A page that signs somebody in again and again is one program in their list, and
// is disconnected as one.
func TestAPageThatSignsInAgainIsOneProgram(t *testing.T) {
	w := newWorld(t)
	p := w.party(t, "Wiki")
	b := w.browser(t)
	b.signIn("leela", right)
	again := func() grant.Grant {
		path := w.asks(t, func(q *grant.Request) {
			q.Client, q.Redirect, q.Scope = p.ID, "https://rp.example:8443/cb", scopes(t, "openid email")
		})
		return w.redeemed(t, p.ID, b.send("GET", path, nil, nil).to(t), "https://rp.example:8443/cb")
	}
	var all []grant.Grant
	for range 3 {
		all = append(all, again())
	}
	b.get("/").contains(t, "One program is connected to your mail")
	if n := strings.Count(b.get("/programs").body, `action="/programs/disconnect"`); n != 1 {
		t.Errorf("it is %d programs", n)
	}
	b.submit("/programs/disconnect").contains(t, "Disconnected. The program must sign in again")
	for _, g := range all {
		if _, lives := w.grants.ByID(g.ID); lives {
			t.Errorf("%s lives on", g.ID)
		}
	}
}

// What a thief of a password had connected ends with the sign-in that its owner
// says was not theirs.
func TestWhatAThiefConnectedEndsWithTheirSignIn(t *testing.T) {
	w := newWorld(t)
	thief, owner := w.browser(t), w.browser(t)
	thief.from = "198.51.100.66"
	owner.signIn("leela", right)
	owner.get(w.asks(t))
	kept := w.redeemed(t, client.Thunderbird, owner.post("/connect/allow").to(t), back)
	thief.signIn("leela", right)
	taken := w.redeemed(t, client.Thunderbird, thief.send("GET", w.asks(t, beforeTheSignIn), nil, nil).to(t), back)
	owner.get("/signins")
	events, _, err := w.store.Events(t.Context(), store.EventFilter{User: leela}, store.Cursor{}, 10)
	must(t, err)
	for _, e := range events {
		if e.Facts.Protocol == protocol.Portal && e.Facts.Addr.String() == thief.from {
			owner.submit("/signins/not-me", "reference", string(e.ID.Reference())).contains(t, "It is closed")
		}
	}
	if _, lives := w.grants.ByID(taken.ID); lives {
		t.Error("the thief's program is connected")
	}
	if _, lives := w.grants.ByID(kept.ID); !lives {
		t.Error("the owner's program is not")
	}
}
