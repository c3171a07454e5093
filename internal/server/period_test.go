package server

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/store"
)

// A policy that begins by the clock closes the open connection, nobody having
// changed anything, and refuses from then on.
func TestAPeriodThatBeginsClosesOpenConnections(t *testing.T) {
	s, addr := start(t, mailtest.StartDovecot(t, mailtest.DovecotOptions{}))
	begin := time.Now().Add(6 * time.Second).Truncate(time.Second)
	raw := strings.Replace(blockPasswords, `"users":`, `"portreeve":{"period":{"startDateTime":"`+begin.UTC().Format(time.RFC3339)+`"}},"users":`, 1)
	err := s.store.Change(t.Context(), store.System, "test", func(tx *store.Tx) error {
		return tx.PutDocument(&store.Document{ID: "44f7c0de-0004-4a00-9b00-000000000001", Kind: store.Policy, Name: "No passwords", State: "enabled", JSON: json.RawMessage(raw)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.keeper.apply(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	mary := dial(t, addr)
	if got := mary.say("a1 LOGIN mary " + mailtest.Password); !strings.HasPrefix(got, "a1 OK") {
		t.Fatalf("before it begins mary hears %q, %v before", got, time.Until(begin))
	}
	if _, err := io.ReadAll(mary.r); err != nil {
		t.Fatalf("the connection is not closed: %v", err)
	}
	late := time.Since(begin)
	if late < 0 {
		t.Errorf("closed %v before it begins", -late)
	}
	t.Logf("closed %v after it began", late)
	if got := dial(t, addr).say("b1 LOGIN mary " + mailtest.Password); !strings.Contains(got, "b1 NO [UNAVAILABLE] PR53003 ") {
		t.Errorf("after it began mary hears %q", got)
	}
	found := s.found.of(s.gate.Snapshot(), time.Now())
	if len(found) != 1 || found[0].ID != "blocks-app-passwords" {
		t.Errorf("status tells %+v", found)
	}
}
