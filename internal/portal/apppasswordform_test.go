package portal

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

func TestAnAppPasswordIsLimitedByItsForm(t *testing.T) {
	w := newWorld(t)
	w.Portal.Countries = true
	b, _ := furnished(t, w)
	b.get("/apppasswords")
	if strings.Contains(b.page.body, "<details open>") {
		t.Error("the limits are not folded away")
	}
	b.submit("/apppasswords/new", "name", "scanner", "networks", "198.51.100.7/24, 2001:db8::1;203.0.113.9", "countries", "de at", "senders", "Scanner@Example.ORG @example.com").
		contains(t, "App password for scanner")
	secret := between(b.page.body, `<span class="secret">`, `</span>`)
	b.get("/apppasswords").contains(t, "only from 198.51.100.0/24, 2001:db8::1/128, 203.0.113.9/32", "only from DE, AT", "sends only as scanner@example.org, @example.com")
	list, err := w.passwords.List(t.Context(), leela)
	must(t, err)
	s := list[0].Scope
	if want := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::1/128"), netip.MustParsePrefix("203.0.113.9/32")}; !slices.Equal(s.Networks, want) {
		t.Errorf("networks %v", s.Networks)
	}
	if !slices.Equal(s.Countries, []string{"DE", "AT"}) || !slices.Equal(s.Senders, []string{"scanner@example.org", "@example.com"}) || len(s.Protocols) != 2 {
		t.Errorf("made with %+v", s)
	}
	out := w.gate.SignIn(t.Context(), signin.Attempt{At: time.Now(), Protocol: protocol.IMAP, Listener: "imap", Client: clientAt("192.0.2.50")},
		signin.NewCredential(policy.CredentialPassword, "PLAIN", "leela@example.org", "", []byte(secret)))
	if out.Code != signin.AppPasswordNetwork {
		t.Errorf("from another network: %s", out.Code)
	}
}

// Whatever cannot be read is refused in the words of its field, and all that was
// typed is there still: nothing is made that is limited less than its maker thinks.
func TestWhatLimitsNothingIsRefused(t *testing.T) {
	w := newWorld(t)
	w.Portal.Countries = true
	b, _ := furnished(t, w)
	many := strings.Repeat("192.0.2.1 ", 65)
	for _, c := range []struct{ field, value, label string }{
		{"networks", "my office", "Only from these networks"},
		{"networks", "192.0.2.0/33", "Only from these networks"},
		{"networks", "fe80::1%eth0", "Only from these networks"},
		{"networks", many, "Only from these networks"},
		{"countries", "Germany", "Only from these countries"},
		{"countries", "D1", "Only from these countries"},
		{"senders", "nobody", "Send only with these addresses"},
		{"senders", `"><script>alert(1)</script>@example.org`, "Send only with these addresses"},
		{"expires", "2020-01-01", "Good until"},
		{"expires", "tomorrow", "Good until"},
		{"expires", "9999-01-01", "Good until"},
		{"name", "", "Say what it is for"},
		{"protocol", "telnet", "What may it do?"},
	} {
		b.get("/apppasswords")
		f := b.form("/apppasswords/new", "name", "a scanner")
		f.fields.Set(c.field, c.value)
		a := b.send("POST", f.action, f.fields, nil)
		if a.status != http.StatusConflict || !strings.Contains(between(a.body, `<p id="fault">`, `</p>`), c.label) {
			t.Errorf("%s %q: %d %s", c.field, c.value, a.status, between(a.body, `<p id="fault">`, `</p>`))
		}
		if bad := markup(t, a.body); len(bad) > 0 {
			t.Errorf("%s %q is markup: %v", c.field, c.value, bad)
		}
		if c.field == "protocol" {
			continue
		}
		if got := b.form("/apppasswords/new").fields.Get(c.field); got != strings.TrimSpace(c.value) {
			t.Errorf("%s: %q was typed, and %q is there", c.field, c.value, got)
		}
		if c.field != "name" && b.form("/apppasswords/new").fields.Get("name") != "a scanner" {
			t.Errorf("%s: the name is gone", c.field)
		}
		if folded := c.field == "networks" || c.field == "countries" || c.field == "senders"; folded != strings.Contains(a.body, "<details open>") {
			t.Errorf("%s: folded away, or not", c.field)
		}
	}
	b.get("/apppasswords")
	f := b.form("/apppasswords/new", "name", "for nothing")
	f.fields["protocol"] = nil
	b.send("POST", f.action, f.fields, nil).contains(t, "choose at least one")
	list, err := w.passwords.List(t.Context(), leela)
	must(t, err)
	if len(list) != 0 {
		t.Errorf("%d were made", len(list))
	}
}

// Where nobody knows which country an address is in, none is asked for: it
// would be a password that opens nothing.
func TestCountriesAreAskedForOnlyWhereTheyAreKnown(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	for _, known := range []bool{false, true} {
		w.Portal.Countries = known
		b.get("/apppasswords")
		if has := b.form("/apppasswords/new").fields.Has("countries"); has != known {
			t.Errorf("known: %v, asked for: %v", known, has)
		}
	}
}
