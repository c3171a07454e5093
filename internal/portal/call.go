package portal

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"embed"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

//go:embed pages
var files embed.FS

// call is one request and what is known of who sends it.
type call struct {
	*Portal
	w     http.ResponseWriter
	r     *http.Request
	page  web.Page
	visit *visit   // nil if nobody is signed in
	wait  *waiting // nil if no sign-in is under way
	fresh bool     // a provider has just asked for a new proof
	now   time.Time
	read  time.Time // when the form was read whole, from when on a refusal's time counts
}

// access is who may use a route.
type access uint8

const (
	anybody  access = iota // signed in or not
	halfway                // with a sign-in under way
	people                 // signed in
	recently               // and confirmed within the last minutes, by a second factor if they have one
)

// Bounds of a request.
const (
	maxForm = 64 << 10 // bytes; a passkey's answer takes 2 KB
	// slowAnswer is how long an answer may take: the floor of refusals, or a slow
	// directory or mail server that is asked for a password.
	slowAnswer = time.Minute
)

// handle registers a route. Everything that changes something is a POST, and
// every POST has a token of ours and comes from a page of ours.
func (p *Portal) handle(pattern string, who access, do func(*call)) {
	p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c := p.begin(w, r)
		if r.Method == http.MethodPost && !c.ours() {
			c.problem(http.StatusForbidden, "stale")
			return
		}
		switch {
		case who >= people && c.visit == nil:
			c.toSignIn()
		case who == halfway && c.wait == nil:
			c.redirect("/signin")
		case who == recently && !c.recent():
			c.toConfirm()
		default:
			do(c)
		}
	})
}

// begin looks at who sends a request.
func (p *Portal) begin(w http.ResponseWriter, r *http.Request) *call {
	c := &call{Portal: p, w: w, r: r, now: time.Now()}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	_ = http.NewResponseController(w).SetWriteDeadline(c.now.Add(slowAnswer))
	c.page = p.Public.Page(r)
	if r.Method == http.MethodPost {
		c.page.Path = readable(r.URL.Path)
	}
	c.visit = p.visits.find(p.cookies.Get(r, sessionCookie), c.now)
	c.wait = p.pending.find(p.cookies.Get(r, pendingCookie), c.now)
	if v := c.visit; v != nil {
		c.page.Who = v.address()
	}
	c.page.Token = p.forms.Token(c.tied())
	return c
}

// tied is what this browser's forms are tied to.
func (c *call) tied() string {
	switch {
	case c.visit != nil:
		return c.visit.form
	case c.wait != nil:
		return c.wait.form
	}
	if id := c.cookies.Get(c.r, formCookie); web.IDForm(id) {
		return "form:" + id
	}
	return ""
}

// tie gives a browser that nobody is signed in at something to tie forms to.
func (c *call) tie() {
	if c.tied() != "" {
		return
	}
	id := web.NewID()
	c.cookies.Set(c.w, formCookie, id, 0)
	c.page.Token = c.forms.Token("form:" + id)
}

// ours says that a form is one of ours, sent from one of our pages.
func (c *call) ours() bool {
	if !web.OwnOrigin(c.r, c.origin) || c.r.ParseForm() != nil {
		return false
	}
	c.read = time.Now()
	return c.forms.Valid(c.tied(), c.r.PostForm.Get("token"))
}

// value is what a form says.
func (c *call) value(name string) string { return c.r.PostFormValue(name) }

// freshFor is how long a confirmation lets people make changes.
const freshFor = 15 * time.Minute

// recent says that the person confirmed lately that it is them.
func (c *call) recent() bool {
	c.visit.mu.Lock()
	defer c.visit.mu.Unlock()
	at := c.visit.proven
	if c.Factors.Has(c.visit.person()) {
		at = c.visit.factor
	}
	return !at.IsZero() && c.now.Sub(at) <= freshFor
}

// twoFactors says that a second factor was shown in this session.
func (c *call) twoFactors() bool {
	c.visit.mu.Lock()
	defer c.visit.mu.Unlock()
	return !c.visit.factor.IsZero()
}

// actor is who makes a change here.
func (c *call) actor() store.Actor { return store.Actor{UID: -1, Name: c.visit.address()} }

// ctx says in whose session something is done: where that was taken back a
// moment ago, nothing is (store.WithSession).
func (c *call) ctx() context.Context {
	var o *signin.Outcome
	switch {
	case c.visit != nil:
		o = &c.visit.outcome
	case c.wait != nil:
		o = &c.wait.outcome
	default:
		return c.r.Context()
	}
	shown := o.Attempt.At
	if !o.Since.IsZero() {
		shown = o.Since
	}
	return store.WithSession(c.r.Context(), o.Facts.Person, shown)
}

// from is the address that a request comes from.
func (c *call) from() netip.AddrPort {
	a, err := netip.ParseAddrPort(c.r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// maxAgent bounds what is kept of a browser's name, in bytes.
const maxAgent = 300

// attempt is a request as a knock at the gate.
func (c *call) attempt() signin.Attempt {
	agent := c.r.UserAgent()
	var chance [10]byte
	_, _ = rand.Read(chance[:]) // never fails on the systems we run on
	now := c.read
	if now.IsZero() {
		now = time.Now()
	}
	a := signin.Attempt{At: now, Correlation: signin.NewID(now.UnixMilli(), chance), Protocol: protocol.Portal, Listener: c.Listener, Client: c.from(), Peer: c.from(),
		Hints: signin.Hints{UserAgent: agent[:min(len(agent), maxAgent)]}}
	if local, ok := c.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		a.Local, _ = netip.ParseAddrPort(local.String())
	}
	if t := c.r.TLS; t != nil {
		a.TLS = signin.TLS{Version: t.Version, Cipher: t.CipherSuite, ServerName: t.ServerName, Resumed: t.DidResume}
	} else if c.cookies.Secure {
		a.TLS.Version = tls.VersionTLS12 // spoken by the proxy in front of us; it is at least that
	}
	return a
}

// facts are what is known of who is signed in, as of now.
func (c *call) facts() policy.Facts {
	f := c.visit.outcome.Facts
	f.At, f.Addr = c.now, c.from().Addr()
	return f
}

// show writes a page.
func (c *call) show(status int, name string, data any) {
	if err := c.pages.Render(c.w, status, name, data); err != nil {
		c.Fault.Error("cannot show a page", "page", name, "err", err)
	}
}

// redirect sends the browser on after a form, so that reloading repeats nothing.
func (c *call) redirect(path string) {
	c.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(c.w, c.r, path, http.StatusSeeOther)
}

// done says on the next page what was just done.
func (c *call) done(path, key string, args ...any) {
	c.visit.mu.Lock()
	c.visit.flash = c.page.T(key, args...)
	c.visit.mu.Unlock()
	c.redirect(path)
}

// framed is the page's frame under an entry of the menu, with what was just done.
func (c *call) framed(current string) web.Page {
	p := c.page
	p.Current = current
	if v := c.visit; v != nil {
		v.mu.Lock()
		p.Flash, v.flash = v.flash, ""
		v.mu.Unlock()
	}
	return p
}

// problem is a page that says what went wrong.
func (c *call) problem(status int, key string) {
	c.show(status, "problem", problemPage{Page: c.framed(""), Title: c.page.T("problem." + key + ".title"), Text: c.page.T("problem." + key + ".text")})
}

type problemPage struct {
	web.Page
	Title, Text string
	Detail      string // in English, for whoever looks after the program; may be empty
}

// Problem is a page that says what is wrong with what a program sent somebody here
// with, or with status 403 that the program is not allowed.
func (p *Portal) Problem(w http.ResponseWriter, r *http.Request, status int, detail string) {
	p.elsewhere(w, r, func(c *call) {
		if status == http.StatusForbidden {
			c.problem(status, "program")
			return
		}
		c.show(status, "problem", problemPage{Page: c.framed(""), Title: c.page.T("problem.request.title"), Text: c.page.T("problem.request.text"), Detail: detail})
	})
}

// NotSignedOut is a page that says what is wrong with what a program sent somebody
// here with to sign out.
func (p *Portal) NotSignedOut(w http.ResponseWriter, r *http.Request, detail string) {
	p.elsewhere(w, r, func(c *call) {
		c.show(http.StatusBadRequest, "problem", problemPage{Page: c.framed(""), Title: c.page.T("problem.signout.title"), Text: c.page.T("problem.signout.text"), Detail: detail})
	})
}

// elsewhere shows a page at an address that is not the portal's.
func (p *Portal) elsewhere(w http.ResponseWriter, r *http.Request, show func(*call)) {
	web.WithForms(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := p.begin(w, r)
		if c.page.Path = "/"; r.Method == http.MethodGet {
			c.page.Path = r.URL.RequestURI()
		}
		show(c)
	})).ServeHTTP(w, r)
}

// trouble is our own: it is told to the operator, and to the person as such.
func (c *call) trouble(what string, err error) {
	if errors.Is(err, store.ErrTakenBack) { // this session is about to end
		if c.visit != nil {
			c.visits.end(c.visit, signin.SessionPolicyChanged, "a grant was revoked")
			c.visit = nil
		}
		c.forget()
		c.redirect("/signin")
		return
	}
	c.Fault.Error("the portal cannot do what was asked", "what", what, "user", c.page.Who, "err", err)
	c.problem(http.StatusServiceUnavailable, "trouble")
}

// refused is the code of a refusal, 0 if it is none but trouble of ours.
func refused(err error) signin.Code {
	var r *signin.Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return signin.OK
}

func (c *call) toSignIn() {
	next := "/"
	if c.r.Method == http.MethodGet {
		next = c.r.URL.RequestURI()
	}
	c.redirect(withNext("/signin", next))
}

func (c *call) toConfirm() {
	next := c.r.URL.Path
	if c.r.Method == http.MethodPost {
		next = parent(next)
	}
	c.redirect(withNext("/confirm", next))
}
