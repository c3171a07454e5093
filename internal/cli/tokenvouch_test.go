package cli

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// old makes what is kept seem to be from some minutes ago.
func (w *tokenWorld) old() {
	w.Helper()
	before := time.Now().Add(-3 * time.Minute)
	if err := os.Chtimes(w.file(), before, before); err != nil {
		w.Fatal(err)
	}
}

// A sign-in that has ended meanwhile is told in a sentence with the next step, and
// not after ten minutes of a token that no door takes.
func TestASignInThatEndedIsTold(t *testing.T) {
	w := newTokenWorld(t)
	if _, _, err := w.attend(nil); err != nil {
		t.Fatal(err)
	}
	w.issuer.Ended.Store(true)
	w.issuer.Refuse.Store(&[2]string{"invalid_grant", "PR1093 your program's sign-in was withdrawn"})
	w.old()
	for range 3 {
		exit, out, errs := w.call()
		if exit != exitPending || out != "" || strings.Count(errs, "\n") != 2 || !strings.Contains(errs, "PR1093") || !strings.Contains(errs, "--login` once in a terminal") {
			t.Errorf("exit %d, %q, %q", exit, out, errs)
		}
	}
	if asked, refreshed := w.issuer.Asked.Load(), w.issuer.Refreshes.Load(); asked != 1 || refreshed != 1 {
		t.Errorf("a program that tries again and again had the server asked %d times about its token, and %d times for another", asked, refreshed)
	}
	w.issuer.Ended.Store(false)
	w.issuer.Refuse.Store(nil)
	if out, _, err := w.attend(func(c *tokenCall) { c.login = true }); err != nil || out != "access-2\n" {
		t.Fatalf("signed in anew: %q, %v", out, err)
	}
	if exit, out, errs := w.call(); exit != exitOK || out != "access-2\n" {
		t.Errorf("after that: exit %d, %q, %q", exit, out, errs)
	}
}

// A token that holds is shown to the server once in half a minute, and handed out
// whatever else the server says, or does not.
func TestATokenIsShownNowAndThen(t *testing.T) {
	w := newTokenWorld(t)
	if _, _, err := w.attend(nil); err != nil {
		t.Fatal(err)
	}
	hands := func(what, want string, asked int32) {
		t.Helper()
		if exit, out, errs := w.call(); exit != exitOK || out != want+"\n" || errs != "" {
			t.Errorf("%s: exit %d, %q, %q", what, exit, out, errs)
		}
		if n := w.issuer.Asked.Load(); n != asked {
			t.Errorf("%s: the server was asked %d times, want %d", what, n, asked)
		}
	}
	hands("just given", "access-1", 0)
	w.old()
	hands("older", "access-1", 1)
	hands("shown just now", "access-1", 1)
	for what, before := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"a server in trouble": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		},
		"a connection that breaks": func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) },
		"a server that hangs": func(_ http.ResponseWriter, q *http.Request) bool {
			select {
			case <-q.Context().Done():
			case <-time.After(20 * time.Second):
			}
			return true
		},
	} {
		w.issuer.instead(before)
		w.old()
		hands(what, "access-1", 1)
		hands(what+", again at once", "access-1", 1)
	}
	w.issuer.instead(nil)
	// The server knows the token no more, and gives another: after its keys were lost.
	w.issuer.Ended.Store(true)
	w.old()
	hands("a token that is nobody's", "access-2", 2)
}
