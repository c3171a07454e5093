package directory

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"github.com/portreeve/portreeve/internal/secret"
)

// seed is what a source is filled with before the suite asks it.
type seed struct {
	Address, Name, Password string // Password empty: the source keeps none
	Aliases                 []string
	Groups                  []string // names; a group "a/b" is b within a
	Disabled                bool
}

var seeds = []seed{
	{Address: "mary@example.org", Name: "Mary", Password: "mary's word", Aliases: []string{"m.shaw@example.org", "office@example.net"}, Groups: []string{"staff/sales"}},
	{Address: "omar@example.org", Name: "Omar", Password: "omar's word", Groups: []string{"staff"}},
	{Address: "gone@example.org", Name: "Gone", Password: "gone's word", Disabled: true},
	{Address: "printer@example.org"},
}

var nearby = secret.Source{Network: netip.MustParsePrefix("192.0.2.0/24")}

// suite is where sources may differ: what comes of any password for somebody
// of whom the source keeps none, and of the right one of somebody disabled.
type suite struct{ noPassword, disabled error }

// testDirectory is what every Directory must do. open fills a source with the
// seeds; groupID finds a group's id by its name.
func testDirectory(t *testing.T, may suite, open func(t *testing.T, people []seed) (d Directory, groupID func(name string) string)) {
	d, groupID := open(t, seeds)
	find := func(t *testing.T, address string) Person {
		p, known, err := d.Lookup(t.Context(), address)
		if err != nil || !known {
			t.Fatalf("%s: known %v, %v", address, known, err)
		}
		return p
	}
	t.Run("a person is found by address and by every alias", func(t *testing.T) {
		mary := find(t, "mary@example.org")
		if mary.Address != "mary@example.org" || mary.DisplayName != "Mary" || mary.ID == "" || mary.Disabled {
			t.Errorf("found %+v", mary)
		}
		for _, alias := range seeds[0].Aliases {
			if p := find(t, alias); !reflect.DeepEqual(p, mary) {
				t.Errorf("%s leads to %+v", alias, p)
			}
		}
		if !find(t, "gone@example.org").Disabled {
			t.Error("a disabled person is not called so")
		}
	})
	t.Run("nobody is no error", func(t *testing.T) {
		for _, address := range []string{"", "x", "nobody@example.org", "mary@example.net", "MARY@EXAMPLE.ORG ", "mary"} {
			if p, known, err := d.Lookup(t.Context(), address); known || err != nil {
				t.Errorf("%q: %+v, %v", address, p, err)
			}
		}
	})
	t.Run("groups are ids, nesting resolved, sorted", func(t *testing.T) {
		want := []string{groupID("staff"), groupID("sales")}
		if want[0] > want[1] {
			want[0], want[1] = want[1], want[0]
		}
		if got := find(t, "mary@example.org").Groups; !reflect.DeepEqual(got, want) {
			t.Errorf("mary is in %v, want %v", got, want)
		}
		if got := find(t, "omar@example.org").Groups; !reflect.DeepEqual(got, []string{groupID("staff")}) {
			t.Errorf("omar is in %v", got)
		}
		if got := find(t, "printer@example.org").Groups; len(got) > 0 {
			t.Errorf("printer is in %v", got)
		}
	})
	t.Run("passwords", func(t *testing.T) { testPasswords(t, may, d, find) })
}

func testPasswords(t *testing.T, may suite, d Directory, find func(*testing.T, string) Person) {
	for _, c := range []struct {
		address, password string
		want              error
	}{
		{"mary@example.org", "mary's word", nil},
		{"mary@example.org", "mary's word", nil}, // the second time may come from memory
		{"mary@example.org", "omar's word", ErrWrong},
		{"omar@example.org", "mary's word", ErrWrong},
		{"mary@example.org", "", ErrWrong},
		{"mary@example.org", "mary's word ", ErrWrong},
		{"gone@example.org", "gone's word", may.disabled}, // whether they may is not the directory's question
		{"printer@example.org", "", may.noPassword},
		{"printer@example.org", "x", may.noPassword},
	} {
		if err := d.CheckPassword(t.Context(), find(t, c.address), []byte(c.password), nearby); !errors.Is(err, c.want) {
			t.Errorf("%s with %q: %v, want %v", c.address, c.password, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := d.CheckPassword(ctx, find(t, "omar@example.org"), []byte("omar's word"), nearby)
	if err == nil || errors.Is(err, ErrWrong) || errors.Is(err, ErrNoPassword) {
		t.Errorf("a check that could not be made came to %v", err)
	}
	if err := d.CheckPassword(t.Context(), Person{ID: "nobody"}, []byte("x"), nearby); !errors.Is(err, ErrWrong) {
		t.Errorf("somebody gone since the lookup: %v", err)
	}
}
