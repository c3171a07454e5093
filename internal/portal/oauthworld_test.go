package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/store"
)

// issuer is the issuer's side of signing out.
type issuer struct{ ended chan string }

func (i *issuer) SessionEnded(id string) { i.ended <- id }

func (i *issuer) AfterSignOut(sealed string) (string, bool) {
	return "https://rp.example/bye?state=1", sealed == "sealed-by-the-issuer"
}

const (
	back     = "http://127.0.0.1:49152/"
	verifier = "0123456789012345678901234567890123456789012"
)

func scopes(t testing.TB, text string) scope.Set {
	t.Helper()
	s, err := scope.Parse(text)
	must(t, err)
	return s
}

// asks is a request of Thunderbird's, changed by what is given, as its browser brings it.
func (w *world) asks(t testing.TB, change ...func(*grant.Request)) string {
	t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	q := grant.Request{Client: client.Thunderbird, ClientName: "Thunderbird", Redirect: back, State: "st&te<1>", Nonce: "n", Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
		Scope: scopes(t, "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access"), At: time.Now()}
	for _, c := range change {
		c(&q)
	}
	sealed, err := w.grants.Seal(q)
	must(t, err)
	path := "/connect?request=" + sealed
	if time.Since(q.At) >= time.Minute { // beforeTheSignIn
		w.sought(path)
	}
	return path
}

// sought is that whoever is signed in signed in for a request.
func (w *world) sought(path string) {
	w.visits.mu.Lock()
	defer w.visits.mu.Unlock()
	for _, v := range w.visits.all {
		v.mu.Lock()
		v.sought = sha256.Sum256([]byte(strings.TrimPrefix(path, "/connect?request=")))
		v.mu.Unlock()
	}
}

// beforeTheSignIn is a request that somebody has signed in for since.
func beforeTheSignIn(q *grant.Request) { q.At = q.At.Add(-time.Minute) }

func prompt(p ...string) func(*grant.Request) { return func(q *grant.Request) { q.Prompt = p } }

// program is a client that registered itself.
func (w *world) program(t testing.TB, name string) client.Client {
	t.Helper()
	p, err := w.clients.Register(t.Context(), netip.MustParseAddr("203.0.113.5"), client.Metadata{Name: name, Redirects: []string{"http://127.0.0.1/cb", "com.example.mail:/cb"}})
	must(t, err)
	return p
}

// party is a client that an administrator made for a site.
func (w *world) party(t testing.TB, name string) client.Client {
	t.Helper()
	p, _, err := w.clients.Add(t.Context(), store.System, "", client.New{Name: name, Redirects: []string{"https://rp.example:8443/cb"}, Confidential: true})
	must(t, err)
	return p
}

// to is where a page leads by itself, or a redirect.
func (a *answer) to(t testing.TB) *url.URL {
	t.Helper()
	where := a.header.Get("Location")
	if a.status == http.StatusOK {
		where = html.UnescapeString(between(a.body, `content="0;url=`, `"`))
		if link := html.UnescapeString(between(a.body, `<a class="button" href="`, `"`)); link != where {
			t.Errorf("the link leads to %q, the page to %q", link, where)
		}
	}
	u, err := url.Parse(where)
	if err != nil || u.Scheme == "" {
		t.Fatalf("%s (%d) leads to %q: %v\n%s", a.path, a.status, where, err, a.body)
	}
	if h := a.header; h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("it leads on under %v", h)
	}
	return u
}

// redeemed is the grant that a code at the end of the way opens.
func (w *world) redeemed(t testing.TB, clientID string, u *url.URL, redirect string) grant.Grant {
	t.Helper()
	v := u.Query()
	if v.Get("error") != "" || v.Get("iss") != site || v.Get("state") != "st&te<1>" {
		t.Fatalf("the answer is %v", v)
	}
	g, err := w.grants.Redeem(t.Context(), v.Get("code"), clientID, redirect, verifier, nil)
	must(t, err)
	return g
}

// mailNeedsTwo asks for a second factor at the doors to mail and not at the portal's.
var mailNeedsTwo = policy.Policy{ID: "two", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlMFA},
	Conditions: policy.Conditions{Users: everybody, Applications: &policy.Applications{Include: []string{protocol.IMAP.AppID(), protocol.Submission.AppID()}}}}

func forbid(w *world, t testing.TB, id string) error {
	_, _, err := w.clients.Forbid(t.Context(), store.System, "", id)
	return err
}
