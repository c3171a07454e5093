package oauth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/client"
)

// Whoever caught a code on its way to a program that devices have, too, cannot
// have it taken for a device's: that would need no verifier and no address.
func TestACodeIsNoDevicesCode(t *testing.T) {
	w := newWorld(t)
	code := w.says(w.connect(asking("client_id", client.Token, "scope", asksDevice)), nil)
	a := w.poll(code, func(r *http.Request) { r.RemoteAddr = "203.0.113.9:1" })
	if a.StatusCode != http.StatusBadRequest || a.json["access_token"] != nil {
		t.Fatalf("a thief has tokens without the verifier: %d %s", a.StatusCode, a.json["scope"])
	}
}

// Who has one good token is not heard with others that they guess, whatever is
// asked beside it.
func TestAGoodTokenBesideAGuessIsNone(t *testing.T) {
	w := newWorld(t)
	access := w.signedIn().text("access_token")
	for path, form := range map[string]url.Values{
		pathToken:  values("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", "prr_guessed"),
		pathRevoke: values("client_id", client.Mail, "token", "prr_guessed"),
	} {
		r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer "+access)
		must(t, r.ParseForm())
		if w.holds(r) {
			t.Errorf("%s: a guess is heard for the good token beside it", path)
		}
	}
}
