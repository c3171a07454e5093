package admin

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

// A month of a site of 2,000 people: each with one to four programs, at home, in
// the office and, where the program is on a phone, on thirty networks on the way.
const (
	siteEvents   = 1_000_000
	siteDays     = 30
	siteWritten  = siteEvents / 10 // by the log's own way; they come again every three days
	sitePeople   = 2000
	sitePolicies = 20
	siteRoaming  = 30
)

// siteLog is a state folder with such a month. PORTREEVE_BENCH_STATE names one
// that is filled once and then used again.
func siteLog(tb testing.TB) (dir string, src policy.Source) {
	tb.Helper()
	dir = os.Getenv("PORTREEVE_BENCH_STATE")
	if dir == "" {
		dir = tb.TempDir()
	}
	dir = filepath.Join(dir, "month")
	src = policytest.Source(7, sitePolicies, sitePeople)
	if _, err := os.Stat(filepath.Join(dir, "whole")); err == nil {
		return dir, src
	}
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	profiles := siteProfiles(r)
	began := time.Now().AddDate(0, 0, -siteDays).Add(time.Hour)
	for done := 0; done < siteWritten; {
		err := s.Write(context.Background(), func(tx *store.Tx) error {
			for range min(20_000, siteWritten-done) {
				e := profiles[r.IntN(len(profiles))].draw(r)
				e.At = began.Add(siteDays * 24 * time.Hour / siteEvents * time.Duration(done))
				e.ID, e.Last, e.Facts.At = store.NewID(), e.At, e.At.Add(time.Duration(r.IntN(3000))*time.Microsecond)
				e.Facts.AuthTime = e.At
				if e.Facts.Credential == policy.CredentialBearer {
					e.Facts.AuthTime = e.At.Add(-time.Duration(r.IntN(8*3600)) * time.Second)
				}
				if err := tx.PutEvent(&e); err != nil {
					return err
				}
				done++
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	multiply(tb, dir)
	if err := os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600); err != nil {
		tb.Fatal(err)
	}
	return dir, src
}

// multiply has what was written come again every three days, quickly: nothing
// need be durable, and times within an event's facts are told from its own.
func multiply(tb testing.TB, dir string) {
	tb.Helper()
	db := siteDatabase(tb, dir)
	exec := func(query string, args ...any) {
		tb.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			tb.Fatal(err)
		}
	}
	exec(`PRAGMA synchronous = OFF`)
	exec(`PRAGMA cache_size = -1000000`) // KiB
	exec(`BEGIN`)
	const columns = `count, source, observed, person, mailbox, typed, protocol, credential, program, addr, code, version, facts`
	for again := 1; again < siteEvents/siteWritten; again++ {
		later := int64(again) * int64(siteDays*24*time.Hour) / (siteEvents / siteWritten)
		exec(`INSERT INTO events (id, ref, at, last, `+columns+`)
			SELECT randomblob(16), random() & 0xfffffffffffffff, at + ?, last + ?, `+columns+` FROM events WHERE n <= ? ORDER BY n`, later, later, siteWritten)
	}
	exec(`COMMIT`)
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
}

func siteDatabase(tb testing.TB, dir string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, store.FileName))
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

// siteProfile is a person's program: a sign-in of it, and where it may come from.
type siteProfile struct {
	event  signin.Event
	places []netip.Addr
}

func (p *siteProfile) draw(r *rand.Rand) signin.Event {
	e := p.event
	e.Facts.Addr = p.places[r.IntN(len(p.places))]
	e.Client = fmt.Sprintf("%s:%d", e.Facts.Addr, 1024+r.IntN(60000))
	if r.IntN(20) == 0 {
		e.Facts.Proven, e.Facts.Methods, e.Facts.Device, e.Code = false, 0, nil, signin.WrongCredentials
	}
	return e
}

func siteProfiles(r *rand.Rand) (all []siteProfile) {
	programs := []string{"thunderbird", "outlook", "evolution", "apple-mail", "k-9", ""}
	const phones = 3 // the first that is on a phone
	for i, f := range policytest.Facts(7, sitePeople) {
		home := netip.AddrFrom4([4]byte{byte(20 + r.IntN(90)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
		office := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		for range 1 + r.IntN(4) {
			program := r.IntN(len(programs))
			places := slices.Repeat([]netip.Addr{home, office}, siteRoaming) // two of three are from there
			if program >= phones {
				for range siteRoaming {
					places = append(places, netip.AddrFrom4([4]byte{byte(20 + r.IntN(90)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))}))
				}
			}
			g := f
			g.Protocol, g.Program, g.Mechanism = protocol.All()[r.IntN(3)], programs[program], "PLAIN"
			if r.IntN(4) > 0 {
				g.Credential, g.Methods, g.Device = policy.CredentialPassword, policy.MethodPassword, nil
			}
			all = append(all, siteProfile{siteEvent(g), places})
		}
	}
	return all
}

func siteEvent(f policy.Facts) signin.Event {
	e := signin.Event{Count: 1, Source: "gate", Typed: f.Address, Mechanism: "PLAIN", Listener: "imaps", Backend: "main", Facts: f}
	e.Steps = []signin.Step{{Name: signin.StepWho, Result: "known", Took: 90 * time.Microsecond}, {Name: signin.StepGuard, Result: "pass", Took: time.Microsecond},
		{Name: signin.StepVerify, Result: "proven", Took: 3 * time.Millisecond}, {Name: signin.StepEvaluate, Result: "allow", Took: 2 * time.Microsecond}}
	e.TLS.Version, e.TLS.Cipher, e.TLS.JA4 = 0x0304, 0x1301, "t13d1516h2_8daaf6152771_02713d6af862"
	return e
}

// siteReplay is a server's answer to a change of rules over such a month: packed, as
// the hourly upkeep leaves it, or with every row still to be read.
func siteReplay(b *testing.B, packed bool) (*api, *replaying) {
	b.Helper()
	dir, src := siteLog(b)
	if !packed {
		db := siteDatabase(b, dir)
		if _, err := db.Exec(`DELETE FROM replay_sheets`); err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if packed {
		if _, err := s.SealSheets(context.Background(), time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	before, _ := policy.Compile(src)
	after, _ := policy.Compile(policytest.Changed(3, src, sitePeople))
	if !before.TimeMatters() || !after.TimeMatters() {
		b.Fatal("no rule asks for the time: judging would be too easy")
	}
	w := &replaying{proposal: &proposal{before: before, after: after}, window: store.ReplayWindow{From: time.Now().AddDate(0, 0, -siteDays)}}
	w.change = whatif.Change{Before: whatif.Side{Rules: before}, After: whatif.Side{Rules: after}}
	return &api{Options: Options{Store: s}, classes: &classKeeper{}}, w
}

func (a *api) answerSite(b *testing.B, q *replayed, w *replaying) {
	b.Helper()
	if out, err := a.runReplay(context.Background(), q, w, nil); err != nil || out.SignIns != siteEvents {
		b.Fatal(out, err)
	}
}

// BenchmarkReplay is exact over a million sign-ins, BenchmarkReplayRows over a log
// that nobody has packed yet. BenchmarkPreview is by classes once these are
// counted, BenchmarkFirstPreview with the counting.
func BenchmarkReplay(b *testing.B)     { benchReplay(b, true) }
func BenchmarkReplayRows(b *testing.B) { benchReplay(b, false) }

func benchReplay(b *testing.B, packed bool) {
	a, w := siteReplay(b, packed)
	b.ReportAllocs()
	for b.Loop() {
		a.answerSite(b, &replayed{Rows: replayRows}, w)
	}
}

func BenchmarkFirstPreview(b *testing.B) {
	a, w := siteReplay(b, true)
	b.ReportAllocs()
	for b.Loop() {
		a.classes = &classKeeper{}
		a.answerSite(b, &replayed{Rows: replayRows, Preview: true}, w)
	}
}

func BenchmarkPreview(b *testing.B) {
	a, w := siteReplay(b, true)
	q := &replayed{Rows: replayRows, Preview: true}
	a.answerSite(b, q, w)
	b.ReportMetric(float64(a.classes.classes.Len()), "classes")
	for b.Loop() {
		a.answerSite(b, q, w)
	}
}
