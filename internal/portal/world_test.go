package portal

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/eventlog"
	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/gate/gatetest"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	ownkeys "github.com/portreeve/portreeve/internal/token"
	"github.com/portreeve/portreeve/internal/web"
)

const (
	site     = "https://mail.example.org"
	rpID     = "mail.example.org"
	leela    = "11111111-0000-4000-8000-000000000001"
	fry      = "11111111-0000-4000-8000-000000000002"
	right    = "correct horse"
	floor    = 20 * time.Millisecond
	homeAddr = "192.0.2.7"
)

// world is a portal with all its real parts, over a database of its own.
type world struct {
	*Portal
	store     *store.Store
	people    *directory.Local
	factors   *factor.Service
	passwords *apppassword.Service
	approvals *approval.Service
	sessions  *session.Registry
	gate      *gate.Gate
	events    *eventlog.Log
	grants    *grant.Service
	clients   *client.Registry
	issuer    *issuer
	version   uint64
	handler   http.Handler
	faults    *gatetest.Log
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{sessions: &session.Registry{}, version: 1, faults: &gatetest.Log{}}
	dir := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	var err error
	w.store, err = store.Open(ctx, store.Options{Dir: dir})
	must(t, err)
	must(t, w.store.Change(ctx, store.System, "", func(tx *store.Tx) error {
		return errors.Join(
			tx.AddPerson(&store.Person{ID: leela, Address: "leela@example.org", DisplayName: `Leela <script>alert("x")</script>`, SecretKind: store.SecretArgon2id, Hash: store.Hash(secret.Hash([]byte(right)))}),
			tx.AddPerson(&store.Person{ID: fry, Address: "fry@example.org", SecretKind: store.SecretArgon2id, Hash: store.Hash(secret.Hash([]byte(right)))}))
	}))
	logger := slog.New(slog.NewTextHandler(w.faults, nil))
	w.events, err = eventlog.Open(ctx, eventlog.Options{Store: w.store, Dir: dir, JournalSize: 1 << 20, Logger: logger})
	must(t, err)
	var running sync.WaitGroup
	running.Go(func() { _ = w.events.Run(ctx) })
	pool := secret.NewPool(0)
	w.people, err = directory.NewLocal(ctx, w.store, pool)
	must(t, err)
	box := secret.NewBox()
	w.factors, err = factor.New(ctx, factor.Options{Store: w.store, Box: box, Print: box.Prints("factors"), Name: "Example", RPID: rpID, Origins: []string{site}, Everything: authn.Everything})
	must(t, err)
	w.passwords, err = apppassword.New(ctx, apppassword.Options{Store: w.store, Prints: box.Prints("app passwords"), Factors: w.factors})
	must(t, err)
	w.approvals, err = approval.New(ctx, approval.Options{Store: w.store, Known: w.events.KnownNetwork, Log: logger})
	must(t, err)
	n := gatetest.Names{Rules: name.Rules{DefaultDomain: "example.org"}}
	v := authn.New(authn.Options{Names: n, Vouchers: n, Directory: w.people, Networks: w.events, Pool: pool, AppPasswords: w.passwords, Factors: w.factors})
	keys, err := ownkeys.OpenKeyring(ownkeys.KeyringOptions{Path: dir + "/keyring"}, box)
	must(t, err)
	w.grants, err = grant.Open(ctx, grant.Options{Store: w.store, Box: box, Keys: keys, Issuer: site})
	must(t, err)
	w.clients, err = client.Open(ctx, client.Options{Store: w.store, Box: box, Issuer: site, Registration: client.AnyProgram})
	must(t, err)
	w.issuer = &issuer{ended: make(chan string, 100)}
	snap, _ := policy.Compile(policy.Source{Version: w.version})
	prints := secret.NewPrints()
	w.gate = gate.New(gate.Options{Names: n, People: w.people, Guard: lockout.New(lockout.Options{}), Fingerprint: func(b []byte) secret.Print { return prints.Of(b) },
		Verifier: v, Log: w.events, Words: gate.Words{DefaultFloor: floor}, Outdated: w.sessions.Outdated, Windows: w.approvals, AppPassword: apppassword.Form, Enrolled: w.factors.Has}, snap)
	w.sessions.Install(snap)
	w.open(t, logger)
	running.Go(func() { _ = w.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait(); w.grants.Close(); _ = w.events.Close(); _ = w.store.Close() })
	return w
}

// open makes the portal.
func (w *world) open(t testing.TB, logger *slog.Logger) {
	public, err := web.New(web.Options{Name: "Planet Express", Find: func(ctx context.Context, r signin.Reference) (web.Refused, bool) {
		e, err := w.store.EventByReference(ctx, r)
		return web.Refused{Program: e.Facts.Program, Protocol: e.Facts.Protocol.Row().Label}, err == nil
	}})
	must(t, err)
	u, err := url.Parse(site)
	must(t, err)
	w.Portal, err = New(Options{URL: u, Listener: "public", Public: public, Gate: w.gate, Sessions: w.sessions, Journal: w.events, Log: w.store, People: w.store,
		Factors: w.factors, AppPasswords: w.passwords, Approvals: w.approvals, Fault: logger,
		OAuth: &OAuth{Grants: w.grants, Clients: w.clients, Issuer: w.issuer},
		MayEnrol: func(ctx context.Context, f policy.Facts) error {
			e, err := w.factors.Seen(ctx, f.Person, f.Addr)
			if err != nil {
				return err
			}
			return w.factors.MayEnrol(f, e)
		},
		Revoke: func(ctx context.Context, who store.Actor, person, grant string) error {
			return w.store.Change(ctx, who, "", func(tx *store.Tx) error { return tx.Revoke(store.Revocation{Grant: grant, Person: person}) })
		},
		Mail: apppassword.MailServers{Name: "Planet Express", IMAP: apppassword.Server{Host: rpID, Port: 993}, Submission: apppassword.Server{Host: rpID, Port: 587, STARTTLS: true}}})
	must(t, err)
	w.handler = w.Handler()
}

// policies puts rules in force, and has every session judged again.
func (w *world) policies(p ...policy.Policy) {
	w.version++
	snap, _ := policy.Compile(policy.Source{Version: w.version, Policies: p})
	w.gate.SetPolicy(snap)
	w.sessions.Recheck(snap, time.Now(), 0, nil)
}

// browser is one person's browser.
type browser struct {
	t     testing.TB
	w     *world
	jar   *cookiejar.Jar
	from  string
	agent string
	lang  string
	page  *answer
}

func (w *world) browser(t testing.TB) *browser {
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &browser{t: t, w: w, jar: jar, from: homeAddr, agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36"}
}

// answer is a page as it came.
type answer struct {
	status int
	header http.Header
	body   string
	path   string
	forms  []form
}

type form struct {
	action, method string
	fields         url.Values
	options        string
}

func (b *browser) send(method, path string, values url.Values, change func(*http.Request)) *answer {
	b.t.Helper()
	var body io.Reader
	if values != nil {
		body = strings.NewReader(values.Encode())
	}
	r := httptest.NewRequest(method, site+path, body)
	r.Header.Set("User-Agent", b.agent)
	if b.lang != "" {
		r.Header.Set("Accept-Language", b.lang)
	}
	if values != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", site)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(b.from), 4711).String()
	u, _ := url.Parse(site)
	for _, c := range b.jar.Cookies(u) {
		r.AddCookie(c)
	}
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	b.w.handler.ServeHTTP(rec, r)
	res := rec.Result()
	b.jar.SetCookies(u, res.Cookies())
	a := &answer{status: res.StatusCode, header: res.Header, body: rec.Body.String(), path: path}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		a.forms = formsOf(b.t, a.body)
	}
	b.page = a
	return a
}

// follow goes where redirects lead.
func (b *browser) follow(a *answer) *answer {
	b.t.Helper()
	for n := 0; a.status == http.StatusSeeOther; n++ {
		if n == 5 {
			b.t.Fatalf("redirected for ever, to %s", a.header.Get("Location"))
		}
		a = b.send("GET", a.header.Get("Location"), nil, nil)
	}
	return a
}

func (b *browser) get(path string) *answer {
	b.t.Helper()
	return b.follow(b.send("GET", path, nil, nil))
}

// submit fills in the form of the page at hand that leads to action.
func (b *browser) submit(action string, fill ...string) *answer {
	b.t.Helper()
	return b.follow(b.post(action, fill...))
}

// post is submit without following.
func (b *browser) post(action string, fill ...string) *answer {
	b.t.Helper()
	f := b.form(action, fill...)
	return b.send("POST", f.action, f.fields, nil)
}

// form is the form of the page at hand that leads to action and has the fields.
func (b *browser) form(action string, fill ...string) form {
	b.t.Helper()
	for _, f := range b.page.forms {
		if f.action != action || f.method != "post" {
			continue
		}
		fits := true
		values := url.Values{}
		for k, v := range f.fields {
			values[k] = v
		}
		for i := 0; i < len(fill); i += 2 {
			if _, has := values[fill[i]]; !has {
				fits = false
			}
			if fill[i] == "kind" && values.Get("kind") != fill[i+1] {
				fits = false
			}
			values.Set(fill[i], fill[i+1])
		}
		if fits {
			f.fields = values
			return f
		}
	}
	b.t.Fatalf("%s (%d) has no form to %s with %v:\n%s", b.page.path, b.page.status, action, fill, b.page.body)
	return form{}
}

func formsOf(t testing.TB, page string) (forms []form) {
	doc, err := html.Parse(strings.NewReader(page))
	must(t, err)
	var walk func(n *html.Node, f *form)
	walk = func(n *html.Node, f *form) {
		if n.Type == html.ElementNode {
			switch n.Data {
			case "form":
				forms = append(forms, form{action: attr(n, "action"), method: attr(n, "method"), fields: url.Values{}, options: attr(n, "data-options")})
				f = &forms[len(forms)-1]
			case "input", "select", "textarea":
				if f == nil {
					t.Errorf("a field outside a form: %s", attr(n, "name"))
				} else if name := attr(n, "name"); attr(n, "type") != "checkbox" || has(n, "checked") {
					f.fields.Add(name, attr(n, "value"))
				} else if _, there := f.fields[name]; !there {
					f.fields[name] = nil
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, f)
		}
	}
	walk(doc, nil)
	return forms
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// signIn signs in with a password and returns the page that follows.
func (b *browser) signIn(address, password string) *answer {
	b.t.Helper()
	b.get("/signin")
	return b.submit("/signin", "address", address, "password", password)
}

// enrolled gives a person an authenticator app, as a session opened by a pass
// would, and returns what makes its codes.
func (w *world) enrolled(t testing.TB, person string) *app {
	t.Helper()
	ctx := factor.From(t.Context(), policy.Facts{Person: person, Proven: true, Methods: policy.MethodTemporaryAccessPassMulti, AuthTime: time.Now()})
	s, err := w.factors.BeginTOTP(ctx, person, "x")
	must(t, err)
	a := &app{t: t, secret: s.Secret, at: time.Now().Add(-30 * time.Second)}
	_, err = w.factors.ConfirmTOTP(ctx, store.System, person, s.ID, "phone", a.code())
	must(t, err)
	return a
}

// app is an authenticator app. Its codes are of different steps: the one before
// this, this, the next.
type app struct {
	t      testing.TB
	secret string
	at     time.Time
}

func (a *app) code() string {
	a.t.Helper()
	code, err := totp.GenerateCode(a.secret, a.at)
	must(a.t, err)
	a.at = a.at.Add(30 * time.Second)
	return code
}

// contains says that a page has each of the texts.
func (a *answer) contains(t testing.TB, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !strings.Contains(html.UnescapeString(a.body), s) {
			t.Errorf("%s (%d) does not say %q:\n%s", a.path, a.status, s, a.body)
		}
	}
}
