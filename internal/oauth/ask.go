package oauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/web"
)

// Bounds of a request.
const (
	maxBody  = 64 << 10 // bytes
	maxAgent = 300      // bytes that are kept of a program's name for itself
	// slowAnswer is how long an answer may take, the database and the wait of
	// wrong ones included.
	slowAnswer = 30 * time.Second
	// readAnew is how long anybody may keep what is public: keys are published
	// longer than this before they sign.
	readAnew = "public, max-age=300"
)

// content of answers to programs: nothing may be loaded, nobody may frame them.
const content = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type attemptKey struct{}

// knock is the attempt that a request is, for the grants.
func knock(ctx context.Context) signin.Attempt {
	a, _ := ctx.Value(attemptKey{}).(signin.Attempt)
	return a
}

// around bounds an endpoint and says to whom it answers.
func (s *Server) around(ro route) http.Handler {
	return web.Headers(content, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Referrer-Policy", "no-referrer")
		if ro.public {
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			h.Set("Cache-Control", readAnew)
		} else {
			h.Set("Cache-Control", "no-store")
			h.Set("Pragma", "no-cache")
		}
		if !slices.Contains(ro.methods, r.Method) {
			h.Set("Allow", strings.Join(ro.methods, ", "))
			tell(w, http.StatusMethodNotAllowed, "invalid_request", "This endpoint takes "+strings.Join(ro.methods, " or ")+".")
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(slowAnswer))
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if text := read(r, ro); text != "" {
			tell(w, http.StatusBadRequest, "invalid_request", text)
			return
		}
		a := s.attempt(r)
		if ro.free && ro.form && !s.slow.admit(a.Client.Addr()) && !s.holds(r) {
			h.Set("Retry-After", "1")
			tell(w, http.StatusTooManyRequests, "slow_down", "Too many wrong requests come from here.")
			return
		}
		ro.do.ServeHTTP(&worded{ResponseWriter: w}, r.WithContext(context.WithValue(r.Context(), attemptKey{}, a)))
	}))
}

// holds says that a request shows something right: a program's secret, or a code or
// a token that lives. Whoever has one is heard, whatever is guessed behind the same
// address. Finding that out writes nothing and waits for nobody.
func (s *Server) holds(r *http.Request) bool {
	if s.authenticates(r) {
		return true
	}
	form := r.PostForm
	switch form.Get("grant_type") {
	case client.GrantCode:
		return s.Grants.Waits(r.Context(), form.Get("code"))
	case client.GrantDevice:
		return s.Grants.Waits(r.Context(), form.Get("device_code"))
	}
	text, _ := bearer(r)
	if r.URL.Path != pathUserinfo { // a good token in the header is none in the body
		text = cmp.Or(form.Get("refresh_token"), form.Get("token"))
	}
	if text == "" {
		return false
	}
	_, err := s.shown(r.Context(), text)
	return err == nil
}

// authenticates says that a request shows a confidential program's secret.
func (s *Server) authenticates(r *http.Request) bool {
	id, shown := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		var err1, err2 error
		id, err1 = url.QueryUnescape(user) // RFC 6749, section 2.3.1
		shown, err2 = url.QueryUnescape(password)
		if err1 != nil || err2 != nil {
			return false
		}
	}
	return s.Clients.Authenticate(id, shown)
}

// read reads a request's parameters. Where they stand in the body, what stands
// in the address is refused: addresses are written to logs.
func read(r *http.Request, ro route) (fault string) {
	if err := r.ParseForm(); err != nil {
		return "The parameters cannot be read."
	}
	if !ro.form {
		return ""
	}
	if r.URL.RawQuery != "" {
		return "Parameters belong in the body and not in the address."
	}
	if name := repeated(r.Form); name != "" {
		return "A parameter stands there more than once."
	}
	return ""
}

// repeated names a parameter that stands there more than once (RFC 6749, section
// 3.1); resource alone may (RFC 8707).
func repeated(form url.Values) string {
	for name, values := range form {
		if len(values) > 1 && name != "resource" {
			return name
		}
	}
	return ""
}

// attempt is a request as a knock at the gate.
func (s *Server) attempt(r *http.Request) signin.Attempt {
	agent := r.UserAgent()
	var chance [10]byte
	_, _ = rand.Read(chance[:]) // never fails on the systems we run on
	now := time.Now()
	from := source(r)
	a := signin.Attempt{At: now, Correlation: signin.NewID(now.UnixMilli(), chance), Protocol: protocol.Portal, Listener: s.Listener, Client: from, Peer: from,
		Hints: signin.Hints{UserAgent: agent[:min(len(agent), maxAgent)]}}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		a.Local, _ = netip.ParseAddrPort(local.String())
	}
	if t := r.TLS; t != nil {
		a.TLS = signin.TLS{Version: t.Version, Cipher: t.CipherSuite, ServerName: t.ServerName, Resumed: t.DidResume}
	} else if s.secure {
		a.TLS.Version = tls.VersionTLS12 // spoken by the proxy in front of us; it is at least that
	}
	return a
}

// source is the address that a request comes from.
func source(r *http.Request) netip.AddrPort {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// worded adds what the library leaves out of its answers: how to authenticate,
// and when to come again.
type worded struct{ http.ResponseWriter }

// WriteHeader adds them.
func (w *worded) WriteHeader(status int) {
	h := w.Header()
	switch status {
	case http.StatusUnauthorized:
		if h.Get("WWW-Authenticate") == "" {
			h.Set("WWW-Authenticate", `Basic realm="oauth", charset="UTF-8"`)
		}
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "30")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController what it sets deadlines of.
func (w *worded) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// tell answers with an error in OAuth's form.
func tell(w http.ResponseWriter, status int, code, description string) {
	send(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{code, printable(description)})
}

func send(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// printable leaves of a text what an error_description may hold (RFC 6749,
// section 5.2).
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s)
}
