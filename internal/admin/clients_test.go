package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// bureau administers programs over a store of its own.
type bureau struct {
	t       *testing.T
	http    http.Handler
	store   *store.Store
	clients *client.Registry
	grants  *grant.Service
	person  store.Person
	applied int
}

func openBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{t: t, person: store.Person{Address: "ana@example.org", SecretKind: store.SecretBackend, Origin: store.OriginLocal}}
	var err error
	if b.store, err = store.Open(t.Context(), store.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.store.Close() })
	if err := b.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error { return tx.AddPerson(&b.person) }); err != nil {
		t.Fatal(err)
	}
	box := secret.NewBox()
	if b.clients, err = client.Open(t.Context(), client.Options{Store: b.store, Box: box, Issuer: "https://mail.example.org", Registration: client.VerifiedOnly}); err != nil {
		t.Fatal(err)
	}
	keys, err := token.OpenKeyring(token.KeyringOptions{Path: t.TempDir() + "/issuer.keys"}, box)
	if err != nil {
		t.Fatal(err)
	}
	minter, err := token.OpenMinter(token.MinterOptions{Issuer: "https://mail.example.org", Path: t.TempDir() + "/mint.keys"}, box)
	if err != nil {
		t.Fatal(err)
	}
	if b.grants, err = grant.Open(t.Context(), grant.Options{Store: b.store, Box: box, Keys: keys, Issuer: "https://mail.example.org"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.grants.Close)
	b.http = New(Options{Store: b.store, Clients: b.clients, Grants: b.grants, IssuerKeys: keys, MintedKeys: minter, Sessions: &session.Registry{},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Canonical: func(typed string) (string, error) { return typed, nil },
		Apply: func(context.Context, time.Duration) (session.Report, error) {
			b.applied++
			return session.Report{}, nil
		}})
	return b
}

// ask sends a request as the socket's does, and reads the answer.
func (b *bureau) ask(status int, method, path, body string) map[string]any {
	b.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.WithValue(b.t.Context(), peerKey{}, store.Actor{UID: 0, Name: "root"}), method, "/portreeve/v1"+path, strings.NewReader(body))
	r.Header.Set("X-Reason", "because")
	b.http.ServeHTTP(w, r)
	if w.Code != status {
		b.t.Fatalf("%s %s: %d instead of %d: %s", method, path, w.Code, status, w.Body)
	}
	var m map[string]any
	if w.Body.Len() > 0 && json.Unmarshal(w.Body.Bytes(), &m) != nil {
		b.t.Fatalf("%s %s: %s", method, path, w.Body)
	}
	return m
}

// granted gives a program a grant of Ana's.
func (b *bureau) granted(id string) grant.Grant {
	b.t.Helper()
	s, err := scope.Parse("imap offline_access")
	if err != nil {
		b.t.Fatal(err)
	}
	g, err := b.grants.Issue(b.t.Context(), grant.Grant{Person: b.person.ID, Address: b.person.Address, Client: id, Scope: s, Methods: policy.MethodPassword | policy.MethodSoftwareOath, AuthTime: time.Now(),
		Network: netip.MustParsePrefix("192.0.2.0/24"), Kind: grant.KindDevice, Offline: true})
	if err != nil {
		b.t.Fatal(err)
	}
	return g
}

func TestProgramsAreMadeAndJudged(t *testing.T) {
	b := openBureau(t)
	if rows := b.ask(200, "GET", "/clients", "")["value"].([]any); len(rows) != 4 {
		t.Errorf("%d programs come with the server", len(rows))
	}
	made := b.ask(201, "POST", "/clients", `{"name":"Invoices","confidential":true,"serviceAccount":"ana@example.org","limit":"smtp","redirects":[]}`)
	id, shown := made["id"].(string), made["secret"].(string)
	if !b.clients.Authenticate(id, shown) || made["accountAddress"] != "ana@example.org" || made["limit"] != "smtp" || made["verified"] != true || made["public"] != false {
		t.Errorf("made %v", made)
	}
	for _, path := range []string{"/clients", "/clients/" + id, "/clients/invoices"} {
		if text, _ := json.Marshal(b.ask(200, "GET", path, "")); strings.Contains(string(text), shown) || strings.Contains(string(text), `"secret":`) {
			t.Errorf("%s: %s", path, text)
		}
	}
	registered, err := b.clients.Register(t.Context(), netip.MustParseAddr("192.0.2.1"), client.Metadata{Name: "Thunderbird", Redirects: []string{"http://127.0.0.1/"}})
	if err != nil {
		t.Fatal(err)
	}
	one := b.ask(200, "GET", "/clients/"+registered.ID, "")
	if one["mayAsk"] != false || one["verified"] != false || one["imitates"] != true || one["network"] != "192.0.2.0/24" {
		t.Errorf("registered as %v", one)
	}
	b.ask(400, "POST", "/clients/Thunderbird/allow", "") // which of two?
	if one = b.ask(200, "POST", "/clients/"+registered.ID+"/allow", ""); one["mayAsk"] != true || one["imitates"] != false || one["state"] != "allowed" {
		t.Errorf("allowed as %v", one)
	}
	one = b.ask(200, "PATCH", "/clients/"+registered.ID, `{"name":"Thunderbird Daily","limit":"imap"}`)
	if one["name"] != "Thunderbird Daily" || one["limit"] != "imap" {
		t.Errorf("changed to %v", one)
	}
	b.ask(400, "PATCH", "/clients/"+registered.ID, `{"limit":"imap nonsense"}`)
	b.ask(400, "PATCH", "/clients/"+registered.ID, `{"redirects":["https://evil.example/"]}`)
	b.ask(404, "POST", "/clients/nobody/allow", "")
	b.ask(409, "DELETE", "/clients/"+client.Mail, "")
	b.ask(400, "GET", "/clients?state=other", "")
	b.ask(200, "DELETE", "/clients/"+registered.ID, "")
	b.ask(404, "GET", "/clients/"+registered.ID, "")
	audited := b.ask(200, "GET", "/audits?kind=client", "")["value"].([]any)
	var actions []string
	for _, row := range audited {
		row := row.(map[string]any)
		actions = append(actions, row["action"].(string))
		if row["actor"] != "root" || row["reason"] != "because" {
			t.Errorf("audited as %v", row)
		}
	}
	if !slices.Equal(actions, []string{"delete", "limit", "rename", "allow", "create"}) {
		t.Errorf("audited %v", actions)
	}
}

// An exchanged secret is in one answer, and the old one's end in those after it.
func TestSecretsAreExchanged(t *testing.T) {
	b := openBureau(t)
	made := b.ask(201, "POST", "/clients", `{"name":"Invoices","confidential":true,"redirects":["https://x.example/"]}`)
	id, first := made["id"].(string), made["secret"].(string)
	out := b.ask(200, "POST", "/clients/invoices/secret", `{}`)
	if second := out["secret"].(string); second == first || !b.clients.Authenticate(id, second) || !b.clients.Authenticate(id, first) {
		t.Errorf("exchanged as %v", out)
	}
	until, err := time.Parse(time.RFC3339Nano, b.ask(200, "GET", "/clients/"+id, "")["oldSecretUntil"].(string))
	if err != nil || time.Until(until) < 23*time.Hour || time.Until(until) > 24*time.Hour {
		t.Errorf("good until %s, %v", until, err)
	}
	b.ask(409, "POST", "/clients/"+id+"/secret", `{"overlap":"1h"}`)
	b.ask(400, "POST", "/clients/"+id+"/secret", `{"overlap":"soon"}`)
	b.ask(409, "POST", "/clients/"+client.Mail+"/secret", `{}`)
	b.ask(404, "POST", "/clients/nobody/secret", `{}`)
	if one := b.ask(200, "DELETE", "/clients/"+id+"/oldSecret", ""); one["oldSecretUntil"] != nil || one["secretMade"] == nil || b.clients.Authenticate(id, first) {
		t.Errorf("ended as %v", one)
	}
	b.ask(409, "DELETE", "/clients/"+id+"/oldSecret", "")
	for _, row := range b.ask(200, "GET", "/audits?kind=client", "")["value"].([]any) {
		if text, _ := json.Marshal(row); strings.Contains(string(text), "prclient_") || strings.Contains(string(text), "rint") {
			t.Errorf("audited as %s", text)
		}
	}
}

func TestForbiddingAProgramEndsItsGrants(t *testing.T) {
	b := openBureau(t)
	theirs, other := b.granted(client.Token), b.granted(client.Mail)
	if one := b.ask(200, "GET", "/clients/"+client.Token, ""); one["grants"] != float64(1) {
		t.Errorf("before: %v", one)
	}
	b.applied = 0
	one := b.ask(200, "POST", "/clients/"+client.Token+"/forbid", "")
	if one["state"] != "forbidden" || one["mayAsk"] != false || one["ended"] != float64(1) || b.applied != 1 {
		t.Errorf("forbidden as %v, applied %d times", one, b.applied)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // the service hears of it a moment later
		if _, lives := b.grants.ByID(theirs.ID); !lives {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("its grant lives")
		}
	}
	if _, lives := b.grants.ByID(other.ID); !lives {
		t.Error("another program's grant was ended")
	}
}

// What a page was given again and again in one browser is listed as one, found by
// any of its ids, and ended as one.
func TestSignInsOfOneBrowserAreListedAsOne(t *testing.T) {
	b := openBureau(t)
	s, err := scope.Parse("openid email")
	if err != nil {
		t.Fatal(err)
	}
	var ids []any
	for range 3 {
		g, err := b.grants.Issue(t.Context(), grant.Grant{Person: b.person.ID, Address: b.person.Address, Client: client.Mail, Scope: s, Methods: policy.MethodPassword, AuthTime: time.Now(), Kind: grant.KindCode, Session: "browser-1"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append([]any{g.ID}, ids...)
	}
	rows := b.ask(200, "GET", "/grants", "")["value"].([]any)
	if len(rows) != 1 || !reflect.DeepEqual(rows[0].(map[string]any)["grants"], ids) || rows[0].(map[string]any)["id"] != ids[0] {
		t.Fatalf("listed %v, want one of %v", rows, ids)
	}
	if one := b.ask(200, "GET", "/grants/"+ids[2].(string), ""); one["id"] != ids[0] {
		t.Errorf("by its first id: %v", one)
	}
	b.ask(200, "DELETE", "/grants/"+ids[1].(string), "")
	if rows := b.ask(200, "GET", "/grants", "")["value"].([]any); len(rows) != 0 {
		t.Errorf("left: %v", rows)
	}
	if audited := b.ask(200, "GET", "/audits?kind=grant", "")["value"].([]any); len(audited) != 3 {
		t.Errorf("audited as %v", audited)
	}
}

func TestGrantsAreListedAndEnded(t *testing.T) {
	b := openBureau(t)
	one, two := b.granted(client.Token), b.granted(client.Mail)
	rows := b.ask(200, "GET", "/grants?user=ana@example.org", "")["value"].([]any)
	first := rows[0].(map[string]any)
	if len(rows) != 2 || first["id"] != one.ID || first["clientName"] != "portreeve token" || first["user"] != "ana@example.org" || first["network"] != "192.0.2.0/24" || first["kind"] != "device_code" ||
		len(first["methods"].([]any)) != 2 || len(first["scopes"].([]any)) != 2 {
		t.Errorf("listed %v", rows)
	}
	if rows := b.ask(200, "GET", "/grants?client="+client.Mail, "")["value"].([]any); len(rows) != 1 {
		t.Errorf("of one program %v", rows)
	}
	b.ask(404, "GET", "/grants?user=nobody@example.org", "")
	b.ask(200, "GET", "/grants/"+two.ID, "")
	b.ask(200, "DELETE", "/grants/"+two.ID, "")
	b.ask(404, "GET", "/grants/"+two.ID, "")
	b.ask(404, "DELETE", "/grants/"+two.ID, "")
	audited := b.ask(200, "GET", "/audits?kind=grant", "")["value"].([]any)
	if len(audited) != 1 || audited[0].(map[string]any)["about"] != "ana@example.org: Mail program" || audited[0].(map[string]any)["reason"] != "because" {
		t.Errorf("audited as %v", audited)
	}
	if row, err := b.store.Grant(t.Context(), two.ID); err != nil || row.Ended.IsZero() || row.Reason != "because" {
		t.Errorf("kept as %+v, %v", row, err)
	}
}

func TestTheIssuersKeysAreRotated(t *testing.T) {
	b := openBureau(t)
	before := b.ask(200, "GET", "/keys", "")["value"].([]any)
	out := b.ask(200, "POST", "/keys/rotate", "")
	after := b.ask(200, "GET", "/keys", "")["value"].([]any)
	if len(before) != 3 || len(after) != 6 || len(out["programs"].([]any)) != 2 || len(out["backends"].([]any)) != 1 {
		t.Errorf("%v, then %v, by %v", before, after, out)
	}
	states := map[string]int{}
	for _, k := range after {
		k := k.(map[string]any)
		states[k["signs"].(string)+" "+k["algorithm"].(string)+" "+k["state"].(string)]++
		for member := range k {
			if !slices.Contains([]string{"kid", "algorithm", "state", "made", "retired", "signs"}, member) {
				t.Errorf("a key shows its %s", member)
			}
		}
	}
	for _, want := range []string{"programs ES256 current", "programs ES256 retired", "programs RS256 current", "programs RS256 retired", "backends ES256 current", "backends ES256 retired"} {
		if states[want] != 1 {
			t.Errorf("%d keys are %s", states[want], want)
		}
	}
	if out := b.ask(200, "POST", "/keys/rotate?signs=programs", ""); len(out["programs"].([]any)) != 2 || out["backends"] != nil {
		t.Errorf("of programs alone: %v", out)
	}
	if out := b.ask(200, "POST", "/keys/rotate?signs=backends", ""); len(out["backends"].([]any)) != 1 || out["programs"] != nil {
		t.Errorf("of backends alone: %v", out)
	}
	b.ask(400, "POST", "/keys/rotate?signs=nothing", "")
	set := b.ask(200, "GET", "/keys/jwks", "")["keys"].([]any)
	for _, k := range set {
		if _, private := k.(map[string]any)["d"]; private {
			t.Error("a private key was printed")
		}
	}
	if len(set) != 6 {
		t.Errorf("%d keys are public", len(set))
	}
}

// Where nothing is issued, every route says so.
func TestProgramsWithoutAnIssuer(t *testing.T) {
	b := openBureau(t)
	b.http = New(Options{Store: b.store, Sessions: &session.Registry{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for _, route := range []string{"GET /clients", "POST /clients", "GET /clients/x", "PATCH /clients/x", "DELETE /clients/x", "POST /clients/x/secret", "DELETE /clients/x/oldSecret", "POST /clients/x/allow", "POST /clients/x/forbid",
		"GET /grants", "GET /grants/x", "DELETE /grants/x", "GET /keys/jwks", "POST /keys/rotate"} {
		method, path, _ := strings.Cut(route, " ")
		b.ask(409, method, path, "{}")
	}
	if rows := b.ask(200, "GET", "/keys", "")["value"].([]any); len(rows) != 0 {
		t.Errorf("%v", rows)
	}
}
