package portal

import (
	"net/http"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/grant"
)

// An answer goes to what was sealed, in the way the program asked for.
func TestAnAnswerByForm(t *testing.T) {
	w := newWorld(t)
	p := w.party(t, "Party")
	b := w.browser(t)
	b.signIn("leela", right)
	a := b.send("GET", w.asks(t, func(q *grant.Request) {
		q.Client, q.Redirect, q.ResponseMode = p.ID, "https://rp.example:8443/cb", "form_post"
	}), nil, nil) // an administrator answers for it, and nobody is asked
	csp := a.header.Get("Content-Security-Policy")
	if a.status != http.StatusOK || !strings.Contains(csp, "form-action https://rp.example:8443;") || !strings.Contains(csp, "frame-ancestors 'none'") || a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d under %v", a.status, a.header)
	}
	a.contains(t, `<script src="/onward.js" defer>`, "Continue to Party")
	if len(a.forms) != 1 || a.forms[0].action != "https://rp.example:8443/cb" || a.forms[0].method != "post" {
		t.Fatalf("forms: %+v", a.forms)
	}
	f := a.forms[0].fields
	if f.Get("state") != "st&te<1>" || f.Get("iss") != site || f.Has("token") {
		t.Errorf("fields %v", f)
	}
	if _, err := w.grants.Redeem(t.Context(), f.Get("code"), p.ID, "https://rp.example:8443/cb", verifier, nil); err != nil {
		t.Error(err)
	}
	if s := b.send("GET", "/onward.js", nil, nil); s.status != http.StatusOK || !strings.Contains(s.body, "submit()") {
		t.Errorf("the script: %d", s.status)
	}
}

func TestWhereABrowserIsSent(t *testing.T) {
	for address, want := range map[string]bool{"https://rp.example/cb": true, "http://127.0.0.1:1/": true, "com.example.mail:/cb?code=1": true, "eu.faircode.email:/": true,
		"javascript:alert(1)": false, "JavaScript:alert(1)": false, "data:text/html,x": false, "vbscript:x": false, "/local": false, "": false, "file:///etc/passwd": false, "blob:x": false} {
		if leads(address) != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
}
