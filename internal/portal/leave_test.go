package portal

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
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

// An error is posted by the same page, before anybody is signed in: the form leads
// to its program and nowhere else, and what the program sent stands in it as text. A
// host in brackets cannot be named in a policy of content, which a browser would
// then read as that the form may go nowhere.
func TestAnErrorIsPostedByTheSamePage(t *testing.T) {
	w := newWorld(t)
	p := w.party(t, "Party")
	state := `"><script>alert(1)</script>`
	for redirect, to := range map[string]string{"https://rp.example:8443/cb": "https://rp.example:8443", "http://[::1]:4711/": "http:", "http://127.0.0.1:4711/": "http://127.0.0.1:4711"} {
		rec := httptest.NewRecorder()
		w.Post(rec, httptest.NewRequest("GET", site+"/oauth2/authorize?x=1", nil), grant.Request{Client: p.ID, Redirect: redirect}, url.Values{"error": {"invalid_scope"}, "state": {state}, "iss": {site}})
		csp := rec.Header().Get("Content-Security-Policy")
		if rec.Code != http.StatusOK || !strings.Contains(csp, "form-action "+to+";") || !strings.Contains(csp, "frame-ancestors 'none'") || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d under %v", redirect, rec.Code, rec.Header())
		}
		body := rec.Body.String()
		if strings.Contains(body, "<script>alert") || !strings.Contains(body, `action="`+redirect+`"`) || !strings.Contains(body, "Continue to Party") || !strings.Contains(body, `value="`+html.EscapeString(state)+`"`) || !strings.Contains(body, `value="invalid_scope"`) {
			t.Errorf("%s: the page\n%s", redirect, body)
		}
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
