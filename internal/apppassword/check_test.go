package apppassword

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

var (
	box   = secret.NewBox()
	admin = store.Actor{UID: 0, Name: "root"}
)

// atlas knows 192.0.2.0/24 as German and AS64500's, 198.51.100.0/24 as French
// and AS64501's, and nothing else.
type atlas struct{}

func (atlas) Lookup(a netip.Addr) geoip.Place {
	switch {
	case netip.MustParsePrefix("192.0.2.0/24").Contains(a):
		return geoip.Place{Country: "DE", ASN: 64500, Owner: "Netz"}
	case netip.MustParsePrefix("198.51.100.0/24").Contains(a):
		return geoip.Place{Country: "FR", ASN: 64501, Owner: "Réseau"}
	}
	return geoip.Place{}
}

// factors are when somebody enrolled their first one.
type factors struct {
	first  time.Time
	byPass bool
}

func (f factors) Since(string) (time.Time, bool) { return f.first, f.byPass }

// stubborn is the mail server that takes people's own passwords only.
type stubborn string

func (s stubborn) OwnPasswordOnly(address, _ string) (string, bool) {
	return "main", strings.HasSuffix(address, string(s))
}

// house is a service with people.
type house struct {
	*Service
	store *store.Store
	dir   string
	mary  directory.Person
	pete  directory.Person
}

func open(t *testing.T, dir string) *house {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h := &house{store: s, dir: dir}
	for name, p := range map[string]*directory.Person{"mary@example.org": &h.mary, "pete@example.org": &h.pete} {
		row, err := s.Person(t.Context(), name)
		if errors.Is(err, store.ErrNotFound) {
			row = store.Person{Address: name}
			err = s.Change(t.Context(), admin, "", func(tx *store.Tx) error { return tx.AddPerson(&row) })
		}
		if err != nil {
			t.Fatal(err)
		}
		*p = directory.Person{ID: row.ID, Address: name}
	}
	h.Service, err = New(t.Context(), Options{Store: s, Prints: box.Prints("app passwords"), Places: atlas{}, Factors: factors{time.Now().Add(-48 * time.Hour), false}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// issue makes one for Mary.
func (h *house) issue(t *testing.T, name string, sc Scope) (string, Password) {
	t.Helper()
	text, p, err := h.Issue(t.Context(), admin, h.mary, name, sc)
	if err != nil {
		t.Fatal(err)
	}
	return text, p
}

const (
	swaks       = "t13d341000_1d37bd780c83_8e6e362c5eac"
	thunderbird = "t13d1713h2_5b57614c22b0_3d5424432f57"
)

// knockAt is somebody at the door.
func knockAt(addr string, p protocol.Protocol, ja4 string) signin.Attempt {
	return signin.Attempt{At: time.Now(), Protocol: p, Listener: p.String(), Client: netip.AddrPortFrom(netip.MustParseAddr(addr), 1000),
		TLS: signin.TLS{Version: tls.VersionTLS13, JA4: ja4}}
}

// code is what a check came to.
func code(t *testing.T, err error) signin.Code {
	t.Helper()
	var r *signin.Refusal
	switch {
	case err == nil:
		return signin.OK
	case errors.As(err, &r):
		return r.Code
	}
	t.Fatalf("trouble: %v", err)
	return 0
}

func (h *house) show(t *testing.T, a signin.Attempt, who directory.Person, text string) signin.Code {
	t.Helper()
	_, err := h.Check(t.Context(), a, who, []byte(text))
	return code(t, err)
}

func TestEachViolationHasItsCode(t *testing.T) {
	h := open(t, t.TempDir())
	text, made := h.issue(t, "printer", Scope{Protocols: []protocol.Protocol{protocol.Submission, protocol.IMAP}, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28"), netip.MustParsePrefix("198.51.100.1/32"), netip.MustParsePrefix("203.0.113.0/24")},
		Countries: []string{"de"}, Senders: []string{"Printer@Example.org", "@Example.NET"}, PerHour: 3, IdleDays: 30, Expires: time.Now().Add(90 * day)})
	good := knockAt("192.0.2.1", protocol.Submission, swaks)
	p, err := h.Check(t.Context(), good, h.mary, []byte(strings.ToUpper(text)))
	if err != nil || p.Methods != policy.MethodBoundAppPassword || p.Grant != "apppw:"+made.ID || !p.Until.Equal(made.Expires) ||
		p.Sending == nil || len(p.Sending.Senders) != 2 || p.Sending.Senders[0] != "printer@example.org" || p.Sending.Senders[1] != "@example.net" || p.Sending.PerHour != 3 {
		t.Fatalf("it proves %+v, %+v, %v", p, p.Sending, err)
	}
	later := func(d time.Duration) signin.Attempt {
		a := good
		a.At = a.At.Add(d)
		return a
	}
	forged := mint()
	sameID := forged
	copy(sameID[len(mark):], made.ID)
	for i := range alphabet { // with check characters that fit again
		sameID[textLen-2] = alphabet[i]
		sameID[textLen-1] = '0'
		sum, _ := sums(sameID[len(mark):])
		if sameID[textLen-1] = alphabet[sum]; Form(sameID[:]) {
			break
		}
	}
	for name, c := range map[string]struct {
		knock signin.Attempt
		who   directory.Person
		text  string
		want  signin.Code
	}{
		"once more":        {good, h.mary, text, signin.OK},
		"of another":       {good, h.pete, text, signin.AppPasswordOfAnother},
		"of nobody":        {good, directory.Person{Address: "x@example.org"}, text, signin.AppPasswordOfAnother},
		"forged":           {good, h.mary, forged.shown(), signin.AppPasswordUnknown},
		"forged, known id": {good, h.mary, string(sameID[:]), signin.AppPasswordUnknown},
		"no form":          {good, h.mary, "hunter2", signin.AppPasswordUnknown},
		"protocol":         {knockAt("192.0.2.1", protocol.POP3, swaks), h.mary, text, signin.AppPasswordProtocol},
		"portal":           {knockAt("192.0.2.1", protocol.Portal, swaks), h.mary, text, signin.AppPasswordProtocol},
		"other protocol":   {knockAt("192.0.2.1", protocol.IMAP, swaks), h.mary, text, signin.OK},
		"network":          {knockAt("192.0.2.16", protocol.Submission, swaks), h.mary, text, signin.AppPasswordNetwork},
		"mapped address":   {knockAt("::ffff:192.0.2.2", protocol.Submission, swaks), h.mary, text, signin.OK},
		"country":          {knockAt("198.51.100.1", protocol.Submission, swaks), h.mary, text, signin.AppPasswordCountry},
		"no country":       {knockAt("203.0.113.1", protocol.Submission, swaks), h.mary, text, signin.AppPasswordCountry},
		"expired":          {later(90 * day), h.mary, text, signin.AppPasswordExpired},
		"idle":             {later(31 * day), h.mary, text, signin.AppPasswordIdle},
		"another program":  {knockAt("192.0.2.1", protocol.Submission, thunderbird), h.mary, text, signin.AppPasswordProgram},
	} {
		if got := h.show(t, c.knock, c.who, c.text); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if err := h.Revoke(t.Context(), admin, h.mary.ID, made.ID); err != nil {
		t.Fatal(err)
	}
	if got := h.show(t, good, h.mary, text); got != signin.AppPasswordRevoked {
		t.Errorf("revoked: %s", got)
	}
	if got := h.show(t, good, h.pete, text); got != signin.AppPasswordOfAnother {
		t.Errorf("revoked, and another's: %s", got)
	}
}

func TestSendOnlyOpensNothingElse(t *testing.T) {
	h := open(t, t.TempDir())
	text, _ := h.issue(t, "printer", Scope{SendOnly: true})
	for p := protocol.Protocol(0); int(p) < protocol.Count; p++ {
		want := signin.AppPasswordProtocol
		if p == protocol.Submission {
			want = signin.OK
		}
		if got := h.show(t, knockAt("192.0.2.1", p, swaks), h.mary, text); got != want {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
}

func TestAProfilesPasswordDiesUnused(t *testing.T) {
	h := open(t, t.TempDir())
	by := time.Now().Add(ProfileLife)
	late := knockAt("192.0.2.1", protocol.IMAP, swaks)
	late.At = by
	used, _ := h.issue(t, "used", Scope{FirstUseBy: by})
	unused, _ := h.issue(t, "unused", Scope{FirstUseBy: by})
	if got := h.show(t, knockAt("192.0.2.1", protocol.IMAP, swaks), h.mary, used); got != signin.OK {
		t.Fatal(got)
	}
	if got := h.show(t, late, h.mary, used); got != signin.OK {
		t.Errorf("used in time, later: %s", got)
	}
	if got := h.show(t, late, h.mary, unused); got != signin.AppPasswordExpired {
		t.Errorf("not used in time: %s", got)
	}
}

// A row moved to somebody else in the database is nobody's.
func TestAPrintBelongsToItsPerson(t *testing.T) {
	h := open(t, t.TempDir())
	text, made := h.issue(t, "phone", Scope{})
	h.mu.Lock()
	moved := *h.byID[made.ID]
	moved.row.Person = h.pete.ID
	h.byID[made.ID] = &moved
	h.mu.Unlock()
	if got := h.show(t, knockAt("192.0.2.1", protocol.IMAP, swaks), h.pete, text); got != signin.AppPasswordUnknown {
		t.Errorf("moved to Pete: %s", got)
	}
}

func TestUsesAreWrittenDown(t *testing.T) {
	h := open(t, t.TempDir())
	text, made := h.issue(t, "phone", Scope{})
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- h.Run(ctx) }()
	if got := h.show(t, knockAt("192.0.2.1", protocol.IMAP, swaks), h.mary, text); got != signin.OK {
		t.Fatal(got)
	}
	if got := h.show(t, knockAt("192.0.2.2", protocol.IMAP, thunderbird), h.mary, text); got != signin.AppPasswordProgram {
		t.Fatal(got)
	}
	stop()
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	again, err := New(t.Context(), h.Options)
	if err != nil {
		t.Fatal(err)
	}
	list, _ := again.List(t.Context(), h.mary.ID)
	if p := list[0]; p.ID != made.ID || p.LastUsed.IsZero() || p.LastAddr != "192.0.2.1" || p.LastProgram == "" || !p.Pending || p.PendingAddr != "192.0.2.2" {
		t.Errorf("written down is %+v", p)
	}
}

func TestWhereTheMailServerWantsTheOwnPassword(t *testing.T) {
	h := open(t, t.TempDir())
	text, _ := h.issue(t, "phone", Scope{})
	h.Backends = stubborn("@example.org")
	_, _, err := h.Issue(t.Context(), admin, h.mary, "another", Scope{})
	if none := new(NoWayIn); !errors.As(err, &none) || !strings.Contains(err.Error(), "backends.main.login") {
		t.Errorf("issuing: %v", err)
	}
	if _, _, err := h.Create(t.Context(), admin, h.mary.ID, "another", Scope{}); !errors.As(err, new(*NoWayIn)) {
		t.Errorf("creating: %v", err)
	}
	if got := h.show(t, knockAt("192.0.2.1", protocol.IMAP, swaks), h.mary, text); got != signin.AppPasswordBackend {
		t.Errorf("one made before: %s", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	dir := b.TempDir()
	s, err := store.Open(b.Context(), store.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	row := store.Person{Address: "mary@example.org"}
	if err := s.Change(b.Context(), admin, "", func(tx *store.Tx) error { return tx.AddPerson(&row) }); err != nil {
		b.Fatal(err)
	}
	svc, err := New(b.Context(), Options{Store: s, Prints: box.Prints("app passwords")})
	if err != nil {
		b.Fatal(err)
	}
	mary := directory.Person{ID: row.ID, Address: row.Address}
	text, _, err := svc.Issue(b.Context(), admin, mary, "phone", Scope{})
	if err != nil {
		b.Fatal(err)
	}
	a := knockAt("192.0.2.1", protocol.IMAP, swaks)
	for b.Loop() {
		if _, err := svc.Check(b.Context(), a, mary, []byte(text)); err != nil {
			b.Fatal(err)
		}
	}
}
