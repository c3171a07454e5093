package server

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// In a domain that a directory has for itself, a mail server is not asked about
// names that are not in it: who can make a mailbox there would make a person.
func TestMailServersAreNotAskedAboutADirectorysDomain(t *testing.T) {
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	err = db.Change(ctx, store.System, "", func(tx *store.Tx) error { return tx.AddPerson(&store.Person{Address: "local@example.org"}) })
	if err != nil {
		t.Fatal(err)
	}
	local, err := directory.NewLocal(ctx, db, secret.NewPool(1))
	if err != nil {
		t.Fatal(err)
	}
	l, err := directory.NewLDAP(ctx, directory.LDAPOptions{Name: "corp", URLs: []string{"ldaps://127.0.0.1"}, Base: "dc=x", Filter: "(a=b)", GroupFilter: "(a=b)",
		Domains: []string{"example.org"}, Timeout: time.Second, GuessBudget: 3, Canonical: (&names{}).stated, Store: db, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := backend.New(nil, backend.Routes{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	c := claimed{pool, directory.NewSources(local, []*directory.LDAP{l})}
	for address, want := range map[string]error{
		"stranger@example.org":       backend.ErrRefused,
		"local@example.org":          backend.ErrNoBackend, // asked, if there were one
		"stranger@elsewhere.example": backend.ErrNoBackend,
	} {
		if err := c.Login(ctx, backend.Request{Address: address, Password: []byte("x")}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}
}

func TestWhatADirectoryStatesIsTakenToTheLetter(t *testing.T) {
	n := &names{}
	n.site.Detail, n.site.DefaultDomain = "+", "example.org"
	n.site.Aliases = func(string) (string, bool) { return "admin@example.org", true }
	for stated, want := range map[string]string{"Mary@Example.ORG": "mary@example.org", "mary+lists@example.org": "mary+lists@example.org", "CORP\\mary": "", "mary@a@b": "", "ｍary@example.org": ""} {
		if got, _ := n.stated(stated); got != want {
			t.Errorf("%q is %q, want %q", stated, got, want)
		}
	}
}
