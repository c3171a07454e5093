package test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// Who is cut off loses everything at once, and it is printed, each with its time.
func TestALeaverIsCutOff(t *testing.T) {
	t.Parallel()
	s := shared()
	mary, sales := s.sharedMailbox(t)
	token := s.use(s.issuer.token(t, mary))
	apppw := strings.TrimSpace(lastLine(s.do(t, "apppw", "new", mary, "--name", "Printer", "--protocol", "imap")))
	s.use(apppw)
	idle := []*idler{s.idle(t, mary), s.idle(t, mary+`\`+sales)}
	k := s.mustKnock(t, "imap", netip.Addr{})
	if answer, _, err := k.signIn(mary, apppw); err != nil || !in(answer) {
		t.Fatalf("with the app password: %q, %v", answer, err)
	}
	out := s.do(t, "user", "cut", mary)
	for _, want := range []string{"disabled", "grant", "appPassword", "Printer", "delegation", sales, "session", "imap from 127."} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not printed:\n%s", want, out)
		}
	}
	for l := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT`).MatchString(l) {
			t.Errorf("printed without its time: %q", l)
		}
	}
	if n := strings.Count(out, "closed imap"); n != 3 {
		t.Errorf("%d sessions are printed:\n%s", n, out)
	}
	for _, i := range idle {
		i.until("closed", 20*time.Second)
	}
	for what, show := range map[string]func(*knock) (string, error){
		"password":     func(k *knock) (string, error) { a, _, err := k.signIn(mary, password); return a, err },
		"app password": func(k *knock) (string, error) { a, _, err := k.signIn(mary, apppw); return a, err },
		"token":        func(k *knock) (string, error) { return k.bearing(mary, token) },
		"delegate":     func(k *knock) (string, error) { return k.as(mary, sales) },
	} {
		k := s.mustKnock(t, "imap", netip.Addr{})
		if answer, err := show(k); err != nil || in(answer) {
			t.Errorf("by %s: %q, %v", what, answer, err)
		}
	}
	if again := s.do(t, "user", "cut", mary); strings.Contains(again, "session") || strings.Contains(again, "appPassword") {
		t.Errorf("cut again:\n%s", again)
	}
	// Enabled again, the password is good; what was taken stays away.
	s.do(t, "user", "enable", mary)
	for what, c := range map[string]struct {
		secret string
		good   bool
	}{"password": {password, true}, "app password": {apppw, false}} {
		k := s.mustKnock(t, "imap", netip.Addr{})
		if answer, _, err := k.signIn(mary, c.secret); err != nil || in(answer) != c.good {
			t.Errorf("enabled again, by %s: %q, %v", what, answer, err)
		}
	}
	k = s.mustKnock(t, "imap", netip.Addr{})
	if answer, err := k.bearing(mary, token); err != nil || in(answer) {
		t.Errorf("enabled again, by the old token: %q, %v", answer, err)
	}
	s.audited(t, "cut", "person", mary)
}

// audited fails unless a row of the audit has all the words.
func (d *door) audited(t *testing.T, words ...string) {
	t.Helper()
	audit := d.do(t, "audit", "list", "--limit", "0")
	for row := range strings.SplitSeq(audit, "\n") {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(row, w) }) {
			return
		}
	}
	t.Errorf("no row has %q:\n%s", words, audit)
}

// Cut off, or disabled, somebody is thrown out of the portal too, and does not
// come in again.
func TestALeaverIsThrownOutOfThePortal(t *testing.T) {
	t.Parallel()
	mary, anna := mailtest.Person, mailtest.Another
	s := startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "200ms", People: map[string]string{mary: password, anna: password}, Door: doorOptions{Portal: true}})
	for person, cut := range map[string]string{mary: "cut", anna: "disable"} {
		s.do(t, "user", "add", person)
		b := s.portal(t)
		if page := b.signIn(person); !strings.Contains(page, "/signout") {
			t.Fatalf("%s is not signed in:\n%s", person, page)
		}
		out := s.do(t, "user", cut, person)
		if cut == "cut" && !strings.Contains(out, "closed portal") {
			t.Errorf("the portal's session is not printed:\n%s", out)
		}
		if page := b.get("/"); !strings.Contains(page, `action="/signin"`) {
			t.Errorf("after user %s:\n%s", cut, page)
		}
		if page := b.signIn(person); strings.Contains(page, "/signout") {
			t.Errorf("signed in again after user %s:\n%s", cut, page)
		}
	}
}

// portalBrowser is a browser that knows forms and cookies.
type portalBrowser struct {
	t    *testing.T
	http *http.Client
	root string
}

func (s *site) portal(t *testing.T) *portalBrowser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	c := &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: s.tls()}, Timeout: time.Minute}
	t.Cleanup(c.CloseIdleConnections)
	return &portalBrowser{t, c, "https://localhost:" + portOf(s.Public)}
}

func (b *portalBrowser) get(path string) string {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.root+path, nil)
	check(b.t, err)
	return b.send(req)
}

func (b *portalBrowser) send(req *http.Request) string {
	b.t.Helper()
	resp, err := b.http.Do(req)
	check(b.t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	check(b.t, err)
	return string(page)
}

func (b *portalBrowser) signIn(person string) string {
	b.t.Helper()
	page := b.get("/signin")
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(page)
	if token == nil {
		b.t.Fatalf("no form:\n%s", page)
	}
	form := url.Values{"token": {token[1]}, "address": {person}, "password": {password}}
	req, err := http.NewRequest(http.MethodPost, b.root+"/signin", strings.NewReader(form.Encode()))
	check(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.root)
	return b.send(req)
}

func lastLine(s string) string { return tail(s, 1) }
