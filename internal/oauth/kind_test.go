package oauth

import (
	"net/http"
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
