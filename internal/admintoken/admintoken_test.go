package admintoken

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// ledger is a guard that lets so many wrong ones pass.
type ledger struct{ wrong, allowed int }

func (l *ledger) Knock(netip.Addr, secret.Print) (func(bool), bool) {
	return func(wrong bool) {
		if wrong {
			l.wrong++
		}
	}, l.wrong < l.allowed
}

var here = netip.MustParseAddr("192.0.2.7")

func open(t testing.TB, l *ledger) *Service {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), NameKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return New(Options{Store: s, Box: secret.NewBox(), Guard: l})
}

func make1(t testing.TB, s *Service, q Request) (string, store.AdminToken) {
	t.Helper()
	shown, token, err := s.Make(t.Context(), store.Actor{UID: 0, Name: "root"}, "", q)
	if err != nil {
		t.Fatal(err)
	}
	return shown, token
}

func TestABearerTokenEndsWithItsToken(t *testing.T) {
	s := open(t, &ledger{allowed: 100})
	shown, token := make1(t, s, Request{Name: "ci", Role: "reader", Expires: time.Now().Add(10 * time.Minute)})
	h, err := s.Client(t.Context(), "ci", shown, here)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	text, ends, err := s.Bearer(h, now)
	if err != nil || !ends.Equal(token.Expires) {
		t.Fatalf("it ends at %v and its token at %v (%v)", ends, token.Expires, err)
	}
	if id, ok := s.readBearer(text, now); !ok || id != token.ID {
		t.Errorf("read as %q, %v", id, ok)
	}
	if _, ok := s.readBearer(text, ends); ok {
		t.Error("it outlives its token")
	}
	if _, ok := open(t, &ledger{}).readBearer(text, now); ok {
		t.Error("another server's is taken")
	}
	if _, err := s.Known(t.Context(), text, here); err != nil {
		t.Error(err)
	}
	if _, err := s.Revoke(t.Context(), store.System, "", "CI"); err != nil {
		t.Error(err)
	}
	for _, one := range []string{text, shown} {
		if _, err := s.Known(t.Context(), one, here); !errors.Is(err, ErrWrong) {
			t.Errorf("revoked: %v", err)
		}
	}
}

func TestATokenThatHasRunOutIsWrong(t *testing.T) {
	l := &ledger{allowed: 1}
	s := open(t, l)
	shown, token := make1(t, s, Request{Name: "ci", Role: "reader"})
	if err := s.Store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		if _, err := tx.DeleteAdminToken(token.ID); err != nil {
			return err
		}
		token.Expires = time.Now().Add(-time.Second)
		return tx.AddAdminToken(&token)
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Known(t.Context(), shown, here); !errors.Is(err, ErrWrong) || l.wrong != 1 {
		t.Errorf("%v, counted %d", err, l.wrong)
	}
	if _, err := s.Known(t.Context(), shown, here); !errors.Is(err, ErrThrottled) {
		t.Errorf("after too many: %v", err)
	}
}

func TestTheTablesScopesNeverExceedTheRoles(t *testing.T) {
	h := holder(store.AdminToken{Role: "reader", Scopes: []string{"Policy.Read.All", "Policy.ReadWrite.ConditionalAccess", "nonsense"}})
	if !h.May(PolicyRead) || h.May(PolicyWrite) || h.May(AuditRead) || h.May("nonsense") || h.May("") {
		t.Errorf("held %v", h.held)
	}
	if h := holder(store.AdminToken{Role: "king"}); h.May(PolicyRead) || h.May("") {
		t.Error("a role that there is not may something")
	}
}

func TestRolesGrow(t *testing.T) {
	var before Role
	for _, r := range Roles() {
		for _, s := range before.Scopes() {
			if !permits(r.Scopes(), s) {
				t.Errorf("%s has %s and %s does not", before, s, r)
			}
		}
		if len(r.Scopes()) <= len(before.Scopes()) {
			t.Errorf("%s has no more than %s", r, before)
		}
		before = r
	}
	for write, reads := range within {
		for _, read := range reads {
			if !permits([]Scope{write}, read) || permits([]Scope{read}, write) {
				t.Errorf("%s and %s", write, read)
			}
		}
	}
}

// No text but our own is read as a bearer token.
func FuzzBearer(f *testing.F) {
	s := &Service{bearers: secret.NewBox().Prints("x")}
	f.Add("")
	f.Add(bearerMark)
	f.Add(bearerMark + strings.Repeat("A", 54))
	now := time.Now()
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := s.readBearer(text, now); ok {
			t.Errorf("%q is read as %s", text, id)
		}
	})
}
