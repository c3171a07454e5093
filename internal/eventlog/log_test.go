package eventlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// a running log with its store.
type running struct {
	*Log
	db  *store.Store
	dir string

	stop func() error
}

func start(t testing.TB, dir string, change ...func(*Options)) *running {
	t.Helper()
	db, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Store: db, Dir: dir, JournalSize: 1 << 20, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	l, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	r := &running{Log: l, db: db, dir: dir}
	r.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, l.Close(), db.Close())
	})
	t.Cleanup(func() { _ = r.stop() })
	return r
}

var testTime = time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)

func newID() signin.ID {
	var b [10]byte
	rand.Read(b[:])
	return signin.NewID(time.Now().UnixMilli(), b)
}

// event is a sign-in as the gate makes them.
func event(person string, at time.Time) *signin.Event {
	addr := netip.MustParseAddr("192.0.2.7")
	return &signin.Event{
		ID: newID(), At: at, Last: at, Count: 1, Correlation: newID(), Source: "gate", Typed: person + "@example.org", Mechanism: "XOAUTH2",
		Facts: policy.Facts{At: at, Person: person, Address: person + "@example.org", Domain: "example.org",
			Groups:   []string{"0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6978", "0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6979"},
			Protocol: protocol.IMAP, Credential: policy.CredentialBearer, Mechanism: "XOAUTH2", Addr: addr, Country: "DE", ASN: 64500,
			Platform: policy.PlatformLinux, Program: "Thunderbird", ProgramVersion: "128.3", ProgramConfidence: 90, Proven: true,
			Methods: policy.MethodPassword | policy.MethodFIDO2, AuthTime: at.Add(-time.Hour)},
		Verdict: policy.Verdict{Effect: policy.Allow, Version: 7},
		Applied: policy.Bits{Applied: []uint64{3, 0, 0, 0}, Satisfied: []uint64{3, 0, 0, 0}},
		Steps: []signin.Step{{Name: signin.StepWho, Result: "known", Took: 1200}, {Name: signin.StepGuard, Result: "pass", Took: 300},
			{Name: signin.StepPreauth, Result: "allow", Took: 280}, {Name: signin.StepVerify, Result: "right", Took: 71000}, {Name: signin.StepEvaluate, Result: "allow", Took: 290}},
		Listener: "imaps", Client: netip.AddrPortFrom(addr, 40001).String(), NetOwner: "Example Net",
		TLS:   signin.TLS{Version: 0x304, Cipher: 0x1301, ServerName: "mail.example.org", JA4: "t13d1516h2_8daaf6152771_b186095e22b6"},
		Hints: signin.Hints{IMAPID: []signin.Pair{{Key: "name", Value: "Thunderbird"}, {Key: "version", Value: "128.3.1"}}}, Backend: "dovecot", Methods: policy.MethodPassword | policy.MethodFIDO2,
	}
}

func refused(person string, at time.Time, code signin.Code) *signin.Event {
	e := event(person, at)
	e.Code, e.Verdict = code, policy.Verdict{Effect: policy.Block, Stage: policy.StageEarlyBlock, Code: int(code), Version: 7}
	e.Facts.Proven, e.Facts.Methods, e.Methods, e.Facts.AuthTime = false, 0, 0, time.Time{}
	return e
}

func success(t testing.TB, l *Log, e *signin.Event) signin.Reference {
	t.Helper()
	ref, err := l.Success(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// total adds up the counts of all events.
func total(t testing.TB, db *store.Store, f store.EventFilter) (rows, count int64) {
	t.Helper()
	for e, err := range db.AllEvents(context.Background(), f) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		count += e.Count
	}
	return rows, count
}

func TestASuccessIsInTheLogWhenItIsAnswered(t *testing.T) {
	l := start(t, t.TempDir())
	e := event("leela", testTime)
	ref := success(t, l.Log, e)
	if ref != e.ID.Reference() {
		t.Errorf("reference %s, want %s", ref, e.ID.Reference())
	}
	got, err := l.db.EventByReference(context.Background(), ref)
	if err != nil || got.ID != e.ID || got.Count != 1 || !got.At.Equal(testTime) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestEqualSuccessesWithinAnHourShareARowAndItsReference(t *testing.T) {
	l := start(t, t.TempDir())
	first := success(t, l.Log, event("leela", testTime))
	for i := range 5 {
		e := event("leela", testTime.Add(time.Duration(i+1)*10*time.Minute))
		e.Client = fmt.Sprintf("192.0.2.7:%d", 50000+i) // another port is no difference
		e.Steps[0].Took++
		if ref := success(t, l.Log, e); ref != first {
			t.Errorf("repeat %d got reference %s, want %s", i, ref, first)
		}
	}
	got, err := l.db.EventByReference(context.Background(), first)
	if err != nil || got.Count != 6 || !got.Last.Equal(testTime.Add(50*time.Minute)) {
		t.Errorf("count %d, last %v, %v", got.Count, got.Last, err)
	}
	for name, change := range map[string]func(*signin.Event){
		"an hour later":       func(e *signin.Event) { e.At = testTime.Add(time.Hour) },
		"another person":      func(e *signin.Event) { e.Facts.Person = "fry" },
		"another protocol":    func(e *signin.Event) { e.Facts.Protocol = protocol.POP3 },
		"another credential":  func(e *signin.Event) { e.Facts.Credential = policy.CredentialPassword },
		"another mechanism":   func(e *signin.Event) { e.Mechanism = "OAUTHBEARER" },
		"another program":     func(e *signin.Event) { e.Facts.Program = "K-9" },
		"another version":     func(e *signin.Event) { e.Facts.ProgramVersion = "129" },
		"another address":     func(e *signin.Event) { e.Facts.Addr = netip.MustParseAddr("192.0.2.8") },
		"another snapshot":    func(e *signin.Event) { e.Verdict.Version++ },
		"other policies":      func(e *signin.Event) { e.Applied.Applied = []uint64{1} },
		"another fingerprint": func(e *signin.Event) { e.TLS.JA4 = "t13d" },
		"another spelling":    func(e *signin.Event) { e.Typed = "LEELA" },
	} {
		e := event("leela", testTime.Add(30*time.Minute))
		change(e)
		if ref := success(t, l.Log, e); ref != e.ID.Reference() {
			t.Errorf("%s was counted in another's row", name)
		}
	}
}

func TestRefusalsAreWrittenBehindAndMerged(t *testing.T) {
	l := start(t, t.TempDir())
	var first signin.Reference
	told := map[signin.Reference]bool{}
	for i := range store.Told {
		e := refused("leela", testTime.Add(time.Duration(i)*time.Second), signin.BlockedByPolicy)
		ref := l.Refusal(e)
		if i == 0 {
			first = e.ID.Reference()
		}
		if told[ref] {
			t.Fatalf("repeat %d got reference %s, which tells that it is one", i, ref)
		}
		told[ref] = true
		if i%100 == 0 {
			time.Sleep(25 * time.Millisecond) // so that some are counted after the row was written
		}
	}
	l.Refusal(refused("leela", testTime, signin.WrongCredentials)) // another code has a row of its own
	if ref := l.Refusal(refused("leela", testTime, signin.BlockedByPolicy)); told[ref] {
		t.Error("a row told a reference twice")
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	db := reopen(t, l.dir)
	for ref := range told {
		got, err := db.EventByReference(context.Background(), ref)
		if err != nil || got.ID.Reference() != first || got.Count != store.Told || got.Code != signin.BlockedByPolicy {
			t.Fatalf("%s leads to %s: count %d, code %v, %v", ref, got.ID.Reference(), got.Count, got.Code, err)
		}
	}
	if rows, count := total(t, db, store.EventFilter{}); rows != 3 || count != store.Told+2 {
		t.Errorf("%d rows with %d sign-ins, want 3 and %d", rows, count, store.Told+2)
	}
}

func reopen(t testing.TB, dir string) *store.Store {
	t.Helper()
	db, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestAKnownNetworkIsRememberedAcrossAStart(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir)
	same, other := netip.MustParseAddr("192.0.2.200"), netip.MustParseAddr("192.0.3.7")
	if l.KnownNetwork("leela", same) {
		t.Error("known before anybody signed in")
	}
	l.Refusal(refused("leela", testTime, signin.WrongCredentials))
	success(t, l.Log, event("leela", testTime))
	e := event("leela", testTime)
	e.Facts.Addr = netip.MustParseAddr("2001:db8:1:2::3")
	success(t, l.Log, e)
	check := func(l *running) {
		t.Helper()
		for addr, want := range map[netip.Addr]bool{same: true, other: false, netip.MustParseAddr("::ffff:192.0.2.9"): true,
			netip.MustParseAddr("2001:db8:1:ffff::1"): true, netip.MustParseAddr("2001:db8:2::1"): false, {}: false} {
			if got := l.KnownNetwork("leela", addr); got != want {
				t.Errorf("%v known: %v", addr, got)
			}
		}
		if l.KnownNetwork("fry", same) || l.KnownNetwork("", same) {
			t.Error("known to somebody else")
		}
	}
	check(l)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	check(start(t, dir))
}

func TestSessionsHaveTheirOwnRows(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	l := start(t, dir)
	id := newID()
	l.Session(signin.SessionEvent{ID: id, Session: "s1", Opened: testTime})
	l.Session(signin.SessionEvent{ID: id, Session: "s2", Opened: testTime})
	time.Sleep(2 * behind)
	l.Session(signin.SessionEvent{ID: id, Session: "s1", Opened: testTime, Closed: testTime.Add(time.Minute), Reason: "policy changed",
		Code: signin.SessionPolicyChanged, FromClient: 10, FromBackend: 1 << 40, Program: "mutt"})
	l.Session(signin.SessionEvent{ID: id, Session: "s1", Opened: testTime}) // late: undoes nothing
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	got, err := reopen(t, dir).SessionsOf(ctx, id)
	if err != nil || len(got) != 2 || got[0].Reason != "policy changed" || got[0].FromBackend != 1<<40 || got[0].Program != "mutt" || !got[1].Closed.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestALogThatIsClosedTakesNoSuccess(t *testing.T) {
	l := start(t, t.TempDir())
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Success(context.Background(), event("leela", testTime)); !errors.Is(err, ErrClosed) {
		t.Errorf("answered %v", err)
	}
}

func TestASuccessWhoseCallerLeftIsNotWritten(t *testing.T) {
	l := start(t, t.TempDir())
	l.mu.Lock() // a commit that takes its time
	go l.Success(context.Background(), event("first", testTime))
	time.Sleep(20 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Success(ctx, event("second", testTime)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("answered %v", err)
	}
	l.mu.Unlock()
	success(t, l.Log, event("third", testTime))
	if rows, _ := total(t, l.db, store.EventFilter{}); rows != 2 {
		t.Errorf("%d rows, want the first and the third", rows)
	}
}

func TestASecondProcessDoesNotShareTheStateFolder(t *testing.T) {
	l := start(t, t.TempDir())
	if _, err := Open(context.Background(), Options{Store: l.db, Dir: l.dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
}
