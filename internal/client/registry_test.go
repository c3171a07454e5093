package client

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
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
		if !c.Verified() || !c.Public || !c.Consent || h.Admit(c) != nil || h.Authenticate(id, "") {
			t.Errorf("%s: %+v", id, c)
		}
		for _, r := range c.Redirects {
			if _, fault := parseAddress(r); fault != "" {
				t.Errorf("%s is answered at %s: %s", id, r, fault)
			}
		}
	}
	if c := h.find(Token); !c.HasGrant(GrantDevice) || c.HasGrant(GrantCredentials) {
		t.Errorf("portreeve token: %v", c.Grants)
	}
	if _, ok := h.Find("nobody"); ok {
		t.Error("there is a client nobody")
	}
	if h.Admit(Client{}) == nil {
		t.Error("no client at all may ask")
	}
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
		if c := h.find(Mail); c.Used.IsZero() || c.Name != "Mail program" || len(c.Redirects) == 0 || h.Admit(c) != nil {
			t.Errorf("after a restart: %+v", c)
		}
		_ = h.Store.Close()
	})
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
	if err := h.Apply(t.Context(), <-changes); err != nil || h.Admit(h.find(c.ID)) == nil {
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
