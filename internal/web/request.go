package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
)

// Cookies makes cookies for one site: with TLS in front their names bind them
// to the host and to https. Which it is says the configuration, not a request.
type Cookies struct{ Secure bool }

// languageCookie holds no secret, and its name is the same either way.
const languageCookie = "lang"

// programLanguage holds what a program asked for on a person's behalf, for as
// long as its request lasts. What they chose themselves stands before it.
const (
	programLanguage = "program-lang"
	programAsks     = 10 * time.Minute
)

func (c Cookies) name(name string) string {
	if c.Secure {
		return "__Host-" + name
	}
	return name
}

// Set gives a browser a cookie; a life of zero lasts as long as the browser is open.
func (c Cookies) Set(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: c.name(name), Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// Clear takes a cookie away.
func (c Cookies) Clear(w http.ResponseWriter, name string) { c.Set(w, name, "", -time.Second) }

// Get is a cookie's value, empty if there is none.
func (c Cookies) Get(r *http.Request, name string) string {
	if k, err := r.Cookie(c.name(name)); err == nil {
		return k.Value
	}
	return ""
}

// SetLanguage remembers the language chosen.
func (c Cookies) SetLanguage(w http.ResponseWriter, lang string) {
	c.speak(w, languageCookie, lang, 365*24*time.Hour)
}

func (c Cookies) speak(w http.ResponseWriter, name, lang string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: lang, Path: "/", MaxAge: int(life / time.Second),
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// randomBytes are in every id that a cookie holds.
const randomBytes = 32

// NewID is an id that nobody can guess.
func NewID() string {
	var b [randomBytes]byte
	_, _ = rand.Read(b[:]) // never fails on the systems we run on
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// IDForm says that a string has the form of NewID's.
func IDForm(s string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(raw) == randomBytes
}

// Forms makes and checks the tokens that tie a form to the browser it was made
// for. They are good for as long as the process lives.
type Forms struct{ key [32]byte }

// NewForms makes a key.
func NewForms() *Forms {
	f := &Forms{}
	_, _ = rand.Read(f.key[:])
	return f
}

// Token ties a form to the id that a browser's cookie holds.
func (f *Forms) Token(id string) string {
	if id == "" {
		return ""
	}
	m := hmac.New(sha256.New, f.key[:])
	m.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Valid says that a token was made for the id.
func (f *Forms) Valid(id, token string) bool {
	return id != "" && secret.Equal([]byte(f.Token(id)), []byte(token))
}

// OwnOrigin says that a browser sends this from one of our own pages, as far as
// it tells; origin is the configured one. A program that tells neither is left
// to the form's token.
func OwnOrigin(r *http.Request, origin string) bool {
	if s := r.Header.Get("Sec-Fetch-Site"); s != "" && s != "same-origin" {
		return false
	}
	o := r.Header.Get("Origin")
	return o == "" || o == origin
}

// Origin is scheme, host and port of an address, as a browser writes it.
func Origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch {
	case u.Scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case u.Scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// Bounds of a path that a browser is sent to, in bytes.
const (
	maxPath   = 500
	maxSealed = 6 << 10 // of one that carries a program's sealed request
)

// sealedPaths begin the paths that carry one, by themselves or for afterwards.
var sealedPaths = []string{"/connect?request=", "/signin?next=%2Fconnect%3Frequest%3D", "/confirm?next=%2Fconnect%3Frequest%3D"}

func mostOf(path string) int {
	for _, begin := range sealedPaths {
		if strings.HasPrefix(path, begin) {
			return maxSealed
		}
	}
	return maxPath
}

// LocalPath is where a browser is sent next: a path of ours, or the preset.
func LocalPath(path, preset string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t\x00") || len(path) > mostOf(path) {
		return preset
	}
	if u, err := url.Parse(path); err != nil || u.Host != "" || u.Scheme != "" {
		return preset
	}
	return path
}

// maxForwarded bounds how many addresses of X-Forwarded-For are looked at.
const maxForwarded = 20

// Forwarded puts the client's address into requests that come through one of
// our reverse proxies, which add it to X-Forwarded-For. What anybody else says
// there is not believed, and the header goes no further. Where a neighbour says
// it who is not known as a proxy, it may well be one that was forgotten (Masked).
func Forwarded(from []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
		r.Header.Del("X-Forwarded-For")
		if said != "" {
			if a, ok := behind(from, r.RemoteAddr, said); ok {
				r.RemoteAddr = netip.AddrPortFrom(a, 0).String()
			} else if neighbour(r.RemoteAddr) {
				r = r.WithContext(context.WithValue(r.Context(), maskedKey{}, true))
			}
		}
		next.ServeHTTP(w, r)
	})
}

type maskedKey struct{}

// Masked says that a request seems to come through a reverse proxy that nobody
// named: then its address is the proxy's, as is everybody else's, and two requests
// from one address are not from one place.
func Masked(ctx context.Context) bool { return ctx.Value(maskedKey{}) != nil }

// neighbour says that an address is of this host or of a private network, where
// reverse proxies are; proxies of those who visit us show public ones.
func neighbour(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	a := peer.Addr().Unmap()
	return err == nil && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast())
}

// behind is the last address that one of our proxies did not add itself.
func behind(from []netip.Prefix, remote, said string) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil || !within(from, peer.Addr()) {
		return netip.Addr{}, false
	}
	list := strings.Split(said, ",")
	if len(list) > maxForwarded {
		list = list[len(list)-maxForwarded:]
	}
	var found netip.Addr
	for _, text := range slices.Backward(list) {
		text = strings.TrimSpace(text)
		a, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if ap, err2 := netip.ParseAddrPort(text); err != nil && err2 == nil {
			a, err = ap.Addr(), nil
		}
		if err != nil {
			break // what stands before it was not said by a proxy of ours
		}
		found = a.Unmap().WithZone("")
		if !within(from, found) {
			break
		}
	}
	return found, found.IsValid()
}

func within(from []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(from, func(p netip.Prefix) bool { return p.Contains(a) })
}
