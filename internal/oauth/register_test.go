package oauth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/signin"
)

func (w *world) registers(body string) *answer {
	w.t.Helper()
	return w.send("POST", pathRegister, nil, jsonBody(body))
}

// A program that nobody knows registers, asks a person, and has its tokens.
func TestProgramRegistersItself(t *testing.T) {
	w := newWorld(t)
	a := w.registers(`{"client_name":"Meadow Mail","redirect_uris":["http://127.0.0.1/","org.example.meadow:/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"unknown":{"x":[1]}}`)
	if a.StatusCode != http.StatusCreated || a.text("client_id") == "" || a.json["client_id_issued_at"] == nil || a.json["client_secret"] != nil || a.text("client_name") != "Meadow Mail" || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	b := w.signedIn("client_id", a.text("client_id"), "redirect_uri", "http://127.0.0.1:50000/")
	if b.text("refresh_token") == "" {
		t.Errorf("%s", b.body)
	}
}

func TestHostileRegistrations(t *testing.T) {
	w := newWorld(t)
	redirects := func(r string) string { return fmt.Sprintf(`{"client_name":"x","redirect_uris":[%q]}`, r) }
	for name, body := range map[string]string{
		"no JSON":             `x`,
		"a list":              `[]`,
		"a number for a name": `{"client_name":1,"redirect_uris":["http://127.0.0.1"]}`,
		"nothing":             `{}`,
		"a page on the web":   redirects("https://evil.example/cb"),
		"script":              redirects("javascript:alert(1)"),
		"data":                redirects("data:text/html,x"),
		"a file":              redirects("file:///etc/passwd"),
		"a fragment":          redirects("http://127.0.0.1/#x"),
		"a user":              redirects("http://127.0.0.1@evil.example"),
		"markup in the name":  "{\"client_name\":\"x\\u0000y\",\"redirect_uris\":[\"http://127.0.0.1\"]}",
		"a turned name":       "{\"client_name\":\"\\u202Egnp.exe\",\"redirect_uris\":[\"http://127.0.0.1\"]}",
		"a logo of script":    `{"client_name":"x","logo_uri":"javascript:alert(1)","redirect_uris":["http://127.0.0.1"]}`,
		"a secret":            `{"client_name":"x","token_endpoint_auth_method":"client_secret_basic","redirect_uris":["http://127.0.0.1"]}`,
		"the implicit flow":   `{"client_name":"x","response_types":["token"],"redirect_uris":["http://127.0.0.1"]}`,
		"the password grant":  `{"client_name":"x","grant_types":["password"],"redirect_uris":["http://127.0.0.1"]}`,
		"too many addresses":  `{"client_name":"x","redirect_uris":[` + strings.Repeat(`"http://127.0.0.1",`, 100) + `"http://127.0.0.1"]}`,
		"alg none":            `{"client_name":"x","id_token_signed_response_alg":"none","redirect_uris":["http://127.0.0.1"]}`,
	} {
		a := w.registers(body)
		if a.StatusCode != http.StatusBadRequest || !strings.HasPrefix(a.text("error"), "invalid_") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		for _, r := range a.text("error_description") {
			if r < ' ' || r > '~' || r == '"' || r == '\\' {
				t.Errorf("%s: %q stands in the description", name, r)
			}
		}
	}
	if a := w.registers(`{"client_name":"` + strings.Repeat("x", maxMetadata) + `"}`); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too long: %d", a.StatusCode)
	}
	if a := w.registers(strings.Repeat(`{"x":`, 3000) + "1" + strings.Repeat("}", 3000)); a.StatusCode == http.StatusCreated {
		t.Errorf("deep: %d", a.StatusCode)
	}
	if a := w.send("POST", pathRegister, nil, typed("text/plain", redirects("http://127.0.0.1"))); a.StatusCode != http.StatusBadRequest { // what a page elsewhere may send without being asked
		t.Errorf("as text: %d", a.StatusCode)
	}
	w.Registration = false
	if a := w.registers(redirects("http://127.0.0.1")); a.StatusCode != http.StatusForbidden || a.text("error") != "access_denied" {
		t.Errorf("switched off: %d %s", a.StatusCode, a.body)
	}
}

// One network registers so many programs an hour, and the others are not stopped by it.
func TestRegistrationFlood(t *testing.T) {
	w := newWorld(t)
	last := 0
	for i := range 20 {
		a := w.registers(fmt.Sprintf(`{"client_name":"x%d","redirect_uris":["http://127.0.0.1"]}`, i))
		if last = a.StatusCode; last == http.StatusTooManyRequests && a.Header.Get("Retry-After") == "" {
			t.Error("when to come again is not said")
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("twenty programs from one network: %d", last)
	}
	a := w.send("POST", pathRegister, nil, func(r *http.Request) {
		jsonBody(`{"client_name":"y","redirect_uris":["http://127.0.0.1"]}`)(r)
		r.RemoteAddr = "[2001:db8::1]:1"
	})
	if a.StatusCode != http.StatusCreated {
		t.Errorf("another network: %d %s", a.StatusCode, a.body)
	}
}

// Who shows wrong secrets, codes or tokens waits; who shows right ones passes, as
// often as they come.
func TestGuessersWait(t *testing.T) {
	for name, guess := range map[string]func(*world){
		"refresh tokens": func(w *world) {
			w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", "prr_"+strings.Repeat("A", 48))
		},
		"codes": func(w *world) {
			w.token("grant_type", "authorization_code", "client_id", client.Mail, "code", "prc_x", "redirect_uri", localhost)
		},
		"device codes":  func(w *world) { w.poll("prd_x", nil) },
		"secrets":       func(w *world) { w.token("grant_type", "client_credentials", "client_id", "x", "client_secret", "y") },
		"access tokens": func(w *world) { w.send("GET", pathUserinfo, nil, bearing("x.y.z")) },
		"revocations":   func(w *world) { w.send("POST", pathRevoke, values("client_id", client.Mail, "token", "x"), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			x := w.signedIn()
			began := time.Now()
			for range wrongBurst {
				guess(w)
			}
			quick := time.Since(began)
			for n := 0; ; n++ { // on a slow machine the bucket fills meanwhile
				began = time.Now()
				if guess(w); time.Since(began) >= wrongPause {
					break
				}
				if n == wrongBurst {
					t.Fatalf("none waits; the first %d took %s", wrongBurst, quick)
				}
			}
			for range 50 {
				a := w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", x.text("refresh_token"))
				if a.StatusCode != http.StatusOK {
					t.Fatalf("a right one: %d %s", a.StatusCode, a.body)
				}
				x = a
			}
		})
	}
}

// While a guesser's tries wait, whoever shows something right from the same address
// is served, with whatever it is, and the guesser is not heard.
func TestHonestOnesAreHeardBesideGuessers(t *testing.T) {
	w := newWorld(t)
	x := w.signedIn("scope", "openid imap offline_access")
	code := w.says(w.connect(asking()), nil)
	approved, undecided := w.device(), w.device()
	w.approves(approved.text("user_code"))
	c, secret := w.added(client.New{Name: "dovecot", Redirects: []string{"https://localhost"}})
	w.slow.sources[network.Host(knockFrom(home))] = &debt{held: wrongHeld, at: time.Now()}

	redeem := func(code string) *answer {
		return w.token("grant_type", "authorization_code", "client_id", client.Mail, "code", code, "redirect_uri", localhost, "code_verifier", verifier)
	}
	refresh := func(text string) *answer {
		return w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", text)
	}
	userinfo := func(text string) *answer { return w.send("GET", pathUserinfo, nil, bearing(text)) }
	revoke := func(text string) *answer {
		return w.send("POST", pathRevoke, values("client_id", client.Mail, "token", text), nil)
	}
	inBasic := func(secret string) *answer {
		return w.send("POST", pathIntrospect, values("token", "x.y.z"), basic(c.ID, secret))
	}
	inBody := func(secret string) *answer {
		return w.send("POST", pathIntrospect, values("token", "x.y.z", "client_id", c.ID, "client_secret", secret), nil)
	}
	poll := func(code string) *answer { return w.poll(code, nil) }
	for _, c := range []struct {
		what, right, wrong string
		do                 func(string) *answer
		status             int
	}{
		{"an access token", x.text("access_token"), "x.y.z", userinfo, http.StatusOK},
		{"a refresh token", x.text("refresh_token"), "prr_" + strings.Repeat("A", 48), refresh, http.StatusOK},
		{"a code", code, "prc_x", redeem, http.StatusOK},
		{"a device code", approved.text("device_code"), "prd_x", poll, http.StatusOK},
		{"a device code that waits", undecided.text("device_code"), "prd_" + strings.Repeat("A", 43), poll, http.StatusBadRequest},
		{"a mail server's secret", secret, secret + "x", inBasic, http.StatusOK},
		{"one in the body", secret, secret + "x", inBody, http.StatusOK},
		{"a token to revoke", x.text("access_token"), x.text("access_token") + "x", revoke, http.StatusOK},
	} {
		if a := c.do(c.wrong); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("not %s: %d %s", c.what, a.StatusCode, a.body)
		}
		if a := c.do(c.right); a.StatusCode != c.status {
			t.Errorf("%s: %d %s", c.what, a.StatusCode, a.body)
		}
	}
	if a := redeem(code); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a code that is used up: %d %s", a.StatusCode, a.body)
	}
	if a := w.send("POST", pathDevice, values("client_id", client.Token, "scope", asksDevice), nil); a.StatusCode != http.StatusOK {
		t.Errorf("a device that asks for a code: %d %s", a.StatusCode, a.body)
	}
}

// A device's code is anybody's for the asking: it gets whoever guesses beside it
// heard, and not more of their tries waiting at once than anybody's.
func TestGuessesBesideADeviceCodeDoNotPileUp(t *testing.T) {
	s, at := newSlow(), time.Now()
	source := network.Host(knockFrom("192.0.2.1"))
	wait := 0
	for range wrongBurst + 3*wrongHeld {
		if s.count(source, at) != nil {
			wait++
		}
	}
	if wait != wrongHeld {
		t.Errorf("%d wait at once", wait)
	}
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, from := newSlow(), knockFrom("192.0.2.1")
		for range wrongBurst {
			s.wrong(t.Context(), from)
		}
		done := make(chan struct{}, wrongHeld)
		for range wrongHeld {
			go func() { s.wrong(t.Context(), from); done <- struct{}{} }()
		}
		synctest.Wait()
		if s.admit(from) || !s.admit(knockFrom("192.0.2.2")) || !s.admit(knockFrom("2001:db8::1")) {
			t.Error("who waits in numbers is heard, or others are not")
		}
		for range wrongHeld {
			<-done
		}
		if !s.admit(from) {
			t.Error("nobody waits any more")
		}
		time.Sleep(wrongRefill * wrongBurst)
		began := time.Now()
		s.wrong(t.Context(), from)
		if time.Since(began) != 0 {
			t.Error("it is not forgotten")
		}
	})
}

// A whole office refreshes from one address; what strangers can make dear is bounded.
func TestWhatIsNotBoundedBySource(t *testing.T) {
	w := newWorld(t)
	for path, free := range map[string]bool{pathToken: true, pathIntrospect: true, pathKeys: true, pathOpenID: true, "/common/oauth2/v2.0/token": true,
		pathAuthorize: false, pathRegister: false, pathDevice: false, pathLogout: false, "/common/oauth2/v2.0/authorize": false, "/": false, "/signin": false} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+path, http.NoBody)
		must(t, err)
		if w.Free(r) != free {
			t.Errorf("%s: %v", path, !free)
		}
		known := false
		w.Visitor = func(*http.Request) (signin.Principal, bool) { return signin.Principal{}, known }
		if w.Free(r) != free {
			t.Errorf("%s with nobody signed in: %v", path, !free)
		}
		known = true
		if visited := strings.HasSuffix(path, "/authorize") || path == pathLogout; w.Free(r) != (free || visited) {
			t.Errorf("%s with somebody signed in: %v", path, !free)
		}
		w.Visitor = nil
	}
}
