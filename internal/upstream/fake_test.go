package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// object is JSON that a test may bend.
type object map[string]any

func (o object) with(name string, value any) object {
	o = maps.Clone(o)
	if o[name] = value; value == nil {
		delete(o, name)
	}
	return o
}

// fake is an OpenID provider that answers as a test wants: it asks nobody for
// a password, and each of its answers can be bent.
type fake struct {
	*httptest.Server
	key, other *ecdsa.PrivateKey

	mu       sync.Mutex
	codes    map[string]url.Values // what was asked for, by code
	asked    url.Values            // of the last authorization request
	answers  func(url.Values)      // bends what the browser brings back
	document func(object)          // bends the discovery
	claims   func(object)          // bends the ID token
	sign     func(object) string   // in place of the provider's own
	tokens   http.HandlerFunc      // in place of the token endpoint
	form     url.Values            // of the last token request
	basic    bool                  // the secret came in the header
}

func newFake(t testing.TB) *fake {
	f := &fake{codes: map[string]url.Values{}, key: newKey(t), other: newKey(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", f.discovery)
	mux.HandleFunc("GET /authorize", f.authorize)
	mux.HandleFunc("POST /token", f.token)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: f.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func refuseJSON(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	writeJSON(w, object{"error": code})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fake) discovery(w http.ResponseWriter, _ *http.Request) {
	d := object{"issuer": f.URL, "authorization_endpoint": f.URL + "/authorize", "token_endpoint": f.URL + "/token", "jwks_uri": f.URL + "/keys",
		"response_types_supported": []string{"code"}, "id_token_signing_alg_values_supported": []string{"ES256"}}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.document != nil {
		f.document(d)
	}
	writeJSON(w, d)
}

func (f *fake) authorize(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	f.asked = q
	code := "code-" + q.Get("state")
	f.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	if f.answers != nil {
		f.answers(back)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = r.ParseForm()
	f.form = r.PostForm
	_, _, f.basic = r.BasicAuth()
	if f.tokens != nil {
		f.tokens(w, r)
		return
	}
	asked, ok := f.codes[r.PostForm.Get("code")]
	delete(f.codes, r.PostForm.Get("code"))
	if !ok || s256(r.PostForm.Get("code_verifier")) != asked.Get("code_challenge") || asked.Get("code_challenge_method") != "S256" {
		refuseJSON(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	writeJSON(w, object{"access_token": "a", "token_type": "Bearer", "id_token": f.idToken(asked.Get("nonce"))})
}

func (f *fake) idToken(nonce string) string {
	now := time.Now().Unix()
	c := object{"iss": f.URL, "aud": "us", "sub": "4711", "sid": "session-1", "exp": now + 300, "iat": now, "auth_time": now, "nonce": nonce,
		"email": "mary@example.org", "email_verified": true, "groups": []string{"/staff"}, "amr": []string{"otp"}}
	if f.claims != nil {
		f.claims(c)
	}
	if f.sign != nil {
		return f.sign(c)
	}
	return signed(f.key, object{"alg": "ES256", "kid": "k", "typ": "JWT"}, c)
}

// logoutToken is a right one.
func (f *fake) logoutToken() object {
	now := time.Now().Unix()
	return object{"iss": f.URL, "aud": "us", "sub": "4711", "sid": "session-1", "iat": now, "exp": now + 120, "jti": random(),
		"events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}}
}

func signed(key *ecdsa.PrivateKey, header, claims object) string {
	input := encode(header) + "." + encode(claims)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum256(input))
	if err != nil {
		panic(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// ours is a site that sends browsers to fakes.
type ours struct {
	*Service
	*httptest.Server
	store *store.Store

	mu       sync.Mutex
	came     []Arrival
	failures []error
}

// site serves what is under test for providers, each with its name.
func site(t testing.TB, providers map[string]*fake, change ...func(*Provider)) *ours {
	t.Helper()
	st, err := store.Open(context.Background(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	o := &ours{Server: httptest.NewUnstartedServer(nil), store: st}
	public := "http://" + o.Listener.Addr().String()
	var list []Provider
	for name, f := range providers {
		p := Provider{Name: name, Label: name, Issuer: f.URL, ClientID: "us", Domains: []string{name + ".example"},
			Tokens: token.Issuer{AMR: map[string]policy.Methods{"otp": policy.MethodSoftwareOath}, Verified: token.VerifiedBySaying, Groups: "groups"}}
		if name == "corp" {
			p.Domains = append(p.Domains, "example.org")
		}
		for _, c := range change {
			c(&p)
		}
		list = append(list, p)
	}
	o.Service, err = New(Options{Providers: list, Public: public, Store: st, Box: secret.NewBox(), Settle: func(context.Context) error { return nil },
		Everything: func(person string, at time.Time) string { return "all:" + person + at.String() }})
	if err != nil {
		t.Fatal(err)
	}
	o.Config.Handler = o.Handler(Pages{
		SignedIn: func(w http.ResponseWriter, _ *http.Request, a Arrival) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.came = append(o.came, a)
			_, _ = w.Write([]byte("came"))
		},
		Failed: func(w http.ResponseWriter, _ *http.Request, err error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.failures = append(o.failures, err)
			http.Error(w, "failed", http.StatusForbidden)
		},
	})
	o.Server.Start()
	t.Cleanup(o.Close)
	return o
}

func corp(t testing.TB, change ...func(*Provider)) (*ours, *fake) {
	f := newFake(t)
	return site(t, map[string]*fake{"corp": f}, change...), f
}

// browser keeps cookies and follows wherever it is sent.
func browser(t testing.TB) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second}
}

// stops makes a browser stop before it goes to where it is sent and begins with prefix.
func stops(b *http.Client, prefix string) *http.Client {
	c := *b
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), prefix) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &c
}

// get returns the status, where the browser stopped before, and the body's beginning.
func get(t testing.TB, b *http.Client, to string) (*http.Response, string) {
	t.Helper()
	r, err := b.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body := make([]byte, 200)
	n, _ := r.Body.Read(body)
	return r, string(body[:n])
}

func (o *ours) start(query string) string { return o.URL + startPath + "?" + query }

// last is the last arrival and the last failure.
func (o *ours) last() (a Arrival, failure error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.came); n > 0 {
		a = o.came[n-1]
	}
	if n := len(o.failures); n > 0 {
		failure = o.failures[n-1]
	}
	return a, failure
}

// heard is what the provider was last asked, and how the token was fetched.
func (f *fake) heard() (asked, form url.Values, basic bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked, f.form, f.basic
}

// bend changes how the provider answers.
func (f *fake) bend(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

var errAway = errors.New("away")
