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
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

var (
	home = netip.MustParseAddr("192.0.2.7")
	anna = store.Actor{UID: 1000, Name: "anna"}
)

// house is a registry over a store of its own.
type house struct {
	*Registry
	t   *testing.T
	dir string
	box *secret.Box
}

func open(t *testing.T, change func(*Options)) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), box: secret.NewBox()}
	h.start(change)
	t.Cleanup(func() { _ = h.Store.Close() })
	return h
}

func (h *house) start(change func(*Options)) {
	h.t.Helper()
	s, err := store.Open(h.t.Context(), store.Options{Dir: h.dir})
	if err != nil {
		h.t.Fatal(err)
	}
	o := Options{Store: s, Box: h.box, Issuer: "https://door.example.org", Registration: AnyProgram}
	if change != nil {
		change(&o)
	}
	if h.Registry, err = Open(h.t.Context(), o); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) restart(change func(*Options)) {
	h.t.Helper()
	if err := h.Store.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.start(change)
}

func program(name string) Metadata {
	return Metadata{Name: name, Redirects: []string{"http://127.0.0.1/"}, AuthMethod: "none", Grants: []string{GrantCode, GrantRefresh}, Responses: []string{"code"}}
}

func (h *house) register(m Metadata) Client {
	h.t.Helper()
	c, err := h.Register(h.t.Context(), home, m)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *house) find(id string) Client {
	h.t.Helper()
	c, ok := h.Find(id)
	if !ok {
		h.t.Fatalf("there is no %s", id)
	}
	return c
}

// grant keeps a live grant of a client.
func (h *house) grant(id, client string, scopes ...string) {
	h.t.Helper()
	mary := store.Person{Address: "mary@example.org", Origin: "local", SecretKind: store.SecretBackend}
	err := h.Store.Change(h.t.Context(), store.System, "", func(tx *store.Tx) error { return tx.AddPerson(&mary) })
	if errors.Is(err, store.ErrExists) {
		mary, err = h.Store.Person(h.t.Context(), mary.Address)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	g := store.Grant{ID: id, Person: mary.ID, Client: client, Facts: fmt.Appendf(nil, `{"scope":%q}`, strings.Join(scopes, " ")), Seed: []byte{1}, Created: time.Now(), Live: time.Now()}
	if err := h.Store.Write(h.t.Context(), func(tx *store.Tx) error { return tx.AddGrant(&g) }); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) ended(id string) bool {
	h.t.Helper()
	g, err := h.Store.Grant(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return !g.Ended.IsZero()
}

func TestBuiltinClientsAreThere(t *testing.T) {
	h := open(t, func(o *Options) { o.Registration = NoneRegister })
	for _, id := range []string{Mail, Token, Thunderbird, FairEmail} {
		c := h.find(id)
		if !c.Verified() || !c.Public || !c.Consent || h.May(c) != nil || h.Authenticate(id, "") {
			t.Errorf("%s: %+v", id, c)
		}
		for _, r := range c.Redirects {
			if _, fault := parseAddress(r); fault != "" {
				t.Errorf("%s is answered at %s: %s", id, r, fault)
			}
		}
	}
	if c := h.find(Token); !c.May(GrantDevice) || c.May(GrantCredentials) {
		t.Errorf("portreeve token: %v", c.Grants)
	}
	if _, ok := h.Find("nobody"); ok {
		t.Error("there is a client nobody")
	}
	if h.May(Client{}) == nil {
		t.Error("no client at all may ask")
	}
}

func TestARegistrationOutlivesARestart(t *testing.T) {
	h := open(t, nil)
	m := program("Ltt.rs")
	m.URI, m.Logo, m.SoftwareID, m.SoftwareVersion = "https://LTT.rs/app", "https://elsewhere.example/logo.svg", "rs.ltt.android", "0.4"
	m.Redirects = append(m.Redirects, "rs.ltt.android:/oauth", "rs.ltt.android:/oauth")
	was := h.register(m)
	h.restart(nil)
	c := h.find(was.ID)
	if c.Name != "Ltt.rs" || c.URI != "ltt.rs" || c.Network != netip.MustParsePrefix("192.0.2.0/24") || c.SoftwareID != "rs.ltt.android" || len(c.Redirects) != 2 || !c.Public || !c.Consent ||
		c.Verified() || c.Imitates() || c.State != Unjudged || c.Kind != Registered || h.May(c) != nil || !c.Created.Equal(was.Created) {
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
	refused := func(from string) bool {
		_, err := h.Register(t.Context(), netip.MustParseAddr(from), program("Flood"))
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

func TestUseIsWrittenDownHourly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil)
		if err := h.Used(t.Context(), Mail); err != nil {
			t.Fatal(err)
		}
		first := h.find(Mail).Used
		time.Sleep(59 * time.Minute)
		_ = h.Used(t.Context(), Mail)
		if got := h.find(Mail).Used; !got.Equal(first) || first.IsZero() {
			t.Errorf("used %v, then %v", first, got)
		}
		time.Sleep(time.Minute)
		_ = h.Used(t.Context(), Mail)
		if got := h.find(Mail).Used; got.Equal(first) {
			t.Error("a use was not written down")
		}
		h.restart(nil)
		if c := h.find(Mail); c.Used.IsZero() || c.Name != "Mail program" || len(c.Redirects) == 0 || h.May(c) != nil {
			t.Errorf("after a restart: %+v", c)
		}
		_ = h.Store.Close()
	})
}

func TestWhoMayBringPrograms(t *testing.T) {
	h := open(t, nil)
	stranger := h.register(program("Stranger"))
	forbidden := func(id string) bool {
		t.Helper()
		err := h.May(h.find(id))
		var r *signin.Refusal
		if err != nil && (!errors.As(err, &r) || r.Code != signin.ClientForbidden) {
			t.Fatal(err)
		}
		return err != nil
	}
	for setting, want := range map[Registration]struct{ registers, may bool }{AnyProgram: {true, true}, VerifiedOnly: {true, false}, NoneRegister: {false, false}, "": {false, false}} {
		h.Registration = setting
		_, err := h.Register(t.Context(), home, program("Another"))
		var r *RegistrationError
		if (err == nil) != want.registers || err != nil && (!errors.As(err, &r) || r.Code != Denied) {
			t.Errorf("%q: %v", setting, err)
		}
		if forbidden(stranger.ID) == want.may || forbidden(Mail) {
			t.Errorf("%q: the stranger is forbidden: %v", setting, forbidden(stranger.ID))
		}
	}
	if _, err := h.Allow(t.Context(), anna, "asked for", stranger.ID); err != nil || forbidden(stranger.ID) {
		t.Errorf("allowed: %v", err)
	}
	h.grant("of the stranger", stranger.ID)
	h.grant("of a program", Mail)
	h.grant("of another", Thunderbird)
	for _, id := range []string{stranger.ID, Mail} {
		if _, _, err := h.Forbid(t.Context(), anna, "", id); err != nil || !forbidden(id) {
			t.Errorf("%s forbidden: %v", id, err)
		}
	}
	if c := h.find(Mail); c.Verified() {
		t.Error("what is forbidden is verified")
	}
	if !h.ended("of the stranger") || !h.ended("of a program") || h.ended("of another") {
		t.Error("the wrong grants were ended")
	}
	h.restart(nil)
	if !forbidden(stranger.ID) || !forbidden(Mail) || forbidden(Thunderbird) {
		t.Error("a restart forgot what was forbidden")
	}
	if _, err := h.Allow(t.Context(), anna, "", Mail); err != nil || forbidden(Mail) {
		t.Errorf("allowed again: %v", err)
	}
}

// What a change does not come to the end of is not done at all.
func TestForbiddingIsOneTransaction(t *testing.T) {
	h := open(t, nil)
	c := h.register(program("Stays"))
	h.grant("its grant", c.ID)
	away := errors.New("away")
	_, err := h.judge(t.Context(), anna, "", c.ID, "forbid", func(tx *store.Tx, c *Client) error {
		c.State = Forbidden
		_, err := endGrants(tx, c.ID, "", func(*store.Grant) bool { return true })
		return errors.Join(err, away)
	})
	if !errors.Is(err, away) || h.ended("its grant") || h.May(h.find(c.ID)) != nil {
		t.Errorf("half of it was done: %v", err)
	}
}

func TestAdministratorsJudgeClients(t *testing.T) {
	h := open(t, nil)
	limit, _ := scope.Parse("imap offline_access")
	c := h.register(program("Mailtemi"))
	if got, _, err := h.Restrict(t.Context(), anna, "", c.ID, limit); err != nil || got.Limit != limit {
		t.Errorf("limited: %+v, %v", got, err)
	}
	if got, err := h.Rename(t.Context(), anna, "", c.ID, " Mailtemi for iOS "); err != nil || got.Name != "Mailtemi for iOS" {
		t.Errorf("renamed: %+v, %v", got, err)
	}
	if _, _, err := h.Restrict(t.Context(), anna, "", Thunderbird, limit); err != nil {
		t.Error(err)
	}
	h.restart(nil)
	if got := h.find(c.ID); got.Limit != limit || got.Name != "Mailtemi for iOS" {
		t.Errorf("came back as %+v", got)
	}
	if got := h.find(Thunderbird); got.Limit != limit || len(got.Redirects) != len(onThisHost) {
		t.Errorf("came back as %+v", got)
	}
	var fault *Fault
	if _, err := h.Rename(t.Context(), anna, "", Mail, "Other"); !errors.As(err, &fault) {
		t.Errorf("renamed what is built in: %v", err)
	}
	if _, err := h.Rename(t.Context(), anna, "", c.ID, "<b>"); !errors.As(err, &fault) {
		t.Errorf("renamed to markup: %v", err)
	}
	if _, _, err := h.Remove(t.Context(), anna, "", Mail); !errors.As(err, &fault) {
		t.Errorf("removed what is built in: %v", err)
	}
	for _, err := range []error{failed(h.Forbid(t.Context(), anna, "", "x")), failed(h.Remove(t.Context(), anna, "", "x")), failed(h.Restrict(t.Context(), anna, "", "x", limit))} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of one that is not there: %v", err)
		}
	}
	h.grant("its grant", c.ID)
	if _, _, err := h.Remove(t.Context(), anna, "", c.ID); err != nil {
		t.Fatal(err)
	}
	if _, there := h.Find(c.ID); there || !h.ended("its grant") {
		t.Error("it is there, or has its grants")
	}
	rows, err := h.Store.Audits(t.Context(), store.AuditFilter{Kind: "client"})
	var actions []string
	for _, r := range rows {
		actions = append(actions, r.Action)
		if r.Actor != anna {
			t.Errorf("audited as %v's", r.Actor)
		}
	}
	if err != nil || !slices.Equal(actions, []string{"delete", "limit", "rename", "limit"}) {
		t.Errorf("audited %v, %v", actions, err)
	}
}

// What a program holds beyond its limit ends with the limit's beginning.
func TestALimitEndsWhatGoesBeyondIt(t *testing.T) {
	h := open(t, nil)
	h.grant("as much", Mail, "imap")
	h.grant("more", Mail, "imap smtp")
	h.grant("for longer", Mail, "imap offline_access")
	h.grant("in other words", Mail, "https://outlook.office.com/IMAP.AccessAsUser.All")
	h.grant("of another program", Token, "mail")
	limit, _ := scope.Parse("imap")
	if _, n, err := h.Restrict(t.Context(), anna, "", Mail, limit); err != nil || n != 2 {
		t.Errorf("%d ended, %v", n, err)
	}
	for id, ended := range map[string]bool{"as much": false, "more": true, "for longer": true, "in other words": false, "of another program": false} {
		if h.ended(id) != ended {
			t.Errorf("the grant of %s ended: %v", id, !ended)
		}
	}
	if _, n, err := h.Restrict(t.Context(), anna, "", Mail, scope.Set{}); err != nil || n != 0 || h.ended("as much") {
		t.Errorf("lifting the limit ended %d, %v", n, err)
	}
}

func failed(_ Client, _ int, err error) error { return err }

func TestSecretsOfConfidentialClients(t *testing.T) {
	h := open(t, nil)
	c, shown, err := h.Add(t.Context(), anna, "", New{Name: "Webmail", Redirects: []string{"https://mail.example.org/cb"}, PostLogout: []string{"https://mail.example.org/"},
		BackChannelLogout: "https://mail.example.org/bye", Confidential: true, Account: "person-1", IDTokenAlg: "RS256"})
	if err != nil || !strings.HasPrefix(shown, secretMark) || c.Public || c.Consent || !c.Verified() || !slices.Equal(c.Grants, []string{GrantCode, GrantRefresh, GrantCredentials}) {
		t.Fatalf("%+v, %v", c, err)
	}
	if !c.LogoutRedirect("https://mail.example.org/") || c.LogoutRedirect("https://mail.example.org/cb") {
		t.Error("signs out to where it must not")
	}
	other, otherShown, err := h.Add(t.Context(), anna, "", New{Name: "Other", Redirects: []string{"https://x.example/"}, Confidential: true})
	if err != nil {
		t.Fatal(err)
	}
	public, none, err := h.Add(t.Context(), anna, "", New{Name: "Public", Redirects: []string{"http://127.0.0.1/"}})
	if err != nil || none != "" || !public.Public {
		t.Fatalf("%+v, %q, %v", public, none, err)
	}
	check := func() {
		t.Helper()
		if !h.Authenticate(c.ID, shown) || !h.Authenticate(other.ID, otherShown) {
			t.Error("a right secret is wrong")
		}
		for _, wrong := range [][2]string{{c.ID, otherShown}, {other.ID, shown}, {c.ID, ""}, {c.ID, shown + "x"}, {c.ID, strings.ToUpper(shown)}, {"nobody", shown}, {"", ""}, {public.ID, ""}, {public.ID, shown},
			{Mail, ""}, {c.ID, strings.Repeat("x", 1<<20)}} {
			if h.Authenticate(wrong[0], wrong[1]) {
				t.Errorf("%.20q proves to be %s", wrong[1], wrong[0])
			}
		}
	}
	check()
	h.restart(nil)
	check()
	if _, _, err := h.Remove(t.Context(), anna, "", c.ID); err != nil || h.Authenticate(c.ID, shown) {
		t.Errorf("a removed one's secret is right: %v", err)
	}
	rows, err := h.Store.Audits(t.Context(), store.AuditFilter{})
	for _, r := range rows {
		if strings.Contains(string(r.After)+string(r.Before), shown) {
			t.Error("the secret is in the audit")
		}
	}
	if err != nil || len(rows) != 4 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestClientsThatCannotBeMade(t *testing.T) {
	h := open(t, nil)
	web := []string{"https://a.example/cb"}
	for member, n := range map[string]New{
		"name":                {Name: "a\nb", Redirects: web},
		"redirects":           {Name: "None"},
		"postLogoutRedirects": {Name: "Out", Redirects: web, PostLogout: []string{"http://a.example/"}},
		"backChannelLogout":   {Name: "Back", Redirects: web, BackChannelLogout: "com.example:/x"},
		"serviceAccount":      {Name: "Service", Account: "person-1"},
		"idTokenAlg":          {Name: "Alg", Redirects: web, IDTokenAlg: "none"},
	} {
		_, shown, err := h.Add(t.Context(), anna, "", n)
		var fault *Fault
		if !errors.As(err, &fault) || fault.Member != member || shown != "" {
			t.Errorf("%s: %v", member, err)
		}
	}
	var fault *Fault
	if _, _, err := h.Add(t.Context(), anna, "", New{Name: "Bad", Redirects: []string{"javascript:x"}}); !errors.As(err, &fault) || fault.Member != "redirects" {
		t.Error(err)
	}
}

// What another way into the store changes reaches the table by Apply.
func TestChangesOfTheStoreAreTaken(t *testing.T) {
	h := open(t, nil)
	c := h.register(program("Elsewhere"))
	changes, stop := h.Store.Subscribe()
	defer stop()
	c.State = Forbidden
	if err := h.Store.Change(t.Context(), anna, "", func(tx *store.Tx) error { return tx.JudgeClient("forbid", c.row()) }); err != nil {
		t.Fatal(err)
	}
	if err := h.Apply(t.Context(), <-changes); err != nil || h.May(h.find(c.ID)) == nil {
		t.Errorf("the change was not taken: %v", err)
	}
}

func TestListIsInOrder(t *testing.T) {
	h := open(t, nil)
	h.register(program("Bb"))
	h.register(program("Aa"))
	if _, _, err := h.Add(t.Context(), anna, "", New{Name: "Zz", Redirects: []string{"https://a.example/"}}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range h.List() {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"FairEmail", "Mail program", "Thunderbird", "portreeve token", "Zz", "Aa", "Bb"}) {
		t.Errorf("%q", names)
	}
}

func BenchmarkFind(b *testing.B) {
	s, err := store.Open(b.Context(), store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r, err := Open(b.Context(), Options{Store: s, Box: secret.NewBox()})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := r.Find(Mail); !ok {
			b.Fatal("gone")
		}
	}
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
		if !c.Public || !c.Consent || c.Verified() || c.May(GrantCredentials) || c.Account != "" {
			t.Errorf("a stranger made %+v", c)
		}
	})
}
