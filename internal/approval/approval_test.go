package approval

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

var tester = store.Actor{UID: 1, Name: "tester"}

// JA4s of the same library (one an update of the other) and of two more.
const (
	helloOld    = "t13d1516h2_8daaf6152771_02713d6af862"
	helloNew    = "t13d1517h2_8daaf6152771_b1ff8ab2d16f"
	helloGo     = "t13d131000_f57a46bbacb6_ab7e3b40a677"
	helloPython = "t13d1811h1_85036bcba153_d41ae481755e"
)

func open(t testing.TB, o Options) *Service {
	t.Helper()
	if o.Store == nil {
		db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		o.Store = db
		for _, name := range []string{"mary", "bob"} {
			p := store.Person{ID: name, Address: name + "@example.org", Origin: "local", SecretKind: store.SecretBackend}
			if err := db.Change(t.Context(), tester, "", func(tx *store.Tx) error { return tx.AddPerson(&p) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func knock() Knock {
	id := store.NewID()
	return Knock{ID: id, Reference: id.Reference(), At: time.Now(), Person: "mary", Protocol: protocol.IMAP, Program: "k-9", JA4: helloOld,
		Addr: netip.MustParseAddr("192.0.2.7"), Country: "DE", ASN: 3320, Owner: "Telekom"}
}

func with(change func(*Knock)) Knock {
	k := knock()
	change(&k)
	return k
}

// asked puts a knock's request into the queue and finds it there.
func ask(t testing.TB, s *Service, k Knock) Request {
	t.Helper()
	s.Ask(k)
	all, err := s.Requests(t.Context(), k.Person)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Reference == k.Reference {
			return r
		}
	}
	t.Fatalf("no request of %s among %d", k.Reference, len(all))
	return Request{}
}

var near = Approver{Addr: netip.MustParseAddr("192.0.2.200"), MultiFactor: true}

func TestAnApprovedRequestOpensForWhatItPinsAndNothingElse(t *testing.T) {
	s := open(t, Options{})
	k := knock()
	if _, ok := s.Open(k); ok {
		t.Fatal("open before it was approved")
	}
	r := ask(t, s, k)
	if _, err := s.Approve(t.Context(), tester, "mary", r.ID, near); err != nil {
		t.Fatal(err)
	}
	pass, ok := s.Open(k)
	if !ok || pass.Methods != policy.MethodApprovalWindow || pass.Grant == "" || pass.Until.IsZero() {
		t.Fatalf("not open after it was approved: %+v", pass)
	}
	for _, c := range []struct {
		what string
		want bool
		k    Knock
	}{
		{"a neighbour of the address", true, with(func(k *Knock) { k.Addr = netip.MustParseAddr("192.0.2.250") })},
		{"the address as IPv6 has it", true, with(func(k *Knock) { k.Addr = netip.MustParseAddr("::ffff:192.0.2.7") })},
		{"the program updated", true, with(func(k *Knock) { k.JA4 = helloNew })},
		{"another person", false, with(func(k *Knock) { k.Person = "bob" })},
		{"nobody", false, with(func(k *Knock) { k.Person = "" })},
		{"another protocol", false, with(func(k *Knock) { k.Protocol = protocol.POP3 })},
		{"another program", false, with(func(k *Knock) { k.Program = "thunderbird" })},
		{"no program", false, with(func(k *Knock) { k.Program = "" })},
		{"an unknown program", false, with(func(k *Knock) { k.Program = "unknown" })},
		{"another TLS library", false, with(func(k *Knock) { k.JA4 = helloGo })},
		{"no TLS hello", false, with(func(k *Knock) { k.JA4 = "" })},
		{"a broken TLS hello", false, with(func(k *Knock) { k.JA4 = "_8daaf6152771" })},
		{"another network", false, with(func(k *Knock) { k.Addr = netip.MustParseAddr("192.0.3.7") })},
		{"no address", false, with(func(k *Knock) { k.Addr = netip.Addr{} })},
		{"after its end", false, with(func(k *Knock) { k.At = time.Now().Add(30*day + time.Minute) })},
	} {
		if _, ok := s.Open(c.k); ok != c.want {
			t.Errorf("%s: open is %v, want %v", c.what, ok, c.want)
		}
	}
}

func TestAWindowWithoutAFactAdmitsAnyButAPlaceItMustHave(t *testing.T) {
	at := time.Now()
	whole := Window{Protocols: []protocol.Protocol{protocol.IMAP}, ASN: 3320, Country: "DE", Program: "k-9", JA4: helloOld}
	bare := Window{Protocols: []protocol.Protocol{protocol.IMAP}, Network: netip.MustParsePrefix("192.0.2.0/24")}
	k := knock()
	k.At = at
	for _, c := range []struct {
		what string
		want bool
		w    func(w *Window)
		of   Window
	}{
		{"owner, country, program, hello", true, func(w *Window) {}, whole},
		{"an update is not taken at so wide a place", false, func(w *Window) { w.JA4 = helloNew }, whole},
		{"another country", false, func(w *Window) { w.Country = "FR" }, whole},
		{"another owner", false, func(w *Window) { w.ASN = 3209 }, whole},
		{"owner without country is no place", false, func(w *Window) { w.Country = "" }, whole},
		{"country without owner is no place", false, func(w *Window) { w.ASN = 0 }, whole},
		{"no place at all", false, func(w *Window) { w.ASN, w.Country = 0, "" }, whole},
		{"a network only", true, func(w *Window) {}, bare},
		{"no protocol", false, func(w *Window) { w.Protocols = nil }, bare},
	} {
		w := c.of
		c.w(&w)
		if got := admits(&w, &k); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

func TestApprovingIsRefused(t *testing.T) {
	s := open(t, Options{})
	for _, c := range []struct {
		what   string
		person string
		a      func(*Approver)
		want   error
	}{
		{"without a second factor", "mary", func(a *Approver) { a.MultiFactor = false }, ErrFactor},
		{"for somebody else", "bob", func(a *Approver) {}, ErrNoRequest},
		{"from another network", "mary", func(a *Approver) { a.Addr = netip.MustParseAddr("198.51.100.1") }, ErrElsewhere},
		{"from nowhere", "mary", func(a *Approver) { a.Addr = netip.Addr{} }, ErrElsewhere},
		{"with a wrong reference, even from the same network", "mary", func(a *Approver) { a.Reference = "7K4Q-9ZMD-2XWT" }, ErrReference},
		{"with no reference at all", "mary", func(a *Approver) { a.Reference = "please" }, ErrReference},
	} {
		k := with(func(k *Knock) { k.Program = c.what })
		r := ask(t, s, k)
		a := near
		c.a(&a)
		if _, err := s.Approve(t.Context(), tester, c.person, r.ID, a); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
		if _, ok := s.Open(k); ok {
			t.Errorf("%s: it is open", c.what)
		}
		if err := s.Deny(t.Context(), tester, "mary", r.ID); err != nil {
			t.Fatal(err)
		}
		denials, err := s.Denials(t.Context(), "mary")
		if err != nil || len(denials) != 1 {
			t.Fatalf("%d denials, %v", len(denials), err)
		}
		if err := s.Withdraw(t.Context(), tester, denials[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Approve(t.Context(), tester, "mary", "no such id", near); !errors.Is(err, ErrNoRequest) {
		t.Errorf("no such request: %v", err)
	}
}

func TestTheReferenceStandsInForTheNetwork(t *testing.T) {
	s := open(t, Options{})
	k := knock()
	ask(t, s, k)
	a := Approver{Addr: netip.MustParseAddr("198.51.100.1"), MultiFactor: true, Reference: string(k.Reference)}
	if _, err := s.Approve(t.Context(), tester, "mary", string(k.Reference), a); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Open(k); !ok {
		t.Error("it is not open")
	}
}

// Each repeat is told a reference of its own; all lead to the row in the log.
func TestEveryReferenceThatAProgramWasToldWillDo(t *testing.T) {
	s := open(t, Options{})
	k := knock()
	row := &signin.Event{ID: k.ID, At: k.At, Last: k.At.Add(time.Hour), Count: 50, Code: signin.BlockedByPolicy, TLS: signin.TLS{JA4: k.JA4}}
	row.Facts = policy.Facts{At: k.At, Person: "mary", Protocol: k.Protocol, Program: k.Program, Addr: k.Addr, Proven: true, Credential: policy.CredentialPassword}
	wrong := *row
	wrong.ID, wrong.Facts.Proven, wrong.Code = store.NewID(), false, signin.WrongCredentials
	for _, e := range []*signin.Event{row, &wrong} {
		if err := s.Store.Write(t.Context(), func(tx *store.Tx) error { return tx.PutEvent(e) }); err != nil {
			t.Fatal(err)
		}
	}
	for n := range int64(50) {
		k.Reference = s.Store.Reference(k.ID, n)
		s.Ask(k)
	}
	far := Approver{Addr: netip.MustParseAddr("198.51.100.1"), MultiFactor: true}
	for name, ref := range map[string]signin.Reference{"a wrong password's": s.Store.Reference(wrong.ID, 3), "nobody's": store.NewID().Reference()} {
		far.Reference = string(ref)
		if _, err := s.Approve(t.Context(), tester, "mary", far.Reference, far); !errors.Is(err, ErrNoRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	far.Reference = string(s.Store.Reference(k.ID, 7))
	if _, err := s.Approve(t.Context(), tester, "bob", far.Reference, far); !errors.Is(err, ErrNoRequest) {
		t.Errorf("somebody else's: %v", err)
	}
	if _, err := s.Approve(t.Context(), tester, "mary", far.Reference, far); err != nil {
		t.Errorf("an early one: %v", err)
	}
}

func TestAnExpiredRequestIsNotApproved(t *testing.T) {
	s := open(t, Options{})
	r := ask(t, s, with(func(k *Knock) { k.At = time.Now().Add(-25 * time.Hour) }))
	if r.State != store.RequestExpired {
		t.Errorf("its state is %s", r.State)
	}
	if _, err := s.Approve(t.Context(), tester, "mary", r.ID, near); !errors.Is(err, ErrExpired) {
		t.Errorf("approved after a day: %v", err)
	}
	if err := s.prune(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Approve(t.Context(), tester, "mary", r.ID, near); !errors.Is(err, ErrExpired) {
		t.Errorf("approved after it was cleared away: %v", err)
	}
}

func TestOneOfManyAnswersWins(t *testing.T) {
	s := open(t, Options{})
	r := ask(t, s, knock())
	var wg sync.WaitGroup
	won := make(chan string, 50)
	for i := range 50 {
		wg.Go(func() {
			if i%5 == 0 {
				if err := s.Deny(context.Background(), tester, "mary", r.ID); err == nil {
					won <- "denied"
				} else if !errors.Is(err, ErrAnswered) && !errors.Is(err, ErrOwnNetwork) {
					t.Error(err)
				}
				return
			}
			if _, err := s.Approve(context.Background(), tester, "mary", r.ID, near); err == nil {
				won <- "approved"
			} else if !errors.Is(err, ErrAnswered) && !errors.Is(err, ErrSource) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d answers were taken", len(won))
	}
	all, err := s.Windows(t.Context(), "mary")
	if err != nil || len(all) > 1 {
		t.Errorf("%d windows, %v", len(all), err)
	}
}

func TestADeniedSourceIsMarkedUntilThatIsTakenBack(t *testing.T) {
	s := open(t, Options{})
	k := knock()
	r := ask(t, s, k)
	if err := s.Deny(t.Context(), tester, "mary", r.ID); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{"192.0.2.7": true, "192.0.2.99": true, "::ffff:192.0.2.1": true, "192.0.3.7": false} {
		if got := s.Denied("mary", netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is denied: %v, want %v", addr, got, want)
		}
	}
	if s.Denied("bob", k.Addr) || s.Denied("", k.Addr) || s.Denied("mary", netip.Addr{}) {
		t.Error("somebody else's source is denied")
	}
	for network, want := range map[string]error{"192.0.2.0/24": ErrSource, "192.0.2.128/25": ErrSource, "192.0.0.0/16": nil} {
		w := Window{Person: "mary", Protocols: []protocol.Protocol{protocol.Submission}, Network: netip.MustParsePrefix(network)}
		if _, err := s.Allow(t.Context(), tester, w, 1); !errors.Is(err, want) {
			t.Errorf("a window in %s, of which a part or all is denied: %v", network, err)
		}
	}
	if err := s.Deny(t.Context(), tester, "mary", r.ID); !errors.Is(err, ErrAnswered) {
		t.Errorf("denied twice: %v", err)
	}
	again := ask(t, s, with(func(k *Knock) { k.Program = "other" }))
	if _, err := s.Approve(t.Context(), tester, "mary", again.ID, near); !errors.Is(err, ErrSource) {
		t.Errorf("a denied source was approved: %v", err)
	}
	marks, err := s.Denials(t.Context(), "mary")
	if err != nil || len(marks) != 1 {
		t.Fatalf("%v, %v", marks, err)
	}
	if err := s.WithdrawOf(t.Context(), tester, "bob", marks[0].ID); !errors.Is(err, ErrNoWindow) {
		t.Errorf("somebody else took it back: %v", err)
	}
	if err := s.WithdrawOf(t.Context(), tester, "mary", marks[0].ID); err != nil {
		t.Fatal(err)
	}
	if s.Denied("mary", k.Addr) {
		t.Error("still denied")
	}
}

func TestAWithdrawnWindowIsClosedAndItsSessionsAreNamed(t *testing.T) {
	s := open(t, Options{})
	changes, done := s.Store.Subscribe()
	defer done()
	k := knock()
	r := ask(t, s, k)
	w, err := s.Approve(t.Context(), tester, "mary", r.ID, near)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WithdrawOf(t.Context(), tester, "bob", w.ID); !errors.Is(err, ErrNoWindow) {
		t.Errorf("somebody else withdrew it: %v", err)
	}
	if _, ok := s.Open(k); !ok {
		t.Fatal("closed by somebody else")
	}
	if err := s.Withdraw(t.Context(), tester, w.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Open(k); ok {
		t.Error("still open")
	}
	if c := <-changes; len(c.Grants) != 1 || c.Grants[0] != store.GrantOfWindow(w.ID) {
		t.Errorf("sessions to end: %v", c.Grants)
	}
}

func TestStrangersTakeNothingFromTheOwnersRoom(t *testing.T) {
	home := netip.MustParsePrefix("192.0.2.0/24")
	told := map[string]int{}
	s := open(t, Options{Known: func(_ string, a netip.Addr) bool { return home.Contains(a) }, Tell: func(p string, _ Request) { told[p]++ }})
	mine := ask(t, s, knock())
	for i := range 1000 {
		s.Ask(with(func(k *Knock) {
			k.Addr = netip.AddrFrom4([4]byte{198, 51, byte(i), 1})
			k.Program = fmt.Sprint("program ", i%7)
			k.JA4 = fmt.Sprintf("t13d1516h2_%012x_02713d6af862", i)
		}))
		if i%100 == 0 {
			if err := s.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	hotel := ask(t, s, with(func(k *Knock) { k.Addr = netip.MustParseAddr("203.0.113.9") }))
	all, err := s.Requests(t.Context(), "mary")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != strangers+1 || all[0].ID != hotel.ID || all[len(all)-1].ID != mine.ID {
		t.Errorf("%d requests, the newest %s, the oldest %s", len(all), all[0].Addr, all[len(all)-1].Addr)
	}
	if told["mary"] > noticesADay {
		t.Errorf("%d notices on one day", told["mary"])
	}
}

func TestOneNetworkHasItsOwnRoomAndEqualOnesAreCounted(t *testing.T) {
	s := open(t, Options{})
	for i := range 10 {
		s.Ask(with(func(k *Knock) { k.Program = fmt.Sprint("program ", i) }))
	}
	for range 10 {
		s.Ask(with(func(k *Knock) { k.Program = "program 9" }))
	}
	all, err := s.Requests(t.Context(), "mary")
	if err != nil || len(all) != perNetwork {
		t.Fatalf("%d requests, %v", len(all), err)
	}
	if all[0].Program != "program 9" || all[0].Count != 11 || len(all[0].References) != keptRefs {
		t.Errorf("the newest: %+v", all[0])
	}
}

func TestWhatWasWrittenComesBack(t *testing.T) {
	s := open(t, Options{})
	k := knock()
	r := ask(t, s, k)
	if _, err := s.Approve(t.Context(), tester, "mary", r.ID, near); err != nil {
		t.Fatal(err)
	}
	other := with(func(k *Knock) { k.Program = "other" })
	ask(t, s, other)
	away := with(func(k *Knock) { k.Addr = netip.MustParseAddr("198.51.100.1") })
	if err := s.Deny(t.Context(), tester, "mary", ask(t, s, away).ID); err != nil {
		t.Fatal(err)
	}
	used := with(func(k *Knock) { k.At = time.Now().Add(2 * time.Hour) })
	s.Open(used)
	if err := s.writeUses(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := 0
	again := open(t, Options{Store: s.Store, Tell: func(string, Request) { told++ }})
	if _, ok := again.Open(k); !ok {
		t.Error("the window is gone")
	}
	if !again.Denied("mary", away.Addr) {
		t.Error("the mark is gone")
	}
	list, err := again.Windows(t.Context(), "mary")
	if err != nil || len(list) != 1 || !list[0].LastUsed.Equal(used.At.UTC().Truncate(0)) && list[0].LastUsed.Sub(used.At).Abs() > time.Microsecond {
		t.Errorf("%+v, %v", list, err)
	}
	other.At = time.Now()
	again.Ask(other)
	all, err := again.Requests(t.Context(), "mary")
	if err != nil || len(all) != 3 || all[0].Count != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	if told != 0 {
		t.Error("told again of what was told before the restart")
	}
}

func TestAnUnusedWindowEnds(t *testing.T) {
	s := open(t, Options{Settings: Settings{Days: 300}})
	k := knock()
	if _, err := s.Approve(t.Context(), tester, "mary", ask(t, s, k).ID, near); err != nil {
		t.Fatal(err)
	}
	later := func(days int) Knock { return with(func(k *Knock) { k.At = time.Now().Add(time.Duration(days) * day) }) }
	if _, ok := s.Open(later(44)); !ok {
		t.Error("ended too early")
	}
	if _, ok := s.Open(later(44 + 46)); ok {
		t.Error("open after 46 days without use")
	}
	if err := s.prune(t.Context(), time.Now().Add(91*day)); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Windows(t.Context(), "mary"); err != nil || len(all) != 0 {
		t.Errorf("%d windows are left, %v", len(all), err)
	}
}

func TestPeopleWhoGoTakeTheirWindowsAlong(t *testing.T) {
	s := open(t, Options{})
	k := knock()
	if _, err := s.Approve(t.Context(), tester, "mary", ask(t, s, k).ID, near); err != nil {
		t.Fatal(err)
	}
	changes, done := s.Store.Subscribe()
	defer done()
	if err := s.Store.Change(t.Context(), tester, "", func(tx *store.Tx) error { return tx.DeletePerson("mary") }); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), <-changes); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Open(k); ok {
		t.Error("open for somebody who is gone")
	}
	s.Ask(k)
	if all, err := s.Requests(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("%d requests of nobody, %v", len(all), err)
	}
}

func TestAnAdministratorAllowsWithBounds(t *testing.T) {
	s := open(t, Options{})
	k := knock()
	for what, w := range map[string]Window{
		"no place":    {Person: "mary", Protocols: []protocol.Protocol{protocol.IMAP}},
		"owner alone": {Person: "mary", Protocols: []protocol.Protocol{protocol.IMAP}, ASN: 3320},
		"no protocol": {Person: "mary", Network: netip.MustParsePrefix("192.0.2.0/24")},
	} {
		if _, err := s.Allow(t.Context(), tester, w, 1); !errors.Is(err, ErrPlaceless) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w, err := s.Allow(store.WithReason(t.Context(), "a scanner"), tester, Window{Person: "mary", Protocols: []protocol.Protocol{protocol.IMAP}, Network: netip.MustParsePrefix("192.0.2.9/25")}, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Open(k); !ok || w.Network.String() != "192.0.2.0/25" {
		t.Errorf("open is %v for %v", ok, w.Network)
	}
	audit, err := s.Store.Audits(t.Context(), store.AuditFilter{Object: w.ID})
	if err != nil || len(audit) != 1 || audit[0].Reason != "a scanner" || audit[0].Actor.Name != "tester" {
		t.Errorf("audit: %+v, %v", audit, err)
	}
}

func TestRunWritesBehind(t *testing.T) {
	s := open(t, Options{})
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- s.Run(ctx) }()
	s.Ask(knock())
	stop()
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if all, err := s.Store.Requests(t.Context(), "mary"); err != nil || len(all) != 1 {
		t.Errorf("%d requests were written, %v", len(all), err)
	}
}

func BenchmarkOpen(b *testing.B) {
	s := open(b, Options{})
	k := knock()
	for i := range 20 {
		w := Window{Person: "mary", Protocols: []protocol.Protocol{protocol.IMAP}, Program: fmt.Sprint(i), Network: netip.MustParsePrefix("192.0.2.0/24")}
		if _, err := s.Allow(b.Context(), tester, w, 1); err != nil {
			b.Fatal(err)
		}
	}
	k.Program = "19"
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := s.Open(k); !ok {
				b.Error("closed")
			}
		}
	})
}
