package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

func TestCodeIsExchangedForTokens(t *testing.T) {
	w := newWorld(t)
	scopes := "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send openid  email offline_access"
	a := w.signedIn("scope", scopes)
	if a.text("token_type") != "Bearer" || a.text("scope") != strings.Join(strings.Fields(scopes), " ") || a.json["expires_in"] != float64(600) || a.text("refresh_token") == "" || a.text("id_token") == "" {
		t.Errorf("%s", a.body)
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
		t.Errorf("may be kept: %v", a.Header)
	}
	c, err := w.mail.Verify(t.Context(), []byte(a.text("access_token")))
	if err != nil || c.Subject != leela || c.ClientID != client.Mail {
		t.Errorf("%+v %v", c, err)
	}
	if used, _ := w.clients.Find(client.Mail); used.Used.IsZero() {
		t.Error("the program was never used")
	}
}

// A public program that opens a mailbox has no other way to stay signed in; a
// confidential one asks by offline_access.
func TestWhoGetsARefreshToken(t *testing.T) {
	w := newWorld(t)
	web, secret := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org/cb"}})
	for scopes, refreshes := range map[string]bool{"openid email": false, "openid offline_access": true} {
		code := w.says(w.connect(asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org/cb", "scope", scopes)), nil)
		a := w.token("grant_type", "authorization_code", "client_id", web.ID, "client_secret", secret, "code", code, "redirect_uri", "https://wiki.example.org/cb", "code_verifier", verifier)
		if a.StatusCode != http.StatusOK || (a.text("refresh_token") != "") != refreshes {
			t.Errorf("%q: %d %s", scopes, a.StatusCode, a.body)
		}
	}
}

// Whatever is wrong with a code, what is told is the same.
func TestCodeOfAnotherIsWorthNothing(t *testing.T) {
	w := newWorld(t)
	web, secret := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org/cb"}})
	first := ""
	for name, change := range map[string]url.Values{
		"another's code (injection)": values("client_id", client.Token),
		"with the attacker's secret": values("client_id", web.ID, "client_secret", secret),
		"sent elsewhere":             values("redirect_uri", "http://127.0.0.1:1"),
		"no verifier":                values("code_verifier", ""),
		"a wrong verifier":           values("code_verifier", strings.Repeat("x", 43)),
		"the challenge as verifier":  values("code_verifier", s256(verifier)),
		"a code of nobody's":         values("code", "prc_"+strings.Repeat("A", 43)),
		"no code of ours":            values("code", strings.Repeat("x", 5000)),
	} {
		code := w.says(w.connect(asking()), nil)
		form := values("grant_type", "authorization_code", "client_id", client.Mail, "code", code, "redirect_uri", localhost, "code_verifier", verifier)
		for k, v := range change {
			form[k] = v
		}
		a := w.send("POST", pathToken, form, nil)
		if a.StatusCode != http.StatusBadRequest || a.text("error") != grant.InvalidGrant || a.text("access_token") != "" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		if first == "" {
			first = a.body
		}
		if a.body != first {
			t.Errorf("%s is told apart: %s and %s", name, a.body, first)
		}
	}
}

// A code that was asked for without a challenge takes no verifier: one that comes
// shows that the challenge was taken away on the way (RFC 9700, section 4.8.2).
func TestPKCECannotBeTakenAway(t *testing.T) {
	w := newWorld(t)
	web, secret := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org/cb"}})
	v := asking("client_id", web.ID, "redirect_uri", "https://wiki.example.org/cb", "code_challenge", "", "code_challenge_method", "")
	ask := func(code, shown string) *answer {
		return w.token("grant_type", "authorization_code", "client_id", web.ID, "client_secret", secret, "code", code, "redirect_uri", "https://wiki.example.org/cb", "code_verifier", shown)
	}
	if a := ask(w.says(w.connect(v), nil), verifier); a.text("error") != grant.InvalidGrant {
		t.Errorf("a verifier without a challenge: %d %s", a.StatusCode, a.body)
	}
	if a := ask(w.says(w.connect(v), nil), ""); a.StatusCode != http.StatusOK {
		t.Errorf("a confidential program without PKCE: %d %s", a.StatusCode, a.body)
	}
}

func TestSecondUseOfACodeEndsWhatTheFirstGave(t *testing.T) {
	w := newWorld(t)
	code := w.says(w.connect(asking()), nil)
	form := []string{"grant_type", "authorization_code", "client_id", client.Mail, "code", code, "redirect_uri", localhost, "code_verifier", verifier}
	a := w.token(form...)
	if a.StatusCode != http.StatusOK {
		t.Fatal(a.body)
	}
	if b := w.token(form...); b.text("error") != grant.InvalidGrant {
		t.Errorf("again: %d %s", b.StatusCode, b.body)
	}
	if b := w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", a.text("refresh_token")); b.text("error") != grant.InvalidGrant {
		t.Errorf("what the first gave: %d %s", b.StatusCode, b.body)
	}
}

// Of fifty that redeem a code at once one may win; and since the others have
// shown that there are copies, nothing is left of it.
func TestParallelRedemptionOfACode(t *testing.T) {
	w := newWorld(t)
	code := w.says(w.connect(asking()), nil)
	won := parallel(50, func() string {
		a := w.token("grant_type", "authorization_code", "client_id", client.Mail, "code", code, "redirect_uri", localhost, "code_verifier", verifier)
		return a.text("access_token")
	})
	if len(won) > 1 {
		t.Errorf("%d won", len(won))
	}
	if left := w.grants.Of(leela); len(left) != 0 {
		t.Errorf("%d grants are left", len(left))
	}
}

// Of fifty refreshes at once all get the same successor: they are one program's.
func TestParallelRefreshes(t *testing.T) {
	w := newWorld(t)
	a := w.signedIn()
	won := parallel(50, func() string {
		b := w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", a.text("refresh_token"))
		if b.StatusCode != http.StatusOK {
			t.Errorf("%d %s", b.StatusCode, b.body)
		}
		return b.text("refresh_token")
	})
	if len(won) != 1 {
		t.Errorf("%d successors", len(won))
	}
}

func parallel(n int, do func() string) map[string]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	got := map[string]int{}
	for range n {
		all.Go(func() {
			s := do()
			mu.Lock()
			defer mu.Unlock()
			if s != "" {
				got[s]++
			}
		})
	}
	all.Wait()
	return got
}

func TestRefreshRotatesAndNarrows(t *testing.T) {
	w := newWorld(t)
	a := w.signedIn()
	refresh := func(token string, more ...string) *answer {
		return w.token(append([]string{"grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", token}, more...)...)
	}
	b := refresh(a.text("refresh_token"))
	if b.StatusCode != http.StatusOK || b.text("refresh_token") == a.text("refresh_token") || b.text("scope") != a.text("scope") || b.text("id_token") == "" {
		t.Fatalf("%d %s", b.StatusCode, b.body)
	}
	c := refresh(b.text("refresh_token"), "scope", "imap")
	if c.StatusCode != http.StatusOK || c.text("scope") != "imap" || c.text("id_token") != "" {
		t.Fatalf("less: %d %s", c.StatusCode, c.body)
	}
	if d := refresh(c.text("refresh_token"), "scope", "imap pop"); d.text("error") != invalidScope {
		t.Errorf("more: %d %s", d.StatusCode, d.body)
	}
	if d := refresh(c.text("refresh_token"), "resource", "https://evil.example"); d.text("error") != invalidTarget {
		t.Errorf("elsewhere: %d %s", d.StatusCode, d.body)
	}
	if d := refresh(c.text("refresh_token")); d.StatusCode != http.StatusOK || d.text("scope") != a.text("scope") {
		t.Errorf("what was refused cost the token: %d %s", d.StatusCode, d.body)
	}
	if d := w.token("grant_type", "refresh_token", "client_id", client.Token, "refresh_token", c.text("refresh_token")); d.text("error") != grant.InvalidGrant {
		t.Errorf("another program's: %d %s", d.StatusCode, d.body)
	}
	// One from before kills the family, and the program is told.
	if d := refresh(a.text("refresh_token")); d.text("error") != grant.InvalidGrant || !strings.HasPrefix(d.text("error_description"), signin.GrantReplayed.String()) {
		t.Errorf("an old one: %d %s", d.StatusCode, d.body)
	}
	if left := w.grants.Of(leela); len(left) != 0 {
		t.Errorf("%d grants are left", len(left))
	}
}

// Every refresh is a sign-in that policy judges and the log tells of.
func TestRefreshIsJudged(t *testing.T) {
	w := newWorld(t)
	a := w.signedIn()
	refresh := func() *answer {
		return w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", a.text("refresh_token"))
	}
	w.policies(everyone("closed", policy.ControlBlock))
	b := refresh()
	if b.StatusCode != http.StatusBadRequest || b.text("error") != grant.InvalidGrant || !strings.HasPrefix(b.text("error_description"), "PR53003 ") {
		t.Errorf("%d %s", b.StatusCode, b.body)
	}
	for _, r := range b.text("error_description") {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			t.Errorf("%q is in the description", r)
		}
	}
	w.policies()
	if b := refresh(); b.StatusCode != http.StatusOK {
		t.Errorf("the policy is lifted: %d %s", b.StatusCode, b.body)
	}
	var seen []string
	events, _, err := w.store.Events(t.Context(), store.EventFilter{}, store.Cursor{}, 10)
	must(t, err)
	for _, e := range events {
		if !strings.HasPrefix(e.Grant, grant.Prefix) || e.Listener != "public" || e.Facts.Person != leela {
			t.Errorf("%+v", e)
		}
		seen = append(seen, fmt.Sprintf("%s %d", e.Mechanism, e.Code))
	}
	if len(seen) < 2 || !strings.Contains(strings.Join(seen, ","), gate.RefreshToken+" 0") || !strings.Contains(strings.Join(seen, ","), gate.AuthorizationCode+" 0") {
		t.Errorf("the log: %v", seen)
	}
}

// What is shown of somebody's and is worth nothing stands among their sign-ins.
func TestWhatIsWithheldIsWrittenDown(t *testing.T) {
	w := newWorld(t)
	a := w.signedIn()
	form := []string{"grant_type", "refresh_token", "client_id", client.Mail, "refresh_token"}
	b := w.token(append(form, a.text("refresh_token"))...)
	c := w.token(append(form, b.text("refresh_token"))...)
	w.token(append(form, a.text("refresh_token"))...) // a copy, of long ago
	d := w.token(append(form, c.text("refresh_token"))...)
	if d.text("error") != grant.InvalidGrant || !strings.HasPrefix(d.text("error_description"), signin.GrantEnded.String()) {
		t.Errorf("the honest program: %d %s", d.StatusCode, d.body)
	}
	code := w.says(w.connect(asking()), nil)
	e := w.token("grant_type", "authorization_code", "client_id", client.Mail, "code", code, "redirect_uri", localhost, "code_verifier", strings.Repeat("x", 43))
	if e.text("error_description") != goneText {
		t.Errorf("a code without its verifier: %s", e.body)
	}
	missing := []signin.Code{signin.GrantReplayed, signin.GrantEnded, signin.TokenInvalid}
	for end := time.Now().Add(time.Minute); len(missing) > 0; time.Sleep(50 * time.Millisecond) { // refusals are written within a second
		events, _, err := w.store.Events(t.Context(), store.EventFilter{}, store.Cursor{}, 20)
		must(t, err)
		missing = slices.DeleteFunc(missing, func(code signin.Code) bool {
			return slices.ContainsFunc(events, func(e signin.Event) bool {
				return e.Code == code && e.Facts.Person == leela && strings.HasPrefix(e.Grant, grant.Prefix)
			})
		})
		if time.Now().After(end) {
			t.Fatalf("%v are not in the log: %+v", missing, events)
		}
	}
}

// brokenGate is one that cannot write.
type brokenGate struct{ Gate }

func (brokenGate) Grant(context.Context, signin.Attempt, gate.Asked) signin.Outcome {
	return signin.Outcome{Code: signin.LogUnavailable, Reply: signin.Reply{Tone: signin.Trouble, Code: signin.LogUnavailable, Text: "PR1012"}}
}

// brokenGrants is a database that is away.
type brokenGrants struct{ Grants }

func (brokenGrants) Redeem(context.Context, string, string, string, string, func(grant.Grant) error) (grant.Grant, error) {
	return grant.Grant{}, errors.New("the database is away")
}

// Trouble of ours never costs a program its tokens.
func TestTroubleIsNeverInvalidGrant(t *testing.T) {
	w := newWorld(t)
	a := w.signedIn()
	whole := w.Options
	w.Gate = brokenGate{}
	b := w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", a.text("refresh_token"))
	if b.StatusCode != http.StatusServiceUnavailable || b.text("error") != temporarilyAway || b.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", b.StatusCode, b.body)
	}
	w.Gate, w.Grants = whole.Gate, brokenGrants{whole.Grants}
	b = w.token("grant_type", "authorization_code", "client_id", client.Mail, "code", "prc_x", "redirect_uri", localhost, "code_verifier", verifier)
	if b.StatusCode != http.StatusServiceUnavailable || b.text("error") != temporarilyAway || strings.Contains(b.body, "database") {
		t.Errorf("%d %s", b.StatusCode, b.body)
	}
	w.Grants = whole.Grants
	if b := w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", a.text("refresh_token")); b.StatusCode != http.StatusOK {
		t.Errorf("%d %s", b.StatusCode, b.body)
	}
}

// What is not written is refused.
func TestOtherGrantsAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:saml2-bearer", "<script>\n\"", "ROPC"} {
		a := w.token("grant_type", kind, "client_id", client.Mail, "username", "leela@example.org", "password", "x", "assertion", "a.b.c", "subject_token", "x", "subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
		if a.StatusCode != http.StatusBadRequest || a.text("error") != unsupportedGrant {
			t.Errorf("%s: %d %s", kind, a.StatusCode, a.body)
		}
		if strings.Contains(a.body, "u003c") || kind != "implicit" && strings.Contains(a.body, kind) {
			t.Errorf("%s is echoed: %s", kind, a.body)
		}
	}
	if a := w.token("client_id", client.Mail); a.text("error") != invalidRequest {
		t.Errorf("none: %s", a.body)
	}
	// Theirs to use are the grants that a client has.
	for kind, more := range map[string][]string{"client_credentials": nil, client.GrantDevice: {"device_code", "x"}} {
		if a := w.token(append([]string{"grant_type", kind, "client_id", client.Mail}, more...)...); a.text("error") != unauthorizedClient {
			t.Errorf("%s by a program without it: %d %s", kind, a.StatusCode, a.body)
		}
	}
}

// What a program says of itself reaches the log as text of one line.
func TestNothingIsWrittenIntoTheLogThroughNames(t *testing.T) {
	w := newWorld(t)
	a := w.send("POST", pathRegister, nil, jsonBody("{\"client_name\":\"Good\\r\\nevent=forged\",\"redirect_uris\":[\"http://127.0.0.1\"]}"))
	if a.StatusCode != http.StatusBadRequest {
		t.Errorf("a name of two lines: %d %s", a.StatusCode, a.body)
	}
	x := w.signedIn()
	agent := strings.Repeat("A", 5000) + "<script>\t\x1b[31m"
	b := w.send("POST", pathToken, values("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", x.text("refresh_token")), func(r *http.Request) { r.Header.Set("User-Agent", agent) })
	if b.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", b.StatusCode, b.body)
	}
	events, _, err := w.store.Events(t.Context(), store.EventFilter{}, store.Cursor{}, 10)
	must(t, err)
	for _, e := range events {
		if len(e.Hints.UserAgent) > maxAgent || strings.ContainsAny(e.Detail, "\r\n\x1b") {
			t.Errorf("%q %q", e.Hints.UserAgent, e.Detail)
		}
	}
}

// jsonBody is a request's body.
func jsonBody(body string) func(*http.Request) { return typed("application/json", body) }

func typed(kind, body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", kind)
		r.Body = http.NoBody
		if body != "" {
			r.Body = readCloser{strings.NewReader(body)}
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// Whatever is sent to the endpoints, the answer is an error in OAuth's form, never
// tokens, and never a fault of ours.
func FuzzForms(f *testing.F) {
	f.Add(pathToken, "grant_type=authorization_code&client_id=portreeve-mail&code=prc_x&redirect_uri=http://127.0.0.1&code_verifier=x")
	f.Add(pathToken, "grant_type=refresh_token&client_id=portreeve-mail&refresh_token=prr_AAAA&scope=imap")
	f.Add(pathToken, "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=portreeve-token&device_code=prd_x")
	f.Add(pathRevoke, "client_id=portreeve-mail&token=a.b.c")
	f.Add(pathIntrospect, "client_id=x&client_secret=y&token=a.b.c")
	f.Add(pathLogout, "id_token_hint=a.b.c&post_logout_redirect_uri=https://evil.example")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, path, body string) {
		if !slices.Contains([]string{pathToken, pathRevoke, pathIntrospect, pathLogout}, path) {
			return
		}
		w.slow = newSlow() // or the tries would wait
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if rec.Code >= 500 || strings.Contains(rec.Body.String(), "access_token\":") || strings.Contains(rec.Header().Get("Location"), "evil") {
			t.Fatalf("%d %v %s", rec.Code, rec.Header(), rec.Body)
		}
	})
}

func TestTokensAreNotPrinted(t *testing.T) {
	const text = "opensesame"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if said := fmt.Sprintf(verb, &tokens{Access: text, Refresh: text, ID: text, Scope: "imap"}); strings.Contains(said, text) || !strings.Contains(said, "imap") {
			t.Errorf("%s: %s", verb, said)
		}
	}
}
