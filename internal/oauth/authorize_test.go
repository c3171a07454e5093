package oauth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/store"
)

func TestAuthorizeSendsACheckedRequestToThePortal(t *testing.T) {
	w := newWorld(t)
	q := w.connect(asking("nonce", "n-1", "prompt", "login consent", "max_age", "60", "acr_values", "phr x", "resource", "imap://imap.example.org"))
	switch {
	case q.Client != client.Mail, q.Redirect != localhost, q.State != "s/1+2 3", q.Nonce != "n-1", q.Challenge != s256(verifier), q.LoginHint != "leela@example.org",
		q.Scope.String() != "imap smtp openid email offline_access", len(q.Prompt) != 2, q.MaxAge == nil || *q.MaxAge != 60, len(q.ACR) != 2, len(q.Resource) != 1, q.Program != "thunderbird":
		t.Errorf("the portal reads %+v", q)
	}
	for _, name := range []string{issuer, issuer + "/", issuer + "/mail", "imap://mail.example.org", "imaps://IMAP.example.org:993/", "smtp://imap.example.org"} {
		if q := w.connect(asking("resource", name)); len(q.Resource) != 1 {
			t.Errorf("%s: %v", name, q.Resource)
		}
	}
	if a := w.send("POST", pathAuthorize, asking(), nil); a.StatusCode != http.StatusFound || !strings.HasPrefix(a.Header.Get("Location"), issuer+"/connect?request=") {
		t.Errorf("by POST: %d %s", a.StatusCode, a.Header)
	}
}

// Programs made for Microsoft put their paths together from a host and a tenant.
func TestPathsOfMicrosoftLeadToTheSameEndpoints(t *testing.T) {
	w := newWorld(t)
	for _, tenant := range []string{"common", "organizations", "consumers", "example.org", "9188040d-6c67-4c5b-b112-36a304b66dad"} {
		a := w.send("GET", "/"+tenant+"/oauth2/v2.0/authorize?"+asking("scope", "https://outlook.office.com/IMAP.AccessAsUser.All offline_access").Encode(), nil, nil)
		if to := a.Header.Get("Location"); !strings.HasPrefix(to, issuer+"/connect?request=") {
			t.Errorf("%s: %d to %s", tenant, a.StatusCode, to)
		}
		if a := w.send("POST", "/"+tenant+"/oauth2/v2.0/token", values("grant_type", "password"), nil); a.text("error") != unsupportedGrant {
			t.Errorf("%s: %d %s", tenant, a.StatusCode, a.body)
		}
		if a := w.send("GET", "/"+tenant+"/v2.0/.well-known/openid-configuration", nil, nil); a.text("issuer") != issuer {
			t.Errorf("%s: %s", tenant, a.body)
		}
		if a := w.send("GET", "/"+tenant+"/oauth2/v2.0/keys", nil, nil); !strings.Contains(a.body, `"keys"`) {
			t.Errorf("%s: %s", tenant, a.body)
		}
	}
}

// As long as it is not certain who asks and where the answer goes, the person
// reads of it here and is sent nowhere, and nothing that was sent is shown.
func TestNobodyIsSentToAnAddressThatIsNotTheProgramsOwn(t *testing.T) {
	w := newWorld(t)
	web, _ := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org/callback"}})
	for name, v := range map[string]url.Values{
		"nobody":              asking("client_id", "<script>alert(1)</script>"),
		"no client":           asking("client_id", ""),
		"no address":          asking("redirect_uri", ""),
		"another host":        asking("client_id", web.ID, "redirect_uri", "https://evil.example/callback"),
		"a longer path":       asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org/callback/x"),
		"an upper path":       asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org/callback/.."),
		"a query more":        asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org/callback?x=1"),
		"a fragment":          asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org/callback#x"),
		"a user":              asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org@evil.example/callback"),
		"a backslash":         asking("client_id", web.ID, "redirect_uri", `https://evil.example\@wiki.example.org/callback`),
		"a suffix":            asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org.evil.example/callback"),
		"http for https":      asking("client_id", web.ID, "redirect_uri", "http://wiki.example.org/callback"),
		"a port":              asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org:8443/callback"),
		"upper case":          asking("client_id", web.ID, "redirect_uri", "https://WIKI.example.org/callback"),
		"an encoded letter":   asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org/c%61llback"),
		"another's loopback":  asking("client_id", web.ID),
		"script":              asking("redirect_uri", "javascript:alert(1)"),
		"data":                asking("redirect_uri", "data:text/html,x"),
		"the whole internet":  asking("redirect_uri", "http://0.0.0.0:1"),
		"like the loopback":   asking("redirect_uri", "http://127.0.0.1.evil.example:1"),
		"loopback and a user": asking("redirect_uri", "http://127.0.0.1:1@evil.example"),
		"loopback with path":  asking("redirect_uri", "http://127.0.0.1:1/x"),
		"two addresses":       {"client_id": {client.Mail}, "redirect_uri": {localhost, "https://evil.example"}, "response_type": {"code"}},
		"two clients":         {"client_id": {client.Mail, web.ID}, "redirect_uri": {localhost}, "response_type": {"code"}},
		"a line break":        asking("redirect_uri", localhost+"\r\nSet-Cookie: x=1"),
	} {
		a := w.authorize(v)
		if a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" || a.Header.Get("Set-Cookie") != "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %v", name, a.StatusCode, a.Header)
		}
		if strings.Contains(a.body, "evil") || strings.Contains(a.body, "script") {
			t.Errorf("%s: what was sent is shown: %s", name, a.body)
		}
	}
	if _, _, err := w.clients.Forbid(t.Context(), store.System, "", web.ID); err != nil {
		t.Fatal(err)
	}
	if a := w.authorize(asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org/callback")); a.StatusCode != http.StatusForbidden || a.Header.Get("Location") != "" {
		t.Errorf("a forbidden program: %d %v", a.StatusCode, a.Header)
	}
}

// Native programs listen where there is room, catch what goes to localhost, or
// have a scheme of their own.
func TestNativeProgramsAreAnsweredOnTheirDevice(t *testing.T) {
	w := newWorld(t)
	for _, redirect := range []string{"http://127.0.0.1:1", "http://127.0.0.1:65535/", "http://[::1]:49152", "http://[::1]:49152/", "https://localhost", "http://localhost:8080"} {
		if q := w.connect(asking("redirect_uri", redirect)); q.Redirect != redirect {
			t.Errorf("%s is answered at %s", redirect, q.Redirect)
		}
	}
	if q := w.connect(asking("client_id", client.FairEmail, "redirect_uri", "eu.faircode.email:/")); q.Redirect != "eu.faircode.email:/" {
		t.Errorf("FairEmail is answered at %s", q.Redirect)
	}
}

// Everything else that is wrong is told to the program, with its state as it came
// and with who tells it (RFC 9207).
func TestErrorsGoToTheProgram(t *testing.T) {
	w := newWorld(t)
	web, _ := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org/callback?x=1"}})
	service, _ := w.added(client.New{Name: "Scanner", Account: service})
	_ = service
	long := strings.Repeat("x", maxNonce+1)
	for name, c := range map[string]struct {
		v    url.Values
		code string
	}{
		"implicit":                     {asking("response_type", "token"), unsupportedResponse},
		"an ID token":                  {asking("response_type", "id_token"), unsupportedResponse},
		"hybrid":                       {asking("response_type", "code id_token"), unsupportedResponse},
		"nothing":                      {asking("response_type", "none"), unsupportedResponse},
		"no type":                      {asking("response_type", ""), invalidRequest},
		"no PKCE":                      {asking("code_challenge", "", "code_challenge_method", ""), invalidRequest},
		"PKCE plain":                   {asking("code_challenge_method", "plain"), invalidRequest},
		"PKCE without a method":        {asking("code_challenge_method", ""), invalidRequest},
		"PKCE with a method alone":     {asking("code_challenge", ""), invalidRequest},
		"PKCE too short":               {asking("code_challenge", "abc"), invalidRequest},
		"PKCE with odd letters":        {asking("code_challenge", strings.Repeat("=", 43)), invalidRequest},
		"PKCE plain, confidential":     {asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org/callback?x=1", "code_challenge_method", "plain"), invalidRequest},
		"a request object":             {asking("request", "eyJhbGciOiJub25lIn0.e30."), requestNotSupported},
		"a request elsewhere":          {asking("request_uri", "https://evil.example/r"), requestURINot},
		"a registration":               {asking("registration", "{}"), registrationNot},
		"a fragment":                   {asking("response_mode", "fragment"), invalidRequest},
		"another mode":                 {asking("response_mode", "web_message"), invalidRequest},
		"no scope":                     {asking("scope", ""), invalidScope},
		"no scope that there is":       {asking("scope", "everything"), invalidScope},
		"a scope with quotes":          {asking("scope", `imap"`), invalidScope},
		"prompts that exclude others":  {asking("prompt", "none login"), invalidRequest},
		"a prompt that there is not":   {asking("prompt", "create"), invalidRequest},
		"an age in words":              {asking("max_age", "soon"), invalidRequest},
		"an age below zero":            {asking("max_age", "-1"), invalidRequest},
		"an age of ages":               {asking("max_age", "4294967296"), invalidRequest},
		"a nonce too long":             {asking("nonce", long), invalidRequest},
		"a resource elsewhere":         {asking("resource", "https://outlook.office365.com"), invalidTarget},
		"a resource with a fragment":   {asking("resource", issuer+"#x"), invalidTarget},
		"a resource of another host":   {asking("resource", "imap://evil.example"), invalidTarget},
		"a resource with a user":       {asking("resource", "imap://x@imap.example.org"), invalidTarget},
		"a resource of another scheme": {asking("resource", "ldap://imap.example.org"), invalidTarget},
	} {
		a := w.authorize(c.v)
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil || a.StatusCode != http.StatusFound {
			t.Errorf("%s: %d %v", name, a.StatusCode, a.Header)
			continue
		}
		q := to.Query()
		if q.Get("error") != c.code || q.Get("state") != "s/1+2 3" || q.Get("iss") != issuer || q.Get("code") != "" || q.Get("error_description") == "" || to.Fragment != "" {
			t.Errorf("%s: %s", name, to)
		}
		if !strings.HasPrefix(to.String(), c.v.Get("redirect_uri")) {
			t.Errorf("%s: sent to %s", name, to)
		}
	}
	v := asking()
	v.Add("scope", "openid")
	if q, _ := url.Parse(w.authorize(v).Header.Get("Location")); q.Query().Get("error") != invalidRequest {
		t.Errorf("a scope twice: %s", q)
	}
	v = asking("state", strings.Repeat("x", maxState+1))
	if q, _ := url.Parse(w.authorize(v).Header.Get("Location")); q.Query().Get("error") != invalidRequest || q.Query().Has("state") {
		t.Errorf("a state without end: %s", q)
	}
	// What the portal cannot carry in an address is not sent on to fail later.
	for _, filler := range []string{"s", "<", "\"", "\x00"} {
		v = asking("state", strings.Repeat(filler, maxState), "nonce", strings.Repeat(filler, maxNonce))
		to, err := url.Parse(w.authorize(v).Header.Get("Location"))
		must(t, err)
		if n := len(to.Query().Get("request")); n > maxRequest || n == 0 && to.Query().Get("error") != invalidRequest {
			t.Errorf("%q: the browser is sent on to %.100s, with %d bytes", filler, to, n)
		}
	}
}

// An ID token says more surely than a name who is meant; only the program that
// it was given to may show it.
func TestHintByIDToken(t *testing.T) {
	w := newWorld(t)
	a := w.signedIn()
	if q := w.connect(asking("id_token_hint", a.text("id_token"), "login_hint", "fry@example.org")); q.LoginHint != "leela@example.org" {
		t.Errorf("%q is meant", q.LoginHint)
	}
	for name, v := range map[string]url.Values{
		"another program's": asking("id_token_hint", a.text("id_token"), "client_id", client.Token),
		"a changed one":     asking("id_token_hint", a.text("id_token")+"A"),
		"an access token":   asking("id_token_hint", a.text("access_token")),
	} {
		if q, _ := url.Parse(w.authorize(v).Header.Get("Location")); q.Query().Get("error") != invalidRequest {
			t.Errorf("%s: %s", name, q)
		}
	}
}

// state comes back byte for byte, whatever is in it.
func TestStateIsUntouched(t *testing.T) {
	w := newWorld(t)
	for _, state := range []string{"a b+c%20d&e=f#g", "\r\nSet-Cookie: x=1", "<script>", "ü☃", strings.Repeat("x", maxState), "\x00\x01"} {
		q := w.connect(asking("state", state))
		to, err := url.Parse(w.grants.Answer(q, "c", "", ""))
		must(t, err)
		if got := to.Query().Get("state"); got != state {
			t.Errorf("%q came back as %q", state, got)
		}
		wrong, err := url.Parse(w.authorize(asking("state", state, "response_type", "token")).Header.Get("Location"))
		must(t, err)
		if got := wrong.Query().Get("state"); got != state {
			t.Errorf("%q came back with an error as %q", state, got)
		}
	}
}

// An error that a program wants posted is given to the page that does so, with
// where it goes and what the form holds.
func TestErrorsArePostedWhereThatIsAskedFor(t *testing.T) {
	w := newWorld(t)
	web, _ := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org:8443/callback"}})
	state := `"><script>alert(1)</script>`
	a := w.authorize(asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org:8443/callback", "response_mode", "form_post", "response_type", "token", "state", state))
	if a.StatusCode != http.StatusOK || w.posted == nil {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if q, fields := w.posted.to, w.posted.fields; q.Redirect != "https://wiki.example.org:8443/callback" || q.Client != web.ID || fields.Get("error") != unsupportedResponse || fields.Get("state") != state || fields.Get("iss") != issuer {
		t.Errorf("to %s: %v", q.Redirect, fields)
	}
}

// An administrator's limit holds from the first question on.
func TestLimitOfAProgramIsGranted(t *testing.T) {
	w := newWorld(t)
	limit, early := w.connect(asking("scope", "imap")).Scope, w.connect(asking())
	if _, _, err := w.clients.Restrict(t.Context(), store.System, "", client.Mail, limit); err != nil {
		t.Fatal(err)
	}
	if q := w.connect(asking()); q.Scope.String() != "imap" {
		t.Errorf("%q is asked for", q.Scope)
	}
	code := w.says(early, nil)
	a := w.token("grant_type", "authorization_code", "client_id", client.Mail, "code", code, "redirect_uri", localhost, "code_verifier", verifier)
	if a.text("error") != invalidScope || len(w.grants.Of(leela)) != 0 {
		t.Errorf("asked for before the limit: %d %s, and %d grants", a.StatusCode, a.body, len(w.grants.Of(leela)))
	}
}

// Whoever frames a page of ours, or reads it from another origin, gets nothing.
func TestHeadersOfEveryAnswer(t *testing.T) {
	w := newWorld(t)
	origin := func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }
	for _, ro := range w.list() {
		for _, method := range []string{"GET", "POST", "OPTIONS", "DELETE"} {
			a := w.send(method, ro.path, values(), origin)
			h := a.Header
			open := h.Get("Access-Control-Allow-Origin")
			if h.Get("Access-Control-Allow-Credentials") != "" || ro.public != (open == "*") || !ro.public && open != "" {
				t.Errorf("%s %s is open to %q with credentials %q", method, ro.path, open, h.Get("Access-Control-Allow-Credentials"))
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Frame-Options") != "DENY" {
				t.Errorf("%s %s: %v", method, ro.path, h)
			}
			if !ro.public && h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s may be kept: %q", method, ro.path, h.Get("Cache-Control"))
			}
			if method == "OPTIONS" || method == "DELETE" {
				if a.StatusCode != http.StatusMethodNotAllowed || h.Get("Allow") == "" {
					t.Errorf("%s %s: %d", method, ro.path, a.StatusCode)
				}
			}
		}
	}
	for _, p := range w.Patterns() {
		if !strings.HasPrefix(p, "/") {
			t.Errorf("pattern %q", p)
		}
	}
}

// Whatever a request says, the browser goes to the portal, or to the address that
// the program has, or nowhere.
func FuzzAuthorize(f *testing.F) {
	f.Add(asking().Encode())
	f.Add(asking("response_mode", "form_post", "prompt", "none").Encode())
	f.Add("client_id=portreeve-mail&redirect_uri=http://127.0.0.1:1@evil.example&response_type=token&state=%0d%0a")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, pathAuthorize, nil)
		r.URL.RawQuery = query
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		to := rec.Header().Get("Location")
		if rec.Code != http.StatusFound {
			if to != "" || rec.Code >= 500 {
				t.Fatalf("%d to %s", rec.Code, to)
			}
			return
		}
		u, err := url.Parse(to)
		if err != nil {
			t.Fatalf("%q: %v", to, err)
		}
		native := u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1" || u.Hostname() == "localhost") || u.Scheme == "https" && u.Host == "localhost" || u.Scheme == "eu.faircode.email"
		if !strings.HasPrefix(to, issuer+"/connect?request=") && !native || u.User != nil {
			t.Fatalf("to %q", to)
		}
	})
}

// A program that is started by a scheme of its own hears at once that no form
// reaches it, and not after its person has signed in.
func TestNoFormIsSentToASchemeOfAProgramsOwn(t *testing.T) {
	w := newWorld(t)
	a := w.authorize(asking("client_id", client.FairEmail, "redirect_uri", "eu.faircode.email:/", "response_mode", "form_post"))
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || a.StatusCode != http.StatusFound || to.Scheme != "eu.faircode.email" || to.Query().Get("error") != "invalid_request" || to.Query().Get("iss") == "" {
		t.Errorf("%d %q %s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
}
