package directory

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	testPoll    = 200 * time.Millisecond
	testPatient = 20 * time.Second // for what a slow machine takes
)

// canonical is as the server has it: the site's rules, to the letter.
func canonical(s string) (string, error) {
	a, err := name.Rules{DefaultDomain: "example.org"}.Canonical(s)
	return a.Full, err
}

// ldapOptions are those of an OpenLDAP server.
func ldapOptions(t testing.TB, s *store.Store, d *mailtest.Slapd) LDAPOptions {
	return LDAPOptions{Name: "corp", URLs: []string{d.TLSURL}, CAs: d.Authority.Pool(), BindDN: mailtest.SlapdReader,
		BindPassword: func() string { return mailtest.SlapdReaderSecret }, Base: "ou=people," + mailtest.SlapdBase,
		Filter: "(objectClass=inetOrgPerson)", Address: []string{"mail"}, Login: []string{"uid"}, DisplayName: "cn", Domain: "example.org",
		Changed: []string{"pwdChangedTime"}, Disabled: []string{"pwdAccountLockedTime=000001010000Z"},
		GroupBase: "ou=groups," + mailtest.SlapdBase, GroupFilter: "(|(objectClass=groupOfNames)(objectClass=posixGroup))", GroupName: "cn",
		Poll: testPoll, Timeout: 5 * time.Second, GuessBudget: 3, GuessWindow: 30 * time.Minute, Canonical: canonical, Store: s,
		Everything: func(person string, at time.Time) string { return "all:" + person + at.String() },
		Log:        slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// site is our people and one directory, running.
type ldapSite struct {
	*Sources
	t     testing.TB
	store *store.Store
	ldap  *LDAP
	slapd *mailtest.Slapd
}

func startLDAP(t testing.TB, s *store.Store, slapd *mailtest.Slapd, o LDAPOptions) *ldapSite {
	t.Helper()
	l, err := NewLDAP(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	local := newLocal(t, s)
	x := &ldapSite{NewSources(local, []*LDAP{l}), t, s, l, slapd}
	changes, end := s.Subscribe()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		for c := range changes {
			_, _ = local.Apply(context.Background(), c)
		}
	}()
	go func() {
		defer close(over)
		_ = l.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-over; end() })
	return x
}

// until waits for something that a look at the directory brings.
func (x *ldapSite) until(what string, ok func() bool) {
	x.t.Helper()
	for end := time.Now().Add(testPatient); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			x.t.Fatalf("not so after %v: %s (state %+v)", testPatient, what, x.ldap.State())
		}
	}
}

func (x *ldapSite) find(address string) Person {
	x.t.Helper()
	p, known, err := x.Lookup(context.Background(), address)
	if err != nil || !known {
		x.t.Fatalf("%s: known %v, %v", address, known, err)
	}
	return p
}

// groupID is the id of the group that has a name here.
func (x *ldapSite) groupID(name string) string {
	x.t.Helper()
	g, err := x.store.Group(x.t.Context(), name)
	if err != nil {
		x.t.Fatal(err)
	}
	return g.ID
}

func (x *ldapSite) check(p Person, password string, from secret.Source) error {
	return x.CheckPassword(context.Background(), p, []byte(password), from)
}

// seedLDIF is the suite's people as a directory has them.
func seedLDIF(people []seed) string {
	var b, groups strings.Builder
	in := map[string][]string{}
	for _, p := range people {
		uid, _, _ := strings.Cut(p.Address, "@")
		name := p.Name
		if name == "" {
			name = uid
		}
		b.WriteString(strings.TrimSuffix(mailtest.LDIFPerson(uid, name, p.Password, append([]string{p.Address}, p.Aliases...)...), "\n"))
		if p.Disabled {
			b.WriteString("pwdAccountLockedTime: 000001010000Z\n")
		}
		b.WriteString("\n")
		for _, g := range p.Groups {
			g = g[strings.LastIndex(g, "/")+1:]
			in[g] = append(in[g], mailtest.PersonDN(uid))
		}
	}
	in["staff"] = append(in["staff"], "cn=sales,ou=groups,"+mailtest.SlapdBase)
	for _, g := range []string{"staff", "sales"} {
		groups.WriteString(mailtest.LDIFGroup(g, in[g]...))
	}
	return b.String() + groups.String()
}

func TestLDAPIsADirectory(t *testing.T) {
	t.Parallel()
	testDirectory(t, suite{noPassword: ErrWrong, disabled: ErrWrong}, func(t *testing.T, people []seed) (Directory, func(string) string) {
		s := openStore(t)
		slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: seedLDIF(people)})
		x := startLDAP(t, s, slapd, ldapOptions(t, s, slapd))
		x.until("everybody is mirrored", func() bool { return x.Local.Len() == len(people) })
		return x, x.groupID
	})
}

// network is one of many that guesses come from.
func network(n int) secret.Source {
	return secret.Source{Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24)}
}
