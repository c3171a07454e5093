package test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	atATime   = 100                  // guessers at work together
	sameTime  = 5 * time.Millisecond // medians that differ by less tell nothing
	blockedIn = "blocked"            // group
	exemptIn  = "exempt"             // group
)

// strict is a site whose Dovecot keeps its defaults: wrong passwords wait 2 s,
// an address with many of them longer, and one person may hold 10 connections
// from one address. The person's own password is passed on.
var strict = sync.OnceValue(func() *site {
	people := map[string]string{}
	for _, kind := range []string{"exempt", "blocked", "plain"} {
		for n := range knocks() {
			people[strictPerson(kind, n)] = password
		}
	}
	s := startSite(&whole, siteOptions{Login: passwordLogin, People: people})
	s.do(&whole, "group", "add", blockedIn)
	s.do(&whole, "group", "add", exemptIn)
	for group, kind := range map[string]string{blockedIn: "blocked", exemptIn: "exempt"} {
		args := []string{"group", "add-member", group}
		var wg sync.WaitGroup
		for n := range knocks() {
			args = append(args, strictPerson(kind, n))
			wg.Go(func() { s.do(&whole, "user", "add", strictPerson(kind, n)) })
		}
		wg.Wait()
		s.do(&whole, args...)
	}
	return s
})

func strictPerson(kind string, n int) string { return fmt.Sprintf("%s%04d@example.org", kind, n) }

// knocks is how many people of each kind are tried.
func knocks() int {
	if long() {
		return 1000
	}
	return 60
}

const (
	someBlocked = `{"displayName": "Blocked group", "state": "disabled",
  "conditions": {"users": {"includeGroups": ["` + blockedIn + `"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["other"]},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`
	allButExempt = `{"displayName": "All but exempt", "state": "disabled",
  "conditions": {"users": {"includeUsers": ["All"], "excludeGroups": ["` + exemptIn + `"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["other"]},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`
)

// From networks where nobody has signed in before, refusals are no list of the
// exempt: people who are exempt, blocked or unknown and show a wrong secret, and
// the blocked who show the right one, get the same words (but for the
// reference) after the same time.
//
// Every knock comes from a /24 of its own, so that the guard, which would slow
// one source for guessing at so many, has no part in what is measured. This test
// runs by itself: the others would be noise.
func TestRefusalsAreNoListOfTheExempt(t *testing.T) {
	s := strict()
	for _, policy := range []string{someBlocked, allButExempt} {
		if out, err := s.feed(policy, "policy", "import", "-"); err != nil {
			t.Fatalf("policy import: %v\n%s", err, out)
		}
	}
	used := 0
	for _, c := range []struct {
		policy, code string
		protocols    []string
	}{{"Blocked group", "PR50126", []string{"imap", "pop3", "submission", "sieve"}}, {"All but exempt", "PR53003", uniformEarly()}} {
		s.do(t, "policy", "enable", c.policy)
		for _, protocol := range c.protocols {
			t.Run(c.policy+"/"+protocol, func(t *testing.T) {
				got := tellings{}
				s.guess(t, protocol, &used, got)
				apart := got.spread(t)
				for more := 0; apart > sameTime && more < 4; more++ {
					// Medians of sixty scatter by as much on a busy machine; what the
					// server itself did would still be there in five times as many.
					s.guess(t, protocol, &used, got)
					apart = got.spread(t)
				}
				if code := codeIn(got["exempt, wrong"].words); code != c.code {
					t.Errorf("refused with %s, want %s", code, c.code)
				}
				if apart > sameTime {
					t.Errorf("medians differ by %v", apart)
				}
			})
		}
		s.do(t, "policy", "disable", c.policy)
	}
}

// told is what one kind of people were told.
type told struct {
	words string // the reference masked
	took  []time.Duration
}

type tellings map[string]told

// guess knocks for every kind of people, atATime together, in random order.
func (s *site) guess(t *testing.T, protocol string, used *int, got tellings) {
	t.Helper()
	type one struct{ kind, name, secret string }
	var all []one
	wrong := s.use(fmt.Sprintf("Wrong-4uess-%d", *used)) // a new one, or the guard would know it
	for n := range knocks() {
		all = append(all, one{"exempt, wrong", strictPerson("exempt", n), wrong}, one{"blocked, wrong", strictPerson("blocked", n), wrong},
			one{"blocked, right", strictPerson("blocked", n), password}, one{"unknown, wrong", strictPerson("nobody", n), wrong})
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, atATime)
	for _, o := range all {
		*used++
		src := source(*used)
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			k, err := s.knock(protocol, src)
			if err != nil {
				t.Errorf("%s: %v", o.kind, err)
				return
			}
			defer k.Close()
			answer, took, err := k.signIn(o.name, o.secret)
			if err != nil || in(answer) {
				t.Errorf("%s: told %q, %v", o.kind, answer, err)
			}
			words := reference.ReplaceAllString(answer, "REFERENCE")
			mu.Lock()
			defer mu.Unlock()
			was := got[o.kind]
			if was.words != "" && was.words != words {
				t.Errorf("%s: told both\n%s and\n%s", o.kind, was.words, words)
			}
			got[o.kind] = told{words, append(was.took, took)}
		})
	}
	wg.Wait()
}

// spread is how far the medians are apart.
func (got tellings) spread(t *testing.T) time.Duration {
	t.Helper()
	var report strings.Builder
	var medians []time.Duration
	words := map[string]bool{}
	for kind, g := range got {
		slices.Sort(g.took)
		median := g.took[len(g.took)/2]
		fmt.Fprintf(&report, "%s: median of %d %v, from %v to %v\n", kind, len(g.took), median, g.took[0], g.took[len(g.took)-1])
		medians = append(medians, median)
		words[g.words] = true
	}
	t.Log("\n" + report.String())
	if len(words) != 1 {
		t.Errorf("the words differ: %v", slices.Collect(maps.Keys(words)))
	}
	return slices.Max(medians) - slices.Min(medians)
}

// uniformEarly are the protocols on which early refusals are compared; all of
// them at full length.
func uniformEarly() []string {
	if long() {
		return []string{"imap", "pop3", "submission", "sieve"}
	}
	return []string{"imap"}
}
