package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const blockPasswords = `{"id":"44f7c0de-0004-4a00-9b00-000000000001","displayName":"No passwords","state":"enabled",
"conditions":{"clientAppTypes":["exchangeActiveSync","other"],"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]}},
"grantControls":{"operator":"OR","builtInControls":["block"]}}`

// start runs a server with one IMAP door in the clear, in front of a Dovecot
// that checks passwords.
func start(t *testing.T, d *mailtest.Dovecot) (*Server, string) {
	t.Helper()
	text := fmt.Sprintf(`
default_domain: example.org
state: %s
admin: {socket: %s/s}
listeners:
- {protocol: imap, address: "127.0.0.1:0", tls: none, plaintext_from: [127.0.0.0/8]}
backends:
  dovecot: {imap: {address: %q, tls: none}, id: true}
`, t.TempDir(), t.TempDir(), d.IMAP)
	c, err := config.Parse("portreeve.yaml", t.TempDir(), []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := serving(t, c, io.Discard)
	return s, s.doors[0].listener.Addr().String()
}

// serving runs a server until stop is called, or else the test ends.
func serving(t *testing.T, c *config.Config, log io.Writer) (s *Server, stop func()) {
	t.Helper()
	s, err := New(t.Context(), Options{Config: c, Log: slog.New(slog.NewTextHandler(log, nil)), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// talker speaks IMAP by hand.
type talker struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *talker {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	k := &talker{t, c, bufio.NewReader(c)}
	k.until("* OK")
	return k
}

// say sends a line and returns what comes back up to the tagged reply.
func (k *talker) say(line string) string {
	k.t.Helper()
	if _, err := io.WriteString(k.c, line+"\r\n"); err != nil {
		k.t.Fatal(err)
	}
	tag, _, _ := strings.Cut(line, " ")
	return k.until(tag + " ")
}

func (k *talker) until(start string) string {
	k.t.Helper()
	var all strings.Builder
	for {
		l, err := k.r.ReadString('\n')
		all.WriteString(l)
		if err != nil {
			k.t.Fatalf("after %q: %v", all.String(), err)
		}
		if strings.HasPrefix(l, start) {
			return all.String()
		}
	}
}

func put(t *testing.T, s *Server, state string) {
	t.Helper()
	raw := strings.Replace(blockPasswords, `"enabled"`, `"`+state+`"`, 1)
	err := s.store.Change(t.Context(), store.System, "test", func(tx *store.Tx) error {
		return tx.PutDocument(&store.Document{ID: "44f7c0de-0004-4a00-9b00-000000000001", Kind: store.Policy, Name: "No passwords", State: state, JSON: json.RawMessage(raw)})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheWholeStoryInFrontOfARealDovecot(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	s, addr := start(t, d)

	// A report-only policy lets in, and says what it would do.
	put(t, s, "enabledForReportingButNotEnforced")
	if _, err := s.keeper.apply(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	mary := dial(t, addr)
	if got := mary.say("a1 LOGIN mary " + mailtest.Password); !strings.HasPrefix(got, "a1 OK [CAPABILITY IMAP4rev1") {
		t.Fatalf("mary hears %q", got)
	}
	if got := mary.say("a2 SELECT INBOX"); !strings.Contains(got, "a2 OK") {
		t.Fatalf("mary hears %q", got)
	}
	list, _, err := s.store.Events(t.Context(), store.EventFilter{}, store.Cursor{}, 10)
	if err != nil || len(list) != 1 || !list[0].Succeeded() || list[0].Facts.Address != "mary@example.org" || list[0].Facts.Person == "" {
		t.Fatalf("log %+v, %v", list, err)
	}

	// Switched on, it closes the open connection at once.
	if _, err := io.WriteString(mary.c, "a3 IDLE\r\n"); err != nil {
		t.Fatal(err)
	}
	mary.until("+")
	put(t, s, "enabled")
	began := time.Now()
	report, err := s.keeper.apply(t.Context(), 0)
	if err != nil || report.Ended != 1 {
		t.Fatalf("report %+v, %v", report, err)
	}
	if rest, err := io.ReadAll(mary.r); err != nil || strings.Contains(string(rest), "BYE") {
		t.Errorf("mary reads %q, %v", rest, err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("closed after %v", took)
	}

	// The next try is refused before the password is looked at, with the reason.
	again := dial(t, addr)
	got := again.say("b1 LOGIN mary " + mailtest.Password)
	if !strings.HasPrefix(got, "* NO [ALERT] PR53003 ") || !strings.Contains(got, "b1 NO [UNAVAILABLE] PR53003 ") {
		t.Errorf("mary hears %q", got)
	}
	words := strings.Fields(strings.TrimSpace(got))
	ref, err := signin.ParseReference(words[len(words)-1])
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	e, err := s.store.EventByReference(t.Context(), ref)
	for err != nil && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
		e, err = s.store.EventByReference(t.Context(), ref)
	}
	if err != nil || e.Code != signin.BlockedByPolicy {
		t.Errorf("event %+v, %v", e, err)
	}

	// Switched off again, she is let in at once.
	put(t, s, "disabled")
	if _, err := s.keeper.apply(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := again.say("b2 LOGIN mary " + mailtest.Password); !strings.HasPrefix(got, "b2 OK") {
		t.Errorf("mary hears %q", got)
	}
}

func TestAWrongPasswordOfTheBackends(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	_, addr := start(t, d)
	began := time.Now()
	if got := dial(t, addr).say("a1 LOGIN mary wrong"); !strings.HasPrefix(got, "a1 NO [AUTHENTICATIONFAILED] PR50126 ") {
		t.Errorf("mary hears %q", got)
	}
	if took := time.Since(began); took < 2200*time.Millisecond || took > 10*time.Second {
		t.Errorf("refused after %v", took)
	}
}

func TestABackendThatIsAwayIsNoWrongPassword(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	_, addr := start(t, d)
	d.Stop()
	if got := dial(t, addr).say("a1 LOGIN mary " + mailtest.Password); !strings.HasPrefix(got, "a1 NO [UNAVAILABLE] PR1010 ") {
		t.Errorf("mary hears %q", got)
	}
}

func TestAServerThatStopsDoesNotWaitForIdleStrangers(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	var strangers []net.Conn
	var began time.Time
	t.Cleanup(func() { // runs last, behind start's own, which stops the server
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("stopping took %v", took)
		}
		for _, c := range strangers {
			_ = c.Close()
		}
	})
	_, addr := start(t, d)
	for range 3 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		strangers = append(strangers, c)
	}
	began = time.Now()
}

// Where the key is lost, none is left in its place that could be taken for it.
func TestALostMasterKeyIsNotReplaced(t *testing.T) {
	state := t.TempDir()
	text := fmt.Sprintf("default_domain: example.org\nstate: %s\nadmin: {socket: %s/s}\nobserve: {address: \"127.0.0.1:0\"}\n", state, t.TempDir())
	c, err := config.Parse("portreeve.yaml", t.TempDir(), []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, stop := serving(t, c, io.Discard)
	stop()
	key := filepath.Join(state, "master.key")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Options{Config: c, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, store.ErrOtherKey) || !strings.Contains(err.Error(), key) {
		t.Errorf("started without its key: %v", err)
	}
	if _, err := os.Stat(key); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("another key lies in the place of the lost one: %v", err)
	}
}

// A check of no backend at all is no good check.
func TestACheckOfNothingSaysSo(t *testing.T) {
	if _, err := (&Server{Options: Options{Config: &config.Config{}}}).checkBackends(t.Context(), ""); err == nil {
		t.Error("nothing was checked, and found good")
	}
}
