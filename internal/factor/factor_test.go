package factor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	leela = "11111111-0000-4000-8000-000000000001"
	fry   = "11111111-0000-4000-8000-000000000002"
	rpID  = "mail.example.org"
	site  = "https://mail.example.org"
)

var (
	desk = store.Actor{UID: 1000, Name: "hermes"}
	self = store.Actor{UID: -1, Name: "leela@example.org"}
	home = netip.MustParseAddr("192.0.2.7")
)

// house is a service over a database of its own, and what it told to whom.
type house struct {
	*Service
	mu   sync.Mutex
	told []string
	box  *secret.Box
	dir  string
}

func (h *house) heard(text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.told, func(s string) bool { return strings.Contains(s, text) })
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{box: secret.NewBox(), dir: t.TempDir()}
	h.open(t)
	h.populate(t)
	return h
}

func (h *house) populate(t testing.TB) {
	t.Helper()
	err := h.Store.Change(context.Background(), desk, "", func(tx *store.Tx) error {
		return errors.Join(tx.AddPerson(&store.Person{ID: leela, Address: "leela@example.org"}),
			tx.AddPerson(&store.Person{ID: fry, Address: "fry@example.org"}))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) open(t testing.TB) {
	t.Helper()
	if err := h.openIn(context.Background()); err != nil {
		t.Fatal(err)
	}
	db := h.Store
	t.Cleanup(func() { _ = db.Close() })
}

func (h *house) openIn(ctx context.Context) error {
	db, err := store.Open(ctx, store.Options{Dir: h.dir})
	if err != nil {
		return err
	}
	h.Service, err = New(ctx, Options{Store: db, Box: h.box, Print: h.box.Prints("factors"), Name: "Planet: Express", RPID: rpID, Origins: []string{site},
		Tell: func(person string, n News) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.told = append(h.told, strings.TrimSpace(fmt.Sprintf("%s: %s %s", person, n.Kind, n.Name)))
		},
		Everything: func(person string, at time.Time) string { return fmt.Sprintf("all:%s:%d", person, at.UnixNano()) }})
	return err
}

// enrolled sets up an authenticator app and returns its seed.
func (h *house) enrolled(t testing.TB, ctx context.Context, person string) (seed string, f Factor) {
	t.Helper()
	set, err := h.BeginTOTP(ctx, person, person+"@example.org")
	if err != nil {
		t.Fatal(err)
	}
	f, err = h.ConfirmTOTP(ctx, self, person, set.ID, "My phone", codeAt(t, set.Secret, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return set.Secret, f
}

func codeAt(t testing.TB, seed string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(seed, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// is says whether err is a refusal with a code.
func is(err error, code signin.Code) bool {
	var r *signin.Refusal
	return errors.As(err, &r) && r.Code == code
}

func wants(t testing.TB, err error, code signin.Code) {
	t.Helper()
	if !is(err, code) {
		t.Errorf("got %v, want a refusal with %s", err, code)
	}
}

// withBoth is a session that was proven with two factors.
func withBoth(person string) context.Context {
	return From(context.Background(), policy.Facts{Person: person, Proven: true, Methods: policy.MethodPassword | policy.MethodSoftwareOath})
}

// oneWins has fifty show the same at once: exactly one may be right.
func oneWins(t *testing.T, show func() error) {
	t.Helper()
	var right, odd atomic.Int32
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range 50 {
		wg.Go(func() {
			<-begin
			var r *signin.Refusal
			switch err := show(); {
			case err == nil:
				right.Add(1)
			case !errors.As(err, &r):
				odd.Add(1)
				t.Error(err)
			}
		})
	}
	close(begin)
	wg.Wait()
	if right.Load() != 1 || odd.Load() != 0 {
		t.Errorf("%d of 50 at once were right, %d were in trouble, want 1 and 0", right.Load(), odd.Load())
	}
}

func TestACodeIsRightOnceAndItsNeighboursWithinOneStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ctx := newHouse(t), t.Context()
		seed, f := h.enrolled(t, ctx, leela)
		if f.Name != "My phone" || f.Kind != KindTOTP || !h.Has(leela) || h.Has(fry) {
			t.Errorf("enrolled %+v, has %v and %v", f, h.Has(leela), h.Has(fry))
		}
		if !h.heard(leela + ": added My phone") {
			t.Error("the new factor was not announced:", h.told)
		}
		_, err := h.TOTP(ctx, leela, codeAt(t, seed, time.Now()))
		wants(t, err, signin.FactorFailed) // the code that confirmed the setup
		time.Sleep(period)
		_, err = h.TOTP(ctx, leela, codeAt(t, seed, time.Now().Add(-period)))
		wants(t, err, signin.FactorFailed)
		code := codeAt(t, seed, time.Now())
		m, err := h.TOTP(ctx, leela, code[:3]+" "+code[3:])
		if err != nil || m != policy.MethodSoftwareOath {
			t.Errorf("the right code came to %v, %v", m.Names(), err)
		}
		_, err = h.TOTP(ctx, leela, code)
		wants(t, err, signin.FactorFailed)
		time.Sleep(24 * time.Hour)
		for _, ahead := range []time.Duration{2 * period, -2 * period} {
			_, err = h.TOTP(ctx, leela, codeAt(t, seed, time.Now().Add(ahead)))
			wants(t, err, signin.FactorFailed)
		}
		if _, err = h.TOTP(ctx, leela, codeAt(t, seed, time.Now().Add(period))); err != nil {
			t.Error("a clock that is a step fast:", err)
		}
		_, err = h.TOTP(ctx, leela, codeAt(t, seed, time.Now()))
		wants(t, err, signin.FactorFailed) // an earlier step than the one used
		_, err = h.TOTP(ctx, fry, codeAt(t, seed, time.Now().Add(period)))
		wants(t, err, signin.FactorFailed)
	})
}

func TestOfFiftyEqualOnesOneWins(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	set, err := h.BeginTOTP(ctx, leela, "leela@example.org")
	if err != nil {
		t.Fatal(err)
	}
	code := codeAt(t, set.Secret, time.Now())
	oneWins(t, func() error { // of fifty confirmations of one setup, too
		_, err := h.ConfirmTOTP(withBoth(leela), self, leela, set.ID, "", code)
		return err
	})
	codes, err := h.NewRecoveryCodes(ctx, self, leela)
	if err != nil {
		t.Fatal(err)
	}
	one, _, err := h.IssuePass(ctx, desk, leela, PassOptions{OneTime: true})
	if err != nil {
		t.Fatal(err)
	}
	next := codeAt(t, set.Secret, time.Now().Add(period))
	for name, show := range map[string]func(int) error{
		"code":          func(i int) error { _, err := h.TOTP(fromNetwork(i), leela, next); return err },
		"recovery code": func(int) error { _, err := h.Recovery(ctx, leela, codes[3]); return err },
		"pass":          func(int) error { _, err := h.Pass(ctx, leela, []byte(one)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			oneWins(t, func() error { return show(int(n.Add(1))) })
		})
	}
}

// fromNetwork is a session from a network of its own that is known to its
// person, so that its wrong codes are counted by themselves.
func fromNetwork(i int) context.Context {
	return From(context.Background(), policy.Facts{Person: leela, Proven: true, KnownNetwork: true, Addr: netip.AddrFrom4([4]byte{10, 0, byte(i), 1})})
}

func TestASetupFitsItsPersonItsCodeAndItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ctx := newHouse(t), t.Context()
		set, err := h.BeginTOTP(ctx, leela, "leela@example.org")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(set.URI, "otpauth://totp/Planet%20%20Express:leela@example.org?") || len(set.Secret) != 32 || !strings.HasPrefix(string(set.PNG), "\x89PNG") {
			t.Errorf("the setup is %q with a secret of %d signs and a picture of %d bytes", set.URI, len(set.Secret), len(set.PNG))
		}
		_, err = h.ConfirmTOTP(ctx, self, fry, set.ID, "", codeAt(t, set.Secret, time.Now()))
		wants(t, err, signin.FactorFailed)
		_, err = h.ConfirmTOTP(ctx, self, leela, set.ID, "", "000000")
		wants(t, err, signin.FactorFailed)
		for _, id := range []string{"", "x", set.ID[1:], strings.Repeat("A", 5000)} {
			if _, err := h.ConfirmTOTP(ctx, self, leela, id, "", "000000"); !errors.Is(err, ErrSetupOld) {
				t.Errorf("setup %.20q came to %v", id, err)
			}
		}
		time.Sleep(setupTime)
		if _, err := h.ConfirmTOTP(ctx, self, leela, set.ID, "", codeAt(t, set.Secret, time.Now())); !errors.Is(err, ErrSetupOld) {
			t.Errorf("an old setup came to %v", err)
		}
		if h.Has(leela) {
			t.Error("a factor was kept")
		}
	})
}

func TestWrongCodesOfAThiefDoNotLockTheOwnerOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ctx := newHouse(t), t.Context()
		seed, _ := h.enrolled(t, ctx, leela)
		time.Sleep(time.Hour)
		wrongOne := func(i int) string { return fmt.Sprintf("%06d", i) }
		for i := range triesSoon {
			_, err := h.TOTP(ctx, leela, wrongOne(i))
			wants(t, err, signin.FactorFailed)
		}
		if !h.heard(": guessing") {
			t.Error("the owner was not told of wrong codes")
		}
		_, err := h.TOTP(ctx, leela, codeAt(t, seed, time.Now()))
		wants(t, err, signin.Throttled) // a stranger, even with the right code
		owner := From(ctx, policy.Facts{Person: leela, Proven: true, KnownNetwork: true, Addr: home})
		if _, err := h.TOTP(owner, leela, codeAt(t, seed, time.Now())); err != nil {
			t.Error("the owner at home:", err)
		}
		codes, err := h.NewRecoveryCodes(ctx, self, leela)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Recovery(ctx, leela, codes[0]); err != nil {
			t.Error("the owner on a journey:", err)
		}
		for day := range 3 { // no more than twenty a day, however patient
			shown := 0
			for range 24 * 4 {
				time.Sleep(soon)
				if _, err := h.TOTP(ctx, leela, wrongOne(day)); is(err, signin.FactorFailed) {
					shown++
				}
			}
			if shown > triesDay {
				t.Errorf("%d wrong codes were looked at on a day", shown)
			}
		}
		time.Sleep(24 * time.Hour)
		if _, err := h.TOTP(ctx, leela, codeAt(t, seed, time.Now())); err != nil {
			t.Error("a day later:", err)
		}
	})
}

func TestFiftyGuessesAtOnceGetNoFurtherThanFive(t *testing.T) {
	h := newHouse(t)
	h.enrolled(t, t.Context(), leela)
	var looked atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := h.TOTP(t.Context(), leela, fmt.Sprintf("%06d", i)); is(err, signin.FactorFailed) {
				looked.Add(1)
			}
		})
	}
	wg.Wait()
	if n := looked.Load(); n > triesSoon {
		t.Errorf("%d codes were looked at", n)
	}
}

func TestTheTableOfTriesIsBounded(t *testing.T) {
	var ts tries
	now := time.Now()
	for i := range maxClasses + 100 {
		ts.take(fmt.Sprint(i), class{}, now.Add(time.Duration(i)*time.Millisecond))
	}
	if len(ts.spent) > maxClasses {
		t.Errorf("the table has %d entries", len(ts.spent))
	}
	if _, kept := ts.spent[tryKey{fmt.Sprint(maxClasses + 99), class{}}]; !kept {
		t.Error("the newest gave way")
	}
}

func TestRecoveryCodesWorkOnceEachForTheirPerson(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	if _, err := h.NewRecoveryCodes(ctx, self, leela); !errors.Is(err, ErrNoFactor) {
		t.Errorf("codes without a factor: %v", err)
	}
	h.enrolled(t, ctx, leela)
	old, err := h.NewRecoveryCodes(ctx, self, leela)
	if err != nil {
		t.Fatal(err)
	}
	codes, err := h.NewRecoveryCodes(ctx, self, leela)
	if err != nil || len(codes) != recoveryCodes {
		t.Fatalf("%d codes, %v", len(codes), err)
	}
	_, err = h.Recovery(ctx, leela, old[0])
	wants(t, err, signin.FactorFailed)
	_, err = h.Recovery(ctx, fry, codes[0])
	wants(t, err, signin.FactorFailed)
	if m, err := h.Recovery(ctx, leela, " "+strings.ToLower(strings.ReplaceAll(codes[0], "-", " "))); err != nil || !policy.MultiFactor(m|policy.MethodPassword) || policy.MultiFactor(m) {
		t.Errorf("a code as people type it came to %v, %v", m.Names(), err)
	}
	_, err = h.Recovery(ctx, leela, codes[0])
	wants(t, err, signin.FactorFailed)
	list, err := h.List(ctx, leela)
	if err != nil || len(list) != 2 || list[1].Kind != KindRecovery || list[1].Left != recoveryCodes-1 {
		t.Errorf("the list is %+v, %v", list, err)
	}
}

func TestAPassHasEntrasLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ctx := newHouse(t), t.Context()
		for _, o := range []PassOptions{{Length: 7}, {Length: 49}, {Lifetime: 9 * time.Minute}, {Lifetime: 31 * 24 * time.Hour},
			{StartsAt: time.Now().Add(-time.Hour)}, {StartsAt: time.Now().Add(400 * 24 * time.Hour)}} {
			if _, _, err := h.IssuePass(ctx, desk, leela, o); !errors.Is(err, ErrPassLimits) {
				t.Errorf("%+v came to %v", o, err)
			}
		}
		text, f, err := h.IssuePass(ctx, desk, leela, PassOptions{})
		if err != nil || len(text) != 8 || f.Ends.Sub(f.Starts) != time.Hour || f.OneTime {
			t.Errorf("the default pass has %d signs, is %+v, %v", len(text), f, err)
		}
		for range 2 {
			if m, err := h.Pass(ctx, leela, []byte(strings.ToLower(text))); err != nil || m != policy.MethodTemporaryAccessPassMulti || !policy.MultiFactor(m) {
				t.Errorf("came to %v, %v", m.Names(), err)
			}
		}
		grant, until, err := h.PassGrant(ctx, leela, []byte(text))
		if err != nil || grant != "pass:"+f.ID || !until.Equal(f.Ends) {
			t.Errorf("hangs on %s until %s, %v", grant, until, err)
		}
		_, err = h.Pass(ctx, fry, []byte(text))
		wants(t, err, signin.FactorFailed)
		_, err = h.Pass(ctx, leela, []byte(""))
		wants(t, err, signin.FactorFailed)
		time.Sleep(time.Hour)
		_, err = h.Pass(ctx, leela, []byte(text))
		wants(t, err, signin.PassExpired)

		later, _, err := h.IssuePass(ctx, desk, leela, PassOptions{StartsAt: time.Now().Add(time.Hour), OneTime: true, Length: 48})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Pass(ctx, leela, []byte(text))
		wants(t, err, signin.FactorFailed) // there is one at a time
		if grant, _, err := h.PassGrant(ctx, leela, []byte(text)); grant != "" {
			t.Errorf("what the last pass opened hangs on its successor, %s (%v)", grant, err)
		} else {
			wants(t, err, signin.PassUsedUp)
		}
		_, err = h.Pass(ctx, leela, []byte(later))
		wants(t, err, signin.PassExpired)
		time.Sleep(time.Hour)
		if m, err := h.Pass(ctx, leela, []byte(later)); err != nil || m != policy.MethodTemporaryAccessPassOneTime {
			t.Errorf("came to %v, %v", m.Names(), err)
		}
		_, err = h.Pass(ctx, leela, []byte(later))
		wants(t, err, signin.PassUsedUp)
		if err := h.RevokePass(ctx, desk, leela); err != nil {
			t.Error(err)
		}
		_, err = h.Pass(ctx, leela, []byte(later))
		wants(t, err, signin.FactorFailed)
	})
}

func TestRevokingAPassEndsWhatItOpened(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	_, f, err := h.IssuePass(ctx, desk, leela, PassOptions{})
	if err != nil {
		t.Fatal(err)
	}
	changes, stop := h.Store.Subscribe()
	defer stop()
	if err := h.Remove(ctx, desk, leela, f.ID); err != nil {
		t.Fatal(err)
	}
	if c := <-changes; !slices.Contains(c.Grants, "pass:"+f.ID) {
		t.Errorf("the change ends %v", c.Grants)
	}
}

func TestWhoMayEnrol(t *testing.T) {
	h := newHouse(t)
	h.enrolled(t, t.Context(), fry)
	now := time.Now()
	once, multi := policy.MethodTemporaryAccessPassOneTime, policy.MethodTemporaryAccessPassMulti
	week, day := now.Add(-settled-time.Minute), now.Add(-24*time.Hour)
	for name, c := range map[string]struct {
		f  policy.Facts
		e  EnrolFacts
		ok bool
	}{
		"nobody":                             {policy.Facts{}, EnrolFacts{Trusted: true, PassUsed: true}, false},
		"a password from anywhere":           {session(leela, 0), EnrolFacts{}, false},
		"a network known for a day":          {session(leela, 0), EnrolFacts{KnownSince: day}, false},
		"a network known for a week":         {session(leela, 0), EnrolFacts{KnownSince: week}, true},
		"a trusted location":                 {session(leela, 0), EnrolFacts{Trusted: true}, true},
		"dormant at a trusted location":      {session(leela, 0), EnrolFacts{Trusted: true, KnownSince: week, Dormant: true}, false},
		"dormant with a pass":                {session(leela, multi), EnrolFacts{Dormant: true}, true},
		"a pass":                             {session(leela, multi), EnrolFacts{}, true},
		"a pass for one time":                {session(leela, once), EnrolFacts{}, true},
		"a pass for one time, long ago":      {longAgo(session(leela, once)), EnrolFacts{Trusted: true, KnownSince: week, PassUsed: true}, false},
		"a further one with a password":      {session(fry, 0), EnrolFacts{Trusted: true, KnownSince: week}, false},
		"a further one with two":             {session(fry, policy.MethodSoftwareOath), EnrolFacts{}, true},
		"a further one with two, dormant":    {session(fry, policy.MethodFIDO2), EnrolFacts{Dormant: true}, true},
		"a further one with a pass":          {session(fry, multi), EnrolFacts{}, true},
		"somebody who has proven nothing":    {policy.Facts{Person: leela}, EnrolFacts{Trusted: true}, false},
		"a clock that was set back, network": {session(leela, 0), EnrolFacts{KnownSince: now.Add(time.Hour)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := h.MayEnrol(c.f, c.e)
			if (err == nil) != c.ok || err != nil && !is(err, signin.EnrolNotHere) {
				t.Errorf("came to %v", err)
			}
		})
	}
}

func TestAPolicyOnRegisteringCanOnlyRefuse(t *testing.T) {
	h := newHouse(t)
	var asked policy.Facts
	allow := policy.Verdict{Effect: policy.Allow}
	verdict := allow
	h.Registration = func(f *policy.Facts) policy.Verdict { asked = *f; return verdict }
	if err := h.MayEnrol(session(leela, 0), EnrolFacts{Trusted: true}); err != nil || asked.Person != leela || asked.At.IsZero() {
		t.Errorf("asked of %+v, came to %v", asked, err)
	}
	wants(t, h.MayEnrol(session(leela, 0), EnrolFacts{}), signin.EnrolNotHere)
	for _, verdict = range []policy.Verdict{{}, {Effect: policy.Block, By: "b8f2", Code: 53003}, {Effect: policy.Interrupt, Code: 50076}} {
		wants(t, h.MayEnrol(session(leela, 0), EnrolFacts{Trusted: true}), signin.EnrolNotHere)
	}
}

// session is one opened by a password, or a pass, and what was shown besides.
func session(person string, m policy.Methods) policy.Facts {
	if m&passes == 0 {
		m |= policy.MethodPassword
	}
	return policy.Facts{Person: person, Proven: true, Methods: m, AuthTime: time.Now()}
}

func longAgo(f policy.Facts) policy.Facts {
	f.AuthTime = time.Now().Add(-oneTimeEnrol - time.Second)
	return f
}

func TestWhatTheLogKnowsDecidesWhoMayEnrol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ctx := newHouse(t), t.Context()
		seen := func(addr netip.Addr) EnrolFacts {
			e, err := h.Seen(ctx, leela, addr)
			if err != nil {
				t.Error(err)
			}
			return e
		}
		if e := seen(home); !e.KnownSince.IsZero() || !e.Dormant {
			t.Errorf("of somebody who never signed in the log knows %+v", e)
		}
		signedIn := func() {
			at := time.Now()
			err := h.Store.Write(ctx, func(tx *store.Tx) error {
				e := signin.Event{ID: store.NewID(), At: at, Last: at, Count: 1, Facts: policy.Facts{At: at, Person: leela, Addr: home, Proven: true}}
				return errors.Join(tx.PutEvent(&e), tx.PutNetwork(store.Network{Person: leela, Prefix: netip.PrefixFrom(home, 24).Masked(), First: at, Last: at}))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		signedIn()
		began := time.Now()
		if e := seen(home); !e.KnownSince.Equal(began) || !e.Dormant {
			t.Errorf("a first sign-in just now came to %+v", e)
		}
		time.Sleep(settled + time.Minute)
		if e := seen(home.Next()); !e.KnownSince.Equal(began) || e.Dormant || h.MayEnrol(session(leela, 0), e) != nil {
			t.Errorf("a week later, from next door, came to %+v", e)
		}
		time.Sleep(dormant)
		signedIn() // by whoever has guessed the password, from the same shared network
		if e := seen(home); !e.Dormant || h.MayEnrol(session(leela, 0), e) == nil {
			t.Errorf("months later came to %+v", e)
		}
	})
}

func TestAFurtherFactorNeedsASessionProvenWithOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ctx := newHouse(t), t.Context()
		set, err := h.BeginTOTP(ctx, leela, "leela@example.org") // a thief, in time
		if err != nil {
			t.Fatal(err)
		}
		byPass := From(ctx, session(leela, policy.MethodTemporaryAccessPassOneTime))
		h.enrolled(t, byPass, leela) // the owner, in between
		_, err = h.ConfirmTOTP(From(ctx, session(leela, 0)), self, leela, set.ID, "", codeAt(t, set.Secret, time.Now()))
		wants(t, err, signin.EnrolNotHere)
		_, err = h.ConfirmTOTP(withBoth(fry), self, leela, set.ID, "", codeAt(t, set.Secret, time.Now()))
		wants(t, err, signin.EnrolNotHere)
		first, pass := h.Since(leela)
		if !first.Equal(time.Now()) || !pass {
			t.Errorf("since %s, by pass %v", first, pass)
		}
	})
}

func TestTheLastFactorStaysUnlessAnAdministratorSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ctx := newHouse(t), t.Context()
		_, a := h.enrolled(t, ctx, leela)
		if _, err := h.NewRecoveryCodes(ctx, self, leela); err != nil {
			t.Fatal(err)
		}
		if err := h.Remove(ctx, self, leela, a.ID); !errors.Is(err, ErrLast) || !h.Has(leela) {
			t.Errorf("removing the last came to %v", err)
		}
		time.Sleep(time.Hour)
		_, b := h.enrolled(t, withBoth(leela), leela)
		if err := h.Remove(ctx, self, fry, b.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("removing somebody else's came to %v", err)
		}
		if first, _ := h.Since(leela); !first.Equal(a.Created) {
			t.Errorf("since %s, want the older one's %s", first, a.Created)
		}
		cookie, err := h.Remember(ctx, leela, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Remove(ctx, self, leela, a.ID); err != nil {
			t.Fatal(err)
		}
		if h.Remembered(ctx, leela, cookie) || !h.heard(": removed") {
			t.Error("a browser is remembered on the word of a factor that is gone, or the removal was not announced")
		}
		if first, _ := h.Since(leela); !first.Equal(b.Created) {
			t.Errorf("since %s: exchanging the factor must begin anew", first)
		}
		if err := h.RemoveLast(ctx, desk, leela, b.ID); err != nil {
			t.Fatal(err)
		}
		if list, err := h.List(ctx, leela); err != nil || len(list) != 0 || h.Has(leela) {
			t.Errorf("left are %+v, %v", list, err)
		}
	})
}

func TestAResetLeavesNothingButAPass(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	seed, _ := h.enrolled(t, ctx, leela)
	codes, err := h.NewRecoveryCodes(ctx, self, leela)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := h.Remember(ctx, leela, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	old, _, err := h.IssuePass(ctx, desk, leela, PassOptions{})
	if err != nil {
		t.Fatal(err)
	}
	changes, stop := h.Store.Subscribe()
	defer stop()
	pass, err := h.Reset(store.WithReason(ctx, "lost her phone"), desk, leela)
	if err != nil {
		t.Fatal(err)
	}
	if c := <-changes; c.Families&store.Revocations == 0 || !slices.Contains(c.People, leela) {
		t.Errorf("the change %+v ends no sessions", c)
	}
	_, err = h.TOTP(ctx, leela, codeAt(t, seed, time.Now().Add(period)))
	wants(t, err, signin.FactorFailed)
	_, err = h.Recovery(ctx, leela, codes[0])
	wants(t, err, signin.FactorFailed)
	_, err = h.Pass(ctx, leela, []byte(old))
	wants(t, err, signin.FactorFailed)
	if h.Has(leela) || h.Remembered(ctx, leela, cookie) || !h.heard(": reset hermes") {
		t.Error("something is left, or nothing was announced")
	}
	if m, err := h.Pass(ctx, leela, []byte(pass)); err != nil || m != policy.MethodTemporaryAccessPassOneTime {
		t.Errorf("the pass came to %v, %v", m.Names(), err)
	}
	audits, err := h.Store.Audits(ctx, store.AuditFilter{Object: leela})
	if err != nil || len(audits) == 0 || !slices.ContainsFunc(audits, func(a store.Audit) bool {
		return a.Kind == "factor" && a.Action == "delete" && a.Reason == "lost her phone" && a.Actor.Name == "hermes"
	}) {
		t.Errorf("the audit says %+v, %v", audits, err)
	}
}

func TestBrowsersAreRememberedForAWhileAndNotTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ctx := newHouse(t), t.Context()
		var cookies []string
		for range maxBrowsers + 1 {
			time.Sleep(time.Minute)
			c, err := h.Remember(ctx, leela, time.Now().Add(30*24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			cookies = append(cookies, c)
		}
		if h.Remembered(ctx, leela, cookies[0]) {
			t.Error("one too many is remembered")
		}
		for _, c := range []string{"", cookies[1][1:], strings.ToLower(cookies[1])} {
			if h.Remembered(ctx, leela, c) {
				t.Errorf("%q is remembered", c)
			}
		}
		if !h.Remembered(ctx, leela, cookies[1]) || h.Remembered(ctx, fry, cookies[1]) {
			t.Error("a browser is not known as its person's")
		}
		time.Sleep(30 * 24 * time.Hour)
		if h.Remembered(ctx, leela, cookies[maxBrowsers]) {
			t.Error("remembered too long")
		}
		c, err := h.Remember(ctx, leela, time.Now().Add(1000*24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.ForgetBrowsers(ctx, fry); err != nil || !h.Remembered(ctx, leela, c) {
			t.Errorf("forgetting another's: %v", err)
		}
		time.Sleep(maxRemember)
		if h.Remembered(ctx, leela, c) {
			t.Error("remembered for more than a year")
		}
	})
}

func TestAChangeBySomebodyElseIsTakenUp(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	h.enrolled(t, ctx, leela)
	changes, stop := h.Store.Subscribe()
	defer stop()
	if err := h.Store.Change(ctx, desk, "", func(tx *store.Tx) error { return tx.DeletePerson(leela) }); err != nil {
		t.Fatal(err)
	}
	if err := h.Apply(ctx, <-changes); err != nil || h.Has(leela) {
		t.Errorf("a deleted person has a factor: %v, %v", h.Has(leela), err)
	}
}

func TestTenOfAKindAreEnough(t *testing.T) {
	h := newHouse(t)
	for range maxFactors {
		h.enrolled(t, withBoth(leela), leela)
	}
	set, err := h.BeginTOTP(t.Context(), leela, "leela@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.ConfirmTOTP(withBoth(leela), self, leela, set.ID, "", codeAt(t, set.Secret, time.Now())); !errors.Is(err, ErrTooMany) {
		t.Errorf("the eleventh came to %v", err)
	}
}

// TestAThiefOfTheDatabaseLearnsNothing looks for what a person was given in
// every file of the state folder.
func TestAThiefOfTheDatabaseLearnsNothing(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	seed, _ := h.enrolled(t, ctx, leela)
	codes, err := h.NewRecoveryCodes(ctx, self, leela)
	if err != nil {
		t.Fatal(err)
	}
	pass, _, err := h.IssuePass(ctx, desk, leela, PassOptions{Length: 48})
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := h.Remember(ctx, leela, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base32NoPadding.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Store.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(h.dir)
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(h.dir + "/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for what, s := range map[string]string{"seed": string(raw), "seed's text": seed, "recovery code": codes[0],
			"bare recovery code": strings.ReplaceAll(codes[0], "-", ""), "pass": pass, "cookie": cookie} {
			if strings.Contains(string(b), s) {
				t.Errorf("%s holds the %s", f.Name(), what)
			}
		}
		if f.Name() == store.FileName && !strings.Contains(string(b), "leela@example.org") {
			t.Error("the search finds nothing at all")
		}
	}
	// And with another master key, what is there opens for nobody.
	h.box = secret.NewBox()
	h.open(t)
	if _, err := h.TOTP(ctx, leela, codeAt(t, seed, time.Now().Add(period))); err == nil || is(err, signin.FactorFailed) {
		t.Errorf("a seed under another key came to %v, want trouble", err)
	}
}

func TestSecretsPrintAsRedacted(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	set, err := h.BeginTOTP(ctx, leela, "leela@example.org")
	if err != nil {
		t.Fatal(err)
	}
	h.enrolled(t, ctx, leela)
	rows, err := h.Store.Factors(ctx, leela)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if s := fmt.Sprintf(verb, set); strings.Contains(s, set.Secret) || s != secret.Redacted {
			t.Errorf("a setup prints as %.80s under %s", s, verb)
		}
		if s := fmt.Sprintf(verb, rows[0]); strings.Contains(s, fmt.Sprintf(verb, []byte(rows[0].Sealed))) {
			t.Errorf("a row prints as %.200s under %s", s, verb)
		}
	}
}
