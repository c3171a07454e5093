package apppassword

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

func TestPeopleWaitForADayAfterTheirFirstFactor(t *testing.T) {
	h := open(t, t.TempDir())
	now := time.Now()
	for name, c := range map[string]struct {
		f    Factors
		want error
	}{
		"no factors at all":     {nil, ErrNoFactor},
		"none enrolled":         {factors{}, ErrNoFactor},
		"an hour ago":           {factors{now.Add(-time.Hour), false}, &TooEarly{}},
		"an hour ago, by pass":  {factors{now.Add(-time.Hour), true}, nil},
		"a day and an hour ago": {factors{now.Add(-25 * time.Hour), false}, nil},
	} {
		h.Factors = c.f
		_, _, err := h.Create(t.Context(), store.Actor{UID: -1, Name: "mary@example.org"}, h.mary.ID, name, Scope{})
		early := new(TooEarly)
		switch {
		case c.want == nil && err != nil, errors.Is(c.want, ErrNoFactor) && !errors.Is(err, ErrNoFactor):
			t.Errorf("%s: %v, want %v", name, err, c.want)
		case errors.As(c.want, &early) && !errors.As(err, &early):
			t.Errorf("%s: %v, want too early", name, err)
		}
	}
}

func TestScopesAreChecked(t *testing.T) {
	h := open(t, t.TempDir())
	for member, sc := range map[string]Scope{
		"protocols": {Protocols: []protocol.Protocol{protocol.Portal}},
		"sendOnly":  {SendOnly: true, Protocols: []protocol.Protocol{protocol.IMAP}},
		"networks":  {Networks: []netip.Prefix{{}}},
		"countries": {Countries: []string{"Germany"}},
		"senders":   {Senders: []string{"printer"}},
		"perHour":   {PerHour: -1},
		"idleDays":  {IdleDays: 1 << 30},
		"expires":   {Expires: time.Now().Add(-time.Minute)},
		"binding":   {Binding: "stric"},
		"name":      {},
	} {
		name := "device"
		if member == "name" {
			name = "a\x1b[31m name"
		}
		_, _, err := h.Issue(t.Context(), admin, h.mary, name, sc)
		if wrong := new(Invalid); !errors.As(err, &wrong) || wrong.Member != member {
			t.Errorf("%s: %v", member, err)
		}
	}
	_, p := h.issue(t, "  scanner ", Scope{SendOnly: true, Networks: []netip.Prefix{netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("::ffff:192.0.2.0/120")}})
	if p.Name != "scanner" || p.Networks[0].String() != "10.0.0.0/8" || p.Networks[1].String() != "192.0.2.0/24" || len(p.Protocols) != 1 || p.Binding != BindProgram {
		t.Errorf("made %+v", p)
	}
}

func TestNamesAndNumbers(t *testing.T) {
	h := open(t, t.TempDir())
	_, first := h.issue(t, "phone", Scope{})
	if _, _, err := h.Issue(t.Context(), admin, h.mary, "Phone", Scope{}); !errors.Is(err, store.ErrExists) {
		t.Errorf("the name again: %v", err)
	}
	if err := h.Revoke(t.Context(), admin, h.pete.ID, first.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revoked by somebody else: %v", err)
	}
	for range 2 { // twice is once
		if err := h.Revoke(t.Context(), admin, h.mary.ID, first.ID); err != nil {
			t.Fatal(err)
		}
	}
	for i := range MostOf {
		h.issue(t, fmt.Sprintf("phone %d", i), Scope{})
	}
	if _, _, err := h.Issue(t.Context(), admin, h.mary, "one more", Scope{}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
	if list, _ := h.List(t.Context(), h.mary.ID); len(list) != MostOf+1 || list[0].ID != first.ID || list[0].Revoked.IsZero() {
		t.Errorf("there are %d, the first %+v", len(list), list[0])
	}
	if list, _ := h.List(t.Context(), h.pete.ID); len(list) != 0 {
		t.Errorf("Pete has %+v", list)
	}
}

// A revocation tells those who close sessions, and the audit holds who did it
// and nothing of the secret.
func TestARevocationEndsItsSessions(t *testing.T) {
	h := open(t, t.TempDir())
	text, p := h.issue(t, "phone", Scope{})
	changes, stop := h.store.Subscribe()
	defer stop()
	if err := h.Revoke(store.WithReason(t.Context(), "lost"), admin, h.mary.ID, p.ID); err != nil {
		t.Fatal(err)
	}
	c := <-changes
	if c.Families&store.AppPasswords == 0 || len(c.Grants) != 1 || c.Grants[0] != "apppw:"+p.ID || len(c.People) != 1 || c.People[0] != h.mary.ID {
		t.Errorf("told was %+v", c)
	}
	rows, err := h.store.Audits(t.Context(), store.AuditFilter{Kind: "appPassword"})
	if err != nil || len(rows) != 2 || rows[0].Action != "revoke" || rows[0].Reason != "lost" || rows[0].Actor.Name != "root" {
		t.Fatalf("audited: %+v, %v", rows, err)
	}
	all, _ := json.Marshal(rows)
	bare := strings.ReplaceAll(text, "-", "")
	if strings.Contains(string(all), bare[len(mark)+idLen:]) || strings.Contains(strings.ToLower(string(all)), "print") {
		t.Errorf("the audit holds a secret: %s", all)
	}
}

// Another part of the program (a leaver being cut, a person deleted) changes the
// rows, and the service follows.
func TestTheServiceFollowsTheStore(t *testing.T) {
	h := open(t, t.TempDir())
	text, _ := h.issue(t, "phone", Scope{})
	h.issue(t, "tablet", Scope{})
	changes, stop := h.store.Subscribe()
	defer stop()
	var cut []store.AppPassword
	if err := h.store.Change(t.Context(), admin, "", func(tx *store.Tx) (err error) {
		cut, err = tx.RevokeAppPasswords(h.mary.ID)
		return err
	}); err != nil || len(cut) != 2 {
		t.Fatalf("cut %d, %v", len(cut), err)
	}
	if err := h.Apply(t.Context(), <-changes); err != nil {
		t.Fatal(err)
	}
	if got := h.show(t, knockAt("192.0.2.1", protocol.IMAP, swaks), h.mary, text); got != signin.AppPasswordRevoked {
		t.Errorf("after the cut: %s", got)
	}
	if err := h.store.Change(t.Context(), admin, "", func(tx *store.Tx) error { return tx.DeletePerson(h.mary.ID) }); err != nil {
		t.Fatal(err)
	}
	if err := h.Apply(t.Context(), <-changes); err != nil {
		t.Fatal(err)
	}
	if list, _ := h.List(t.Context(), ""); len(list) != 0 {
		t.Errorf("of a person who is gone there are %d", len(list))
	}
	if got := h.show(t, knockAt("192.0.2.1", protocol.IMAP, swaks), directory.Person{ID: h.mary.ID}, text); got != signin.AppPasswordUnknown {
		t.Errorf("after the deletion: %s", got)
	}
}

func TestRatesForgetByTheMinute(t *testing.T) {
	var r rates
	start := time.Unix(1_700_000_000, 0)
	for i, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Minute, true}, {2 * time.Minute, true}, {3 * time.Minute, false}, {59 * time.Minute, false}, {60 * time.Minute, true},
		{60 * time.Minute, false}, {62 * time.Minute, true}, {10 * time.Minute, true}, {63 * time.Minute, false}, {1000 * time.Hour, true}, {1000 * time.Hour, true}, {1000 * time.Hour, true}, {1000 * time.Hour, false}} {
		if got := r.take("a", 3, start.Add(c.after)); got != c.want {
			t.Errorf("%d: after %v: %v", i, c.after, got)
		}
	}
	if !r.take("b", 1, start) || r.take("b", 1, start) {
		t.Error("passwords share their counts")
	}
	r.forget(start.Add(2000 * time.Hour))
	if len(r.of) != 0 {
		t.Errorf("%d counts are kept", len(r.of))
	}
}

func TestTheDeadAreForgotten(t *testing.T) {
	h := open(t, t.TempDir())
	_, revoked := h.issue(t, "revoked", Scope{})
	_, expired := h.issue(t, "expired", Scope{Expires: time.Now().Add(time.Hour)})
	_, unused := h.issue(t, "unused", Scope{FirstUseBy: time.Now().Add(ProfileLife)})
	_, living := h.issue(t, "living", Scope{})
	if err := h.Revoke(t.Context(), admin, "", revoked.ID); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration][]string{ // in any order: a later one implies the earlier
		time.Hour: {revoked.ID, expired.ID, unused.ID, living.ID}, 2 * day: {revoked.ID, expired.ID, living.ID}, 200 * day: {living.ID}} {
		gone := h.forgettable(time.Now().Add(after))
		if len(gone)+len(want) != 4 {
			t.Errorf("after %v %d are forgotten", after, len(gone))
		}
	}
	if err := h.sweep(t.Context(), time.Now().Add(200*day)); err != nil {
		t.Fatal(err)
	}
	if list, _ := h.List(t.Context(), ""); len(list) != 1 || list[0].ID != living.ID {
		t.Errorf("left are %+v", list)
	}
}

// Two at once do not both take one name, nor the last place.
func TestParallelMakingKeepsToTheBounds(t *testing.T) {
	h := open(t, t.TempDir())
	for i := range MostOf - 1 {
		h.issue(t, fmt.Sprintf("phone %d", i), Scope{})
	}
	made := make(chan bool)
	for i := range 8 {
		go func() {
			_, _, err := h.Issue(t.Context(), admin, h.mary, fmt.Sprintf("tablet %d", i), Scope{})
			made <- err == nil
		}()
	}
	n := 0
	for range 8 {
		if <-made {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d were made in the last place", n)
	}
}
