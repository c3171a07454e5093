package directory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/secret"
)

// guessers guess at one person from many networks, several at a time, some from
// where the person is known.
func guessers(t *testing.T, x *ldapSite, p Person, guesses, familiarEach int) {
	t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := int(next.Add(1)); n <= guesses; n = int(next.Add(1)) {
				from := network(n % 5000)
				from.Familiar = familiarEach > 0 && n%familiarEach == 0
				err := x.check(p, fmt.Sprintf("guess %d", n), from)
				if !errors.Is(err, ErrWrong) && !errors.Is(err, ErrSpent) {
					t.Errorf("guess %d came to %v", n, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// locked says whether the directory has locked somebody out, and how many wrong
// binds it counts.
func locked(t *testing.T, s *mailtest.Slapd, dn string) (bool, int) {
	t.Helper()
	text := s.Read(t, dn)
	return strings.Contains(text, "pwdAccountLockedTime"), strings.Count(text, "pwdFailureTime:")
}

func TestTenThousandGuessesLockNobodyOut(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	people := mailtest.LDIFPerson("mary", "Mary", "mary's word", "mary@example.org") + mailtest.LDIFPerson("omar", "Omar", "omar's word", "omar@example.org") +
		mailtest.LDIFPerson("zoe", "Zoe", "zoe's word", "zoe@example.org")
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: people})
	o := ldapOptions(t, s, slapd)
	o.Poll = time.Second
	x := startLDAP(t, s, slapd, o)
	x.until("all are mirrored", func() bool { return x.Local.Len() == 3 })
	home := secret.Source{Network: network(9999).Network, Familiar: true}
	never := func(when string) {
		t.Helper()
		for _, uid := range []string{"mary", "omar", "zoe"} {
			if out, n := locked(t, slapd, mailtest.PersonDN(uid)); out || n >= mailtest.SlapdMaxFailure {
				t.Fatalf("%s: %s is locked out: %v, after %d wrong binds", when, uid, out, n)
			}
		}
	}

	// Mary signed in before the guessing began, and goes on from everywhere.
	mary := x.find("mary@example.org")
	if err := x.check(mary, "mary's word", network(7)); err != nil {
		t.Fatal(err)
	}
	guessers(t, x, mary, 8000, 0)
	never("strangers guess")
	guessers(t, x, mary, 1000, 3)
	never("somebody at home guesses")
	for range 3 {
		if err := x.check(mary, "mary's word", network(7)); err != nil {
			t.Errorf("mary, who signed in before: %v", err)
		}
	}

	// Omar has not signed in since the start. Strangers leave him the last part
	// of the budget, at home.
	omar := x.find("omar@example.org")
	guessers(t, x, omar, 1000, 0)
	never("strangers guess at somebody who was not seen yet")
	if err := x.check(omar, "omar's word", network(7)); !errors.Is(err, ErrSpent) {
		t.Errorf("omar from anywhere: %v", err)
	}
	if err := x.check(omar, "omar's word", home); err != nil {
		t.Errorf("omar at home: %v", err)
	}

	// A restart forgets what was sent up; the directory has not.
	zoe := x.find("zoe@example.org")
	for restart := range 3 {
		x.ldap.secrets = newRemembered(o.GuessBudget, o.GuessWindow)
		guessers(t, x, zoe, 200, 0)
		never(fmt.Sprintf("after %d restarts", restart))
	}
	if err := x.check(zoe, "zoe's word", home); err != nil {
		t.Errorf("zoe at home: %v", err)
	}
	_, n := locked(t, slapd, mailtest.PersonDN("zoe"))
	t.Logf("wrong binds that the directory counts for zoe now: %d", n)
}

func TestSeveralAtOnceSpendOneBudget(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: mailtest.LDIFPerson("mary", "Mary", "mary's word", "mary@example.org")})
	x := startLDAP(t, s, slapd, ldapOptions(t, s, slapd))
	mary := x.find("mary@example.org") // not mirrored yet: looked for
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() { _ = x.check(mary, fmt.Sprint("guess ", n), network(rand.IntN(5000))) })
		if n%4 == 0 { // one wrong password shown by many programs at once is one
			all.Go(func() { _ = x.check(mary, "an old word", network(1)) })
		}
	}
	all.Wait()
	if out, n := locked(t, slapd, mailtest.PersonDN("mary")); out || n > 2 {
		t.Errorf("locked out: %v, wrong binds: %d", out, n)
	}
}

// Whoever shows another's password must not be let in by what is remembered of
// that other, nor be refused by it.
func TestTwoPeopleNeverShareWhatIsRemembered(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: mailtest.LDIFPerson("mary", "Mary", "the same", "mary@example.org") +
		mailtest.LDIFPerson("omar", "Omar", "another", "omar@example.org") + mailtest.LDIFPerson("zoe", "Zoe", "the same", "zoe@example.org")})
	x := startLDAP(t, s, slapd, ldapOptions(t, s, slapd))
	mary, omar, zoe := x.find("mary@example.org"), x.find("omar@example.org"), x.find("zoe@example.org")
	for _, c := range []struct {
		who      Person
		password string
		want     error
	}{
		{mary, "the same", nil}, {omar, "the same", ErrWrong}, {zoe, "the same", nil},
		{omar, "another", nil}, {mary, "another", ErrWrong}, {zoe, "another", ErrWrong},
		{mary, "the same", nil}, {omar, "the same", ErrWrong}, {omar, "another", nil}, {zoe, "the same", nil},
	} {
		if err := x.check(c.who, c.password, nearby); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s with %q: %v, want %v", c.who.Address, c.password, err, c.want)
		}
	}
	if err := x.check(mary, "the same", nearby); err != nil {
		t.Errorf("mary again: %v", err)
	}
	seen := map[secret.Print]bool{}
	for _, p := range []Person{mary, omar, zoe} {
		for _, fp := range x.ldap.secrets.of(p.ID).proven {
			fp := fp.print
			if seen[fp] {
				t.Error("two people have the same fingerprint")
			}
			seen[fp] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d fingerprints", len(seen))
	}
}
