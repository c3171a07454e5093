package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/signin"
)

const known = signin.Reference("7K4Q-9ZMD-2XWT")

func site() http.Handler {
	p, err := New(Options{Name: "Mail of example.org", Keys: func() []byte { return []byte(`{"keys":[]}`) },
		Find: func(_ context.Context, r signin.Reference) (Refused, bool) {
			return Refused{Program: "thunderbird", Protocol: "IMAP"}, r == known
		}})
	if err != nil {
		panic(err)
	}
	return Bounded(p)
}

func get(t *testing.T, h http.Handler, path, from string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/r/7k4q9zmd2xwt", 200, "Thunderbird"},
		{"/r/nonsense", 404, "no reference"},
		{"/codes/PR53003", 200, "Blocked by policy"},
		{"/codes/53003", 200, "Blocked by policy"},
		{"/codes/PR1", 404, "no such code"},
		{"/codes/", 200, "PR50126"},
		{"/style.css", 200, "color-scheme"},
		{"/.well-known/jwks.json", 200, "keys"},
		{"/", 404, ""},
	} {
		w := get(t, site(), c.path, "192.0.2.1:1000")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %q, want %d with %q", c.path, w.Code, w.Body.String(), c.status, c.want)
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: content security policy %q", c.path, csp)
		}
	}
}

func TestAReferencePageSaysNothingOfTheReason(t *testing.T) {
	page := get(t, site(), "/r/"+string(known), "192.0.2.1:1000").Body.String()
	for _, m := range signin.Meanings() {
		if m.Code != signin.OK && strings.Contains(page, m.Code.String()) {
			t.Errorf("the page names %v", m.Code)
		}
	}
}

func TestOneSourceCannotTryReferencesInNumbers(t *testing.T) {
	h := site()
	limited := 0
	for range 3 * burst {
		if get(t, h, "/r/7K4Q-9ZMD-2XWT", "[2001:db8::1]:1").Code == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < burst {
		t.Errorf("only %d of %d requests were limited", limited, 3*burst)
	}
	if got := get(t, h, "/r/7K4Q-9ZMD-2XWT", "[2001:db8:1::1]:1").Code; got != 200 {
		t.Errorf("another source got %d", got)
	}
}
