package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/server"
)

// office is a running server as its administrators see it.
type office struct {
	t    *testing.T
	http *http.Client
	dir  string
}

// open runs a server over a database of its own, with more configuration.
func open(t *testing.T, more string) *office {
	t.Helper()
	dir, err := os.MkdirTemp("", "pr") // a socket's path has room for 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	c, err := config.Parse("portreeve.yaml", dir, []byte(fmt.Sprintf("default_domain: example.org\nstate: %s\nadmin: {socket: %s}\n%s", dir, socket, more)), nil)
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
	t.Cleanup(func() {
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
	return o
}

// do sends a request; the path may hold a query.
func (o *office) do(method, path, body string) (int, []byte) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, "http://portreeve"+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Prefer", "include-unknown-enum-members")
	req.Header.Set("X-Reason", "because")
	resp, err := o.http.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, b
}

// want is do for what must have a status; the answer is read as JSON.
func (o *office) want(status int, method, path, body string) map[string]any {
	o.t.Helper()
	got, b := o.do(method, path, body)
	if got != status {
		o.t.Fatalf("%s %s: %d instead of %d: %s", method, path, got, status, b)
	}
	var m map[string]any
	if len(b) > 0 && json.Unmarshal(b, &m) != nil {
		o.t.Fatalf("%s %s: not an object: %s", method, path, b)
	}
	return m
}

func values(m map[string]any) []map[string]any {
	var all []map[string]any
	for _, v := range m["value"].([]any) {
		all = append(all, v.(map[string]any))
	}
	return all
}

const policies = "/v1.0/identity/conditionalAccess/policies"

func example(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../cli/testdata/examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestThePeersUIDIsTheActor(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"ana"}`)
	row := values(o.want(200, "GET", "/portreeve/v1/audits?kind=person", ""))[0]
	if row["uid"] != float64(os.Getuid()) || row["reason"] != "because" || row["action"] != "create" {
		t.Errorf("audited as %v", row)
	}
}

func TestTheSocketIsForItsGroupAlone(t *testing.T) {
	o := open(t, "")
	st, err := os.Stat(filepath.Join(o.dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o660 {
		t.Errorf("the socket's mode is %v", st.Mode())
	}
}

func TestAnObjectIsKeptByteByByte(t *testing.T) {
	o := open(t, "")
	text := example(t, "01-policy-block-legacy-auth.json")
	id := "44f7c0de-0004-4a00-9b00-000000000001"
	o.want(201, "PUT", policies+"/"+id, text)
	if _, b := o.do("GET", policies+"/"+id, ""); string(b) != text {
		t.Errorf("came back as\n%s", b)
	}
	// beta is the same, and a name is as good as an id.
	if _, b := o.do("GET", "/beta/identity/conditionalAccess/policies/"+url.PathEscape("PR010 - Legacy mail clients - block"), ""); string(b) != text {
		t.Errorf("by name came back as\n%s", b)
	}
	o.want(200, "PATCH", policies+"/"+id, `{"state":"disabled","conditions":{"users":{"excludeUsers":[]}}}`)
	_, b := o.do("GET", policies+"/"+id, "")
	want := strings.Replace(text, `"state": "enabled"`, `"state": "disabled"`, 1)
	from, to := strings.Index(want, `"excludeUsers": [`)+len(`"excludeUsers": `), strings.Index(want, `      "includeGroups"`)
	want = want[:from] + "[],\n" + want[to:]
	got := string(b)
	stamp := strings.Index(got, `"modifiedDateTime": "`) + len(`"modifiedDateTime": "`)
	got = got[:stamp] + "2026-05-19T16:02:41.5500128Z" + got[strings.IndexByte(got[stamp:], '"')+stamp:]
	if got != want {
		t.Errorf("after the change\n%s\nwant\n%s", got, want)
	}
}

func TestGraphsCollections(t *testing.T) {
	o := open(t, "")
	for _, name := range []string{"01-policy-block-legacy-auth.json", "02-policy-mfa-outside-trusted.json", "03-policy-device-filter-report-only.json"} {
		o.want(201, "POST", policies, example(t, name))
	}
	first := o.want(200, "GET", policies+"?$top=2", "")
	next, _ := first["@odata.nextLink"].(string)
	if len(values(first)) != 2 || next == "" {
		t.Fatalf("the first page is %v", first)
	}
	u, err := url.Parse(next)
	if err != nil {
		t.Fatal(err)
	}
	if rest := values(o.want(200, "GET", u.RequestURI(), "")); len(rest) != 1 || !strings.HasPrefix(rest[0]["displayName"].(string), "PR030") {
		t.Errorf("the second page is %v", rest)
	}
	chosen := values(o.want(200, "GET", policies+"?$filter="+url.QueryEscape("state eq 'enabledForReportingButNotEnforced' and startswith(displayName,'PR')")+"&$select=id,state", ""))
	if len(chosen) != 1 || len(chosen[0]) != 3 || chosen[0]["state"] != "enabledForReportingButNotEnforced" { // @odata.context stays
		t.Errorf("chosen %v", chosen)
	}
	sorted := values(o.want(200, "GET", policies+"?$orderby="+url.QueryEscape("displayName desc"), ""))
	if !strings.HasPrefix(sorted[0]["displayName"].(string), "PR030") {
		t.Errorf("sorted %v", sorted[0]["displayName"])
	}
}

func TestWhatIsBrokenNeverReplacesWhatIsGood(t *testing.T) {
	o := open(t, "")
	text := example(t, "01-policy-block-legacy-auth.json")
	id := "44f7c0de-0004-4a00-9b00-000000000001"
	o.want(201, "POST", policies, text)
	for _, c := range []struct{ name, method, body, target string }{
		{"a number for a text", "PATCH", `{"displayName":7}`, "/displayName"},
		{"no such state", "PATCH", `{"state":"on"}`, "/state"},
		{"a text for a list", "PATCH", `{"conditions":{"users":{"includeUsers":"All"}}}`, "/conditions/users/includeUsers"},
		{"no JSON", "PUT", `{"displayName":`, ""},
		{"a member twice", "PUT", `{"id":"` + id + `","displayName":"a","displayName":"b"}`, ""},
		{"another id", "PUT", strings.Replace(text, id, "44f7c0de-0004-4a00-9b00-000000000009", 1), "/id"},
		{"no name", "PUT", `{"state":"enabled"}`, ""},
		{"a list", "PUT", `[]`, ""},
	} {
		status, b := o.do(c.method, policies+"/"+id, c.body)
		var e struct {
			Error struct{ Code, Message, Target string }
		}
		if err := json.Unmarshal(b, &e); err != nil || status != 400 || e.Error.Message == "" || e.Error.Code != "BadRequest" || e.Error.Target != c.target {
			t.Errorf("%s: %d %s", c.name, status, b)
		}
		if _, b := o.do("GET", policies+"/"+id, ""); string(b) != text {
			t.Errorf("%s: the good one is gone: %s", c.name, b)
		}
	}
	o.want(409, "POST", policies, text)
	o.want(409, "POST", policies, strings.Replace(text, id, "44f7c0de-0004-4a00-9b00-000000000009", 1)) // the name is taken
}

func TestWhatIsNotEnforcedIsSaid(t *testing.T) {
	o := open(t, "")
	made := o.want(201, "POST", policies, `{"displayName":"p","state":"enabled","conditions":{"users":{"includeGroups":["ghosts"]},"applications":{"includeApplications":["All"]}},
		"grantControls":{"operator":"OR","builtInControls":["mfa"]},"sessionControls":{"persistentBrowser":{"mode":"always","isEnabled":true}},"futureMember":{"a":1}}`)
	var pointers []string
	for _, w := range made["@portreeve.warnings"].([]any) {
		pointers = append(pointers, w.(map[string]any)["pointer"].(string))
	}
	for _, p := range []string{"/conditions/users/includeGroups/0", "/sessionControls/persistentBrowser"} {
		if !strings.Contains(strings.Join(pointers, " "), p) {
			t.Errorf("%s is not named in %v", p, pointers)
		}
	}
	if made["id"] == "" || made["futureMember"] == nil {
		t.Errorf("made %v", made)
	}
	kept := o.want(200, "GET", policies+"/p", "")
	if kept["@portreeve.warnings"] != nil || kept["futureMember"] == nil {
		t.Errorf("kept %v", kept)
	}
	o.want(400, "PATCH", policies+"/p?strict=true", `{"state":"disabled"}`)
	o.want(200, "PATCH", policies+"/p?dryRun=true", `{"state":"disabled"}`)
	if kept := o.want(200, "GET", policies+"/p", ""); kept["state"] != "enabled" {
		t.Errorf("a dry run changed %v", kept)
	}
	for _, within := range []string{"", "0s", "-10m", "10", "25h", "9e99y"} {
		o.want(400, "DELETE", policies+"/p?confirmWithin="+within, "")
	}
	o.want(204, "DELETE", policies+"/p", "")
	o.want(404, "GET", policies+"/p", "")
}

func TestHostileRequests(t *testing.T) {
	o := open(t, "")
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"an unknown member", "POST", "/portreeve/v1/people", `{"address":"ana","admin":true}`, 400, "admin"},
		{"two objects", "POST", "/portreeve/v1/people", `{"address":"ana"}{"address":"bob"}`, 400, "follows"},
		{"a newline in a name", "POST", "/portreeve/v1/people", `{"address":"ana\nbob"}`, 400, "control"},
		{"a turned name", "POST", "/portreeve/v1/people", `{"address":"ana\u202ebob"}`, 400, "control"},
		{"a separator in a name", "POST", "/portreeve/v1/people", `{"address":"ana*master"}`, 400, "separator"},
		{"a password that could never be shown", "POST", "/portreeve/v1/people", `{"address":"ana","password":"` + strings.Repeat("x", secret.MaxPassword+1) + `"}`, 400, "1024 bytes"},
		{"a bad hash", "POST", "/portreeve/v1/people", `{"address":"ana","passwordHash":"{PLAIN}x"}`, 400, ""},
		{"a path upwards", "GET", "/portreeve/v1/people/..%2f..%2fetc", "", 404, ""},
		{"nothing there", "GET", "/portreeve/v1/nothing", "", 404, "there is no"},
		{"no method", "PUT", "/portreeve/v1/people", "{}", 404, "there is no"},
		{"a filter that ends", "GET", "/v1.0/auditLogs/signIns?$filter=status/errorCode%20eq", "", 400, ""},
		{"a big page", "GET", "/v1.0/auditLogs/signIns?$top=100000", "", 400, "1000"},
		{"a place that is none", "GET", "/v1.0/auditLogs/signIns?$skiptoken=1%3BDROP", "", 400, "place"},
		{"all sessions by mistake", "DELETE", "/portreeve/v1/sessions", "", 400, "say which"},
		{"a key into a relative folder", "POST", "/portreeve/v1/keys/export", `{"dir":"x"}`, 400, "root"},
		{"a huge spread", "PATCH", "/portreeve/v1/switches?spread=99h", `{"scope":"organization","switches":{"imap":"on"}}`, 400, "spread"},
	} {
		status, b := o.do(c.method, c.path, c.body)
		if status != c.status || !strings.Contains(strings.ToLower(string(b)), c.says) {
			t.Errorf("%s: %d %s", c.name, status, b)
		}
	}
	if n := len(values(o.want(200, "GET", "/portreeve/v1/people", ""))); n != 0 {
		t.Errorf("%d people were made", n)
	}
}

func TestTheOrganisationWidensMFA(t *testing.T) {
	o := open(t, "")
	o.want(400, "PUT", "/portreeve/v1/settings", `{"mfaAlsoAccepts":["password,magic"]}`)
	o.want(200, "PUT", "/portreeve/v1/settings", `{"mfaAlsoAccepts":["password,approvalWindow"]}`)
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"ana"}`)
	o.want(201, "POST", policies, `{"displayName":"p","state":"enabled","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]}},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`)
	for methods, allowed := range map[string]bool{`["password"]`: false, `["password","approvalWindow"]`: true} {
		q := o.want(200, "POST", "/portreeve/v1/whatIf", `{"user":"ana","protocol":"imap","credential":"password","methods":`+methods+`}`)
		if x := q["explanation"].(map[string]any); q["allowed"] != allowed || allowed && x["widenedMfa"] != true {
			t.Errorf("%s: %v", methods, q)
		}
	}
}

func TestAHugeBodyIsRefused(t *testing.T) {
	o := open(t, "")
	body := `{"address":"` + strings.Repeat("a", 65<<20) + `"}`
	if status, b := o.do("POST", "/portreeve/v1/people", body); status != 413 && status != 400 {
		t.Errorf("%d %s", status, bytes.TrimSpace(b))
	}
}

func TestUnknownWordsAreHiddenFromClientsThatDoNotAskForThem(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", policies, `{"id":"44f7c0de-0004-4a00-9b00-000000000001","displayName":"p","state":"enabled","conditions":{"users":{"includeUsers":["All"]}},"grantControls":{"operator":"OR","builtInControls":["riskRemediation"]}}`)
	resp, err := o.http.Get("http://portreeve" + policies + "/p")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "unknownFutureValue") || strings.Contains(string(b), "riskRemediation") {
		t.Errorf("without Prefer: %s", b)
	}
	if _, b := o.do("GET", policies+"/p", ""); !strings.Contains(string(b), "riskRemediation") {
		t.Errorf("with Prefer: %s", b)
	}
}
