package cli

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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
		"busy":            func(i *issuerStandIn) { i.instead(unavailable("/token")) },
		"a broken answer": func(i *issuerStandIn) { i.instead(cutOff) },
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
	w.issuer.instead(func(http.ResponseWriter, *http.Request) bool { <-let; return true })
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
