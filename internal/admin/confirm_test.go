package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/change"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// A change that could not be put in force has not been seen to let anybody in:
// whoever signs in is judged by the rules before it.
func TestASignInByTheRulesBeforeConfirmsNothing(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mary := store.Person{Address: "mary@example.org", SecretKind: store.SecretBackend, Origin: store.OriginLocal}
	err = s.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		return errors.Join(tx.AddPerson(&mary), tx.AddAdministrator(mary, false))
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	changes := change.New(s, log)
	_, err = changes.Make(t.Context(), store.System, "", time.Hour, func(tx *store.Tx) error {
		return tx.PutDocument(&store.Document{Kind: store.Policy, Name: "p", State: "enabled", JSON: json.RawMessage(`{}`)})
	})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(time.Second)
	e := signin.Event{ID: store.NewID(), At: at, Last: at, Count: 1, Source: "gate", Facts: policy.Facts{At: at, Person: mary.ID, Address: mary.Address,
		Protocol: protocol.IMAP, Addr: netip.MustParseAddr("192.0.2.7")}, Verdict: policy.Verdict{Effect: policy.Allow, Version: 1}}
	if err := s.Write(t.Context(), func(tx *store.Tx) error { return tx.PutEvent(&e) }); err != nil {
		t.Fatal(err)
	}
	snap, _ := policy.Compile(policy.Source{Version: 1})
	fault := errors.New("the disk is gone")
	h := New(Options{Store: s, Changes: changes, Gate: gate.New(gate.Options{}, snap), Log: log,
		Apply: func(context.Context, time.Duration) (session.Report, error) { return session.Report{}, fault }})
	confirm := func() int {
		w := httptest.NewRecorder()
		body := strings.NewReader(`{"reference":"` + string(e.ID.Reference()) + `"}`)
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/portreeve/v1/pending/confirm", body))
		return w.Code
	}
	if got := confirm(); got == http.StatusOK {
		t.Error("it is confirmed, though it is not in force")
	}
	if fault = nil; confirm() != http.StatusOK {
		t.Error("it is not confirmed, though it is in force")
	}
}
