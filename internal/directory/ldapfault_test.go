package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// between is a wire to a server that somebody meddles with.
type between struct {
	URL string

	mu    sync.Mutex
	bytes int           // of each answer stream that pass; -1: all
	cut   bool          // what comes after is cut off, else held back
	delay time.Duration // before each piece
	count int           // connections
}

func meddle(t *testing.T, target string) *between {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &between{URL: "ldap://" + l.Addr().String(), bytes: -1}
	var all sync.WaitGroup
	over := make(chan struct{})
	t.Cleanup(func() { close(over); _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.count++
			b.mu.Unlock()
			all.Go(func() { b.carry(c, target, over) })
		}
	})
	return b
}

func (b *between) carry(c net.Conn, target string, over chan struct{}) {
	defer c.Close()
	s, err := net.Dial("tcp", strings.TrimPrefix(target, "ldap://"))
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		_, _ = io.Copy(s, c)
		_ = s.Close()
	}()
	go func() { <-over; _ = s.Close(); _ = c.Close() }()
	passed := 0
	for buffer := make([]byte, 512); ; {
		n, err := s.Read(buffer)
		if err != nil {
			return
		}
		b.mu.Lock()
		limit, cut, delay := b.bytes, b.cut, b.delay
		b.mu.Unlock()
		time.Sleep(delay)
		if limit >= 0 && passed+n > limit {
			_, _ = c.Write(buffer[:max(0, limit-passed)])
			if cut {
				return
			}
			<-over
			return
		}
		passed += n
		if _, err := c.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (b *between) set(bytes int, cut bool, delay time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes, b.cut, b.delay = bytes, cut, delay
}

// An answer of which only a part arrives changes nothing, wherever it is cut,
// and an unanswered password is trouble, never wrong.
func TestHalfAnAnswerRemovesNobody(t *testing.T) {
	t.Parallel()
	var ldif strings.Builder
	for n := range 12 {
		ldif.WriteString(mailtest.LDIFPerson(fmt.Sprintf("p%d", n), "P", "word", fmt.Sprintf("p%d@example.org", n)))
	}
	s := openStore(t)
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: ldif.String() + mailtest.LDIFGroup("g", mailtest.PersonDN("p1"), mailtest.PersonDN("p2"))})
	wire := meddle(t, slapd.URL)
	o := ldapOptions(t, s, slapd)
	o.URLs, o.Timeout, o.Poll = []string{wire.URL}, time.Second, 50*time.Millisecond
	x := startLDAP(t, s, slapd, o)
	x.until("all are mirrored", func() bool { return x.Local.Len() == 12 })
	people := func() (enabled, grouped int) {
		for n := range 12 {
			if p, known, _ := x.Local.Lookup(t.Context(), fmt.Sprintf("p%d@example.org", n)); known && !p.Disabled {
				enabled++
				grouped += len(p.Groups)
			}
		}
		return enabled, grouped
	}
	x.slapd.Modify(t, "dn: "+mailtest.PersonDN("p3")+"\nchangetype: modify\nreplace: cn\ncn: changed\n")
	readThrough := func(bytes int, cut bool) {
		wire.set(bytes, cut, 0)
		l, err := NewLDAP(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		r, err := l.read(t.Context(), true)
		if err == nil && (len(r.people) != 12 || len(r.groups) != 1) {
			t.Errorf("after %d bytes (cut %v) half an answer was taken for a whole one: %d people, %d groups", bytes, cut, len(r.people), len(r.groups))
		}
		if bytes < 2000 && err == nil {
			t.Errorf("%d bytes were enough", bytes)
		}
	}
	for bytes := 0; bytes < 4000; bytes += 41 {
		readThrough(bytes, true)
	}
	readThrough(1500, false)
	wire.set(20, true, 0)
	for _, server := range x.ldap.servers {
		server.close() // what is open would still answer
		server.mu.Lock()
		server.closed = false
		server.mu.Unlock()
	}
	x.until("the fault is told", func() bool { return x.ldap.State().Fault != "" })
	if enabled, grouped := people(); enabled != 12 || grouped != 2 {
		t.Errorf("%d people, %d memberships", enabled, grouped)
	}
	p1 := x.find("p1@example.org")
	if err := x.check(p1, "word", home); err == nil || errors.Is(err, ErrWrong) || errors.Is(err, ErrSpent) {
		t.Errorf("a password that could not be checked: %v", err)
	}
	if _, known, err := x.Lookup(t.Context(), "new@example.org"); known || err == nil {
		t.Errorf("a name that could not be looked for: %v, %v", known, err)
	}
	wire.set(-1, false, 0)
	x.until("all is well again", func() bool { return x.ldap.State().Fault == "" && x.check(p1, "word", home) == nil })
}

func TestASlowDirectoryIsTroubleAndWaitsForNobodyElse(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: maryAndOmar()})
	wire := meddle(t, slapd.URL)
	o := ldapOptions(t, s, slapd)
	o.URLs, o.Timeout = []string{wire.URL}, time.Second
	x := startLDAP(t, s, slapd, o)
	x.until("all are mirrored", func() bool { return x.Local.Len() == 2 })
	mary := x.find("mary@example.org")
	wire.set(-1, false, 5*time.Second)
	for round := range 3 {
		began := time.Now()
		if err := x.check(mary, "mary's word", home); err == nil || errors.Is(err, ErrWrong) || errors.Is(err, ErrSpent) {
			t.Errorf("round %d: %v", round, err)
		}
		if took := time.Since(began); took > testPatient {
			t.Errorf("round %d took %v", round, took)
		}
	}
	began := time.Now()
	for range 1000 {
		if p, known, err := x.Lookup(t.Context(), "mary@example.org"); !known || err != nil || p.ID != mary.ID {
			t.Fatalf("a known person waits for the directory: %v", err)
		}
	}
	t.Logf("a thousand look-ups took %v meanwhile", time.Since(began))
	wire.set(-1, false, 0)
	x.until("she is let in again", func() bool { return x.check(mary, "mary's word", home) == nil })
}

func TestTheNextServerIsAskedWhereOneIsAway(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: maryAndOmar()})
	nobody := "ldap://" + mailtest.FreeAddress(t)
	o := ldapOptions(t, s, slapd)
	o.URLs = []string{nobody, slapd.TLSURL}
	x := startLDAP(t, s, slapd, o)
	x.until("all are mirrored", func() bool { return x.Local.Len() == 2 })
	mary := x.find("mary@example.org")
	if err := x.check(mary, "mary's word", home); err != nil {
		t.Error(err)
	}
	x.until("the look is over", func() bool { return x.ldap.State().Server == slapd.TLSURL })
	st := x.ldap.State()
	if st.Server != slapd.TLSURL || st.Servers[0].Fault == "" || st.Servers[1].Fault != "" {
		t.Errorf("state %+v", st)
	}
	slapd.Stop()
	x.until("all are away", func() bool { return x.ldap.State().Fault != "" })
	if err := x.check(mary, "mary's word", home); err != nil && (errors.Is(err, ErrWrong) || !errors.Is(err, errAway)) {
		t.Errorf("with all away: %v", err)
	}
	if err := x.check(mary, "not asked yet", home); err == nil || errors.Is(err, ErrWrong) {
		t.Errorf("with all away: %v", err)
	}
	slapd.Start(t)
	x.until("it is back", func() bool { return x.ldap.State().Fault == "" })
	x.until("she is let in", func() bool { return x.check(mary, "mary's word", home) == nil })
}

// A service account whose own password is wrong is our trouble: its refusal
// must not be taken for one of a person's.
func TestTheServiceAccountsRefusalIsNobodysWrongPassword(t *testing.T) {
	t.Parallel()
	x := startWith(t, maryAndOmar(), 2, nil)
	mary := x.find("mary@example.org")
	x.slapd.SetPassword(t, mailtest.SlapdReader, "another now")
	x.slapd.Stop()
	x.slapd.Start(t)
	x.until("the fault is told", func() bool { return strings.Contains(x.ldap.State().Fault, mailtest.SlapdReader) })
	if err := x.check(mary, "mary's word", home); err == nil || errors.Is(err, ErrWrong) {
		t.Errorf("came to %v", err)
	}
	reports, err := x.Test(t.Context(), "", "", nil)
	if err != nil || len(reports) == 0 {
		t.Fatalf("%v, %v", reports, err)
	}
	for _, said := range []string{reports[0].Steps[len(reports[0].Steps)-1].Detail, x.ldap.State().Fault} {
		if strings.Contains(said, "LDAP Result Code") || !strings.Contains(said, "does not take bind_dn with bind_password: one of the two is wrong") || !strings.Contains(said, "`ldapwhoami -x -H ldap") {
			t.Errorf("the operator reads %q", said)
		}
	}
}

// What a directory says of the service account is told with what to do about it.
func TestTheServiceAccountsRefusalIsSaid(t *testing.T) {
	l := &LDAP{LDAPOptions: LDAPOptions{Name: "corp", BindDN: "cn=o'hara,dc=example"}}
	for _, c := range []struct {
		code uint16
		says string
		want string
	}{
		{ldap.LDAPResultInvalidCredentials, "", `-D 'cn=o'\''hara,dc=example' -W`},
		{ldap.LDAPResultInvalidCredentials, "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v4563", "one of the two is wrong"},
		{ldap.LDAPResultInvalidCredentials, "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 532, v4563", "its password has run out"},
		{ldap.LDAPResultInvalidDNSyntax, "", "bind_dn is wrong"},
		{ldap.LDAPResultStrongAuthRequired, "", "start_tls"},
		{ldap.LDAPResultUnwillingToPerform, "", "bind_password is empty"},
		{ldap.LDAPResultBusy, "", "Busy, result 51"},
	} {
		said := l.refusedAs(&ldap.Error{ResultCode: c.code, Err: errors.New(c.says)}, "ldaps://x")
		if !strings.Contains(said, c.want) {
			t.Errorf("%d %q: %q", c.code, c.says, said)
		}
	}
}

func TestAPersonOfADirectoryThatIsNoMoreIsTrouble(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	change(t, s, func(tx *store.Tx) error {
		return tx.AddPerson(&store.Person{Address: "mary@example.org", Origin: store.OriginDirectory, Source: "former"})
	})
	x := NewSources(newLocal(t, s), nil)
	p, _, _ := x.Lookup(t.Context(), "mary@example.org")
	if err := x.CheckPassword(context.Background(), p, []byte("x"), secret.Source{}); err == nil || errors.Is(err, ErrWrong) || errors.Is(err, ErrNoPassword) {
		t.Errorf("came to %v", err)
	}
}
