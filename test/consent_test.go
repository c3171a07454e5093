package test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/pquerna/otp/totp"
)

const (
	anyProgram    = "portreeve-mail"
	deviceProgram = "portreeve-token"
	pkceVerifier  = "0123456789-0123456789-0123456789-0123456789"
	programScopes = "imap smtp offline_access"
)

// waiter is a program that waits on its own device for the answer to come.
type waiter struct {
	origin string
	came   chan url.Values
}

func newWaiter(t testing.TB) *waiter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	w := &waiter{origin: "http://" + l.Addr().String(), came: make(chan url.Values, 10)}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			rw.WriteHeader(http.StatusNoContent) // the icon
			return
		}
		_ = r.ParseForm()
		if r.Referer() != "" {
			r.Form.Set("referer", r.Referer())
		}
		r.Form.Set("method", r.Method)
		w.came <- r.Form
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = rw.Write([]byte("<!doctype html><title>x</title><p>The program has its answer."))
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return w
}

// asks is where the program sends the browser.
func (w *waiter) asks(client string, more ...string) string {
	sum := sha256.Sum256([]byte(pkceVerifier))
	v := url.Values{"client_id": {client}, "redirect_uri": {w.origin + "/"}, "response_type": {"code"}, "scope": {programScopes}, "state": {"it's <mine>"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return "/oauth2/authorize?" + v.Encode()
}

// answered is what came, within a page's time.
func (w *waiter) answered(b *chromium) url.Values {
	b.Helper()
	b.says("The program has its answer")
	select {
	case v := <-w.came:
		if v.Get("state") != "it's <mine>" || v.Get("iss") != b.origin || v.Has("referer") {
			b.Errorf("the program was told %v", v)
		}
		return v
	case <-time.After(pageTime):
		b.Fatalf("nothing came; at %s:\n%s", b.at(), b.text())
	}
	return nil
}

// redeem trades a code for tokens.
func (w *waiter) redeem(d *door, t testing.TB, client, code string) (tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}) {
	t.Helper()
	d.form(t, "/oauth2/token", &tokens, url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "code": {code}, "redirect_uri": {w.origin + "/"}, "code_verifier": {pkceVerifier}})
	return tokens
}

// form posts a program's form and reads the answer.
func (d *door) form(t testing.TB, path string, into any, v url.Values) {
	t.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: d.tls()}}
	res, err := client.PostForm("https://localhost:"+portOf(d.Public)+path, v)
	check(t, err)
	defer res.Body.Close()
	check(t, json.NewDecoder(res.Body).Decode(into))
}

// Every page that people meet when a program wants to be connected, in a real
// browser: axe finds nothing, the answer reaches the program by itself whether it
// comes after a form or without one, with script and from a device without a
// browser, and tells nothing of our addresses.
func TestProgramsAreConnectedInABrowser(t *testing.T) {
	t.Parallel()
	d := localSite(t)
	b, w := d.browser(t), newWaiter(t)
	enter := func(person string) {
		t.Helper()
		b.fill("#address", person)
		b.fill("#password", password)
		b.press("Sign in")
	}
	for _, lang := range []string{"de", "en"} {
		b.open("/language/" + lang)
		b.open(w.asks(anyProgram, "login_hint", plain))
		b.accessible(lang + " sign-in for a program")
		b.open("/connect?request=nonsense")
		b.accessible(lang + " old request")
	}
	b.open(w.asks(anyProgram, "login_hint", plain))
	b.says("Mail program wants to be connected")
	if focus := evaluate[string](b, `document.activeElement.id`); focus != "password" {
		t.Errorf("the cursor is in %q", focus)
	}
	b.fill("#password", password)
	b.press("Sign in")
	b.says("Connect Mail program?", "read and delete your mail", "a program on this device")
	b.accessible("consent")
	b.fits("consent")
	evaluate[bool](b, `document.querySelector("footer a[lang=de]").click(); true`)
	b.says("Mail program verbinden?")
	b.accessible("consent in German")
	evaluate[bool](b, `document.querySelector("footer a[lang=en]").click(); true`)
	b.says("Connect Mail program?")
	b.press("Yes, connect it")
	v := w.answered(b)
	if tokens := w.redeem(d, t, anyProgram, v.Get("code")); tokens.Refresh == "" {
		t.Error("no tokens")
	} else {
		d.use(tokens.Refresh)
	}

	b.open(w.asks(anyProgram)) // whatever calls itself so, in a browser that is signed in
	b.says("Connect Mail program?")
	b.press("Yes, connect it")
	w.answered(b)
	b.open("/")
	b.says("is connected to your mail")
	b.press("Your programs")
	b.says("Connected programs", "Mail program")
	b.accessible("connected programs")
	b.open("/language/de?to=/programs")
	b.accessible("connected programs in German")
	b.open("/language/en")
	b.open(w.asks(anyProgram, "login_hint", holder))
	b.says("Whose mailbox is it?")
	b.accessible("account")
	b.press("Go on as " + plain)
	b.press("Yes, connect it")
	w.answered(b)
	b.open(w.asks(anyProgram, "prompt", "login"))
	b.says("Before Mail program is connected")
	b.accessible("confirm for a program")
	b.fill("#password", password)
	b.press("Confirm")
	w.answered(b) // after a form of ours: a redirect would have been blocked
	b.open("/signout")
	b.says("Sign out here?")
	b.accessible("sign out")
	b.press("Stay signed in")
	b.says("Your mail")
	b.press("Sign out")
	b.says("Other ways to sign in")
	b.open(w.asks(anyProgram))
	enter(plain)
	w.answered(b)
	b.open(w.asks(anyProgram, "prompt", "consent"))
	b.says("Connect Mail program?")
	b.press("No")
	if v := w.answered(b); v.Get("error") != "access_denied" {
		t.Errorf("a no is told as %v", v)
	}

	b.open("/programs")
	b.press("No longer allow")
	b.says("Taken back")
	b.open(w.asks(anyProgram)) // what was taken back is given again for a new proof only
	b.says("Before Mail program is connected")
	b.fill("#password", password)
	b.press("Confirm")
	b.says("Connect Mail program?")

	party := d.party(t, "Wiki", w.origin+"/")
	b.open(w.asks(party, "response_mode", "form_post"))
	b.press("Yes, connect it")
	if v := w.answered(b); v.Get("method") != "POST" || v.Get("code") == "" {
		t.Errorf("by form came %v", v)
	}

	d.devices(b)
	d.moreIsAsked(b, w)
}

// party is a program that an administrator stands for.
func (d *door) party(t testing.TB, name, redirect string) string {
	t.Helper()
	made := d.do(t, "client", "add", name, "--redirect", redirect)
	_, id, _ := strings.Cut(made, "client_id=")
	id, _, _ = strings.Cut(id, "\n")
	return strings.TrimSpace(id)
}

// devices has a program without a browser connected by its code.
func (d *door) devices(b *chromium) {
	b.Helper()
	begin := func() (code string) {
		var asked struct {
			User string `json:"user_code"`
		}
		d.form(b, "/oauth2/device", &asked, url.Values{"client_id": {deviceProgram}, "scope": {programScopes}})
		if asked.User == "" {
			b.Fatal("no code for a device")
		}
		return asked.User
	}
	b.open("/device")
	b.says("Connect a device")
	b.accessible("device")
	if focus := evaluate[string](b, `document.activeElement.id`); focus != "user_code" {
		b.Errorf("the cursor is in %q", focus)
	}
	b.fill("#user_code", "BCDF-GHJK")
	b.press("Go on")
	b.says("No device waits with that code")
	b.accessible("device unknown")
	b.open("/device?user_code=" + begin())
	b.says("Connect a device") // and is not sent by itself
	b.press("Go on")
	b.says("Connect portreeve token?", "127.0.0.1", "in front of you")
	b.accessible("device asks")
	b.press("No, I did not start this")
	b.says("Stopped.")
	b.open("/language/de?to=/device?user_code=" + begin())
	b.accessible("device in German")
	b.press("Weiter")
	b.says("portreeve token verbinden?")
	b.accessible("device asks in German")
	b.press("Ja, es steht vor mir")
	b.says("portreeve token ist verbunden")
	b.open("/language/en")
}

// moreIsAsked has policy want a second factor, then nothing but a block.
func (d *door) moreIsAsked(b *chromium, w *waiter) {
	b.Helper()
	rule := func(grant string) {
		b.Helper()
		text := fmt.Sprintf(`[{"displayName": "Mail", "state": "enabled", "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["mobileAppsAndDesktopClients"]},
  "grantControls": {"operator": "OR", "builtInControls": [%q]}}]`, grant)
		if out, err := d.feed(text, "policy", "import", "-"); err != nil {
			b.Fatalf("policy import: %v\n%s", err, out)
		}
	}
	rule("mfa")
	b.open(w.asks(anyProgram))
	b.press("Yes, connect it")
	b.says("A second factor is needed")
	b.accessible("more")
	b.press("Use a temporary access pass")
	pass := d.use(strings.TrimSpace(d.do(b, "pass", "issue", plain)))
	b.fill("#address", plain)
	b.fill("#pass", pass)
	b.press("Sign in")
	b.says("Connect Mail program?")
	b.press("Yes, connect it")
	w.answered(b)
	b.open("/")
	b.press("Sign out")
	b.says("Other ways to sign in")
	seed := d.furnished(b, holder)
	b.press("Sign out")
	b.says("Other ways to sign in")
	b.open(w.asks(anyProgram))
	b.fill("#address", holder)
	b.fill("#password", password)
	b.press("Sign in")
	b.says("Code from your app")
	code, err := totp.GenerateCode(seed, time.Now().Add(30*time.Second)) // the one of now was used
	check(b, err)
	b.fill("#code", code)
	b.press("Confirm")
	b.says("Connect Mail program?")
	b.press("Yes, connect it")
	w.answered(b)

	rule("block")
	b.open(w.asks(anyProgram))
	b.press("Yes, connect it")
	b.says("Mail program was not connected", "PR53003")
	b.accessible("refused")
	b.press("Back to the program")
	if v := w.answered(b); v.Get("error") != "access_denied" {
		b.Errorf("told %v", v)
	}
}

// fits says that what there is to press is seen in the window that Thunderbird
// opens for signing in.
func (b *chromium) fits(name string) {
	b.Helper()
	send(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 980, Height: 750, DeviceScaleFactor: 1})
	below := evaluate[string](b, `[...document.querySelectorAll("main button")].filter(x => x.getBoundingClientRect().bottom > innerHeight).map(x => x.textContent).join(", ")`)
	send(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 1280, Height: 900, DeviceScaleFactor: 1})
	if below != "" {
		b.Errorf("%s: in a window of 980x750, %s is below the edge", name, below)
	}
}
