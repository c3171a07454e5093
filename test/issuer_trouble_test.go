package test

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // which locks the door's database
)

// goneWait is how long the door may take to find that its database is well again.
const goneWait = 30 * time.Second

// troubled is an office with everything begun that a program can hold.
type troubled struct {
	*office
	has          reply // tokens of a person's
	code, device string
	visitor      *visitor // of the person
	revoke       reply    // to be given back
	by, secret   string
}

const (
	troubledPerson = "tia@example.org"
	leavingPerson  = "leo@example.org"
	scannerAccount = "scanner@example.org"
)

func startTroubled(t testing.TB, o doorOptions) *troubled {
	t.Helper()
	w := &troubled{office: startOffice(t, o, troubledPerson, leavingPerson, scannerAccount)}
	var c secretive
	w.read(t, &c, "client", "add", "Scanner", "--service-account", scannerAccount, "--scope", "imap")
	w.by, w.secret = c.ID, w.use(c.Secret)
	w.visitor = w.seat(t)
	v := w.visitor
	w.has = w.connect(t, v, troubledPerson, anyProgram)
	w.revoke = w.connect(t, w.seat(t), leavingPerson, anyProgram)
	w.device = w.office.device(t, v, troubledPerson)
	w.code = w.office.code(t, v, troubledPerson, anyProgram)
	return w
}

func (w *troubled) credentials() []string {
	return []string{"grant_type", "client_credentials", "client_id", w.by, "client_secret", w.secret, "scope", "imap"}
}

// mustBeAway asks for everything at once; each must be told to come again, with
// what it has.
func (w *troubled) mustBeAway(t testing.TB) {
	t.Helper()
	grant := w.grantOf(t, leavingPerson)
	var all sync.WaitGroup
	for what, form := range map[string][]string{"code": codeForm(anyProgram, w.code), "refresh": refreshForm(anyProgram, w.has.Refresh), "device code": deviceForm(w.device), "client credentials": w.credentials()} {
		all.Go(func() {
			if a, err := w.ask(w.http, tokenPath, form...); err != nil || !a.away() {
				t.Errorf("%s: %v, Retry-After %q, %v", what, a, a.retryAfter, err)
			}
		})
	}
	for what, token := range map[string]string{"refresh token": w.revoke.Refresh, "access token": w.revoke.Access} {
		all.Go(func() {
			if a, err := w.ask(w.http, "/oauth2/revoke", "client_id", anyProgram, "token", token); err != nil || !a.away() {
				t.Errorf("revoking by the %s: %v, Retry-After %q, %v", what, a, a.retryAfter, err)
			}
		})
	}
	all.Go(func() {
		if out, err := w.try("session", "kill", grant); err == nil {
			t.Errorf("session kill says that it is done: %s", out)
		}
	})
	all.Wait()
}

// goesOn has everything asked for once more, with what was held before.
func (w *troubled) goesOn(t testing.TB) {
	t.Helper()
	w.stands(t, "afterwards", troubledPerson, anyProgram, &w.has)
	w.mustGive(t, "the code", w.redeem(t, anyProgram, w.code))
	w.mustGive(t, "the device's code", w.poll(t, w.device))
	if a := w.token(t, w.credentials()); !a.ok() {
		t.Errorf("client credentials: %v", a)
	}
	w.stands(t, "what could not be revoked", leavingPerson, anyProgram, &w.revoke)
	if a, err := w.ask(w.http, "/oauth2/revoke", "client_id", anyProgram, "token", w.revoke.Refresh); err != nil || a.status != http.StatusOK {
		t.Errorf("revoking: %v, %v", a, err)
	}
	w.over(t, "revoked", leavingPerson, anyProgram, w.revoke)
}

// well waits until the log is written to the database again.
func (w *troubled) well(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(goneWait); ; time.Sleep(100 * time.Millisecond) {
		if st := w.logState(t); st.Database == "ok" && !st.Journal {
			return
		} else if time.Now().After(end) {
			t.Fatalf("the log is still %+v\n%s", st, tail(w.log(), 20))
		}
	}
}

// While somebody else holds the database locked, programs are told to come again
// with the tokens they have, nothing is said to be done that is not, and mail is
// read; afterwards the same tokens are good.
func TestProgramsWaitForALockedDatabase(t *testing.T) {
	t.Parallel()
	w := startTroubled(t, doorOptions{})
	db, err := sql.Open("sqlite", filepath.Join(w.State, "portreeve.db"))
	check(t, err)
	defer db.Close()
	lock, err := db.Conn(t.Context())
	check(t, err)
	defer lock.Close()
	_, err = lock.ExecContext(t.Context(), "PRAGMA busy_timeout = 20000")
	check(t, err)
	_, err = lock.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	check(t, err)
	w.mustBeAway(t)
	w.visitor.open("/programs")
	w.visitor.send("/programs/disconnect")
	if w.visitor.status != http.StatusServiceUnavailable {
		t.Errorf("disconnecting in the portal: %d\n%s", w.visitor.status, w.visitor.text())
	}
	w.visitor.open(mailProgram.asks(anyProgram))
	w.visitor.send("/connect/allow")
	if w.visitor.status != http.StatusServiceUnavailable {
		t.Errorf("connecting in the portal: %d\n%s", w.visitor.status, w.visitor.text())
	}
	r, err := w.http.Post(w.origin+"/oauth2/register", "application/json", strings.NewReader(`{"redirect_uris": ["http://127.0.0.1/"], "token_endpoint_auth_method": "none"}`))
	check(t, err)
	_ = r.Body.Close()
	if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("registering: %s, Retry-After %q", r.Status, r.Header.Get("Retry-After"))
	}
	if opens, answer := w.opens(t, troubledPerson, w.has.Access); !opens {
		t.Errorf("while the database is locked mail is not read: %s", answer)
	}
	_, err = lock.ExecContext(context.WithoutCancel(t.Context()), "ROLLBACK")
	check(t, err)
	w.well(t)
	w.goesOn(t)
}

// On a full disk every refresh either gives tokens or is told to come again, and
// none costs a program what it has; with room again the same token refreshes.
func TestProgramsWaitForRoomOnTheDisk(t *testing.T) {
	t.Parallel()
	disk := shortDir(t)
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=100m"); err != nil {
		t.Fatalf("mounting a small disk (this test runs as root): %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	state := filepath.Join(disk, "state")
	check(t, os.Mkdir(state, 0o700))
	w := startTroubled(t, doorOptions{State: state})
	filler := fill(t, disk)
	given, away := 0, 0
	for n := 0; n < 400 && away < 10; n++ { // what room the database has taken before is used up first
		switch a := w.refresh(t, anyProgram, w.has.Refresh); {
		case a.ok():
			given, w.has = given+1, a
		case a.away():
			away++
		default:
			t.Fatalf("on a full disk: %v, Retry-After %q", a, a.retryAfter)
		}
		if a := w.token(t, w.credentials()); !a.ok() && !a.away() {
			t.Errorf("client credentials on a full disk: %v", a)
		}
	}
	if away == 0 {
		t.Errorf("%d refreshes went into a full disk", given)
	}
	if opens, answer := w.opens(t, troubledPerson, w.has.Access); !opens && !strings.Contains(answer, "[UNAVAILABLE]") {
		t.Errorf("at the door: %s", answer)
	}
	t.Logf("on a full disk %d refreshes were answered, %d told to wait", given, away)
	check(t, os.Remove(filler))
	w.well(t)
	w.goesOn(t)
}
