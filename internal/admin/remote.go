package admin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/store"
)

// originRemote is how the audit says that a change came over HTTPS.
const originRemote = "https"

// retryAfter is for how many seconds an address with too many wrong tokens is
// told to wait.
const retryAfter = "60"

// stillEvery is how often a request that goes on is held to its token.
const stillEvery = 2 * time.Second

// holderKey finds in a request's context who showed a token; requests over the
// socket have none.
type holderKey struct{}

// remote serves administrators over HTTPS: the same resources as the socket's,
// for who shows a token whose scopes suffice.
type remote struct {
	*Interface
	names []string
}

// Remote is the interface over HTTPS, for requests to these host names; any if
// there is none. It must be served with TLS alone.
func (i *Interface) Remote(names []string) http.Handler {
	o := &remote{i, names}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", o.token)
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", o.discovery)
	mux.HandleFunc("GET /{tenant}/oauth2/v2.0/authorize", o.nobodySignsInHere)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { o.api.fail(w, r, notThere(r)) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		identify(w, r)
		if !o.meant(r.Host) {
			o.api.fail(w, r, &Error{Status: http.StatusMisdirectedRequest, Code: "BadRequest", Message: "this host name is none of ours"})
			return
		}
		if resourcesOf.MatchString(r.URL.Path) {
			o.known(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// resourcesOf are the paths for which a token is needed.
var resourcesOf = regexp.MustCompile(`^/(v1\.0|beta|portreeve/v1)/`)

// meant says that a request's host is one of the names.
func (o *remote) meant(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return len(o.names) == 0 || slices.ContainsFunc(o.names, func(n string) bool { return strings.EqualFold(n, host) })
}

// known lets in who shows a token; what it suffices for is each route's to say.
func (o *remote) known(w http.ResponseWriter, r *http.Request) {
	scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		shown = ""
	}
	h, err := o.api.Tokens.Known(r.Context(), strings.TrimSpace(shown), from(r))
	if err != nil {
		o.unknown(w, r, err)
		return
	}
	held, end := o.whileHeld(r.Context(), h)
	defer end()
	ctx := context.WithValue(held, peerKey{}, h.Actor())
	ctx = context.WithValue(store.WithOrigin(ctx, originRemote), holderKey{}, h)
	o.Interface.ServeHTTP(w, r.WithContext(ctx))
}

// whileHeld is a context that ends when a token is revoked or has run out, for
// what is followed for hours.
func (o *remote) whileHeld(ctx context.Context, h *admintoken.Holder) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(stillEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if !o.api.Tokens.Holds(ctx, h) {
					end()
					return
				}
			}
		}
	}()
	return ctx, end
}

// unknown answers who shows no token of ours. What they send is not waited for.
func (o *remote) unknown(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
	switch err = o.asWrong(err); {
	case errors.Is(err, admintoken.ErrThrottled):
		w.Header().Set("Retry-After", retryAfter)
		err = &Error{Status: http.StatusTooManyRequests, Code: "TooManyRequests", Message: "too many wrong tokens came from this address: it waits"}
	case errors.Is(err, admintoken.ErrWrong):
		w.Header().Set("WWW-Authenticate", `Bearer realm="Portreeve", authorization_uri="`+base(r)+`/portreeve/oauth2/v2.0/authorize"`)
		e := &Error{Status: http.StatusUnauthorized, Code: "InvalidAuthenticationToken", Message: err.Error()}
		err = e.then("`portreeve admin token new` makes one, on the server")
	}
	o.api.fail(w, r, err)
}

// asWrong is what whoever shows a token may hear: that one is right, but for another
// network, stands in our log alone.
func (o *remote) asWrong(err error) error {
	if errors.Is(err, admintoken.ErrElsewhere) {
		o.api.Log.Warn("refused an administrators' token", "why", err)
		return admintoken.ErrWrong
	}
	return err
}

// from is the address that a request comes from.
func from(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr().Unmap().WithZone("")
}

// permit refuses what the holder of a token lacks the scope for. Over the
// socket the kernel has said who asks.
func (a *api) permit(r *http.Request, pattern string) error {
	h, ok := r.Context().Value(holderKey{}).(*admintoken.Holder)
	if !ok {
		return nil
	}
	x, ok := resources[pattern]
	switch {
	case !ok || x.scope == localOnly:
		return (&Error{Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Message: "this is heard over the server's own socket alone"}).
			then("use the command line on the server")
	case !h.May(x.scope):
		return lacks(h, x.scope)
	}
	return a.spareAdministrators(r, h, x.scope)
}
