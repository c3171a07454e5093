package eventlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// The test binary is its own child: a process that writes sign-ins until it is
// killed, or until it has lived through a full disk.
const (
	childVar = "PORTREEVE_EVENTLOG_CHILD" // "load:DIR" or "full:DIR"
	killsVar = "PORTREEVE_KILLS"          // how many kills; 20 unless set
)

func TestMain(m *testing.M) {
	kind, dir, child := strings.Cut(os.Getenv(childVar), ":")
	switch {
	case !child:
		os.Exit(m.Run())
	case kind == "load":
		loadChild(dir)
	case kind == "full":
		fullChild(dir)
	}
	os.Exit(2)
}

// childLog opens the log in a child, which has no testing.T.
func childLog(dir string, size int64) (*Log, *store.Store) {
	db, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		fmt.Println("! opening the store:", err)
		os.Exit(1)
	}
	l, err := Open(context.Background(), Options{Store: db, Dir: dir, JournalSize: size, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println("! opening the log:", err)
		os.Exit(1)
	}
	return l, db
}

// loadChild signs people in from 8 goroutines and tells of each: "a key"
// before it is asked, "d key reference" once it is answered. One write is one
// line, so that what was told was told before the kill.
func loadChild(dir string) {
	l, _ := childLog(dir, 32<<20)
	go func() { _ = l.Run(context.Background()) }()
	for g := range 8 {
		go func() {
			for i := 0; ; i++ {
				e := event(fmt.Sprintf("shared%d", i%3), time.Now())
				if i%2 == 0 { // half of them are like no other
					e = event(e.ID.String(), time.Now())
				}
				if g == 0 && i%5 == 0 {
					l.Refusal(refused("guesser", time.Now(), signin.WrongCredentials))
				}
				fmt.Fprintf(os.Stdout, "a %s\n", e.Facts.Person)
				if ref, err := l.Success(context.Background(), e); err == nil {
					fmt.Fprintf(os.Stdout, "d %s %s\n", e.Facts.Person, ref)
				} else {
					fmt.Fprintf(os.Stdout, "! %v\n", err)
				}
			}
		}()
	}
	select {}
}

// told is what a child told before it was killed.
type told struct {
	mu              sync.Mutex
	asked, answered map[string]int64
	refs            map[signin.Reference]int64
	faults          []string
}

func (w *told) line(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := strings.Fields(s)
	switch {
	case len(f) == 2 && f[0] == "a":
		w.asked[f[1]]++
	case len(f) == 3 && f[0] == "d":
		w.answered[f[1]]++
		w.refs[signin.Reference(f[2])]++
	default:
		w.faults = append(w.faults, s)
	}
}

// runAndKill runs a child until a random moment. In some rounds another
// process holds the database for a while, so that the kill meets the journal,
// or the journal on its way into the database.
func runAndKill(t *testing.T, dir string, round int, w *told) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childVar+"=load:"+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begun, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		first := sync.OnceFunc(func() { close(begun) })
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				first()
				return // a line without its end was never told
			}
			w.line(strings.TrimSuffix(line, "\n"))
			first()
		}
	}()
	<-begun
	if round%3 == 1 {
		unlock := lock(t, dir)
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		unlock()
	}
	time.Sleep(time.Duration(rand.IntN(int(300*time.Millisecond)/(1+round%2*4))) + time.Millisecond)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	_ = cmd.Wait()
}

func TestWhatWasAnsweredBeforeAKillIsInTheLogExactlyOnce(t *testing.T) {
	kills := 20
	if s := os.Getenv(killsVar); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	dir := t.TempDir()
	w := &told{asked: map[string]int64{}, answered: map[string]int64{}, refs: map[signin.Reference]int64{}}
	for round := range kills {
		runAndKill(t, dir, round, w)
	}
	for _, f := range w.faults {
		t.Error(f)
	}
	begun := time.Now()
	l := start(t, dir)
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("starting after a kill took %v", took)
	}
	until(t, "the journal is brought in", func() bool { return !l.State().Journal })
	found, rows := map[string]int64{}, map[signin.Reference]int64{}
	for e, err := range l.db.AllEvents(context.Background(), store.EventFilter{Outcome: signin.EndAllowed}) {
		if err != nil {
			t.Fatal(err)
		}
		found[e.Facts.Person] += e.Count
		rows[e.ID.Reference()] += e.Count
	}
	var answered, kept int64
	for key, n := range w.asked {
		answered, kept = answered+w.answered[key], kept+found[key]
		if found[key] < w.answered[key] || found[key] > n {
			t.Errorf("%s: %d in the log, %d answered, %d asked", key, found[key], w.answered[key], n)
		}
	}
	for ref, n := range w.refs {
		if rows[ref] < n {
			t.Errorf("%s: %d in the log, %d were answered with it", ref, rows[ref], n)
		}
	}
	if answered < int64(kills)*10 {
		t.Errorf("only %d answers in %d runs: too few to tell", answered, kills)
	}
	if s := l.State(); s.Lost != 0 {
		t.Errorf("%d parts of the journal were lost", s.Lost)
	}
	t.Logf("%d kills: %d asked, %d answered, %d in the log", kills, sum(w.asked), answered, kept)
}

func sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// fullChild lives through a disk that takes no more: the kernel refuses to let
// any file grow, as it does when there is no block left. Each claim that fails is printed.
func fullChild(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	l, db := childLog(dir, 1<<20)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	claim := func(holds bool, what string, args ...any) {
		if !holds {
			fmt.Printf("! "+what+"\n", args...)
		}
	}
	var answered, failed atomic.Int64
	signIn := func(n int) {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range n / 4 {
					if _, err := l.Success(ctx, event(fmt.Sprintf("p%d-%d-%d", n, g, i), time.Now())); err != nil {
						failed.Add(1)
						continue
					}
					answered.Add(1)
				}
			})
		}
		wg.Wait()
	}
	signIn(400)
	claim(!l.State().Journal && answered.Load() == 400, "before: %d answered, journal %v", answered.Load(), l.State().Journal)
	var was unix.Rlimit
	claim(unix.Getrlimit(unix.RLIMIT_FSIZE, &was) == nil, "reading the limit")
	limit, largest := was, uint64(0)
	for _, name := range []string{store.FileName, store.FileName + "-wal", journalName} {
		fi, err := os.Stat(filepath.Join(dir, name))
		claim(err == nil, "looking at %s: %v", name, err)
		if err == nil {
			largest = max(largest, uint64(fi.Size()))
		}
	}
	limit.Cur = largest + 128<<10 // the journal of 1 MiB lies below it
	claim(unix.Setrlimit(unix.RLIMIT_FSIZE, &limit) == nil, "setting the limit")
	for i := 0; i < 200 && !l.State().Journal; i++ {
		signIn(200 + 4*i)
	}
	claim(l.State().Journal, "the database still grows: %d answered", answered.Load())
	claim(failed.Load() == 0, "%d were refused although the journal had room", failed.Load())
	for i := 0; i < 60 && failed.Load() == 0; i++ {
		signIn(2000 + 4*i)
	}
	claim(failed.Load() > 0, "the journal of 1 MiB was never full")
	claim(l.State().Fill >= warnAt, "full at %v", l.State().Fill)
	claim(unix.Setrlimit(unix.RLIMIT_FSIZE, &was) == nil, "lifting the limit")
	for i := 0; i < 400 && l.State().Journal; i++ {
		time.Sleep(50 * time.Millisecond)
	}
	claim(!l.State().Journal, "the journal was not brought in: %v", l.State().Database)
	failed.Store(0)
	signIn(100)
	claim(failed.Load() == 0, "%d were refused after the disk had room again", failed.Load())
	cancel()
	if err := errors.Join(<-done, l.Close(), db.Close()); err != nil {
		fmt.Println("!", err)
	}
	fmt.Println("answered", answered.Load())
	os.Exit(0)
}

func TestAFullDiskCostsNothingThatWasAnswered(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childVar+"=full:"+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var answered int64
	for line := range strings.Lines(string(out)) {
		if _, err := fmt.Sscanf(line, "answered %d", &answered); err != nil {
			t.Error(strings.TrimSpace(line))
		}
	}
	rows, count := total(t, reopen(t, dir), store.EventFilter{})
	if answered == 0 || count != answered || rows != answered {
		t.Errorf("%d rows with %d sign-ins, %d were answered", rows, count, answered)
	}
	t.Logf("%d answered through a full disk", answered)
}
