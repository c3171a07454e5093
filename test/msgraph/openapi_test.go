package msgraph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is the server's own OpenAPI document, as a foreign validator reads it.
type document struct {
	paths    map[string]map[string]any
	compiler *jsonschema.Compiler
}

// documentAt is where the compiler knows the document.
const documentAt = "https://door/openapi.json"

func readDocument(t *testing.T, text []byte) *document {
	t.Helper()
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020) // what OpenAPI 3.1 is written in
	c.AssertFormat()
	if err := c.AddResource(documentAt, whole); err != nil {
		t.Fatal(err)
	}
	d := &document{paths: map[string]map[string]any{}, compiler: c}
	for path, operations := range whole.(map[string]any)["paths"].(map[string]any) {
		d.paths[path] = operations.(map[string]any)
	}
	return d
}

// check holds an answer to the document.
func (d *document) check(method, path string, resp *http.Response, text []byte) error {
	template := d.template(path)
	op, told := d.paths[template][strings.ToLower(method)].(map[string]any)
	if !told {
		return fmt.Errorf("it is not in the document")
	}
	status := strconv.Itoa(resp.StatusCode)
	responses := op["responses"].(map[string]any)
	pointer := "/paths/" + strings.ReplaceAll(template, "/", "~1") + "/" + strings.ToLower(method) + "/responses/" + status
	answer, told := responses[status].(map[string]any)
	if !told {
		if resp.StatusCode < 400 {
			return fmt.Errorf("the status %s is not in the document", status)
		}
		answer, pointer = map[string]any{"content": map[string]any{"application/json": map[string]any{"schema": true}}}, "/components/responses/Error"
	}
	content, _ := answer["content"].(map[string]any)
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if len(content) == 0 {
		if len(text) > 0 {
			return fmt.Errorf("it answers with %d bytes, and the document tells of none", len(text))
		}
		return nil
	}
	form, told := content[media].(map[string]any)
	if !told {
		return fmt.Errorf("the media type %q is not in the document", media)
	}
	if form["schema"] == nil {
		return nil
	}
	schema, err := d.compiler.Compile(documentAt + "#" + url.PathEscape(pointer+"/content/"+strings.ReplaceAll(media, "/", "~1")+"/schema"))
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

var placeholder = regexp.MustCompile(`\\\{\w+\\\}`) // as QuoteMeta writes it

// template is the document's path for a path: the one with the fewest placeholders.
func (d *document) template(path string) (found string) {
	best := 100
	for _, template := range slices.Sorted(maps.Keys(d.paths)) {
		pattern := regexp.MustCompile("^" + placeholder.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "$")
		if n := strings.Count(template, "{"); pattern.MatchString(path) && n < best {
			found, best = template, n
		}
	}
	return found
}

// TestTheServerAnswersAsItsDocumentSays plays a script over our own resources
// and validates every answer.
func TestTheServerAnswersAsItsDocumentSays(t *testing.T) {
	d := run(t)
	d.write("mail.log", []byte("2026-11-20 08:00:00 imap-login: Info: Login: user=<ana@example.org>, method=PLAIN, rip=198.51.100.1, lip=127.0.0.1, mpid=1, TLS, session=<a>\n"))
	secret := d.command("admin", "token", "new", "script", "--role", "administrator", "--quiet")
	client := &http.Client{Transport: d.transport(), Timeout: patience}
	var doc *document
	last := map[string]any{}
	seen := map[string]bool{}
	ask := func(status int, method, path, body string) map[string]any {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, d.url()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+secret)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != status {
			t.Errorf("%s %s: %d instead of %d: %.300s", method, path, resp.StatusCode, status, text)
		}
		if doc == nil {
			doc = readDocument(t, text)
		}
		plain, _, _ := strings.Cut(path, "?")
		if err := doc.check(method, plain, resp, text); err != nil {
			t.Errorf("%s %s: %v\n%.600s", method, path, err, text)
		}
		seen[method+" "+doc.template(plain)] = true
		clear(last)
		_ = json.Unmarshal(text, &last) // some answers are no objects
		return last
	}
	const ours = "/portreeve/v1"
	ask(200, "GET", ours+"/openapi.json", "")
	ask(201, "POST", ours+"/people", `{"address":"ana","displayName":"Ana"}`)
	ask(201, "POST", ours+"/people", `{"address":"ben"}`)
	d.command("signins", "import", "--from", "dovecot", filepath.Join(d.dir, "mail.log"))
	ask(409, "POST", ours+"/people", `{"address":"ben"}`)
	ask(400, "POST", ours+"/people", `{"adress":"cy"}`)
	ask(404, "GET", ours+"/people/nobody", "")
	ask(403, "GET", ours+"/database/check", "")
	ask(200, "GET", ours+"/people", "")
	ask(200, "GET", ours+"/people/ana@example.org", "")
	ask(200, "POST", ours+"/approvals/adopt", `{"days":30,"dryRun":true}`)
	ask(200, "PATCH", ours+"/people/ana@example.org", `{"displayName":"Ana B"}`)
	ask(200, "GET", ours+"/people/ana@example.org/factors", "")
	ask(201, "POST", ours+"/people/ana@example.org/pass", `{}`)
	ask(200, "GET", ours+"/passes", "")
	ask(200, "POST", ours+"/people/ben@example.org/cut", `{}`)
	ask(201, "POST", ours+"/groups", `{"name":"staff"}`)
	ask(204, "PUT", ours+"/groups/staff/members/ana@example.org", "")
	ask(200, "GET", ours+"/groups", "")
	ask(200, "GET", ours+"/groups/staff", "")
	ask(204, "DELETE", ours+"/groups/staff/members/ana@example.org", "")
	made := ask(201, "POST", ours+"/appPasswords", `{"user":"ana@example.org","name":"Phone"}`)
	id := fmt.Sprint(made["id"])
	ask(200, "GET", ours+"/appPasswords", "")
	ask(200, "GET", ours+"/appPasswords/"+id, "")
	ask(200, "DELETE", ours+"/appPasswords/"+id, "")
	ask(201, "POST", ours+"/approvals/windows", `{"user":"ana@example.org","protocols":["imap"],"cidr":"192.0.2.0/24"}`)
	ask(200, "GET", ours+"/approvals", "")
	ask(200, "GET", ours+"/approvals/windows", "")
	ask(200, "GET", ours+"/approvals/requests", "")
	ask(200, "GET", ours+"/approvals/denials", "")
	ask(201, "POST", ours+"/templates/block-legacy-authentication", `{"displayName":"P"}`)
	for _, path := range []string{"/status", "/warnings", "/settings", "/audits", "/audits?kind=person&top=1", "/audits/verify", "/audits/1", "/alarms", "/alarmDeliveries", "/history/policy/P", "/pending", "/administrators", "/guard", "/directories", "/sessions", "/switches",
		"/assignments", "/delegations", "/mailboxes", "/mailboxes/ana@example.org", "/mailboxes/export", "/authenticationPolicies", "/templates", "/explain/PR50126", "/signIns",
		"/signIns?$top=1", "/signIns/export", "/lint", "/managed"} {
		ask(200, "GET", ours+path, "")
	}
	rows := ask(200, "GET", ours+"/signIns", "")["value"].([]any)
	if len(rows) == 0 {
		t.Fatal("there is no sign-in")
	}
	ask(200, "GET", ours+"/signIns/"+fmt.Sprint(rows[0].(map[string]any)["id"]), "")
	ask(400, "GET", ours+"/signIns?$filter=nonsense", "")
	ask(200, "PUT", ours+"/settings", `{"mfaAlsoAccepts":["password,approvalWindow"]}`)
	ask(200, "POST", ours+"/whatIf", `{"user":"ana@example.org","protocol":"imap"}`)
	ask(200, "POST", ours+"/whatIf/matrix", `{"users":["ana@example.org"],"protocols":["imap","pop3"]}`)
	ask(200, "POST", ours+"/replay", `{"switches":[{"scope":"organization","name":"ImapEnabled","value":false}]}`)
	ask(200, "PATCH", ours+"/switches", `{"scope":"organization","switches":{"ImapEnabled":true}}`)
	ask(200, "DELETE", ours+"/sessions?all=true", "")
	ask(204, "DELETE", ours+"/groups/staff", "")
	ask(204, "DELETE", ours+"/people/ben@example.org", "")
	// The validator has teeth.
	wrong := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}}
	for _, text := range []string{`{"value":[{"nonsense":1}]}`, `{"value":{}}`, `[]`, `{}`} {
		if doc.check("GET", ours+"/people", wrong, []byte(text)) == nil {
			t.Errorf("%s is taken for a list of people", text)
		}
	}
	if len(seen) < 45 {
		t.Errorf("only %d routes were asked for", len(seen))
	}
	t.Logf("%d routes of %d paths", len(seen), len(doc.paths))
}
