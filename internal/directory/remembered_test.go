package directory

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
)

const someServer = "ldaps://one"

// sent plays one password that is sent up, if it may be; stamp is what the
// directory says of the person then, counted its own count of wrong ones.
func sent(m *remembered, print secret.Print, familiar bool, counted int, a answer) error {
	f, mine, err := m.begin("mary", print, familiar)
	if err != nil || f == nil || !mine {
		return err
	}
	epoch, err := m.spend("mary", print, familiar, someServer, counted)
	if err == nil {
		m.settle("mary", print, someServer, epoch, a)
		if a != isRight {
			err = ErrWrong
		}
	}
	m.land("mary", print, f, err)
	return err
}

func fingerprint(n byte) secret.Print { return secret.Print{15: n} }

func TestTheBudgetOfWrongPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRemembered(3, 30*time.Minute)
		expect := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		expect("a stranger's first", sent(m, fingerprint(1), false, 0, isWrong), ErrWrong)
		expect("the same again, from memory", sent(m, fingerprint(1), false, 0, isRight), ErrWrong)
		expect("a stranger's second", sent(m, fingerprint(2), false, 0, isWrong), ErrWrong)
		expect("a stranger's third is not sent", sent(m, fingerprint(3), false, 0, isRight), ErrSpent)
		time.Sleep(2 * time.Minute)
		expect("an old wrong one, at home, does not take the last part", sent(m, fingerprint(2), true, 0, isRight), ErrSpent)
		expect("a new one at home may", sent(m, fingerprint(4), true, 0, isWrong), ErrWrong)
		expect("and then none", sent(m, fingerprint(5), true, 0, isRight), ErrSpent)
		time.Sleep(29 * time.Minute)
		expect("after the window", sent(m, fingerprint(6), false, 0, isRight), nil)
		expect("what was right is remembered", sent(m, fingerprint(6), false, 9, isWrong), nil)
		time.Sleep(rememberFor + time.Second)
		expect("what the directory counts is counted", sent(m, fingerprint(7), true, 3, isRight), ErrSpent)
		expect("but what was right before goes up", sent(m, fingerprint(6), false, 3, isRight), nil)
		time.Sleep(rememberFor + time.Second)
		expect("once too often it does not", sent(m, fingerprint(6), false, 4, isRight), ErrSpent)
	})
}

func TestWhatWasRightIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRemembered(3, 0)
		right := func() bool { _, mine, err := m.begin("mary", fingerprint(1), false); return err == nil && !mine }
		end := func() {
			if f := m.of("mary").flights[fingerprint(1)]; f != nil {
				m.land("mary", fingerprint(1), f, nil)
			}
		}
		for _, c := range []struct {
			what string
			by   func()
		}{
			{"after a minute", func() { time.Sleep(rememberFor) }},
			{"by any refusal", func() { _ = sent(m, fingerprint(2), false, 0, isWrong) }},
			{"by a new stamp", func() { m.stamped("mary", "t2;") }},
		} {
			if err := sent(m, fingerprint(1), false, 0, isRight); err != nil || !right() {
				t.Fatalf("%s: not remembered at all: %v", c.what, err)
			}
			c.by()
			if right() {
				t.Errorf("%s: still remembered", c.what)
			}
			end()
		}
		// An answer that was under way while the password was changed is not kept.
		f, _, _ := m.begin("mary", fingerprint(1), false)
		epoch, _ := m.spend("mary", fingerprint(1), false, someServer, 0)
		m.stamped("mary", "t3;")
		m.settle("mary", fingerprint(1), someServer, epoch, isRight)
		m.land("mary", fingerprint(1), f, nil)
		if right() {
			t.Error("an answer about the former password is remembered")
		}
		end()
	})
}

func TestThePasswordBeforeTheLastChangeIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRemembered(3, 30*time.Minute)
		m.grace = oldWorks
		begin := func(n byte) error {
			f, mine, err := m.begin("mary", fingerprint(n), true)
			if mine {
				m.land("mary", fingerprint(n), f, nil)
			}
			return err
		}
		m.of("mary").stamp = "t1;"
		_ = sent(m, fingerprint(1), true, 0, isRight)
		time.Sleep(noticed + time.Second)
		_ = sent(m, fingerprint(2), true, 0, isRight) // the new one, before we noticed
		m.stamped("mary", "t2;")
		if err := begin(1); !errors.Is(err, ErrWrong) {
			t.Errorf("the old one: %v", err)
		}
		if err := begin(2); err != nil {
			t.Errorf("the new one: %v", err)
		}
		time.Sleep(oldWorks)
		if err := begin(1); err != nil {
			t.Errorf("the directory itself knows by now: %v", err)
		}
		// "Must be changed at next sign-in", and taking that back, changes no password.
		_ = sent(m, fingerprint(3), true, 0, isRight)
		time.Sleep(noticed + time.Second)
		m.stamped("mary", "0;")
		m.stamped("mary", "t4;")
		if err := begin(3); err != nil {
			t.Errorf("the same password: %v", err)
		}
	})
}

func TestAnUnansweredPasswordCountsForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRemembered(3, 30*time.Minute)
		for n := range byte(2) {
			_ = sent(m, fingerprint(n), false, 0, notAnswered)
		}
		if err := sent(m, fingerprint(8), false, 0, isRight); !errors.Is(err, ErrSpent) {
			t.Errorf("two may have been counted: %v", err)
		}
		time.Sleep(unanswered)
		if err := sent(m, fingerprint(8), false, 0, isRight); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

func TestMissedNamesAreBoundedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := misses{until: map[string]time.Time{}}
		for n := range missesMost + 500 {
			m.add(string(rune(n)))
		}
		if len(m.until) > missesMost {
			t.Errorf("%d names", len(m.until))
		}
		m.add("x")
		time.Sleep(missedFor)
		if m.has("x") {
			t.Error("remembered for ever")
		}
	})
}
