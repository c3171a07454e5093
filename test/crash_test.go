package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// anybody makes Dovecot take everybody who knows the password.
const anybody = "passdb {\n  driver = static\n  args = password=" + password + "\n}\n"

// Killed at random during load, again and again: every success that was answered
// is in the log exactly once.
func TestKilledDuringLoad(t *testing.T) {
	t.Parallel()
	kills := 20
	if long() {
		kills = 200
	}
	s := hastySite(t, siteOptions{Dovecot: mailtest.DovecotOptions{Extra: anybody}})
	var tried atomic.Int64
	var answered sync.Map
	for range kills {
		load := s.load(8, &tried, &answered)
		waitFor(&tried, tried.Load()+10+rand.Int64N(40))
		time.Sleep(rand.N(20 * time.Millisecond))
		s.kill()
		load()
		s.begin(t)
	}
	rows := map[string]int64{}
	lost := 0
	for l := range strings.SplitSeq(strings.TrimSpace(s.do(t, "signins", "export", "-o", "ndjson")), "\n") {
		var e signIn
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%v in %s", err, l)
		}
		switch e.Portreeve.Code {
		case "PR0":
			rows[e.UserPrincipalName] += e.Portreeve.Count
		case "PR1060":
			lost++
		}
	}
	told := 0
	answered.Range(func(name, _ any) bool {
		told++
		if n := rows[name.(string)]; n != 1 {
			t.Errorf("%s was let in once and is in the log %d times", name, n)
		}
		return true
	})
	for name, n := range rows {
		if n != 1 {
			t.Errorf("%s is in the log %d times", name, n)
		}
	}
	t.Logf("%d kills: %d sign-ins tried, %d answered, %d in the log", kills, tried.Load(), told, len(rows))
	if told < 5*kills {
		t.Errorf("only %d sign-ins were answered in %d lives: that is no load", told, kills)
	}
	if lost == 0 {
		t.Error("no row says that refusals may be missing")
	}
}

// waitFor waits until so many sign-ins were tried.
func waitFor(tried *atomic.Int64, n int64) {
	for end := time.Now().Add(20 * time.Second); tried.Load() < n && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// load has people sign in, each once, until the function that it returns is
// called, which waits for those under way.
func (s *site) load(workers int, tried *atomic.Int64, answered *sync.Map) (stop func()) {
	var over atomic.Bool
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for !over.Load() {
				name := fmt.Sprintf("load%06d@example.org", tried.Add(1))
				k, err := s.knock("imap", netip.AddrFrom4([4]byte{127, 11, byte(w), 1}))
				if err != nil {
					time.Sleep(pollTime)
					continue
				}
				if answer, _, err := k.signIn(name, password); err == nil && in(answer) {
					answered.Store(name, true)
				}
				_ = k.Close()
			}
		})
	}
	return func() { over.Store(true); wg.Wait() }
}

// A full disk stops nobody: the journal carries on, and what it took is in the
// log when there is room again, each success once. Nobody is told that his
// password is wrong.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := shortDir(t)
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=100m"); err != nil {
		t.Fatalf("mounting a small disk (this test runs as root): %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	state := filepath.Join(disk, "state")
	check(t, os.Mkdir(state, 0o700))
	s := hastySite(t, siteOptions{Dovecot: mailtest.DovecotOptions{Extra: anybody}, Door: doorOptions{State: state}})
	want := map[string]int64{}
	signIns := func(when string, must bool) {
		t.Helper()
		for n := range 20 {
			name := fmt.Sprintf("full%02d@example.org", n)
			k := s.mustKnock(t, "imap", netip.Addr{})
			answer, _, err := k.signIn(name, password)
			_ = k.Close()
			switch {
			case err == nil && in(answer):
				want[name]++
			case err != nil || must || !strings.Contains(answer, "[UNAVAILABLE]"):
				t.Errorf("%s: %s is told %q, %v", when, name, answer, err)
			}
		}
	}
	signIns("with room", true)
	filler := fill(t, disk)
	before := len(want)
	signIns("on a full disk", false)
	signIns("on a full disk", false)
	carried := int64(0)
	for _, n := range want {
		carried += n
	}
	if carried -= int64(before); carried == 0 {
		t.Error("the journal carried nobody")
	}
	if st := s.logState(t); st.Database == "ok" && !st.Journal {
		t.Errorf("`status` does not tell of the full disk: %+v", st)
	}
	check(t, os.Remove(filler))
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if st := s.logState(t); st.Database == "ok" && !st.Journal {
			break
		} else if time.Now().After(end) {
			t.Fatalf("with room again the log is still %+v\n%s", st, tail(s.log(), 20))
		}
	}
	signIns("with room again", true)
	got := map[string]int64{}
	for _, e := range s.signIns(t, `outcome eq "allowed"`) {
		got[e.UserPrincipalName] += e.Portreeve.Count
	}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s was let in %d times, the log says %d", name, n, got[name])
		}
	}
	t.Logf("on a full disk %d of 40 were let in", carried)
}

// fill takes all room on a disk and returns the file that has it.
func fill(t testing.TB, dir string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	check(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for piece := make([]byte, size); err == nil; {
			_, err = f.Write(piece)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
	return f.Name()
}

// logState is what `status` tells of the sign-in log.
type logState struct {
	Database string `json:"database"`
	Journal  bool   `json:"journalInUse"`
	Warning  string `json:"warning"`
}

func (d *door) logState(t testing.TB) logState {
	t.Helper()
	var status struct {
		Log logState `json:"log"`
	}
	d.read(t, &status, "status")
	return status.Log
}
