package web

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// secure sets the headers every page has.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// Limits on how fast one source may read: nobody needs more than this, and
// references cannot be tried in numbers.
const (
	burst       = 60          // requests at once
	refill      = time.Second // one more request per this
	maxSources  = 10000       // remembered; the table is emptied when it is full
	ipv6PerSite = 64          // bits of an IPv6 address that one source is counted by
)

// limiter is a token bucket per source, in a bounded table.
type limiter struct {
	mu      sync.Mutex
	sources map[netip.Prefix]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func limit(next http.Handler) http.Handler {
	l := &limiter{sources: map[netip.Prefix]bucket{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.allow(r.RemoteAddr, time.Now()) {
			w.Header().Set("Retry-After", "10")
			http.Error(w, "Too many requests; try again in a few seconds.", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (l *limiter) allow(remote string, now time.Time) bool {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	addr := ap.Addr().Unmap()
	bits := addr.BitLen()
	if addr.Is6() {
		bits = ipv6PerSite
	}
	source, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return false
	}
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
