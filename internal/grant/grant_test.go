package grant_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

const (
	issuer   = "https://door.example.org"
	redirect = "http://127.0.0.1:4711/"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	program  = "portreeve-mail"
)

var (
	home = netip.MustParseAddr("192.0.2.7")
	near = netip.MustParseAddr("192.0.2.200")
	away = netip.MustParseAddr("198.51.100.9")
)

var (
	box      *secret.Box
	keys     *token.Keyring
	template string // a state folder that every test begins with a copy of
)

// One keyring serves all tests, and one empty database is made: an RSA key and
// the migrations take a second each.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "grant")
	if err != nil {
		panic(err)
	}
	box = secret.NewBox()
	if keys, err = token.OpenKeyring(token.KeyringOptions{Path: filepath.Join(dir, "keys")}, box); err != nil {
		panic(err)
	}
	template = filepath.Join(dir, "state")
	st, err := store.Open(context.Background(), store.Options{Dir: template})
	if err != nil {
		panic(err)
	}
	if err := st.Close(); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// house is a service on a store that can be shut and opened again.
type house struct {
	testing.TB
	*grant.Service
	dir    string
	store  *store.Store
	person string
	opts   grant.Options
	proven time.Time // when the person proved who they are
}

func newHouse(t testing.TB, o grant.Options) *house {
	t.Helper()
	h := &house{TB: t, dir: t.TempDir(), opts: o, proven: time.Now().Add(-time.Minute).UTC().Truncate(time.Second)}
	if err := os.CopyFS(h.dir, os.DirFS(template)); err != nil {
		t.Fatal(err)
	}
	h.open()
	h.person = h.newPerson("anna@example.org").ID
	t.Cleanup(h.shut)
	return h
}

func (h *house) newPerson(address string) store.Person {
	h.Helper()
	p := store.Person{Address: address}
	h.change(func(tx *store.Tx) error { return tx.AddPerson(&p) })
	return p
}

func (h *house) open() {
	h.Helper()
	var err error
	if h.store, err = store.Open(context.Background(), store.Options{Dir: h.dir}); err != nil {
		h.Fatal(err)
	}
	o := h.opts
	o.Store, o.Box, o.Keys, o.Issuer = h.store, box, keys, issuer
	if h.Service, err = grant.Open(context.Background(), o); err != nil {
		h.Fatal(err)
	}
}

func (h *house) shut() {
	h.Service.Close()
	if err := h.store.Close(); err != nil {
		h.Error(err)
	}
}

// restart is a new process after kill -9: it finds what was written to disk up
// to now, and nothing that is done in an orderly stop.
func (h *house) restart() {
	h.Helper()
	left := h.TempDir()
	for _, name := range []string{store.FileName, store.FileName + "-wal"} {
		raw, err := os.ReadFile(filepath.Join(h.dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(left, name), raw, 0o600)
		}
		if err != nil {
			h.Fatal(err)
		}
	}
	h.shut()
	h.dir = left
	h.open()
}

func (h *house) change(do func(*store.Tx) error) {
	h.Helper()
	if err := h.store.Change(context.Background(), store.System, "test", do); err != nil {
		h.Fatal(err)
	}
}

func scopes(t testing.TB, s string) scope.Set {
	t.Helper()
	set, err := scope.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// asked is what a program asks for, with PKCE.
func (h *house) asked() grant.Request {
	sum := sha256.Sum256([]byte(verifier))
	return grant.Request{Client: program, Redirect: redirect, Challenge: base64.RawURLEncoding.EncodeToString(sum[:]), Nonce: "n-1",
		Scope: scopes(h, "openid email imap smtp offline_access")}
}

// given is what the person allows.
func (h *house) given() grant.Grant {
	return grant.Grant{Person: h.person, Address: "anna@example.org", Client: program, Scope: h.asked().Scope, Offline: true,
		Methods: policy.MethodPassword | policy.MethodSoftwareOath, AuthTime: h.proven, Session: "browser-1"}
}

func (h *house) code() string {
	h.Helper()
	code, err := h.IssueCode(context.Background(), h.asked(), h.given())
	if err != nil {
		h.Fatal(err)
	}
	return code
}

func (h *house) redeem(code string) (grant.Grant, error) {
	return h.Redeem(context.Background(), code, program, redirect, verifier, nil)
}

// begun is a grant that lives, with its first refresh token.
func (h *house) begun() (grant.Grant, string) {
	h.Helper()
	g, err := h.redeem(h.code())
	if err != nil {
		h.Fatal(err)
	}
	first, err := h.RefreshToken(g)
	if err != nil {
		h.Fatal(err)
	}
	return g, first
}

func yes(grant.Grant) error { return nil }

func (h *house) refresh(text string, from netip.Addr) (string, error) {
	_, next, err := h.Refresh(context.Background(), text, program, from, yes)
	return next, err
}

// valid is the refresh token of a grant that is the valid one now.
func (h *house) valid(id string) string {
	h.Helper()
	g, _ := h.ByID(id)
	text, err := h.RefreshToken(g)
	if err != nil {
		h.Fatal(err)
	}
	return text
}

// wantRefusal checks that an error is a refusal with a code, told by a word of OAuth.
func wantRefusal(t testing.TB, err error, code signin.Code, word string) *grant.Refusal {
	t.Helper()
	var r *grant.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a refusal %s", err, code)
	}
	if r.Code != code || r.OAuth != word {
		t.Errorf("got %v, want %s told as %s", r, code, word)
	}
	return r
}

func (h *house) standing(id string) error {
	_, err := h.Standing(id, protocol.IMAP, home)
	return err
}

// atOnce calls do from n goroutines at the same moment.
func atOnce(n int, do func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-start; do(i) })
	}
	close(start)
	wg.Wait()
}

func TestACodeBringsItsGrantToLife(t *testing.T) {
	h := newHouse(t, grant.Options{})
	code := h.code()
	if got := h.List(); len(got) != 0 {
		t.Fatalf("%d grants live before a code is redeemed", len(got))
	}
	g, err := h.redeem(code)
	if err != nil {
		t.Fatal(err)
	}
	want := h.given()
	if g.Person != want.Person || g.Client != program || g.Scope != want.Scope || g.Methods != want.Methods || !g.AuthTime.Equal(want.AuthTime) ||
		g.Nonce != "n-1" || g.Kind != grant.KindCode || !g.Offline || g.Session != "browser-1" {
		t.Errorf("%+v", g)
	}
	st, err := h.Standing(g.ID, protocol.IMAP, away)
	if err != nil || st.Person != h.person || st.Address != "anna@example.org" || st.Methods != want.Methods || !st.AuthTime.Equal(want.AuthTime) || st.Client != program {
		t.Errorf("%+v, %v", st, err)
	}
	_, err = h.Standing(g.ID, protocol.Sieve, home)
	wantRefusal(t, err, signin.ScopeMissing, grant.InvalidGrant)
	_, err = h.Standing("someone", protocol.IMAP, home)
	wantRefusal(t, err, signin.GrantEnded, grant.InvalidGrant)
}

func TestACodeIsOnlyForWhomItWasGivenTo(t *testing.T) {
	h := newHouse(t, grant.Options{})
	for name, try := range map[string]func(code string) (grant.Grant, error){
		"another client": func(c string) (grant.Grant, error) {
			return h.Redeem(context.Background(), c, "other", redirect, verifier, nil)
		},
		"another redirect": func(c string) (grant.Grant, error) {
			return h.Redeem(context.Background(), c, program, redirect+"x", verifier, nil)
		},
		"no verifier": func(c string) (grant.Grant, error) {
			return h.Redeem(context.Background(), c, program, redirect, "", nil)
		},
		"another verifier": func(c string) (grant.Grant, error) {
			return h.Redeem(context.Background(), c, program, redirect, strings.Repeat("a", 43), nil)
		},
		"the challenge": func(c string) (grant.Grant, error) {
			return h.Redeem(context.Background(), c, program, redirect, h.asked().Challenge, nil)
		},
	} {
		code := h.code()
		_, err := try(code)
		wantRefusal(t, err, signin.TokenInvalid, grant.InvalidGrant)
		_, err = h.redeem(code) // it was used up
		if wantRefusal(t, err, signin.GrantReplayed, grant.InvalidGrant); len(h.List()) != 0 {
			t.Errorf("%s: a grant lives", name)
		}
	}
	for _, never := range []string{"", "prc_", "prc_" + strings.Repeat("A", 43), strings.Repeat("x", 100_000), "prc_\x00"} {
		_, err := h.redeem(never)
		wantRefusal(t, err, signin.TokenInvalid, grant.InvalidGrant)
	}
}

// A code that was asked for without PKCE takes no verifier: that it comes with
// one shows that somebody took the challenge away.
func TestPKCECannotBeTakenAway(t *testing.T) {
	h := newHouse(t, grant.Options{})
	q := h.asked()
	q.Challenge = ""
	code, err := h.IssueCode(context.Background(), q, h.given())
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.redeem(code)
	wantRefusal(t, err, signin.TokenInvalid, grant.InvalidGrant)
}

func TestACodeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		code, late := h.code(), h.code()
		time.Sleep(59 * time.Second)
		if _, err := h.redeem(code); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		_, err := h.redeem(late)
		wantRefusal(t, err, signin.TokenInvalid, grant.InvalidGrant)
	})
}

func TestTheSecondUseOfACodeEndsWhatTheFirstGave(t *testing.T) {
	h := newHouse(t, grant.Options{})
	code := h.code()
	g, err := h.redeem(code)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := h.RefreshToken(g)
	h.restart() // it is known over a restart that the code was used
	if err := h.standing(g.ID); err != nil {
		t.Fatalf("a grant does not live over a restart: %v", err)
	}
	changes, cancel := h.store.Subscribe()
	defer cancel()
	_, err = h.redeem(code)
	wantRefusal(t, err, signin.GrantReplayed, grant.InvalidGrant)
	if c := <-changes; len(c.Grants) != 1 || c.Grants[0] != grant.Prefix+g.ID {
		t.Errorf("open sessions are not told to end: %v", c)
	}
	for range 2 {
		wantRefusal(t, h.standing(g.ID), signin.GrantEnded, grant.InvalidGrant)
		_, err = h.refresh(first, home)
		wantRefusal(t, err, signin.GrantEnded, grant.InvalidGrant)
		h.restart()
	}
}

// What is good is judged before it is used up: trouble leaves it good. Nobody who
// shows a code without what belongs to it has anybody judged.
func TestACodeIsJudgedBeforeItIsUsedUp(t *testing.T) {
	h := newHouse(t, grant.Options{})
	code, away, asked := h.code(), errors.New("the database is locked"), 0
	show := func(verifier string, says error) (grant.Grant, error) {
		return h.Redeem(context.Background(), code, program, redirect, verifier, func(g grant.Grant) error {
			if asked++; g.Person != h.person || g.Client != program {
				t.Errorf("judged: %v", g)
			}
			return says
		})
	}
	for range 2 {
		if _, err := show(verifier, away); err != away {
			t.Errorf("%v", err)
		}
	}
	g, err := show(verifier, nil)
	if err != nil || asked != 3 {
		t.Fatalf("judged %d times: %v", asked, err)
	}
	_, err = show(verifier, nil)
	if wantRefusal(t, err, signin.GrantReplayed, grant.InvalidGrant); asked != 3 {
		t.Errorf("judged %d times: %v", asked, err)
	}
	if _, there := h.ByID(g.ID); there {
		t.Error("the second use ended nothing")
	}
	code = h.code()
	if _, err := show(strings.Repeat("a", 43), nil); err == nil || asked != 3 {
		t.Errorf("judged %d times: %v", asked, err)
	}
	if _, err := show(verifier, nil); err == nil || asked != 3 {
		t.Errorf("a code that was shown wrongly is good: judged %d times", asked)
	}
}

// damage puts into a row what was never written there, while nobody looks.
func (h *house) damage(statement string, args ...any) {
	h.Helper()
	h.shut()
	db, err := sql.Open("sqlite", filepath.Join(h.dir, store.FileName))
	if err != nil {
		h.Fatal(err)
	}
	res, err := db.Exec(statement, args...)
	if err == nil {
		if n, _ := res.RowsAffected(); n == 0 {
			err = errors.New("it changed nothing")
		}
	}
	if err := errors.Join(err, db.Close()); err != nil {
		h.Fatal(err)
	}
	h.open()
}

// One row that cannot be read does not keep the server from starting, nor anybody
// else's programs out. What it said is over, and it stays where it is.
func TestADamagedGrantIsOver(t *testing.T) {
	for name, set := range map[string]string{
		"facts that are no JSON": `facts = '{"address":'`,
		"facts of another kind":  `facts = '{"scope":7}'`,
		"a short seed":           `seed = x'00'`,
		"no network":             `rotated_in = 'nowhere'`,
		"a time that is none":    `until = 'tomorrow'`,
		"a generation too high":  `generation = 5000000000`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, grant.Options{})
			broken, lost := h.begun()
			whole, kept := h.begun()
			h.damage(`UPDATE grants SET `+set+` WHERE id = ?`, broken.ID)
			if d := h.Damaged(); len(d) != 1 || d[0] != broken.ID {
				t.Errorf("damaged: %q", d)
			}
			if _, _, err := h.Refresh(t.Context(), kept, program, home, func(grant.Grant) error { return nil }); err != nil {
				t.Errorf("the other: %v", err)
			}
			if all := h.List(); len(all) != 1 || all[0].ID != whole.ID {
				t.Errorf("%v", all)
			}
			_, _, err := h.Refresh(t.Context(), lost, program, home, func(grant.Grant) error { t.Error("judged"); return nil })
			if r := wantRefusal(t, err, signin.GrantEnded, grant.InvalidGrant); r.Person != "" {
				t.Errorf("%v", r)
			}
			_, err = h.Standing(broken.ID, protocol.IMAP, home)
			wantRefusal(t, err, signin.GrantEnded, grant.InvalidGrant)
			if _, err := h.redeem(h.code()); err != nil {
				t.Errorf("its person can sign in no more: %v", err)
			}
			if row, err := h.store.Grant(t.Context(), broken.ID); err != nil || !row.Ended.IsZero() {
				t.Errorf("it is not as it was: %v, ended %v", err, row.Ended)
			}
			if err := h.End(t.Context(), store.System, broken.ID, "cleared away"); err != nil || len(h.Damaged()) != 0 {
				t.Errorf("%v; damaged: %q", err, h.Damaged())
			}
		})
	}
}

// A consent that cannot be read was not given: the person is asked again.
func TestADamagedConsentIsNone(t *testing.T) {
	h := newHouse(t, grant.Options{})
	asked := h.asked().Scope
	give := func() {
		if err := h.Consent(t.Context(), h.person, program, asked); err != nil {
			t.Fatal(err)
		}
	}
	give()
	h.damage(`UPDATE consents SET scope = ?`, strings.Repeat("imap ", 10_000))
	if len(h.Damaged()) != 1 || h.Consented(h.person, program, asked) {
		t.Errorf("damaged: %q; consented: %v", h.Damaged(), h.Consented(h.person, program, asked))
	}
	if give(); len(h.Damaged()) != 0 || !h.Consented(h.person, program, asked) {
		t.Errorf("damaged: %q", h.Damaged())
	}
}

func TestOfManyAtOnceOneRedeemsACode(t *testing.T) {
	h := newHouse(t, grant.Options{})
	for range 5 {
		code := h.code()
		var mu sync.Mutex
		var won []grant.Grant
		atOnce(50, func(int) {
			g, err := h.redeem(code)
			if err == nil {
				mu.Lock()
				won = append(won, g)
				mu.Unlock()
				return
			}
			var r *grant.Refusal
			if !errors.As(err, &r) || r.OAuth != grant.InvalidGrant {
				t.Errorf("a loser was told %v", err)
			}
		})
		if len(won) != 1 {
			t.Fatalf("%d redeemed one code", len(won))
		}
		wantRefusal(t, h.standing(won[0].ID), signin.GrantEnded, grant.InvalidGrant) // forty-nine showed it again
	}
	h.restart()
	if n := len(h.List()); n != 0 {
		t.Errorf("%d grants live whose code was used twice", n)
	}
}
