package admin_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

const mailboxSwitches = "/portreeve/v1/switches"

func TestSwitchesAssignmentsAndSettingsHaveVersions(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"leela@example.org"}`)
	for _, word := range []string{"off", "on", "inherit"} {
		o.want(200, "PATCH", mailboxSwitches, `{"scope":"mailbox","subject":"leela@example.org","switches":{"imap":"`+word+`"}}`)
	}
	o.want(200, "PUT", "/portreeve/v1/settings", `{"mfaAlsoAccepts":["password,approvalWindow"]}`)
	o.want(201, "POST", "/portreeve/v1/authenticationPolicies", `{"Name":"No basic","AllowBasicAuthImap":false}`)
	o.want(200, "PUT", "/portreeve/v1/assignments", `{"scope":"organization","policy":"No basic"}`)

	box := "/portreeve/v1/history/switch/" + url.PathEscape("mailbox:leela@example.org/imapenabled")
	rows := values(o.want(200, "GET", box, ""))
	if len(rows) != 3 || rows[2]["after"] != false || rows[0]["after"] != nil || rows[0]["version"] != 3.0 {
		t.Fatalf("versions %v", rows)
	}
	diff := values(o.want(200, "GET", box+"/diff?from=1&to=2", ""))
	if len(diff) != 1 || diff[0]["before"] != false || diff[0]["after"] != true {
		t.Errorf("diff %v", diff)
	}
	o.want(200, "POST", box+"/restore", `{"version":1}`)
	if is := values(o.want(200, "GET", mailboxSwitches+"?scope=mailbox&subject=leela@example.org", "")); len(is) != 1 || is[0]["value"] != false {
		t.Errorf("restored to %v", is)
	}
	o.want(409, "POST", box+"/restore", `{"version":1}`)
	o.want(400, "POST", box+"/restore", `{}`)
	o.want(404, "POST", box+"/restore", `{"version":9}`)
	o.want(404, "GET", "/portreeve/v1/history/switch/"+url.PathEscape("mailbox:leela@example.org/NoSuch"), "")
	o.want(200, "POST", "/portreeve/v1/history/setting/mfaAlsoAccepts/restore", `{"version":0}`)
	if got := fmt.Sprint(o.want(200, "GET", "/portreeve/v1/settings", "")["mfaAlsoAccepts"]); got != "[]" {
		t.Errorf("the setting is %s", got)
	}
	o.want(200, "POST", "/portreeve/v1/history/assignment/organization/restore", `{"version":0}`)
	if is := values(o.want(200, "GET", "/portreeve/v1/assignments", "")); len(is) != 0 {
		t.Errorf("assigned is %v", is)
	}
}

func TestAnImportOfMailboxesTakesItselfBack(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"leela@example.org"}`)
	o.want(200, "POST", "/portreeve/v1/mailboxes/import?confirmWithin=1s", "PrimarySmtpAddress,ImapEnabled\r\nleela@example.org,False\r\n")
	set := func() int { return len(values(o.want(200, "GET", mailboxSwitches, ""))) }
	if set() != 1 {
		t.Fatal("it was not made")
	}
	for range 300 {
		if set() == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if n := set(); n != 0 {
		t.Errorf("%d switches are left", n)
	}
	if code, _ := o.do("GET", "/portreeve/v1/mailboxes/export?sheet=latest", ""); code != 404 {
		t.Errorf("the list is still there: %d", code)
	}
}
