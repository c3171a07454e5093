package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/portreeve/portreeve/internal/secret"
)

const helped = "leela@example.org"

// tokenWorld is a person's machine and a server.
type tokenWorld struct {
	*testing.T
	issuer *issuerStandIn
}

func newTokenWorld(t *testing.T) *tokenWorld {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", filepath.Join(t.TempDir(), "state"))
	t.Setenv("PORTREEVE_SERVER", "")
	return &tokenWorld{t, newIssuerStandIn(t)}
}

func (w *tokenWorld) file() string {
	return filepath.Join(os.Getenv("XDG_STATE_HOME"), "portreeve", "tokens", url.PathEscape(helped)+".json")
}

// attend is a call that a person sits in front of, with a browser that follows
// every redirect.
func (w *tokenWorld) attend(change func(*tokenCall)) (out, errs string, err error) {
	w.Helper()
	var o, e bytes.Buffer
	t := &tokenCall{app: &app{in: strings.NewReader(""), out: &o, err: &e}, user: helped, ca: w.issuer.CA}
	if change != nil {
		change(t)
	}
	if err := t.prepare(w.issuer.URL); err != nil {
		return "", "", err
	}
	t.attended = true
	browser := w.issuer.Client()
	t.open = func(address string) error {
		go func() {
			if r, err := browser.Get(address); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
			}
		}()
		return nil
	}
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	err = t.print(ctx, t.keyring)
	return o.String(), e.String(), err
}

// call is a call of a mail program.
func (w *tokenWorld) call(args ...string) (exit int, out, errs string) {
	w.Helper()
	return run(w.T, "/nowhere", "", append([]string{"token", "--user", helped}, args...)...)
}

// signedIn begins with a sign-in whose access token is over already.
func (w *tokenWorld) signedIn() {
	w.Helper()
	w.issuer.Tokens = func(all map[string]any) { all["expires_in"] = 30 } // under a minute: never handed out again
	if _, _, err := w.attend(nil); err != nil {
		w.Fatal(err)
	}
	w.issuer.Tokens = nil
}

func TestAPersonSignsInOnceAndProgramsGetTokens(t *testing.T) {
	w := newTokenWorld(t)
	if exit, out, errs := w.call("--server", w.issuer.URL); exit != exitFailed || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "run `portreeve token --user leela@example.org --server "+w.issuer.URL+"` once in a terminal") {
		t.Errorf("without a sign-in: exit %d, %q, %q", exit, out, errs)
	}
	out, errs, err := w.attend(nil)
	if err != nil || out != "access-1\n" {
		t.Fatalf("the sign-in printed %q, %q: %v", out, errs, err)
	}
	for name, want := range map[string]fs.FileMode{w.file(): 0o600, filepath.Dir(w.file()): 0o700} {
		if i, err := os.Stat(name); err != nil || i.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, i.Mode(), err)
		}
	}
	if exit, out, errs := w.call(); exit != exitOK || out != "access-1\n" || errs != "" {
		t.Errorf("a program: exit %d, %q, %q", exit, out, errs)
	}
	if n := w.issuer.Refreshes.Load(); n != 0 {
		t.Errorf("a fresh token was refreshed %d times", n)
	}
	if exit, _, errs := w.call("--server", "https://elsewhere.example.org"); exit != exitUsage || !strings.Contains(errs, "--login") {
		t.Errorf("another server: exit %d, %q", exit, errs)
	}
	// A second sign-in ends the first.
	if out, _, err = w.attend(func(c *tokenCall) { c.login = true }); err != nil || out != "access-2\n" {
		t.Errorf("the second sign-in: %q, %v", out, err)
	}
	if gone := w.issuer.Revoked.Load(); gone == nil || *gone != "refresh-1" {
		t.Error("the first sign-in was not ended")
	}
}

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
		"a redirect of the metadata": {func(i *issuerStandIn) { i.Before = redirecting("/.well-known/oauth-authorization-server") }, "redirects"},
		"a redirect of the tokens":   {func(i *issuerStandIn) { i.Before = redirecting("/token") }, "redirects"},
		"no issuer at all": {func(i *issuerStandIn) {
			i.Before = func(w http.ResponseWriter, q *http.Request) bool { http.NotFound(w, q); return true }
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
		"a page instead of one": {func(i *issuerStandIn) { i.Before = unavailable("/token") }, "503"},
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

func TestEightProgramsAtOnceRefreshOnce(t *testing.T) {
	w := newTokenWorld(t)
	w.signedIn()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if exit, out, errs := w.call(); exit != exitOK || out != "access-2\n" {
				t.Errorf("exit %d, %q, %q", exit, out, errs)
			}
		})
	}
	all.Wait()
	if n := w.issuer.Refreshes.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestALostAnswerIsAskedForAgain(t *testing.T) {
	w := newTokenWorld(t)
	w.signedIn()
	w.issuer.LoseNext.Store(1)
	if exit, out, errs := w.call(); exit != exitOK || out != "access-2\n" || w.issuer.Refreshes.Load() != 2 {
		t.Errorf("exit %d, %q, %q after %d attempts", exit, out, errs, w.issuer.Refreshes.Load())
	}
}

func TestARefusalIsToldAndRests(t *testing.T) {
	w := newTokenWorld(t)
	w.signedIn()
	w.issuer.Refuse.Store(&[2]string{"invalid_grant", "PR50173 sign in again\x1b[2J"})
	for range 3 {
		if exit, out, errs := w.call(); exit != exitPending || out != "" || !strings.Contains(errs, "PR50173 sign in again?[2J") || !strings.Contains(errs, "--login") {
			t.Errorf("exit %d, %q, %q", exit, out, errs)
		}
	}
	if n := w.issuer.Refreshes.Load(); n != 1 {
		t.Errorf("a program that tries again and again asked the server %d times", n)
	}
	w.issuer.Refuse.Store(&[2]string{"invalid_client", "no such program"})
	k := w.kept()
	k.Refused.At = time.Now().Add(-refusalRested)
	w.keep(k)
	if exit, _, errs := w.call(); exit != exitFailed || !strings.Contains(errs, "no such program") {
		t.Errorf("another refusal: exit %d, %q", exit, errs)
	}
	w.issuer.Refuse.Store(nil)
	if exit, out, errs := w.call(); exit != exitOK || out != "access-2\n" {
		t.Errorf("when the refusal was taken back: exit %d, %q, %q", exit, out, errs)
	}
}

func (w *tokenWorld) kept() *kept {
	w.Helper()
	s, err := newTokenStore(helped)
	if err != nil {
		w.Fatal(err)
	}
	k, err := s.read(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return k
}

func (w *tokenWorld) keep(k *kept) {
	w.Helper()
	s, err := newTokenStore(helped)
	if err != nil {
		w.Fatal(err)
	}
	d, err := s.draft()
	if err == nil {
		err = d.commit(w.Context(), k)
	}
	if err != nil {
		w.Fatal(err)
	}
}

func TestTroubleOfTheNetworkLosesNothing(t *testing.T) {
	for name, trouble := range map[string]func(*issuerStandIn){
		"nobody there":    func(i *issuerStandIn) { i.Close() },
		"busy":            func(i *issuerStandIn) { i.Before = unavailable("/token") },
		"a broken answer": func(i *issuerStandIn) { i.Before = cutOff },
	} {
		t.Run(name, func(t *testing.T) {
			pauses := refreshPauses
			refreshPauses = []time.Duration{time.Millisecond}
			defer func() { refreshPauses = pauses }()
			w := newTokenWorld(t)
			w.signedIn()
			before, err := os.ReadFile(w.file())
			if err != nil {
				t.Fatal(err)
			}
			trouble(w.issuer)
			if exit, out, errs := w.call(); exit != exitUnreachable || out != "" || !strings.Contains(errs, "nothing is lost") {
				t.Errorf("exit %d, %q, %q", exit, out, errs)
			}
			if after, err := os.ReadFile(w.file()); err != nil || !bytes.Equal(before, after) {
				t.Errorf("what is kept has changed: %v\n%s", err, after)
			}
			left, err := filepath.Glob(filepath.Join(filepath.Dir(w.file()), ".new-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
		})
	}
}

func cutOff(w http.ResponseWriter, q *http.Request) bool {
	if q.URL.Path == "/token" {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"access_token":`))
		panic(http.ErrAbortHandler)
	}
	return false
}

func TestWhatOthersMayReadIsRefused(t *testing.T) {
	w := newTokenWorld(t)
	w.signedIn()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	for name, c := range map[string]struct{ spoil, mend func() error }{
		"file":   {func() error { return os.Chmod(w.file(), 0o640) }, func() error { return os.Chmod(w.file(), 0o600) }},
		"folder": {func() error { return os.Chmod(filepath.Dir(w.file()), 0o701) }, func() error { return os.Chmod(filepath.Dir(w.file()), 0o700) }},
		"link": {func() error { return errors.Join(os.Rename(w.file(), elsewhere), os.Symlink(elsewhere, w.file())) },
			func() error { return os.Rename(elsewhere, w.file()) }},
		"owner": {func() error { return os.Chown(w.file(), 12345, 12345) }, func() error { return os.Chown(w.file(), 0, 0) }},
	} {
		if name == "owner" && os.Geteuid() != 0 {
			continue // only root can give files away
		}
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		exit, out, errs := w.call()
		if exit == exitOK || out != "" || name != "link" && exit != exitForbidden {
			t.Errorf("%s: exit %d, %q, %q", name, exit, out, errs)
		}
		if err := c.mend(); err != nil {
			t.Fatal(err)
		}
	}
	if exit, out, errs := w.call(); exit != exitOK || out != "access-2\n" {
		t.Errorf("mended: exit %d, %q, %q", exit, out, errs)
	}
	if err := os.WriteFile(w.file(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if exit, out, errs := w.call(); exit != exitFailed || out != "" || !strings.Contains(errs, "damaged") {
		t.Errorf("damaged: exit %d, %q, %q", exit, out, errs)
	}
	if out, _, err := w.attend(func(c *tokenCall) { c.login = true }); err != nil || out != "access-3\n" {
		t.Errorf("a new sign-in over what is damaged: %q, %v", out, err)
	}
}

func TestTheKeyringHoldsTheTokens(t *testing.T) {
	keyring.MockInit()
	w := newTokenWorld(t)
	if out, _, err := w.attend(func(c *tokenCall) { c.keyring = true }); err != nil || out != "access-1\n" {
		t.Fatalf("printed %q: %v", out, err)
	}
	if raw, err := os.ReadFile(w.file()); err != nil || strings.Contains(string(raw), "refresh-") || strings.Contains(string(raw), "access-") {
		t.Errorf("the file holds %s, %v", raw, err)
	}
	if exit, out, errs := w.call(); exit != exitOK || out != "access-1\n" {
		t.Errorf("exit %d, %q, %q", exit, out, errs)
	}
	if out, _, err := w.attend(func(c *tokenCall) { c.login = true }); err != nil || out != "access-2\n" || !w.kept().Keyring {
		t.Errorf("the next sign-in leaves the keyring: %q: %v", out, err)
	}
	if exit, out, errs := w.call("--forget"); exit != exitOK || !strings.Contains(out, "revoked") {
		t.Errorf("exit %d, %q, %q", exit, out, errs)
	}
	if _, err := keyring.Get(keyringName, url.PathEscape(helped)); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("the keyring still holds it: %v", err)
	}
	keyring.MockInitWithError(errors.New("no keyring here"))
	if out, _, err := w.attend(func(c *tokenCall) { c.keyring = true }); err == nil || out != "" || !strings.Contains(err.Error(), "no keyring here") {
		t.Errorf("without a keyring: %q, %v", out, err)
	}
	keyring.MockInit()
}

func TestWhatIsForgottenIsRevoked(t *testing.T) {
	w := newTokenWorld(t)
	w.signedIn()
	if exit, out, errs := w.call("--forget"); exit != exitOK || !strings.Contains(out, "revoked") {
		t.Errorf("exit %d, %q, %q", exit, out, errs)
	}
	if gone := w.issuer.Revoked.Load(); gone == nil || *gone != "refresh-1" {
		t.Error("the server was not told")
	}
	if exit, _, _ := w.call("--forget"); exit != exitNotFound {
		t.Errorf("the second time: exit %d", exit)
	}
	w.issuer.serial = 0
	w.signedIn()
	w.issuer.Close()
	if exit, _, errs := w.call("--forget"); exit != exitUnreachable || !strings.Contains(errs, "/programs") {
		t.Errorf("without a server: exit %d, %q", exit, errs)
	}
	if exit, _, _ := w.call(); exit != exitFailed {
		t.Errorf("afterwards: exit %d", exit)
	}
}

func TestWhatIsTypedIsUnderstood(t *testing.T) {
	w := newTokenWorld(t)
	for _, c := range []struct {
		want int
		args []string
	}{
		{exitUsage, []string{"token"}},
		{exitUsage, []string{"token", "--user", ""}},
		{exitUsage, []string{"token", "--user", "a b"}},
		{exitUsage, []string{"token", "--user", "a\nb"}},
		{exitUsage, []string{"token", "--user", strings.Repeat("a", 400)}},
		{exitUsage, []string{"token", "--user", helped, "--server", "http://mail.example.org"}},
		{exitUsage, []string{"token", "--user", helped, "--server", "https://user@mail.example.org"}},
		{exitUsage, []string{"token", "--user", helped, "--server", "https://mail.example.org/?x"}},
		{exitUsage, []string{"token", "--user", helped, "--server", "ftp://mail.example.org"}},
		{exitUsage, []string{"token", "--user", helped, "--setup", "outlook"}},
		{exitUsage, []string{"token", "--user", "a'b@example.org", "--setup", "mutt", "--imap", "h:993", "--smtp", "h:465"}},
		{exitUsage, []string{"token", "--user", helped, "--setup", "mbsync"}},
		{exitUsage, []string{"token", "--user", helped, "--setup", "mbsync", "--imap", "host"}},
		{exitUsage, []string{"token", "--user", helped, "--setup", "mbsync", "--imap", "ho'st:993"}},
		{exitUsage, []string{"token", "--user", helped, "--setup", "mbsync", "--forget"}},
		{exitUsage, []string{"token", "--user", helped, "more"}},
		{exitFailed, []string{"token", "--user", helped, "--login", "--server", w.issuer.URL}}, // nobody sits there
		{exitFailed, []string{"token", "--user", "../../etc/passwd"}},
	} {
		if exit, out, errs := run(t, "/nowhere", "", c.args...); exit != c.want || out != "" {
			t.Errorf("%q: exit %d, want %d: %q %q", c.args, exit, c.want, out, errs)
		}
	}
	for typed, want := range map[string]string{"mail.example.org": "https://mail.example.org", "https://mail.example.org/": "https://mail.example.org", "http://127.0.0.1:8080": "http://127.0.0.1:8080"} {
		if got, err := issuerURL(typed); err != nil || got != want {
			t.Errorf("%s: %s, %v", typed, got, err)
		}
	}
}

// A slow server is not waited for without end.
func TestASlowServerIsLeft(t *testing.T) {
	w := newTokenWorld(t)
	w.signedIn()
	let := make(chan struct{})
	w.issuer.Before = func(http.ResponseWriter, *http.Request) bool { <-let; return true }
	defer close(let)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var o, e bytes.Buffer
	exit := Run(ctx, []string{"token", "--user", helped}, strings.NewReader(""), &o, &e)
	if exit != exitUnreachable || o.Len() > 0 {
		t.Errorf("exit %d, %q, %q", exit, o.String(), e.String())
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, stop)
	if exit := Run(ctx, []string{"token", "--user", helped}, strings.NewReader(""), &o, &e); exit != exitFailed || o.Len() > 0 {
		t.Errorf("stopped: exit %d, %q, %q", exit, o.String(), e.String())
	}
}

func TestHeldTokensArePrintedByNothing(t *testing.T) {
	k := kept{User: helped, Tokens: &keptTokens{Access: "hunter2", Refresh: "swordfish"}}
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	log.Info("x", "tokens", k.Tokens, "one", k.Tokens.Access, "kept", k)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&said, verb+" "+verb+" "+verb+"\n", k, *k.Tokens, k.Tokens.Access)
	}
	for _, text := range []string{"hunter2", "swordfish", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%x", "swordfish")} {
		if strings.Contains(said.String(), text) {
			t.Errorf("a token stands in %s", said.String())
		}
	}
	if !strings.Contains(said.String(), secret.Redacted) {
		t.Errorf("nothing tells of a token: %s", said.String())
	}
}
