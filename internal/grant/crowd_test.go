package grant_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

func TestAPersonHasFiftyGrants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		var all []string
		for range 51 {
			time.Sleep(time.Second)
			g, err := h.Issue(t.Context(), h.given())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, g.ID)
			if len(all) == 1 {
				continue
			}
			time.Sleep(time.Second)
			first, _ := h.ByID(all[0])
			text, err := h.RefreshToken(first)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.refresh(text, home); err != nil { // the first is the one used most
				t.Fatal(err)
			}
		}
		if n := len(h.Of(h.person)); n != 50 {
			t.Errorf("%d live", n)
		}
		if err := h.standing(all[0]); err != nil {
			t.Errorf("one in use was ended: %v", err)
		}
		wantRefusal(t, h.standing(all[1]), signin.GrantEnded, grant.InvalidGrant)
	})
}

// A page elsewhere has somebody signed in anew again and again, each time with a
// grant of a day. That neither disconnects the mail program that slept meanwhile,
// nor is it a reason to ask the person who they are.
func TestManyBriefGrantsCrowdOutNoMailProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		mail, err := h.Issue(t.Context(), h.given())
		if err != nil {
			t.Fatal(err)
		}
		var last grant.Grant
		for range 60 {
			time.Sleep(time.Minute)
			page := h.given()
			page.Client, page.Offline = "webmail", false
			if last, err = h.Issue(t.Context(), page); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.standing(mail.ID); err != nil {
			t.Errorf("the mail program: %v", err)
		}
		if err := h.standing(last.ID); err != nil {
			t.Errorf("the page, signed in a moment ago: %v", err)
		}
		if n := len(h.Of(h.person)); n != 50 {
			t.Errorf("%d live", n)
		}
		if at, err := h.Dismissed(t.Context(), h.person, "webmail"); err != nil || !at.IsZero() {
			t.Errorf("dismissed at %s: %v", at, err)
		}
		if err := h.End(t.Context(), store.System, last.ID, "ended by the administrator"); err != nil {
			t.Fatal(err)
		}
		if at, err := h.Dismissed(t.Context(), h.person, "webmail"); err != nil || !at.Equal(time.Now()) {
			t.Errorf("dismissed at %s: %v", at, err)
		}
	})
}

// A person with as many mail programs as there may be still signs in to a page.
func TestABriefGrantHasRoomBesideFiftyOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		for range 50 {
			if _, err := h.Issue(t.Context(), h.given()); err != nil {
				t.Fatal(err)
			}
		}
		page := h.given()
		page.Client, page.Offline = "webmail", false
		g, err := h.Issue(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.standing(g.ID); err != nil {
			t.Error(err)
		}
		if n := len(h.Of(h.person)); n != 50 {
			t.Errorf("%d live", n)
		}
	})
}
