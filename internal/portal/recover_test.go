package portal

import (
	"net/url"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/store"
)

// The link of the last resort signs in once, and not by being looked at.
func TestARecoveryLinkSignsInOnce(t *testing.T) {
	w := newWorld(t)
	pass, _, err := w.factors.IssuePass(t.Context(), store.Actor{UID: 0, Name: "root"}, leela, factor.PassOptions{Lifetime: 15 * time.Minute, OneTime: true, Length: 40})
	must(t, err)
	link := "/recover/" + url.PathEscape("leela@example.org") + "/" + url.PathEscape(pass)
	for range 3 { // mail programs and chats look at links before people do
		w.browser(t).get(link).contains(t, "leela@example.org", pass)
	}
	if w.sessions.Len() != 0 {
		t.Fatal("looking at it signed in")
	}
	b := w.browser(t)
	b.get(link)
	if a := b.submit("/signin/pass"); a.path != "/security" || w.sessions.Len() != 1 {
		t.Fatalf("led to %s with %d sessions", a.path, w.sessions.Len())
	}
	again := w.browser(t)
	again.get(link)
	again.submit("/signin/pass").contains(t, "did not work")
	if w.sessions.Len() != 1 {
		t.Errorf("%d sessions", w.sessions.Len())
	}
	// A link that somebody made up holds nothing but what it says.
	evil := w.browser(t)
	for _, path := range []string{"/recover/%3Cscript%3Ealert(1)%3C%2Fscript%3E/%22%3E%3Cimg%20src=x%3E", "/recover/a/b"} {
		if a := evil.get(path); len(markup(t, a.body)) > 0 {
			t.Errorf("%s: %v", path, markup(t, a.body))
		}
	}
}
