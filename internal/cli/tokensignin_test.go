package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAServerThatMisbehavesGetsNowhere(t *testing.T) {
	for name, c := range map[string]struct {
		break_ func(*issuerStandIn)
		says   string
	}{
		"another issuer":            {func(i *issuerStandIn) { i.Issuer = "https://evil.example" }, "says that it is"},
		"its own name with a slash": {func(i *issuerStandIn) { i.Issuer = i.URL + "/" }, "says that it is"},
		"no PKCE": {func(i *issuerStandIn) {
			i.Metadata = func(m map[string]any) { delete(m, "code_challenge_methods_supported") }
		}, "no sign-in by browser"},
		"plain PKCE": {func(i *issuerStandIn) {
			i.Metadata = func(m map[string]any) { m["code_challenge_methods_supported"] = []string{"plain"} }
		}, "no sign-in by browser"},
		"tokens in the clear": {func(i *issuerStandIn) {
			i.Metadata = func(m map[string]any) { m["token_endpoint"] = "http://mail.example.org/token" }
		}, "does not begin with https"},
		"no token endpoint": {func(i *issuerStandIn) { i.Metadata = func(m map[string]any) { delete(m, "token_endpoint") } }, "token endpoint"},
		"metadata of lists": {func(i *issuerStandIn) { i.Metadata = func(m map[string]any) { m["issuer"] = []string{"x"} } }, "does not describe an issuer"},
		"endless metadata": {func(i *issuerStandIn) {
			i.Metadata = func(m map[string]any) { m["x"] = strings.Repeat("x", issuerBytes) }
		}, "too long"},
		"a redirect of the metadata": {func(i *issuerStandIn) { i.instead(redirecting("/.well-known/oauth-authorization-server")) }, "redirects"},
		"a redirect of the tokens":   {func(i *issuerStandIn) { i.instead(redirecting("/token")) }, "redirects"},
		"no issuer at all": {func(i *issuerStandIn) {
			i.instead(func(w http.ResponseWriter, q *http.Request) bool { http.NotFound(w, q); return true })
		}, "404"},
		"an answer of somebody else": {func(i *issuerStandIn) { i.Answer = func(a url.Values) { a.Set("iss", "https://evil.example") } }, "not from"},
		"an answer of nobody":        {func(i *issuerStandIn) { i.Answer = func(a url.Values) { a.Del("iss") } }, "not from"},
		"an answer of two":           {func(i *issuerStandIn) { i.Answer = func(a url.Values) { a.Add("iss", "https://evil.example") } }, "not from"},
		"an answer without a code":   {func(i *issuerStandIn) { i.Answer = func(a url.Values) { a.Del("code") } }, "no code"},
		"two codes":                  {func(i *issuerStandIn) { i.Answer = func(a url.Values) { a.Add("code", "other") } }, "no code"},
		"another's code":             {func(i *issuerStandIn) { i.Answer = func(a url.Values) { a.Set("code", "stolen") } }, "no such code"},
		"a refusal": {func(i *issuerStandIn) {
			i.Answer = func(a url.Values) {
				a.Del("code")
				a.Set("error", "access_denied")
				a.Set("error_description", "PR53003 not from here")
			}
		}, "PR53003 not from here"},
		"a refusal that steers": {func(i *issuerStandIn) {
			i.Answer = func(a url.Values) {
				a.Del("code")
				a.Set("error", "access_denied")
				a.Set("error_description", "\x1b[2J"+strings.Repeat("x", 9000))
			}
		}, "?[2Jxxx"},
		"a token of two lines": {func(i *issuerStandIn) { i.Tokens = func(m map[string]any) { m["access_token"] = "a\nb" } }, "a token that is none"},
		"an endless token": {func(i *issuerStandIn) {
			i.Tokens = func(m map[string]any) { m["access_token"] = strings.Repeat("a", tokenBytes+1) }
		}, "a token that is none"},
		"an endless answer": {func(i *issuerStandIn) {
			i.Tokens = func(m map[string]any) { m["access_token"] = strings.Repeat("a", 2*issuerBytes) }
		}, "too long"},
		"a token of proof":      {func(i *issuerStandIn) { i.Tokens = func(m map[string]any) { m["token_type"] = "DPoP" } }, "DPoP"},
		"no refresh token":      {func(i *issuerStandIn) { i.Tokens = func(m map[string]any) { delete(m, "refresh_token") } }, "no refresh token"},
		"no token":              {func(i *issuerStandIn) { i.Tokens = func(m map[string]any) { delete(m, "access_token") } }, "access_token"},
		"a page instead of one": {func(i *issuerStandIn) { i.instead(unavailable("/token")) }, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTokenWorld(t)
			c.break_(w.issuer)
			out, errs, err := w.attend(nil)
			var told bytes.Buffer
			exit := report(&told, err)
			if exit == exitOK || out != "" || !strings.Contains(told.String(), c.says) || strings.ContainsRune(told.String(), '\x1b') || told.Len() > 1200 {
				t.Errorf("exit %d, printed %q, %q, says %q", exit, out, errs, told.String())
			}
			if _, err := os.Stat(w.file()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something was kept: %v", err)
			}
		})
	}
}

func redirecting(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, q *http.Request) bool {
		if q.URL.Path != path {
			return false
		}
		http.Redirect(w, q, "/elsewhere", http.StatusTemporaryRedirect)
		return true
	}
}

func unavailable(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, q *http.Request) bool {
		if q.URL.Path != path {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(bytes.Repeat([]byte("<p>busy"), 1000))
		return true
	}
}

// An answer with another state is not taken, and the right one still is.
func TestAForeignAnswerDoesNotEndASignIn(t *testing.T) {
	w := newTokenWorld(t)
	var o bytes.Buffer
	said := &lockedBuffer{}
	c := &tokenCall{app: &app{in: strings.NewReader(""), out: &o, err: said}, user: helped, ca: w.issuer.CA}
	if err := c.prepare(w.issuer.URL); err != nil {
		t.Fatal(err)
	}
	c.attended = true
	statuses := make(chan string, 1)
	c.open = func(address string) error {
		go func() {
			home := strings.TrimSuffix(address, "/start")
			got := ""
			for _, bad := range []string{"/?code=c0de&state=wrong&iss=" + w.issuer.URL, "/?code=c0de&iss=" + w.issuer.URL, "/favicon.ico", "/other"} {
				got += status(home+bad, "") + " "
			}
			got += status(home+"/start", "rebound.example") + " "
			r, err := w.issuer.Client().Get(address)
			if err != nil {
				got += err.Error()
			} else {
				body, _ := io.ReadAll(r.Body)
				_ = r.Body.Close()
				got += fmt.Sprint(r.StatusCode, strings.Contains(string(body), "You are signed in"))
			}
			statuses <- got
		}()
		return nil
	}
	if err := c.print(t.Context(), false); err != nil || o.String() != "access-1\n" {
		t.Errorf("printed %q: %v", o.String(), err)
	}
	if got := <-statuses; got != "400 400 404 404 421 200true" && got != "400 400 404 404 421 200 true" {
		t.Errorf("the browser saw %q", got)
	}
	if !strings.Contains(said.String(), "belongs to no sign-in of this call") {
		t.Errorf("nothing is said of the foreign answer: %q", said.String())
	}
}

// status asks for an address, under a name.
func status(address, host string) string {
	q, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return err.Error()
	}
	q.Host = host
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return err.Error()
	}
	_ = r.Body.Close()
	return fmt.Sprint(r.StatusCode)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Where the browser is on another machine, the address it ends at is pasted.
func TestAnAddressIsPasted(t *testing.T) {
	w := newTokenWorld(t)
	in, typed := io.Pipe()
	said := &lockedBuffer{}
	var o bytes.Buffer
	c := &tokenCall{app: &app{in: in, out: &o, err: said}, user: helped, ca: w.issuer.CA}
	if err := c.prepare(w.issuer.URL); err != nil {
		t.Fatal(err)
	}
	c.attended, c.open = true, nil
	go func() {
		var ask string
		for ask == "" {
			time.Sleep(10 * time.Millisecond)
			for _, line := range strings.Split(said.String(), "\n") {
				if strings.HasPrefix(line, "https://") {
					ask = line
				}
			}
		}
		browser := w.issuer.Client()
		browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		r, err := browser.Get(ask)
		if err != nil {
			_ = typed.CloseWithError(err)
			return
		}
		_ = r.Body.Close()
		_, _ = fmt.Fprintf(typed, "http://127.0.0.1/?code=c0de&state=wrong\n")
		for !strings.Contains(said.String(), "paste it whole") {
			time.Sleep(10 * time.Millisecond)
		}
		_, _ = fmt.Fprintln(typed, r.Header.Get("Location"))
	}()
	if err := c.print(t.Context(), false); err != nil || o.String() != "access-1\n" {
		t.Errorf("printed %q: %v", o.String(), err)
	}
}

func TestAPersonSignsInOnAnotherDevice(t *testing.T) {
	w := newTokenWorld(t)
	w.issuer.Pending.Store(1)
	out, errs, err := w.attend(func(c *tokenCall) { c.device = true })
	if err != nil || out != "access-1\n" || !strings.Contains(errs, "WDJB-MJHT") || !strings.Contains(errs, w.issuer.URL+"/connect\n") || !strings.Contains(errs, "▀") {
		t.Errorf("printed %q, %q: %v", out, errs, err)
	}
	w.issuer.Refuse.Store(&[2]string{"access_denied", "PR50199 denied there"})
	_, _, err = w.attend(func(c *tokenCall) { c.device, c.login = true, true })
	if err == nil || !strings.Contains(err.Error(), "PR50199 denied there") {
		t.Errorf("a denial: %v", err)
	}
	if exit, out, _ := w.call(); exit != exitOK || out != "access-1\n" {
		t.Errorf("a sign-in that fails took the one before away: exit %d, %q", exit, out)
	}
}
