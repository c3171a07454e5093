package oauth

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// A program whose whole request stands in an object, which we do not take, hears
// so where and how it said there that it listens, and knows its request again.
func TestARefusedRequestObjectIsAnsweredAsItAsks(t *testing.T) {
	s := newSuite(t)
	object := func(claims string) string {
		return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
	}
	ask := s.asks("request", object(`{"state":"in it","response_mode":"form_post","redirect_uri":"https://evil.example","client_id":"another"}`))
	ask.Del("state")
	a := s.authorize(ask)
	if a.StatusCode != http.StatusOK || s.posted == nil {
		t.Fatalf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	if q, fields := s.posted.to, s.posted.fields; q.Redirect != suiteRedirect || fields.Get("error") != requestNotSupported || fields.Get("state") != "in it" {
		t.Errorf("posted to %s: %v", q.Redirect, fields)
	}

	// What stands beside it comes first, and what cannot be read changes nothing.
	for _, text := range []string{object(`{"state":"in it"}`), object(`{"state":1}`), object(`{`), "a.b.c.d.e", "a.?.c", "x", strings.Repeat(".", 9)} {
		s.refused(t, s.asks("request", text), requestNotSupported)
	}
	a = s.authorize(s.asks("request", object(`{"response_mode":"fragment"}`)))
	if to := a.Header.Get("Location"); !strings.HasPrefix(to, suiteRedirect+"?error=") || !strings.Contains(to, "state=abc") {
		t.Errorf("a mode that there is not leads to %q", to)
	}
}
