package demo

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// The month before the story: the same for everyone, but for the weekdays.
const (
	historyDays = 30
	seed        = "a portreeve kept the gate of a town and decided who came in"

	waveDaysAgo   = 9 // the night of the password spray
	waveSources   = 40
	waveGuesses   = 600
	guessesToWait = 10 // distinct wrong passwords for one name, from strangers together
	guessesWindow = 30 * time.Minute
)

// tally is what the month holds.
type tally struct{ signIns, rows, guesses int }

// historian makes sign-ins and has each judged by the rules in force, as the
// gate would have: what stands in the log is a verdict, not a drawing of one.
type historian struct {
	rules  *policy.Snapshot
	people map[string]known
	chance *rand.Rand
	put    func(*signin.Event) error
	tally
	bits policy.Bits
	// What the night's guard remembers, by name.
	wrong map[string][]time.Time
}

// putHistory writes a month of sign-ins up to now, equal ones of an hour in
// one row as the log itself keeps them, and the places that people are known at.
func putHistory(ctx context.Context, s *store.Store, rules *policy.Snapshot, people map[string]known, now time.Time) (tally, error) {
	var key [32]byte
	copy(key[:], seed)
	h := &historian{rules: rules, people: people, chance: rand.New(rand.NewChaCha8(key)), wrong: map[string][]time.Time{}}
	err := s.Write(ctx, func(tx *store.Tx) error {
		h.put = tx.PutEvent
		first := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -historyDays)
		for at := first; at.Before(now.Add(-time.Hour)); at = at.Add(time.Hour) {
			for i := range habits {
				if err := h.hour(&habits[i], at); err != nil {
					return err
				}
			}
			if at.Equal(first.AddDate(0, 0, historyDays-waveDaysAgo).Add(2 * time.Hour)) {
				if err := h.wave(at); err != nil {
					return err
				}
			}
		}
		return h.places(tx, first, now)
	})
	return h.tally, err
}

// hour is one hour of a habit, if it was used in it.
func (h *historian) hour(b *habit, at time.Time) error {
	used, times, minute := h.chance.IntN(100) < b.chance, b.perHour, h.chance.IntN(50)
	if times > 2 {
		times += h.chance.IntN(3) - 1
	}
	weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
	if !used || at.Hour() < b.from || at.Hour() >= b.to || weekend && !b.weekends {
		return nil
	}
	e := h.knock(b.who, b.protocol, b.kind, b.mechanism, at.Add(time.Duration(minute)*time.Minute+time.Duration(h.chance.IntN(60_000))*time.Millisecond))
	e.Facts.Addr, e.Facts.Country, e.NetOwner = b.place.at(b.host), b.place.country, b.place.owner
	e.Facts.KnownNetwork = true
	e.Hints = b.hints
	gate.Recognised(&e.Facts, b.hints, "")
	e.Count, e.Last = int64(times), e.At.Add(time.Duration(times-1)*2*time.Minute)
	e.TLS.Version = 0x0304
	if v := policy.Preauth(h.rules, &e.Facts); v.Allowed() {
		h.proven(e)
	} else {
		e.Verdict, e.Code = v, signin.Code(v.Code)
		h.step(e, signin.StepPreauth, e.Code.String())
	}
	return h.write(e)
}

// knock begins an event as the gate does.
func (h *historian) knock(who string, p protocol.Protocol, kind policy.CredentialKind, mechanism string, at time.Time) *signin.Event {
	var random [10]byte
	binary.LittleEndian.PutUint64(random[:], h.chance.Uint64())
	binary.LittleEndian.PutUint16(random[8:], uint16(h.chance.Uint32()))
	e := &signin.Event{ID: signin.NewID(at.UnixMilli(), random), At: at, Last: at, Count: 1, Source: "gate", Typed: address(who), Mechanism: mechanism, Listener: p.String()}
	e.Facts = policy.Facts{At: at, Address: address(who), Domain: domain, Protocol: p, Credential: kind, Mechanism: mechanism}
	person, is := h.people[who]
	e.Facts.Person, e.Facts.Groups = person.id, person.groups
	h.step(e, signin.StepWho, map[bool]string{true: "known", false: "stranger"}[is])
	return e
}

// proven goes on with a right secret: conditional access with everything known.
func (h *historian) proven(e *signin.Event) {
	f := &e.Facts
	f.Proven, f.AuthTime, f.Methods = true, f.At, policy.MethodPassword
	if f.Credential == withToken {
		f.Methods |= policy.MethodSoftwareOath
	}
	e.Methods = f.Methods
	h.step(e, signin.StepGuard, "pass")
	h.step(e, signin.StepPreauth, "pass")
	h.step(e, signin.StepVerify, "proven")
	e.Verdict = policy.Judge(h.rules, f, &h.bits)
	e.Applied, e.Code = h.bits, signin.Code(e.Verdict.Code)
	result := "allow"
	if e.Code != signin.OK {
		result = e.Code.String()
	}
	h.step(e, signin.StepEvaluate, result)
}

func (h *historian) step(e *signin.Event, name signin.StepName, result string) {
	took := time.Duration(5+h.chance.IntN(40)) * time.Microsecond
	if name == signin.StepVerify && e.Facts.Credential == withPassword {
		took += 19 * time.Millisecond // argon2id
	}
	e.Steps = append(e.Steps, signin.Step{Name: name, Result: result, Took: took})
}

func (h *historian) write(e *signin.Event) error {
	e.Client = netip.AddrPortFrom(e.Facts.Addr, uint16(30_000+h.chance.IntN(30_000))).String()
	h.rows++
	h.signIns += int(e.Count)
	return h.put(e)
}

// wave is the night of the password spray: a few guesses at each of many names
// from many addresses, slowly.
func (h *historian) wave(began time.Time) error {
	doors := []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.Submission}
	for i := range waveGuesses {
		at := began.Add(time.Duration(i)*8*time.Second + time.Duration(h.chance.IntN(8000))*time.Millisecond)
		e := h.knock(guessedAt[h.chance.IntN(len(guessedAt))], doors[h.chance.IntN(len(doors))], withPassword, "PLAIN", at)
		e.Facts.Addr, e.NetOwner = abroad.at(byte(1+h.chance.IntN(waveSources))), abroad.owner
		h.guess(e)
		h.guesses++
		if err := h.write(e); err != nil {
			return err
		}
	}
	return nil
}

// guess judges a wrong password in the gate's order: who knocks too often
// waits, policy refuses what it can unseen, and only then it is compared.
func (h *historian) guess(e *signin.Event) {
	who, v := e.Typed, policy.Preauth(h.rules, &e.Facts)
	recent := h.wrong[who]
	for len(recent) > 0 && e.At.Sub(recent[0]) >= guessesWindow {
		recent = recent[1:]
	}
	switch {
	case len(recent) >= guessesToWait:
		v, e.Code = policy.Verdict{Version: h.rules.Version()}, signin.Throttled
		h.step(e, signin.StepGuard, e.Code.String())
	case !v.Allowed():
		e.Code = signin.Code(v.Code)
		h.step(e, signin.StepGuard, "pass")
		h.step(e, signin.StepPreauth, e.Code.String())
	default:
		recent = append(recent, e.At)
		if e.Code = signin.WrongCredentials; e.Facts.Person == "" {
			e.Code = signin.UserUnknown
		}
		h.step(e, signin.StepGuard, "pass")
		h.step(e, signin.StepPreauth, "pass")
		h.step(e, signin.StepVerify, e.Code.String())
	}
	h.wrong[who], e.Verdict = recent, v
}

func (p place) at(host byte) netip.Addr {
	return netip.AddrFrom4([4]byte{p.network[0], p.network[1], p.network[2], host})
}

// places keeps where people were let in.
func (h *historian) places(tx *store.Tx, first, last time.Time) error {
	for i := range habits {
		b := &habits[i]
		n := store.Network{Person: h.people[b.who].id, Prefix: network.Of(b.place.at(b.host)), First: first, Last: last}
		if err := tx.PutNetwork(n); err != nil {
			return err
		}
	}
	return nil
}
