package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

var home = secret.Source{Network: network(9999).Network, Familiar: true}

// startWith is a directory with these entries, mirrored.
func startWith(t *testing.T, ldif string, people int, change func(*LDAPOptions)) *ldapSite {
	t.Helper()
	s := openStore(t)
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: ldif})
	o := ldapOptions(t, s, slapd)
	if change != nil {
		change(&o)
	}
	x := startLDAP(t, s, slapd, o)
	x.until("all are mirrored", func() bool { return x.Local.Len() == people })
	return x
}

func maryAndOmar() string {
	return mailtest.LDIFPerson("mary", "Mary", "mary's word", "mary@example.org", "m.shaw@example.org") + mailtest.LDIFPerson("omar", "Omar", "omar's word", "omar@example.org")
}

func TestAPasswordChangedThereCountsSoon(t *testing.T) {
	t.Parallel()
	x := startWith(t, maryAndOmar(), 2, nil)
	mary := x.find("mary@example.org")
	if err := x.check(mary, "mary's word", home); err != nil {
		t.Fatal(err)
	}
	for round, passwords := range [][2]string{{"mary's word", "second"}, {"second", "third"}} { // the first change also makes pwdChangedTime appear
		old, fresh := passwords[0], passwords[1]
		if err := x.check(mary, fresh, home); !errors.Is(err, ErrWrong) {
			t.Errorf("round %d: the new password before the change: %v", round, err)
		}
		changes, end := x.store.Subscribe()
		began := time.Now()
		x.slapd.SetPassword(t, mailtest.PersonDN("mary"), fresh)
		x.until("the old password is dead", func() bool { return errors.Is(x.check(mary, old, home), ErrWrong) })
		x.until("the new one is alive, though it was wrong a moment ago", func() bool { return x.check(mary, fresh, home) == nil })
		t.Logf("round %d: both after %v", round, time.Since(began).Round(time.Millisecond))
		x.until("sessions of the old password are ended", func() bool {
			select {
			case c := <-changes:
				return slices.Contains(c.Secrets, mary.ID)
			default:
				return false
			}
		})
		end()
		time.Sleep(1100 * time.Millisecond) // pwdChangedTime is kept to the second; what changes twice within one is noticed after a minute
	}
}

func TestWhoIsDisabledThereIsDisabledHere(t *testing.T) {
	t.Parallel()
	x := startWith(t, maryAndOmar(), 2, nil)
	dn := mailtest.PersonDN("mary")
	mine := x.find("mary@example.org").ID
	change(t, x.store, func(tx *store.Tx) error {
		return tx.AddAppPassword(&store.AppPassword{ID: "a1", Person: mine, Name: "phone", Print: []byte("print"), Scope: []byte("{}")})
	})
	x.slapd.Modify(t, "dn: "+dn+"\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n")
	x.until("mary is disabled", func() bool { return x.find("mary@example.org").Disabled })
	if left, err := x.store.AppPasswordsOf(t.Context(), mine); err != nil || len(left) != 1 || left[0].Revoked.IsZero() {
		t.Errorf("her app passwords: %+v, %v", left, err)
	}
	x.slapd.Modify(t, "dn: "+dn+"\nchangetype: modify\ndelete: pwdAccountLockedTime\n")
	x.until("mary is enabled", func() bool { return !x.find("mary@example.org").Disabled })

	// Whom an administrator disabled here stays so whatever the directory says.
	change(t, x.store, func(tx *store.Tx) error {
		p, err := tx.Person("mary@example.org")
		p.Disabled = true
		return errors.Join(err, tx.PutPerson(&p))
	})
	x.slapd.Modify(t, "dn: "+dn+"\nchangetype: modify\nreplace: cn\ncn: Mary Shaw\n")
	x.until("her new name is here", func() bool { return x.find("mary@example.org").DisplayName == "Mary Shaw" })
	if !x.find("mary@example.org").Disabled {
		t.Error("the directory enabled whom an administrator disabled")
	}

	// That she was locked out by wrong passwords for a while closes nothing.
	x.slapd.Modify(t, "dn: "+mailtest.PersonDN("omar")+"\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 20260101000000Z\n-\nreplace: cn\ncn: Omar Two\n")
	x.until("omar's new name is here", func() bool { return x.find("omar@example.org").DisplayName == "Omar Two" })
	if x.find("omar@example.org").Disabled {
		t.Error("guessers can close the owner's connections")
	}
}

func TestGroupsThereAreGroupsHere(t *testing.T) {
	t.Parallel()
	ldif := maryAndOmar() + mailtest.LDIFGroup("inner", mailtest.PersonDN("mary")) +
		mailtest.LDIFGroup("outer", "cn=inner,ou=groups,"+mailtest.SlapdBase) + mailtest.LDIFGroup("ring", "cn=outer,ou=groups,"+mailtest.SlapdBase) +
		"dn: cn=unix,ou=groups," + mailtest.SlapdBase + "\nobjectClass: posixGroup\ncn: unix\ngidNumber: 5\nmemberUid: omar\nmemberUid: nobody\n\n"
	x := startWith(t, ldif, 2, nil)
	in := func(address string) (names []string) {
		for _, id := range x.find(address).Groups {
			g, err := x.store.Group(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, g.Name)
		}
		slices.Sort(names)
		return names
	}
	is := func(address string, want ...string) func() bool {
		return func() bool { return slices.Equal(in(address), want) }
	}
	x.until("nested groups", is("mary@example.org", "inner", "outer", "ring"))
	x.until("posix groups", is("omar@example.org", "unix"))
	group := func(name string) string { return "cn=" + name + ",ou=groups," + mailtest.SlapdBase }
	x.slapd.Modify(t, "dn: "+group("inner")+"\nchangetype: modify\nadd: member\nmember: "+group("ring")+"\n") // now they are a ring
	x.slapd.Modify(t, "dn: "+group("outer")+"\nchangetype: modify\nadd: member\nmember: "+mailtest.PersonDN("omar")+"\n")
	x.until("omar joined", is("omar@example.org", "inner", "outer", "ring", "unix"))
	x.slapd.Modify(t, "dn: "+group("inner")+"\nchangetype: modify\ndelete: member\nmember: "+mailtest.PersonDN("mary")+"\n")
	x.until("mary left", is("mary@example.org"))
	before, err := x.store.Group(t.Context(), "unix")
	if err != nil {
		t.Fatal(err)
	}
	x.slapd.Modify(t, "dn: "+group("unix")+"\nchangetype: modrdn\nnewrdn: cn=posix\ndeleteoldrdn: 1\n")
	x.until("a renamed group stays the group it was", func() bool {
		g, err := x.store.Group(t.Context(), before.ID)
		return err == nil && g.Name == "posix"
	})
	x.slapd.Modify(t, "dn: "+group("posix")+"\nchangetype: delete\n")
	x.until("a group that is gone is empty", is("omar@example.org", "inner", "outer", "ring"))
	if _, err := x.store.Group(t.Context(), before.ID); err != nil {
		t.Errorf("policies that name it lost it: %v", err)
	}
	err = x.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		return tx.AddMember(store.Member{Group: "outer", Member: "mary@example.org"})
	})
	if !errors.Is(err, store.ErrMirrored) {
		t.Errorf("a mirrored group was changed here: %v", err)
	}
}

func TestWhoIsGoneIsDisabledAndWhoMovesStays(t *testing.T) {
	t.Parallel()
	x := startWith(t, maryAndOmar(), 2, nil)
	mary := x.find("mary@example.org")
	x.slapd.Modify(t, "dn: ou=abroad,ou=people,"+mailtest.SlapdBase+"\nchangetype: add\nobjectClass: organizationalUnit\nou: abroad\n")
	x.slapd.Modify(t, "dn: "+mailtest.PersonDN("mary")+"\nchangetype: modrdn\nnewrdn: uid=mary.shaw\ndeleteoldrdn: 1\nnewsuperior: ou=abroad,ou=people,"+mailtest.SlapdBase+"\n")
	x.until("mary is found by her new name", func() bool {
		p, known, _ := x.Local.Lookup(t.Context(), "mary.shaw@example.org")
		return known && p.ID == mary.ID
	})
	x.until("her password works where she is now", func() bool { return x.check(mary, "mary's word", home) == nil })
	x.slapd.Modify(t, "dn: "+mailtest.PersonDN("omar")+"\nchangetype: delete\n")
	x.until("omar is disabled", func() bool { return x.find("omar@example.org").Disabled })
	if err := x.check(x.find("omar@example.org"), "omar's word", home); !errors.Is(err, ErrWrong) {
		t.Errorf("somebody who is gone: %v", err)
	}
}

// An entry put where somebody's was is somebody else: their password opens
// nothing of the former's, not even before the next look.
func TestAnotherAtTheSamePlaceIsSomebodyElse(t *testing.T) {
	t.Parallel()
	x := startWith(t, maryAndOmar(), 2, func(o *LDAPOptions) { o.Poll = time.Hour })
	mary := x.find("mary@example.org")
	x.slapd.Modify(t, "dn: "+mailtest.PersonDN("mary")+"\nchangetype: delete\n")
	x.slapd.Modify(t, strings.Replace(mailtest.LDIFPerson("mary", "Thief", "thief's word", "thief@example.org"), "\n", "\nchangetype: add\n", 1))
	if err := x.check(mary, "thief's word", home); !errors.Is(err, ErrWrong) {
		t.Errorf("another's password at mary's place: %v", err)
	}
}

func TestAddressesThatAreSomebodysAreLeftToThem(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	change(t, s, func(tx *store.Tx) error {
		local := store.Person{Address: "omar@example.org", SecretKind: store.SecretArgon2id, Hash: store.Hash(secret.Hash([]byte("local word")))}
		known := store.Person{Address: "mary@example.org", Origin: store.OriginBackend}
		return errors.Join(tx.AddPerson(&local), tx.AddPerson(&known))
	})
	before, _ := s.Person(t.Context(), "mary@example.org")
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: maryAndOmar() + mailtest.LDIFPerson("zoe", "Zoe", "z", "zoe@example.org", "omar@example.org", "mary@example.org", "zoe@elsewhere.example")})
	o := ldapOptions(t, s, slapd)
	o.Domains = []string{"example.org"}
	x := startLDAP(t, s, slapd, o)
	x.until("all are mirrored", func() bool { return x.Local.Len() == 3 })
	x.until("mary, whom the mail server made known, is the directory's", func() bool { return x.find("mary@example.org").Source == "corp" })
	if p := x.find("mary@example.org"); p.ID != before.ID {
		t.Error("and somebody else now")
	}
	if err := x.check(x.find("mary@example.org"), "mary's word", home); err != nil {
		t.Errorf("mary: %v", err)
	}
	omar := x.find("omar@example.org")
	if omar.Source != "" || x.check(omar, "local word", home) != nil || !errors.Is(x.check(omar, "omar's word", home), ErrWrong) {
		t.Errorf("our own person became another's: %+v", omar)
	}
	if p, known, _ := x.Local.Lookup(t.Context(), "zoe@elsewhere.example"); known {
		t.Errorf("an address of a domain that is not routed here: %+v", p)
	}
	x.until("the look is over", func() bool { return !x.ldap.State().ReadAll.IsZero() })
	warnings := strings.Join(x.ldap.State().Warnings, "\n")
	for _, want := range []string{"omar@example.org of " + mailtest.PersonDN("omar"), "omar@example.org of " + mailtest.PersonDN("zoe"), "mary@example.org of " + mailtest.PersonDN("zoe")} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning of %s in\n%s", want, warnings)
		}
	}
}

// Rights taken from the service account look as if everybody had left.
func TestThatEverybodyIsGoneAtOnceIsNotBelieved(t *testing.T) {
	t.Parallel()
	var ldif strings.Builder
	for n := range 40 {
		ldif.WriteString(mailtest.LDIFPerson(fmt.Sprintf("p%d", n), "P", "x", fmt.Sprintf("p%d@example.org", n)))
	}
	x := startWith(t, ldif.String()+mailtest.LDIFGroup("g", mailtest.PersonDN("p1")), 40, nil)
	x.until("the group", func() bool { return len(x.find("p1@example.org").Groups) == 1 })
	for n := range 30 {
		x.slapd.Modify(t, fmt.Sprintf("dn: %s\nchangetype: modify\nadd: employeeType\nemployeeType: hidden\n", mailtest.PersonDN(fmt.Sprintf("p%d", n))))
	}
	warned := func() bool {
		return strings.Contains(strings.Join(x.ldap.State().Warnings, ""), "gone from the directory at once")
	}
	hide(x)
	x.until("the doubt is told", warned)
	if p := x.find("p1@example.org"); p.Disabled || len(p.Groups) != 1 {
		t.Errorf("disabled or out of the group: %+v", p)
	}
}

// hide stops the service account from seeing the people marked so.
func hide(x *ldapSite) {
	x.slapd.Stop()
	x.slapd.Access(x.t, `access to filter=(employeeType=hidden) by * none`)
	x.slapd.Start(x.t)
}
