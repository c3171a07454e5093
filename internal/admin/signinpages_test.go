package admin_test

import (
	"fmt"
	"strings"
	"testing"
)

// Sign-ins of one moment stand on several pages, whichever way they are read.
func TestEverySignInIsOnOnePage(t *testing.T) {
	o := openAbroad(t)
	token := o.token(`{"name":"ci","role":"reader"}`)
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"ana"}`)
	var log strings.Builder
	for i := range 23 {
		fmt.Fprintf(&log, "2026-11-20 08:00:%02d imap-login: Info: Login: user=<ana@example.org>, method=PLAIN, rip=198.51.100.%d, lip=127.0.0.1, mpid=%d, TLS, session=<s%d>\n", i/9, i+1, i+1, i)
	}
	if status, b := o.do("POST", "/portreeve/v1/signIns/import?from=dovecot&name=mail.log", log.String()); status != 200 {
		t.Fatalf("%d %s", status, b)
	}
	for _, order := range []string{"", "&$orderby=createdDateTime%20asc", "&$orderby=createdDateTime%20desc", "&$orderby=createdDateTime&$filter=ipAddress%20ne%20%27198.51.100.3%27"} {
		for _, top := range []int{1, 2, 5, 9, 22, 23, 100} {
			path, seen, before := fmt.Sprintf("/v1.0/auditLogs/signIns?$top=%d&$select=id,createdDateTime%s", top, order), map[string]bool{}, ""
			for pages := 0; path != ""; pages++ {
				m := o.expect(200, "GET", path, token, "")
				for _, row := range values(m) {
					at := row["createdDateTime"].(string)
					if rising := strings.Contains(order, "createdDateTime") && !strings.Contains(order, "desc"); before != "" && (rising && at < before || !rising && at > before) {
						t.Errorf("%s: %s comes after %s", order, at, before)
					}
					if before = at; seen[row["id"].(string)] || row["userPrincipalName"] != nil {
						t.Errorf("%s, pages of %d: twice, or too much of it: %v", order, top, row)
					}
					seen[row["id"].(string)] = true
				}
				next, _ := m["@odata.nextLink"].(string)
				if path = strings.TrimPrefix(next, o.base); pages > 30 {
					t.Fatalf("%s: there is no end of pages", order)
				}
			}
			want := 23
			if strings.Contains(order, "filter") {
				want = 22
			}
			if len(seen) != want {
				t.Errorf("%q, pages of %d: %d sign-ins instead of %d", order, top, len(seen), want)
			}
		}
	}
}
