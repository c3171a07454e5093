package grant_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// visits has a page sign somebody in, changed.
func (h *house) visits(change func(*grant.Grant)) (g grant.Grant, code string) {
	h.Helper()
	given := h.given()
	given.Scope, given.Offline = scopes(h, "openid email"), false
	if change != nil {
		change(&given)
	}
	code, err := h.IssueCode(context.Background(), h.asked(), given)
	if err != nil {
		h.Fatal(err)
	}
	if g, err = h.redeem(code); err != nil {
		h.Fatal(err)
	}
	return g, code
}

// What one session of a browser gave one program without a refresh token, again
// and again, is one connection; nothing else is.
func TestSignInsOfOneBrowserAreOneConnection(t *testing.T) {
	h := newHouse(t, grant.Options{})
	other := h.newPerson("bert@example.org")
	first, _ := h.visits(nil)
	second, _ := h.visits(nil)
	third, _ := h.visits(nil)
	for name, change := range map[string]func(*grant.Grant){
		"of another browser":    func(g *grant.Grant) { g.Session = "browser-2" },
		"of no browser":         func(g *grant.Grant) { g.Session = "" },
		"for more":              func(g *grant.Grant) { g.Scope = scopes(t, "openid email profile") },
		"with a refresh token":  func(g *grant.Grant) { g.Offline = true },
		"and another like this": func(g *grant.Grant) { g.Offline = true },
		"of somebody else":      func(g *grant.Grant) { g.Person, g.Address = other.ID, other.Address },
	} {
		alone, _ := h.visits(change)
		c, lives := h.Connection(alone.ID)
		if !lives || !slices.Equal(c.IDs, []string{alone.ID}) {
			t.Errorf("%s: %v of %q", name, lives, c.IDs)
		}
	}
	want := []string{third.ID, second.ID, first.ID}
	for _, g := range []grant.Grant{first, second, third} {
		c, lives := h.Connection(g.ID)
		if !lives || !slices.Equal(c.IDs, want) || c.ID != third.ID || !c.Created.Equal(first.Created) || c.Used.Before(third.Used) {
			t.Errorf("%v: %q since %v, used %v; want %q", lives, c.IDs, c.Created, c.Used, want)
		}
	}
	if all := grant.Connections(h.Of(h.person)); len(all) != 6 {
		t.Errorf("%d connections of %d grants", len(all), len(h.Of(h.person)))
	}
	if err := h.Disconnect(t.Context(), store.System, second.ID, "disconnected"); err != nil {
		t.Fatal(err)
	}
	for _, g := range []grant.Grant{first, second, third} {
		wantRefusal(t, h.standing(g.ID), signin.GrantEnded, grant.InvalidGrant)
		if row, err := h.store.Grant(t.Context(), g.ID); err != nil || row.Reason != "disconnected" {
			t.Errorf("%v, ended because %q", err, row.Reason)
		}
	}
	if all := grant.Connections(h.Of(h.person)); len(all) != 5 {
		t.Errorf("%d connections are left", len(all))
	}
	if err := h.Disconnect(t.Context(), store.System, second.ID, "again"); !errors.Is(err, grant.ErrUnknown) {
		t.Errorf("again: %v", err)
	}
}

// Shown as one, they are apart all the same: a code that is used twice ends its own
// sign-in and no other.
func TestACodeUsedTwiceEndsNoOtherSignIn(t *testing.T) {
	h := newHouse(t, grant.Options{})
	first, code := h.visits(nil)
	second, _ := h.visits(nil)
	_, err := h.redeem(code)
	wantRefusal(t, err, signin.GrantReplayed, grant.InvalidGrant)
	if _, lives := h.ByID(first.ID); lives {
		t.Error("what the code gave lives")
	}
	if c, lives := h.Connection(second.ID); !lives || !slices.Equal(c.IDs, []string{second.ID}) {
		t.Errorf("the other: %v, %q", lives, c.IDs)
	}
}
