package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/eventlog"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/gate/gatetest"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

const (
	issuer   = "https://mail.example.org"
	leela    = "11111111-0000-4000-8000-000000000001"
	service  = "11111111-0000-4000-8000-000000000003"
	home     = "192.0.2.7"
	verifier = "a-verifier-that-is-as-long-as-the-rules-want-it"
)

// world is an authorization server with all its real parts, over a database of
// its own. Only the person in front of the page is played.
type world struct {
	*Server
	t       testing.TB
	dir     string // of its state
	store   *store.Store
	people  *directory.Local
	gate    *gate.Gate
	events  *eventlog.Log
	grants  *grant.Service
	clients *client.Registry
	version uint64
	faults  *gatetest.Log
	posted  *posting // what the page was last given that sends forms
}

type posting struct {
	to     grant.Request
	fields url.Values
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB) *world { return newWorldAt(t, issuer, nil) }

func newWorldAt(t testing.TB, at string, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, version: 1, faults: &gatetest.Log{}}
	dir := t.TempDir()
	w.dir = dir
	ctx, stop := context.WithCancel(context.Background())
	var err error
	w.store, err = store.Open(ctx, store.Options{Dir: dir})
	must(t, err)
	must(t, w.store.Change(ctx, store.System, "", func(tx *store.Tx) error {
		return errors.Join(
			tx.AddPerson(&store.Person{ID: leela, Address: "leela@example.org", DisplayName: "Turanga Leela", SecretKind: store.SecretBackend}),
			tx.AddPerson(&store.Person{ID: service, Address: "scanner@example.org", DisplayName: "Scanner", SecretKind: store.SecretBackend}))
	}))
	logger := slog.New(slog.NewTextHandler(w.faults, nil))
	var running sync.WaitGroup
	run := func(do func(context.Context) error) { running.Go(func() { _ = do(ctx) }) }
	w.events, err = eventlog.Open(ctx, eventlog.Options{Store: w.store, Dir: dir, JournalSize: 1 << 20, Logger: logger})
	must(t, err)
	run(w.events.Run)
	pool := secret.NewPool(0)
	w.people, err = directory.NewLocal(ctx, w.store, pool)
	must(t, err)
	box := secret.NewBox()
	keys, err := token.OpenKeyring(token.KeyringOptions{Path: filepath.Join(dir, "keys")}, box)
	must(t, err)
	w.clients, err = client.Open(ctx, client.Options{Store: w.store, Box: box, Issuer: at, Registration: client.AnyProgram, PerNetwork: 5})
	must(t, err)
	w.grants, err = grant.Open(ctx, grant.Options{Store: w.store, Box: box, Keys: keys, Issuer: at})
	must(t, err)
	run(w.grants.Run)
	n := gatetest.Names{Rules: name.Rules{DefaultDomain: "example.org"}}
	v := authn.New(authn.Options{Names: n, Vouchers: n, Directory: w.people, Networks: w.events, Pool: pool})
	snap, _ := policy.Compile(policy.Source{Version: w.version})
	prints := secret.NewPrints()
	w.gate = gate.New(gate.Options{Names: n, People: w.people, Guard: lockout.New(lockout.Options{}), Fingerprint: func(b []byte) secret.Print { return prints.Of(b) }, Verifier: v, Log: w.events}, snap)
	o := Options{Issuer: at, Listener: "public", Hosts: []string{"imap.example.org"}, Gate: w.gate, Grants: w.grants, Clients: w.clients, Keyring: keys,
		People: w.store, Changes: w.store.Subscribe, Box: box, DeviceCode: true, Registration: true, Languages: []string{"en"}, Fault: logger}
	o.Post = func(_ http.ResponseWriter, _ *http.Request, q grant.Request, fields url.Values) {
		w.posted = &posting{q, fields}
	}
	if change != nil {
		change(&o)
	}
	w.Server, err = New(o)
	must(t, err)
	run(w.Run)
	changes, unsubscribe := w.store.Subscribe()
	running.Go(func() {
		for c := range changes {
			_, _ = w.people.Apply(context.Background(), c)
			_ = w.clients.Apply(context.Background(), c)
		}
	})
	t.Cleanup(func() {
		stop()
		unsubscribe()
		w.grants.Close()
		running.Wait()
		_ = w.events.Close()
		_ = w.store.Close()
	})
	return w
}

// policies puts rules in force.
func (w *world) policies(p ...policy.Policy) {
	w.version++
	snap, _ := policy.Compile(policy.Source{Version: w.version, Policies: p})
	w.gate.SetPolicy(snap)
}

// everyone is a policy for everybody at every door.
func everyone(id string, c policy.Controls) policy.Policy {
	return policy.Policy{ID: id, State: policy.Enabled, Grant: &policy.Grant{Controls: c},
		Conditions: policy.Conditions{Users: &policy.Users{Include: policy.People{All: true}}, Applications: &policy.Applications{Include: []string{"All"}}}}
}

// answer is what came back.
type answer struct {
	*http.Response
	body string
	json map[string]any
}

func (a *answer) text(name string) string { s, _ := a.json[name].(string); return s }

// send sends a request from an address.
func (w *world) send(method, path string, form url.Values, change func(*http.Request)) *answer {
	w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, path, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0")
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(home), 4711).String()
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	a := &answer{Response: rec.Result(), body: rec.Body.String()}
	if strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(rec.Body.Bytes(), &a.json); err != nil {
			w.t.Errorf("%s %s: %v in %q", method, path, err, a.body)
		}
	}
	return a
}

// token asks the token endpoint.
func (w *world) token(pairs ...string) *answer {
	w.t.Helper()
	return w.send("POST", pathToken, values(pairs...), nil)
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const localhost = "http://127.0.0.1:49152"

// asking is what Thunderbird asks with, changed.
func asking(pairs ...string) url.Values {
	v := values("response_type", "code", "client_id", client.Mail, "redirect_uri", localhost, "scope", "imap smtp openid email offline_access", "state", "s/1+2 3",
		"code_challenge", s256(verifier), "code_challenge_method", "S256", "login_hint", "leela@example.org")
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		} else {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

func (w *world) authorize(v url.Values) *answer {
	w.t.Helper()
	return w.send("GET", pathAuthorize+"?"+v.Encode(), nil, nil)
}

// connect is where an authorization request arrives: the request that the portal reads.
func (w *world) connect(v url.Values) grant.Request {
	w.t.Helper()
	a := w.authorize(v)
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || a.StatusCode != http.StatusFound || to.Path != pathConnect {
		w.t.Fatalf("%d to %q: %s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	q, err := w.grants.Unseal(to.Query().Get("request"))
	must(w.t, err)
	return q
}

// mfa is how the person has proven who they are.
const mfa = policy.MethodPassword | policy.MethodSoftwareOath

// says is the person who says yes in front of the page: what the portal does.
func (w *world) says(q grant.Request, change func(*grant.Grant)) (code string) {
	w.t.Helper()
	now := time.Now()
	g := grant.Grant{ID: uuid.NewString(), Person: leela, Address: "leela@example.org", Client: q.Client, Scope: q.Scope, Resource: q.Resource, Methods: mfa, AuthTime: now, Created: now,
		Nonce: q.Nonce, Session: "browser-1", Offline: q.Scope.Has(scope.Offline), Kind: grant.KindCode, Correlation: signin.NewID(now.UnixMilli(), chance())}
	if change != nil {
		change(&g)
	}
	out := w.gate.Grant(w.t.Context(), signin.Attempt{At: now, Listener: "public", Client: netip.MustParseAddrPort(home + ":1"), Peer: netip.MustParseAddrPort(home + ":1")},
		gate.Asked{Principal: signin.Principal{Person: g.Person, Address: g.Address, Methods: g.Methods, AuthTime: g.AuthTime, Grant: grant.Prefix + g.ID}, Protocols: g.Scope.Protocols(),
			Mechanism: gate.AuthorizationCode, Client: q.ClientName, Correlation: g.Correlation})
	if !out.Allowed() {
		w.t.Fatalf("the gate says %v", out.Code)
	}
	code, err := w.grants.IssueCode(w.t.Context(), q, g)
	must(w.t, err)
	return code
}

func chance() (b [10]byte) { _, _ = rand.Read(b[:]); return b }

// signedIn has a program signed in: what the token endpoint gave.
func (w *world) signedIn(pairs ...string) *answer {
	w.t.Helper()
	v := asking(pairs...)
	code := w.says(w.connect(v), nil)
	a := w.token("grant_type", "authorization_code", "client_id", v.Get("client_id"), "code", code, "redirect_uri", v.Get("redirect_uri"), "code_verifier", verifier)
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %s\n%s", a.StatusCode, a.body, w.faults)
	}
	return a
}

// signedInAs has a site signed in to, to open a mailbox.
func (w *world) signedInAs(c client.Client, secret string) *answer {
	w.t.Helper()
	code := w.says(w.connect(asking("client_id", c.ID, "redirect_uri", c.Redirects[0])), nil)
	a := w.token("grant_type", "authorization_code", "client_id", c.ID, "client_secret", secret, "code", code, "redirect_uri", c.Redirects[0], "code_verifier", verifier)
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %s\n%s", a.StatusCode, a.body, w.faults)
	}
	return a
}

// added is a confidential client that an administrator made.
func (w *world) added(n client.New) (client.Client, string) {
	w.t.Helper()
	n.Confidential = true
	c, shown, err := w.clients.Add(w.t.Context(), store.System, "", n)
	must(w.t, err)
	return c, shown
}
