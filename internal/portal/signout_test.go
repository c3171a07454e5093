package portal

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStayingSignedIn(t *testing.T) {
	w := newWorld(t)
	phone := w.enrolled(t, leela)
	b := w.browser(t)
	b.get("/signin")
	b.submit("/signin", "address", "leela", "password", right, "stay", "yes")
	a := b.post("/signin/factor", "kind", "code", "code", phone.code())
	stays := func(a *answer) bool {
		return slices.ContainsFunc(a.header.Values("Set-Cookie"), func(s string) bool {
			return strings.HasPrefix(s, "__Host-session=") && strings.Contains(s, "Max-Age=86400")
		})
	}
	if !stays(a) {
		t.Errorf("cookies %v", a.header.Values("Set-Cookie"))
	}
	id := cookieOf(b)
	now := time.Now()
	if w.visits.find(id, now.Add(23*time.Hour)) == nil {
		t.Error("ended after 23 hours")
	}
	if w.visits.find(id, now.Add(25*time.Hour)) != nil {
		t.Error("there after 25 hours")
	}
	brief := w.browser(t)
	brief.get("/signin")
	if a := brief.post("/signin", "address", "fry", "password", right); stays(a) {
		t.Error("stays without having asked")
	}
	if w.visits.find(cookieOf(brief), now.Add(2*time.Hour)) != nil {
		t.Error("there after two hours of nothing")
	}
}

func cookieOf(b *browser) string {
	u, _ := url.Parse(site)
	for _, c := range b.jar.Cookies(u) {
		if c.Name == "__Host-session" {
			return c.Value
		}
	}
	return ""
}

func TestSigningOutForAProgram(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	sid := w.visits.of(leela)[0].sid
	b.get("/signout?continue=sealed-by-the-issuer").contains(t, "Sign out here?", "Your mail programs stay connected")
	if w.sessions.Len() != 1 {
		t.Error("a link alone signs out")
	}
	for _, f := range b.page.forms {
		if f.fields.Get("continue") == "" {
			continue
		}
		if u := b.send("POST", f.action, f.fields, nil).to(t); u.String() != "https://rp.example/bye?state=1" {
			t.Errorf("to %s", u)
		}
	}
	select {
	case id := <-w.issuer.ended:
		if id != sid {
			t.Errorf("%s ended, it was %s", id, sid)
		}
	case <-time.After(10 * time.Second):
		t.Error("no program is told")
	}
	if u := b.send("GET", "/signout?continue=sealed-by-the-issuer", nil, nil).to(t); u.Host != "rp.example" {
		t.Errorf("nobody is signed in, and it leads to %s", u)
	}
	if a := b.send("GET", "/signout?continue=https://evil.example/", nil, nil); a.header.Get("Location") != "/signin?left=yes" {
		t.Errorf("what was not sealed leads to %s", a.header.Get("Location"))
	}
}
