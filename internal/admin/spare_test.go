package admin_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

// waiting puts requests of a person's programs into the server's database.
func (o *abroad) waiting(person string, ids ...string) {
	o.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(o.dir, store.FileName))
	if err != nil {
		o.t.Fatal(err)
	}
	defer db.Close()
	now := time.Now().UnixNano()
	for _, id := range ids {
		_, err := db.ExecContext(o.t.Context(), `PRAGMA busy_timeout = 5000; INSERT INTO requests (id, person, refs, protocol, program, ja4, addr, country, asn, owner, first, last, count, state)
			VALUES (?, ?, '[]', 'imap', 'thunderbird', '', '192.0.2.7', '', 0, '', ?, ?, 1, 'waiting')`, id, person, now, now)
		if err != nil {
			o.t.Fatal(err)
		}
	}
}

// What lets somebody into an administrator's mailbox, or lifts what protects
// them, takes an administrator, by whatever route.
func TestNoRouteGoesAroundAnAdministrator(t *testing.T) {
	o := openAbroad(t)
	people := map[string]string{}
	for _, name := range []string{"root", "ana", "bob"} {
		people[name] = o.want(201, "POST", "/portreeve/v1/people", fmt.Sprintf(`{"address":%q}`, name))["id"].(string)
	}
	o.want(200, "PUT", "/portreeve/v1/administrators/root@example.org", "")
	for _, group := range []string{"chiefs", "staff", "spared"} {
		o.want(201, "POST", "/portreeve/v1/groups", fmt.Sprintf(`{"name":%q}`, group))
	}
	o.want(204, "PUT", "/portreeve/v1/groups/chiefs/members/root", "")
	o.want(204, "PUT", "/portreeve/v1/groups/staff/members/ana", "")
	o.waiting(people["root"], "r1", "r2")
	o.waiting(people["ana"], "a1", "a2")
	helpdesk, operator, administrator := o.token(`{"name":"h","role":"helpdesk"}`), o.token(`{"name":"o","role":"operator"}`), o.token(`{"name":"a","role":"administrator"}`)

	type call struct{ method, path, body string }
	for token, c := range map[string]struct{ refused, heard []call }{
		helpdesk: {[]call{{"POST", "approvals/requests/r1/allow", "{}"}, {"POST", "people/root/cut", "{}"}},
			[]call{{"POST", "approvals/requests/a1/allow", "{}"}, {"POST", "people/bob/cut", "{}"}}},
		operator: {[]call{
			{"POST", "approvals/requests/r1/allow", "{}"},
			{"PUT", "delegations", `{"mailbox":"root","person":"ana"}`},
			{"PUT", "delegations", `{"group":"chiefs","person":"ana"}`},
			{"PUT", "delegations", `{"all":true,"person":"ana"}`},
			{"PUT", "groups/spared/members/root", ""},
			{"PUT", "groups/spared/members/chiefs", ""},
			{"DELETE", "groups/chiefs/members/root", ""},
			{"DELETE", "groups/chiefs", ""},
			{"POST", "mailboxes/import", "PrimarySmtpAddress,ImapEnabled\r\nroot@example.org,True\r\n"},
		}, []call{
			{"PUT", "delegations", `{"mailbox":"bob","person":"ana"}`},
			{"PUT", "delegations", `{"group":"staff","person":"bob"}`},
			{"PUT", "groups/spared/members/ana", ""},
			{"PUT", "groups/spared/members/staff", ""},
			{"DELETE", "groups/spared/members/ana", ""},
			{"DELETE", "groups/spared", ""},
			{"POST", "mailboxes/import", "PrimarySmtpAddress,ImapEnabled\r\nana@example.org,True\r\n"},
		}},
		administrator: {nil, []call{{"POST", "approvals/requests/r2/allow", "{}"}, {"PUT", "delegations", `{"mailbox":"root","person":"ana"}`}}},
	} {
		for _, x := range c.refused {
			if resp, m := o.ask(x.method, "/portreeve/v1/"+x.path, token, x.body); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s %s: %d %v", x.method, x.path, x.body, resp.StatusCode, m)
			}
		}
		for _, x := range c.heard {
			if resp, m := o.ask(x.method, "/portreeve/v1/"+x.path, token, x.body); resp.StatusCode >= 300 {
				t.Errorf("%s %s %s: %d %v", x.method, x.path, x.body, resp.StatusCode, m)
			}
		}
	}
}

// What is followed for hours ends with the token that it was asked with.
func TestWhatIsFollowedEndsWithItsToken(t *testing.T) {
	o := openAbroad(t)
	secret := o.token(`{"name":"siem","role":"reader"}`)
	req, err := http.NewRequestWithContext(t.Context(), "GET", o.base+"/portreeve/v1/signIns/tail", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := (&http.Client{Transport: o.remote.Transport}).Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	defer resp.Body.Close()
	o.want(200, "DELETE", "/portreeve/v1/adminTokens/siem", "")
	over := make(chan struct{})
	go func() {
		defer close(over)
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
		}
	}()
	select {
	case <-over:
	case <-time.After(20 * time.Second):
		t.Error("it is told on though the token was revoked")
		_ = resp.Body.Close()
		<-over
	}
}

// Names stand in every list, alarm and refusal: none fills them.
func TestNamesAreBounded(t *testing.T) {
	o := openAbroad(t)
	long := strings.Repeat("ä", 257)
	for path, body := range map[string]string{
		"/portreeve/v1/groups": `{"name":%q}`,
		"/portreeve/v1/people": `{"address":"ana","displayName":%q}`,
		"/v1.0/identity/conditionalAccess/policies": `{"displayName":%q,"state":"disabled","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},
			"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["block"]}}`,
		"/v1.0/identity/conditionalAccess/namedLocations": `{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":%q,"countriesAndRegions":["DE"]}`,
	} {
		o.want(400, "POST", path, fmt.Sprintf(body, long))
		o.want(201, "POST", path, fmt.Sprintf(body, long[2:]))
	}
}

// Who may only look cannot fill the memory with what they have looked at.
func TestWhoMayOnlyLookBringsNoLargeFolder(t *testing.T) {
	o := openAbroad(t)
	folder := fmt.Sprintf(`{"days":-1,"files":{"a.yaml":%q,"b.yaml":"kind: Switches\nspec: {}\n"}}`, strings.Repeat("# no more than a comment\n", 200_000))
	for role, want := range map[string]bool{"reader": true, "operator": true, "administrator": false} {
		resp, m := o.ask("POST", "/portreeve/v1/plan", o.token(fmt.Sprintf(`{"name":%q,"role":%q}`, role, role)), folder)
		if told := strings.Contains(fmt.Sprint(m), "more than 4 MB"); told != want {
			t.Errorf("%s: %d %v", role, resp.StatusCode, m)
		}
	}
}
