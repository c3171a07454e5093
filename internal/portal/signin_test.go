package portal

import (
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

func TestAPasswordSignsInAndOut(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	if a := b.get("/"); a.path != "/signin" {
		t.Fatalf("led to %s", a.path)
	}
	b.submit("/signin", "address", " Leela@Example.ORG ", "password", right).contains(t, "Your mail", "leela@example.org", "Chrome opened this portal", "Sign out")
	if n := w.sessions.Len(); n != 1 {
		t.Errorf("%d sessions are open", n)
	}
	a := b.submit("/signout")
	if a.contains(t, "You are signed out."); a.path != "/signin?left=yes" || w.sessions.Len() != 0 {
		t.Errorf("after signing out: %s, %d sessions", a.path, w.sessions.Len())
	}
	if a := b.get("/security"); a.path != "/signin?next=%2Fsecurity" {
		t.Errorf("led to %s", a.path)
	}
}

func TestASecondFactorIsAskedForAndBothStandInTheLog(t *testing.T) {
	w := newWorld(t)
	phone := w.enrolled(t, leela)
	b := w.browser(t)
	b.signIn("leela", right).contains(t, "Confirm that it is you", "Code from your app")
	if w.sessions.Len() != 0 {
		t.Fatal("let in with a password alone")
	}
	b.submit("/signin/factor", "kind", "code", "code", "000000").contains(t, "was not accepted")
	b.submit("/signin/factor", "kind", "code", "code", phone.code()).contains(t, "Your mail")
	events, _, err := w.store.Events(t.Context(), store.EventFilter{User: leela}, store.Cursor{}, 10)
	must(t, err)
	var codes []int
	for _, e := range events {
		codes = append(codes, int(e.Code))
		if e.Correlation != events[0].Correlation {
			t.Errorf("%v has another correlation than %v", e.ID, events[0].ID)
		}
	}
	if len(codes) == 0 || codes[0] != 0 || events[0].Facts.Methods != policy.MethodPassword|policy.MethodSoftwareOath {
		t.Errorf("the log has %v, the first with %b", codes, events[0].Facts.Methods)
	}
}
