package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/store"
)

func TestARegistrationOutlivesARestart(t *testing.T) {
	h := open(t, nil)
	m := program("Ltt.rs")
	m.URI, m.Logo, m.SoftwareID, m.SoftwareVersion = "https://LTT.rs/app", "https://elsewhere.example/logo.svg", "rs.ltt.android", "0.4"
	m.Redirects = append(m.Redirects, "rs.ltt.android:/oauth", "rs.ltt.android:/oauth")
	was := h.register(m)
	h.restart(nil)
	c := h.find(was.ID)
	if c.Name != "Ltt.rs" || c.URI != "ltt.rs" || c.Network != netip.MustParsePrefix("192.0.2.0/24") || c.SoftwareID != "rs.ltt.android" || len(c.Redirects) != 2 || !c.Public || !c.Consent ||
		c.Verified() || c.Imitates() || c.State != Unjudged || c.Kind != Registered || h.Admit(c) != nil || !c.Created.Equal(was.Created) {
		t.Errorf("came back as %+v", c)
	}
	said := c.Metadata()
	if said.AuthMethod != "none" || !slices.Equal(said.Grants, m.Grants) || !slices.Equal(said.Responses, []string{"code"}) || said.Logo != "" {
		t.Errorf("the answer is %+v", said)
	}
}

func TestHostileRegistrations(t *testing.T) {
	h := open(t, nil)
	many := make([]string, 200)
	for i := range many {
		many[i] = fmt.Sprintf("http://127.0.0.1/%d", i)
	}
	for _, c := range []struct {
		name, code string
		change     func(*Metadata)
	}{
		{"a name that turns the line", InvalidMetadata, func(m *Metadata) { m.Name = "Mail\u202egnirts" }},
		{"an isolate", InvalidMetadata, func(m *Metadata) { m.Name = "Mail\u2066x" }},
		{"a zero width joiner", InvalidMetadata, func(m *Metadata) { m.Name = "Thunder\u200dbird" }},
		{"a soft hyphen", InvalidMetadata, func(m *Metadata) { m.Name = "Thunder\u00adbird" }},
		{"a filler that is a letter", InvalidMetadata, func(m *Metadata) { m.Name = "Thunder\u3164bird" }},
		{"a grapheme joiner", InvalidMetadata, func(m *Metadata) { m.Name = "Thunder\u034fbird" }},
		{"a variation selector", InvalidMetadata, func(m *Metadata) { m.Name = "Thunder\ufe0fbird" }},
		{"a tag", InvalidMetadata, func(m *Metadata) { m.Name = "Thunderbird\U000e0041" }},
		{"a new line", InvalidMetadata, func(m *Metadata) { m.Name = "Mail\r\nSet-Cookie: a=b" }},
		{"a line separator", InvalidMetadata, func(m *Metadata) { m.Name = "Mail\u2028x" }},
		{"an escape", InvalidMetadata, func(m *Metadata) { m.Name = "\x1b[2Jmail" }},
		{"a byte that is no text", InvalidMetadata, func(m *Metadata) { m.Name = "mail\xff" }},
		{"HTML", InvalidMetadata, func(m *Metadata) { m.Name = "<script>alert(1)</script>" }},
		{"an image", InvalidMetadata, func(m *Metadata) { m.Name = "<img src=x onerror=y>" }},
		{"a long name", InvalidMetadata, func(m *Metadata) { m.Name = strings.Repeat("m", 65) }},
		{"a very long name", InvalidMetadata, func(m *Metadata) { m.Name = strings.Repeat("m", 1<<20) }},
		{"marks upon marks", InvalidMetadata, func(m *Metadata) { m.Name = "m" + strings.Repeat("\u0336", 20) }},
		{"nothing to read", InvalidMetadata, func(m *Metadata) { m.Name = "…!" }},
		{"a no-break space", InvalidMetadata, func(m *Metadata) { m.Name = "Mail\u00a0program" }},
		{"a private character", InvalidMetadata, func(m *Metadata) { m.Name = "Mail \ue000" }},
		{"a version with a line", InvalidMetadata, func(m *Metadata) { m.SoftwareVersion = "1\n2" }},
		{"an id of software with markup", InvalidMetadata, func(m *Metadata) { m.SoftwareID = "<b>" }},
		{"javascript", InvalidRedirect, func(m *Metadata) { m.Redirects = []string{"javascript:alert(document.cookie)"} }},
		{"data", InvalidRedirect, func(m *Metadata) { m.Redirects = []string{"data:text/html,<script>"} }},
		{"file", InvalidRedirect, func(m *Metadata) { m.Redirects = []string{"file:///etc/passwd"} }},
		{"one good, one bad", InvalidRedirect, func(m *Metadata) { m.Redirects = append(m.Redirects, "http://evil.example/") }},
		{"somebody's web server", InvalidRedirect, func(m *Metadata) { m.Redirects = []string{"https://evil.example/collect"} }},
		{"200 redirects", InvalidRedirect, func(m *Metadata) { m.Redirects = many }},
		{"ten long redirects", InvalidRedirect, func(m *Metadata) {
			m.Redirects = nil
			for i := range 10 {
				m.Redirects = append(m.Redirects, fmt.Sprintf("http://127.0.0.1/%d%s", i, strings.Repeat("x", 400)))
			}
		}},
		{"no redirect", InvalidRedirect, func(m *Metadata) { m.Redirects = nil }},
		{"out of band", InvalidRedirect, func(m *Metadata) { m.Redirects = []string{"urn:ietf:wg:oauth:2.0:oob"} }},
		{"a long redirect", InvalidRedirect, func(m *Metadata) { m.Redirects = []string{"http://127.0.0.1/" + strings.Repeat("x", 1<<20)} }},
		{"a sign-out elsewhere", InvalidRedirect, func(m *Metadata) { m.PostLogout = []string{"https://evil.example/"} }},
		{"a secret", InvalidMetadata, func(m *Metadata) { m.AuthMethod = "client_secret_basic" }},
		{"a web application", InvalidMetadata, func(m *Metadata) { m.ApplicationType = "web" }},
		{"the password grant", InvalidMetadata, func(m *Metadata) { m.Grants = append(m.Grants, "password") }},
		{"client credentials", InvalidMetadata, func(m *Metadata) { m.Grants = []string{GrantCredentials} }},
		{"nothing to begin with", InvalidMetadata, func(m *Metadata) { m.Grants = []string{GrantRefresh} }},
		{"implicit", InvalidMetadata, func(m *Metadata) { m.Responses = []string{"token"} }},
		{"hybrid", InvalidMetadata, func(m *Metadata) { m.Responses = []string{"code id_token"} }},
		{"unsigned tokens", InvalidMetadata, func(m *Metadata) { m.IDTokenAlg = "none" }},
		{"tokens signed with a secret", InvalidMetadata, func(m *Metadata) { m.IDTokenAlg = "HS256" }},
		{"a logo that is a script", InvalidMetadata, func(m *Metadata) { m.Logo = "javascript:alert(1)" }},
		{"a logo with a user", InvalidMetadata, func(m *Metadata) { m.Logo = "https://bank.example@evil.example/l.png" }},
		{"a page of no host", InvalidMetadata, func(m *Metadata) { m.URI = "https:///x" }},
		{"a page at a number", InvalidMetadata, func(m *Metadata) { m.Terms = "https://0x7f.1/" }},
		{"a long page", InvalidMetadata, func(m *Metadata) { m.Policy = "https://a.example/" + strings.Repeat("x", 1<<20) }},
	} {
		m := program("Some mail")
		c.change(&m)
		_, err := h.Register(t.Context(), home, m)
		var refused *RegistrationError
		if !errors.As(err, &refused) || refused.Code != c.code {
			t.Errorf("%s: %v instead of %s", c.name, err, c.code)
			continue
		}
		// RFC 6749, section 5.2: an error_description has neither quotes nor backslashes.
		if strings.ContainsFunc(refused.Description, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) || len(refused.Description) > 300 {
			t.Errorf("%s: described as %q", c.name, refused.Description)
		}
	}
	if n := h.count(Registered); n != 0 {
		t.Errorf("%d registered", n)
	}
}

func TestNamesThatAreTaken(t *testing.T) {
	h := open(t, nil)
	if _, _, err := h.Add(t.Context(), anna, "", New{Name: "Schröder Webmail", Redirects: []string{"https://mail.example.org/cb"}}); err != nil {
		t.Fatal(err)
	}
	for name, imitates := range map[string]bool{
		"Thunderbird": true, "THUNDERBIRD": true, "Тhundеrbіrd": true, "Thunderb1rd": true, "Thunder bird!": true, "Ｔｈｕｎｄｅｒｂｉｒｄ": true, "Thúnderbird": true,
		"Thunderbird (official)": true, "Mail program": true, "Portreeve sign-in": true, "door.example.org": true, "Schroder Web-Mail": true, "FairEmai1": true, "Faire Mail": true,
		"Ltt.rs": false, "Mailtemi": false, "Почта": false, "邮件": false, "aerc": false,
	} {
		h.PerNetwork = 1000
		c := h.register(program(name))
		if c.Imitates() != imitates || c.Verified() {
			t.Errorf("%q imitates: %v", name, c.Imitates())
		}
		if imitates {
			allowed, err := h.Allow(t.Context(), anna, "", c.ID)
			if err != nil || allowed.Imitates() || !allowed.Verified() {
				t.Errorf("%q allowed: %+v, %v", name, allowed, err)
			}
			if _, _, err := h.Remove(t.Context(), anna, "", c.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"thunderbird", "SCHRÖDER webmail"} {
		var fault *Fault
		if _, _, err := h.Add(t.Context(), anna, "", New{Name: name, Redirects: []string{"https://mail.example.org/cb"}}); !errors.As(err, &fault) || fault.Member != "name" {
			t.Errorf("a second %q: %v", name, err)
		}
	}
}

func TestFloodsOfRegistrations(t *testing.T) {
	h := open(t, func(o *Options) { o.PerNetwork = 5 })
	var flood atomic.Int32
	refused := func(from string) bool {
		_, err := h.Register(t.Context(), netip.MustParseAddr(from), program(fmt.Sprintf("Flood %d", flood.Add(1))))
		var r *RegistrationError
		if err != nil && (!errors.As(err, &r) || r.Code != Unavailable) {
			t.Fatal(err)
		}
		return err != nil
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	let := 0
	for i := range 50 {
		wg.Go(func() {
			if !refused(fmt.Sprintf("192.0.2.%d", i+1)) {
				mu.Lock()
				let++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if let != 5 {
		t.Errorf("%d of 50 at once were let through", let)
	}
	if refused("192.0.3.1") || refused("2001:db8::1") {
		t.Error("other networks pay for it")
	}
	for i := range 4 {
		if refused(fmt.Sprintf("2001:db8:0:%d::1", i)) {
			t.Error("refused too early")
		}
	}
	if !refused("2001:db8:0:ffff::1") {
		t.Error("a /48 is more than one network")
	}
	for i := range perProvider*5 - 4 { // a provider's customer has more networks than one
		if refused(fmt.Sprintf("2001:db9:%x::1", i)) {
			t.Errorf("network %d was refused too early", i)
			break
		}
	}
	for i := range 4 {
		_ = refused(fmt.Sprintf("2001:db9:ff%x::1", i))
	}
	if !refused("2001:db9:ffff::1") || refused("2001:dba::1") {
		t.Error("a provider's network is without bound, or bounds others'")
	}
	h.restart(func(o *Options) { o.PerNetwork = 5 })
	if !refused("192.0.2.9") || refused("192.0.3.1") {
		t.Error("a restart forgot who came")
	}
}

// Who uses up what a network may register keeps nobody behind the same address from
// the program that others use, nor an administrator from adding one.
func TestAFloodSilencesNoNeighboursProgram(t *testing.T) {
	h := open(t, func(o *Options) { o.PerNetwork = 5 })
	office := netip.MustParseAddr("192.0.2.7")
	ask := func(m Metadata) (Client, error) { return h.Register(t.Context(), office, m) }
	first, err := h.Register(t.Context(), netip.MustParseAddr("198.51.100.1"), program("Mail on the Go"))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Used(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		if _, err := ask(program(fmt.Sprintf("Flood %d", n))); (err == nil) != (n < 5) {
			t.Fatalf("registration %d: %v", n, err)
		}
	}
	for range 500 {
		c, err := ask(program("Mail on the Go"))
		if err != nil || c.ID != first.ID {
			t.Fatalf("a neighbour's program: %q, %v", c.ID, err)
		}
	}
	if n := h.count(Registered); n != 6 {
		t.Errorf("%d are kept", n)
	}
	if _, _, err := h.Add(t.Context(), anna, "", New{Name: "The office's own", Redirects: []string{"https://mail.example.org/cb"}}); err != nil {
		t.Errorf("an administrator: %v", err)
	}
}

// An instance is what says the same to the letter, for as long as its registration
// stays; what an administrator judged is nobody else's.
func TestInstancesOfOneProgramAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(o *Options) { o.PerNetwork = 100 })
		m := program("Go")
		first := h.register(m)
		if c := h.register(m); c.ID != first.ID {
			t.Error("the same twice are two")
		}
		for what, change := range map[string]func(*Metadata){
			"name": func(m *Metadata) { m.Name = "go" }, "address": func(m *Metadata) { m.Redirects = []string{"http://127.0.0.1/other"} },
			"software": func(m *Metadata) { m.SoftwareVersion = "2" }, "grants": func(m *Metadata) { m.Grants = []string{GrantCode} },
			"algorithm": func(m *Metadata) { m.IDTokenAlg = "ES256" }, "site": func(m *Metadata) { m.URI = "https://example.org" },
			"sign-out": func(m *Metadata) { m.PostLogout = []string{"http://127.0.0.1/out"} },
		} {
			other := m
			change(&other)
			if c := h.register(other); c.ID == first.ID {
				t.Errorf("another %s is the same", what)
			}
		}
		time.Sleep(unusedAtLeast / 2)
		second := h.register(m)
		if second.ID == first.ID {
			t.Error("who comes late is given what may be forgotten before they sign in")
		}
		time.Sleep(time.Minute)
		if err := h.Used(t.Context(), second.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * 24 * time.Hour)
		if c := h.register(m); c.ID != second.ID {
			t.Error("one in use is not found again")
		}
		if _, err := h.Allow(t.Context(), anna, "", second.ID); err != nil {
			t.Fatal(err)
		}
		third := h.register(m)
		if third.ID == second.ID || third.Verified() {
			t.Error("what an administrator allowed is handed to strangers")
		}
		if _, _, err := h.Forbid(t.Context(), anna, "", third.ID); err != nil {
			t.Fatal(err)
		}
		if c := h.register(m); c.ID == third.ID {
			t.Error("what was forbidden is handed out")
		}
	})
}

// With no room left, what nobody used for an hour goes, and only that.
func TestThereIsRoomForTheNext(t *testing.T) {
	h := open(t, func(o *Options) { o.PerNetwork = 100 })
	first := h.register(program("Used"))
	if err := h.Used(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	fill := func(age time.Duration) {
		h.mu.Lock()
		for i := range maxUnused {
			id := fmt.Sprintf("reg-%d", i)
			h.table[id] = &entry{Client: Client{ID: id, Kind: Registered, State: Unjudged, Created: time.Now().Add(-age)}}
		}
		h.mu.Unlock()
	}
	fill(0)
	var r *RegistrationError
	if _, err := h.Register(t.Context(), home, program("One more")); !errors.As(err, &r) || r.Code != Unavailable {
		t.Errorf("one more: %v", err)
	}
	fill(2 * time.Hour)
	h.register(program("One more"))
	if n := h.count(Registered); n != 2 {
		t.Errorf("%d are left", n)
	}
	h.find(first.ID)
}

func TestUnusedRegistrationsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil)
		ctx, stop := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { _ = h.Run(ctx) })
		defer done.Wait()
		defer stop()
		unused, used, allowed := h.register(program("Unused")), h.register(program("Used")), h.register(program("Allowed"))
		if _, err := h.Allow(t.Context(), anna, "", allowed.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24*time.Hour - time.Second)
		h.find(unused.ID)
		if err := h.Used(t.Context(), used.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, there := h.Find(unused.ID); there {
			t.Error("nobody used it for a day, and it is there")
		}
		time.Sleep(tidyEvery)
		synctest.Wait()
		if rows, err := h.Store.Clients(t.Context()); err != nil || len(rows) != 2 {
			t.Errorf("%d rows, %v", len(rows), err)
		}
		if err := h.Used(t.Context(), unused.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("used once forgotten: %v", err)
		}
		time.Sleep(200 * 24 * time.Hour)
		if err := h.Used(t.Context(), used.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(364 * 24 * time.Hour)
		h.find(used.ID)
		if _, there := h.Find(allowed.ID); there {
			t.Error("nobody used it for a year, and it is there")
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if rows, err := h.Store.Clients(t.Context()); err != nil || len(rows) != 0 {
			t.Errorf("%d rows, %v", len(rows), err)
		}
	})
}

// Whatever a stranger says of a program, what is kept of it can be shown and answered.
func FuzzMetadata(f *testing.F) {
	f.Add(`{"client_name":"Mail","redirect_uris":["http://127.0.0.1/"],"client_uri":"https://a.example/","grant_types":["authorization_code"]}`)
	f.Add(`{"client_name":"\u202e<b>","redirect_uris":["javascript:x","com.example:/"],"software_id":"x","logo_uri":"https://a"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var m Metadata
		if json.Unmarshal([]byte(text), &m) != nil {
			return
		}
		c, err := m.client()
		if err != nil {
			if r := new(RegistrationError); !errors.As(err, &r) || r.Code == "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for _, shown := range []string{c.Name, c.SoftwareID, c.SoftwareVersion, c.URI} {
			if again, fault := readName(shown); shown != "" && shown != c.URI && (fault != "" || again != shown) || utf8.RuneCountInString(shown) > 253 {
				t.Errorf("%q would be shown: %s", shown, fault)
			}
		}
		for _, r := range append(c.Redirects, c.PostLogout...) {
			if a, fault := parseAddress(r); fault != "" || a.sort == web {
				t.Errorf("%q would be answered: %s", r, fault)
			}
		}
		if !c.Public || !c.Consent || c.Verified() || c.HasGrant(GrantCredentials) || c.Account != "" {
			t.Errorf("a stranger made %+v", c)
		}
	})
}
