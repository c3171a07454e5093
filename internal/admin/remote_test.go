package admin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/admin"
	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/server"
)

// abroad is a running server as its administrators see it from elsewhere.
type abroad struct {
	*office
	base   string
	remote *http.Client
}

// openAbroad runs a server that listens for administrators over HTTPS too.
func openAbroad(t *testing.T) *abroad { return openAbroadFrom(t, "127.0.0.0/8") }

// openAbroadFrom is the same for administrators of one network.
func openAbroadFrom(t *testing.T, network string) *abroad {
	t.Helper()
	dir, err := os.MkdirTemp("", "pr") // a socket's path has room for 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	own, err := certs.Local("localhost")
	if err == nil {
		_, err = certs.Write(dir, "door", own.Server)
	}
	if err != nil {
		t.Fatal(err)
	}
	address := mailtest.FreeAddress(t)
	socket := filepath.Join(dir, "s")
	c, err := config.Parse("portreeve.yaml", dir, []byte(fmt.Sprintf("default_domain: example.org\nstate: %[1]s\ntls: [{certificate: %[1]s/door.pem, key: %[1]s/door.key}]\nadmin: {socket: %[2]s, address: %[3]s, names: [localhost], from: [%[4]s]}\n", dir, socket, address, network)), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Options{Config: c, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(own.PEM())
	remote := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}}
	t.Cleanup(func() {
		remote.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running: %v", err)
		}
		_ = s.Close()
		_ = os.RemoveAll(dir)
	})
	o := &office{t, &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}, dir}
	o.want(200, "GET", "/portreeve/v1/status", "")
	_, port, _ := net.SplitHostPort(address)
	return &abroad{o, "https://localhost:" + port, remote}
}

// token makes a token and returns its secret.
func (o *abroad) token(request string) string {
	o.t.Helper()
	return o.want(201, "POST", "/portreeve/v1/adminTokens", request)["secret"].(string)
}

// ask sends a request over HTTPS.
func (o *abroad) ask(method, path, token, body string, header ...string) (*http.Response, map[string]any) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.base+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := o.remote.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	if strings.HasSuffix(path, "/tail") && resp.StatusCode == 200 { // it would never end
		return resp, nil
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	var m map[string]any
	_ = json.Unmarshal(b, &m) // some answers are no objects
	return resp, m
}

// expect is ask for what must have a status.
func (o *abroad) expect(status int, method, path, token, body string, header ...string) map[string]any {
	o.t.Helper()
	resp, m := o.ask(method, path, token, body, header...)
	if resp.StatusCode != status {
		o.t.Fatalf("%s %s: %d instead of %d: %v", method, path, resp.StatusCode, status, m)
	}
	return m
}

func TestEveryRouteNamesItsScope(t *testing.T) {
	routes, scopes := admin.Routes(), admin.Scopes()
	for _, r := range routes {
		if _, named := scopes[r]; !named {
			t.Errorf("%s has no entry in resources: over HTTPS nobody may ask for it", r)
		}
	}
	for r, scope := range scopes {
		if !slices.Contains(routes, r) {
			t.Errorf("%s has an entry in resources and is no route", r)
		}
		if scope != "" && !slices.Contains(admintoken.Scopes(), scope) {
			t.Errorf("%s needs %s, which no role has", r, scope)
		}
		if method, _, _ := strings.Cut(r, " "); method != "GET" && method != "POST" && scope != "" && !strings.Contains(string(scope), "Write") {
			t.Errorf("%s changes something and needs only %s", r, scope)
		}
	}
}

// TestEachRoleIsRefusedWhatItLacks asks for every route as every role.
func TestEachRoleIsRefusedWhatItLacks(t *testing.T) {
	o := openAbroad(t)
	implied := map[admintoken.Scope]admintoken.Scope{}
	for _, s := range admintoken.Scopes() {
		implied[admintoken.Scope(strings.Replace(string(s), ".ReadWrite", ".Read", 1))] = s
	}
	fill := strings.NewReplacer("{id}", "nobody", "{kind}", "policy", "{what}", "nothing", "{member}", "nobody", "{factor}", "none")
	for _, role := range admintoken.Roles() {
		token := o.token(fmt.Sprintf(`{"name":"as-%s","role":%q}`, role, role))
		for route, scope := range admin.Scopes() {
			method, path, _ := strings.Cut(route, " ")
			if !strings.HasPrefix(path, "/portreeve/") {
				path = "/v1.0" + path
			}
			resp, m := o.ask(method, fill.Replace(path), token, "{}")
			may := scope != "" && slices.Contains(role.Scopes(), scope)
			if refused := resp.StatusCode == http.StatusForbidden; refused == may {
				t.Errorf("%s: %s: %d %v", role, route, resp.StatusCode, m)
			} else if refused {
				e := m["error"].(map[string]any)
				if e["code"] != "Authorization_RequestDenied" || scope != "" && (e["target"] != string(scope) || !strings.Contains(e["message"].(string), string(scope))) {
					t.Errorf("%s: %s: refused as %v", role, route, m)
				}
			}
		}
	}
}

func TestATokensScopesAndNetworksNarrowIt(t *testing.T) {
	o := openAbroad(t)
	narrow := o.token(`{"name":"narrow","role":"administrator","scopes":["Policy.Read.All"]}`)
	o.expect(200, "GET", policies, narrow, "")
	o.expect(403, "GET", "/v1.0/auditLogs/signIns", narrow, "")
	o.expect(403, "POST", policies, narrow, "{}")
	elsewhere := o.token(`{"name":"elsewhere","role":"reader","networks":["192.0.2.0/24"]}`)
	o.expect(401, "GET", policies, elsewhere, "")
	// Who shows it from elsewhere hears what a wrong one hears.
	said := func(token string) string {
		_, m := o.ask("GET", policies, token, "")
		e, _ := m["error"].(map[string]any)
		return fmt.Sprint(e["code"], e["message"])
	}
	if a, b := said(elsewhere), said("pradmin_nobodys"); a != b {
		t.Errorf("elsewhere %q, wrong %q", a, b)
	}
	_, a := o.grant("elsewhere", elsewhere, "https://graph.microsoft.com/.default")
	_, b := o.grant("elsewhere", "pradmin_nobodys", "https://graph.microsoft.com/.default")
	if a["error"] != "invalid_client" || a["error"] != b["error"] || a["error_description"] != b["error_description"] {
		t.Errorf("elsewhere %v, wrong %v", a, b)
	}
	for _, bad := range []string{`{"name":"x","role":"reader","scopes":["Policy.ReadWrite.ConditionalAccess"]}`, `{"name":"x","role":"king"}`, `{"name":"x y","role":"reader"}`,
		`{"name":"x","role":"reader","scopes":["Policy.Raed.All"]}`, `{"name":"x","role":"reader","networks":["everywhere"]}`, `{"name":"x","role":"reader","expires":"2020-01-01T00:00:00Z"}`,
		`{"name":"x","role":"reader","expires":"2999-01-01T00:00:00Z"}`, `{"name":"narrow","role":"reader"}`, `{"name":"NARROW","role":"reader"}`} {
		if status, b := o.do("POST", "/portreeve/v1/adminTokens", bad); status != 400 && status != 409 {
			t.Errorf("%s: %d %s", bad, status, b)
		}
	}
}

func TestTheSecretIsShownOnceAndKeptNowhere(t *testing.T) {
	o := openAbroad(t)
	secret := o.token(`{"name":"ci","role":"administrator"}`)
	o.expect(200, "GET", policies, secret, "")
	for _, path := range []string{"/portreeve/v1/adminTokens", "/portreeve/v1/audits"} {
		if _, b := o.do("GET", path, ""); bytes.Contains(b, []byte(secret)) || !bytes.Contains(b, []byte(`"ci"`)) {
			t.Errorf("%s: %s", path, b)
		}
	}
	files, err := filepath.Glob(filepath.Join(o.dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s holds the secret", f)
		}
	}
	row := values(o.want(200, "GET", "/portreeve/v1/adminTokens", ""))[0]
	if row["used"] == nil || row["usedFrom"] != "127.0.0.1" || row["secret"] != nil {
		t.Errorf("listed as %v", row)
	}
	// What it changes is audited as its.
	o.expect(201, "POST", "/portreeve/v1/people", secret, `{"address":"ana"}`)
	if row := values(o.want(200, "GET", "/portreeve/v1/audits?kind=person", ""))[0]; row["actor"] != "token ci" || row["origin"] != "https" || row["uid"] != -1.0 {
		t.Errorf("audited as %v", row)
	}
	o.want(200, "DELETE", "/portreeve/v1/adminTokens/ci", "")
	o.expect(401, "GET", policies, secret, "")
}

// grant asks the token endpoint.
func (o *abroad) grant(id, secret, scope string) (int, map[string]any) {
	o.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {scope}}
	resp, m := o.ask("POST", "/example.org/oauth2/v2.0/token", "", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	return resp.StatusCode, m
}

func TestTheTokenEndpoint(t *testing.T) {
	o := openAbroad(t)
	secret := o.token(`{"name":"ci","role":"reader"}`)
	other := o.token(`{"name":"other","role":"administrator"}`)
	const scope = "https://graph.microsoft.com/.default"
	status, m := o.grant("CI", secret, scope)
	if status != 200 || m["token_type"] != "Bearer" || m["expires_in"].(float64) > 3600 {
		t.Fatalf("%d %v", status, m)
	}
	bearer := m["access_token"].(string)
	o.expect(200, "GET", policies, bearer, "")
	o.expect(403, "POST", policies, bearer, "{}")
	for name, c := range map[string]struct {
		id, secret, scope string
		status            int
		code              string
	}{
		"wrong secret":     {"ci", secret[:len(secret)-1] + "0", scope, 401, "invalid_client"},
		"another's secret": {"ci", other, scope, 401, "invalid_client"},
		"nobody":           {"nobody", secret, scope, 401, "invalid_client"},
		"no scope":         {"ci", secret, "", 400, "invalid_scope"},
		"one scope":        {"ci", secret, "Policy.Read.All", 400, "invalid_scope"},
		"bearer as secret": {"ci", bearer, scope, 401, "invalid_client"},
	} {
		if status, m := o.grant(c.id, c.secret, c.scope); status != c.status || m["error"] != c.code || m["access_token"] != nil {
			t.Errorf("%s: %d %v", name, status, m)
		}
	}
	flipped := []byte(bearer)
	flipped[len(flipped)-20] ^= 1
	o.expect(401, "GET", policies, string(flipped), "")
	doc := o.expect(200, "GET", "/example.org/v2.0/.well-known/openid-configuration", "", "")
	if doc["token_endpoint"] != o.base+"/example.org/oauth2/v2.0/token" {
		t.Errorf("discovered %v", doc)
	}
	// It ends with the token that it was made from.
	o.want(200, "DELETE", "/portreeve/v1/adminTokens/ci", "")
	o.expect(401, "GET", policies, bearer, "")
}

func TestWrongTokensWait(t *testing.T) {
	o := openAbroad(t)
	secret := o.token(`{"name":"ci","role":"reader"}`)
	last := 0
	for i := range 40 {
		resp, _ := o.ask("GET", policies, fmt.Sprintf("pradmin_%052d", i), "")
		if last = resp.StatusCode; last == http.StatusTooManyRequests {
			if resp.Header.Get("Retry-After") == "" || i < 5 {
				t.Errorf("the %d. waits without being told how long", i)
			}
			break
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("40 wrong tokens are answered by %d", last)
	}
	if status, m := o.grant("ci", "wrong", "x/.default"); status != http.StatusTooManyRequests {
		t.Errorf("at the token endpoint: %d %v", status, m)
	}
	o.want(200, "GET", policies, "") // the socket hears its own
	_ = secret
}

func TestNobodyHearsWithoutAToken(t *testing.T) {
	o := openAbroad(t)
	resp, m := o.ask("GET", policies, "", "", "client-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e")
	e, _ := m["error"].(map[string]any)
	if resp.StatusCode != 401 || e["code"] != "InvalidAuthenticationToken" || resp.Header.Get("WWW-Authenticate") == "" {
		t.Fatalf("%d %v", resp.StatusCode, m)
	}
	inner := e["innerError"].(map[string]any)
	if inner["client-request-id"] != "0f8fad5b-d9cb-469f-a165-70867728950e" || inner["request-id"] != resp.Header.Get("request-id") || inner["date"] == nil {
		t.Errorf("inner error %v", inner)
	}
	for _, path := range []string{"/portreeve/v1/status", "/beta/auditLogs/signIns", "/portreeve/v1/openapi.json"} {
		o.expect(401, "GET", path, "", "")
	}
	o.expect(404, "GET", "/", "", "")
	o.expect(400, "GET", "/x/oauth2/v2.0/authorize", "", "")
	secret := o.token(`{"name":"ci","role":"reader"}`)
	req, err := http.NewRequestWithContext(t.Context(), "GET", o.base+policies, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	req.Header.Set("Authorization", "Bearer "+secret)
	if resp, err := o.remote.Do(req); err != nil || resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("for another host: %v %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
}

func TestWhoHelpsPeopleDoesNotHelpHimselfToAnAdministrator(t *testing.T) {
	o := openAbroad(t)
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"root","addAliases":["chief@example.org"]}`)
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"ana"}`)
	o.want(200, "PUT", "/portreeve/v1/administrators/root@example.org", "")
	for role, want := range map[string][2]int{"helpdesk": {403, 200}, "operator": {403, 200}, "administrator": {200, 200}} {
		token := o.token(fmt.Sprintf(`{"name":%q,"role":%q}`, role, role))
		for _, spelling := range []string{"root", "ROOT@Example.org", "chief", "chief@example.org"} {
			if resp, m := o.ask("PATCH", "/portreeve/v1/people/"+spelling, token, `{"displayName":"mine"}`); (resp.StatusCode == 403) != (want[0] == 403) {
				t.Errorf("%s changes %s: %d %v", role, spelling, resp.StatusCode, m)
			}
		}
		for i, who := range []string{"root@example.org", "ana@example.org"} {
			resp, m := o.ask("POST", "/portreeve/v1/people/"+who+"/pass", token, "{}")
			if (resp.StatusCode == 403) != (want[i] == 403) {
				t.Errorf("%s issues a pass to %s: %d %v", role, who, resp.StatusCode, m)
			}
			resp, m = o.ask("POST", "/portreeve/v1/appPasswords", token, fmt.Sprintf(`{"user":%q,"name":"phone"}`, who))
			if (resp.StatusCode == 403) != (want[i] == 403) {
				t.Errorf("%s makes an app password for %s: %d %v", role, who, resp.StatusCode, m)
			}
			resp, m = o.ask("POST", "/portreeve/v1/approvals/windows", token, fmt.Sprintf(`{"user":%q,"protocols":["imap"],"cidr":"192.0.2.0/24"}`, who))
			if (resp.StatusCode == 403) != (want[i] == 403) {
				t.Errorf("%s opens a window for %s: %d %v", role, who, resp.StatusCode, m)
			}
		}
	}
}

func TestOthersNetworksMayNotConnect(t *testing.T) {
	o := openAbroadFrom(t, "192.0.2.0/24")
	req, err := http.NewRequestWithContext(t.Context(), "GET", o.base+policies, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := o.remote.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("answered with %d", resp.StatusCode)
	}
}

// A search whose pattern explodes elsewhere ends soon here.
func TestPatternsDoNotExplode(t *testing.T) {
	o := openAbroad(t)
	token := o.token(`{"name":"ci","role":"reader"}`)
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"ana","displayName":"`+strings.Repeat("a", 200)+`!"}`)
	for _, pattern := range []string{"^(a+)+$", "(a|aa)+$", "(.*)*b", strings.Repeat("(", 1000), "((a{1000}){1000}){1000}"} {
		began := time.Now()
		path := "/portreeve/v1/mailboxes?filter=" + url.QueryEscape("DisplayName -match '"+pattern+"'")
		if resp, m := o.ask("GET", path, token, ""); resp.StatusCode >= 500 || time.Since(began) > 30*time.Second {
			t.Errorf("%.30s: %d %v after %v", pattern, resp.StatusCode, m, time.Since(began))
		}
	}
}
