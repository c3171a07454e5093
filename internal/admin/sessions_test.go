package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// TestAnAdministratorEndsSessions opens sessions of two people and ends those
// that are named.
func TestAnAdministratorEndsSessions(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	people := map[string]string{}
	err = s.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		for _, address := range []string{"ana@example.org", "bob@example.org"} {
			p := store.Person{Address: address, SecretKind: store.SecretBackend, Origin: store.OriginLocal}
			if err := tx.AddPerson(&p); err != nil {
				return err
			}
			people[address] = p.ID
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	snap, _ := policy.Compile(policy.Source{Version: 1})
	registry := &session.Registry{}
	registry.Install(snap)
	ended := make(chan string, 8)
	for address, id := range people {
		for _, p := range []protocol.Protocol{protocol.IMAP, protocol.POP3} {
			o := signin.Outcome{Attempt: signin.Attempt{ID: store.NewID(), At: time.Now(), Protocol: p}, Facts: policy.Facts{Person: id, Address: address, Protocol: p},
				Verdict: policy.Verdict{Effect: policy.Allow, Version: 1}}
			if _, ok := registry.Open(&o, "backend", func(code signin.Code, note string) { ended <- address + " " + p.String() }); !ok {
				t.Fatal("a session was not opened")
			}
		}
	}
	h := New(Options{Store: s, Sessions: registry, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Canonical: func(typed string) (string, error) { return typed, nil },
		Apply:     func(context.Context, time.Duration) (session.Report, error) { return session.Report{}, nil }})
	ask := func(method, path string) map[string]any {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		var m map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return m
	}
	if n := len(ask("GET", "/portreeve/v1/sessions")["value"].([]any)); n != 4 {
		t.Errorf("%d sessions are listed", n)
	}
	if n := len(ask("GET", "/portreeve/v1/sessions?user=ana@example.org&protocol=imap")["value"].([]any)); n != 1 {
		t.Errorf("%d of Ana's over IMAP are listed", n)
	}
	if m := ask("DELETE", "/portreeve/v1/sessions?user=ana@example.org&protocol=imap"); m["ended"] != 1.0 {
		t.Errorf("ended %v", m)
	}
	select {
	case who := <-ended:
		if who != "ana@example.org imap" {
			t.Errorf("ended %s", who)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was told to end")
	}
	rows, err := s.Audits(t.Context(), store.AuditFilter{Kind: "session"})
	if err != nil || len(rows) != 1 || rows[0].Action != "end" {
		t.Errorf("audited as %v, %v", rows, err)
	}
}
