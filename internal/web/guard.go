package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
)

// Policies of content. A page may load our style and nothing else; one that
// asks for a passkey our script too, and one that shows a picture made for it
// the picture.
const (
	contentNone    = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	contentForms   = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
	transportHSTS  = "max-age=31536000"
	permissionsOff = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)"
)

// Away are the headers of a page that leads to an address elsewhere: what stands
// in our own is told to nobody there.
func Away(h http.Header) { h.Set("Referrer-Policy", "no-referrer") }

// AwayByForm are those of a page with one form that leads elsewhere; target is
// FormTarget's.
func AwayByForm(h http.Header, target string) {
	Away(h)
	h.Set("Content-Security-Policy", strings.Replace(contentForms, "form-action 'self'", "form-action "+target, 1))
}

// FormTarget is where a form may go that is sent to a web address, as a policy of
// content names it; false for what it cannot name.
func FormTarget(address string) (target string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", false
	}
	if strings.HasPrefix(u.Host, "[") { // such a host cannot be named there
		return u.Scheme + ":", true
	}
	odd := strings.ContainsFunc(u.Host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == ':')
	})
	return u.Scheme + "://" + u.Host, !odd
}

// Bounded puts the headers that every page has, and the bounds on how fast one
// source may read, around pages without forms.
func Bounded(next http.Handler) http.Handler {
	return NewLimiter().Limit(Headers(contentNone, next), nil)
}

// WithForms are the headers of pages that have forms.
func WithForms(next http.Handler) http.Handler { return Headers(contentForms, next) }

// Headers sets the headers every page has.
func Headers(content string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", content)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", permissionsOff)
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", transportHSTS)
		}
		next.ServeHTTP(w, r)
	})
}

// Limits on how fast one source may read, in which a reference of 60 bits cannot be
// tried in numbers. A sign-in takes about four pages, and behind one address there
// may be an office on its first morning: 75 people at once, and then 37 a minute.
const (
	burst      = 300                    // requests at once
	refill     = 400 * time.Millisecond // one more request per this
	maxSources = 10000                  // remembered; the table is emptied when it is full
)

// Limiter is a token bucket per source, in a bounded table.
type Limiter struct {
	mu      sync.Mutex
	sources map[netip.Prefix]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// NewLimiter makes a limiter.
func NewLimiter() *Limiter { return &Limiter{sources: map[netip.Prefix]bucket{}} }

// Limit refuses sources that ask too fast, but for requests that free says are
// bounded otherwise; it may be nil.
func (l *Limiter) Limit(next http.Handler, free func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (free == nil || !free(r)) && !l.allow(r.RemoteAddr, time.Now()) {
			w.Header().Set("Retry-After", "10")
			http.Error(w, "Too many requests; try again in a few seconds.", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (l *Limiter) allow(remote string, now time.Time) bool {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	source := network.Host(ap.Addr())
	l.mu.Lock()
	defer l.mu.Unlock()
	b, seen := l.sources[source]
	if !seen {
		if len(l.sources) >= maxSources {
			clear(l.sources)
		}
		b = bucket{left: burst, at: now}
	}
	b.left = min(burst, b.left+now.Sub(b.at).Seconds()/refill.Seconds())
	b.at = now
	allowed := b.left >= 1
	if allowed {
		b.left--
	}
	l.sources[source] = b
	return allowed
}
