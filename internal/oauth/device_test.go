package oauth

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/web"
)

const asksDevice = "imap offline_access"

func (w *world) device() *answer {
	w.t.Helper()
	a := w.send("POST", pathDevice, values("client_id", client.Token, "scope", asksDevice), nil)
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	return a
}

func (w *world) poll(code string, change func(*http.Request)) *answer {
	w.t.Helper()
	return w.send("POST", pathToken, values("grant_type", client.GrantDevice, "client_id", client.Token, "device_code", code), change)
}

// approves is the person who types the code on another device.
func (w *world) approves(user string) { w.approvesFrom(user, home) }

func (w *world) approvesFrom(user, from string) {
	w.t.Helper()
	must(w.t, w.grants.ApproveDevice(w.t.Context(), user, grant.Grant{Person: leela, Address: "leela@example.org", Methods: mfa, AuthTime: time.Now(), Offline: true, Network: network.Of(knockFrom(from))}))
}

func TestDeviceCode(t *testing.T) {
	w := newWorld(t)
	d := w.device()
	if d.text("verification_uri") != issuer+"/device" || d.text("verification_uri_complete") != issuer+"/device?user_code="+d.text("user_code") || d.json["interval"] == float64(0) || d.json["expires_in"] == float64(0) {
		t.Errorf("%s", d.body)
	}
	if a := w.poll(d.text("device_code"), nil); a.StatusCode != http.StatusBadRequest || a.text("error") != grant.AuthorizationPending {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := w.poll(d.text("device_code"), nil); a.text("error") != grant.SlowDown {
		t.Errorf("at once again: %d %s", a.StatusCode, a.body)
	}
	w.approves(d.text("user_code"))
	a := w.poll(d.text("device_code"), nil)
	if a.StatusCode != http.StatusOK || a.text("scope") != asksDevice || a.text("refresh_token") == "" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if b := w.poll(d.text("device_code"), nil); b.text("error") != grant.InvalidGrant {
		t.Errorf("a second time: %d %s", b.StatusCode, b.body)
	}
}

// Of fifty that redeem a device code at once one wins.
func TestParallelRedemptionOfADeviceCode(t *testing.T) {
	w := newWorld(t)
	d := w.device()
	w.approves(d.text("user_code"))
	if won := parallel(50, func() string { return w.poll(d.text("device_code"), nil).text("access_token") }); len(won) != 1 {
		t.Errorf("%d won", len(won))
	}
}

func TestDeviceCodeIsRefused(t *testing.T) {
	w := newWorld(t)
	d := w.device()
	must(t, w.grants.DenyDevice(d.text("user_code")))
	if a := w.poll(d.text("device_code"), nil); a.text("error") != grant.AccessDenied {
		t.Errorf("denied: %d %s", a.StatusCode, a.body)
	}
	d = w.device()
	w.approves(d.text("user_code"))
	far := func(r *http.Request) { r.RemoteAddr = "203.0.113.9:1" }
	if a := w.poll(d.text("device_code"), far); a.text("error") != grant.AccessDenied {
		t.Errorf("from elsewhere: %d %s", a.StatusCode, a.body)
	}
	if a := w.poll("prd_"+strings.Repeat("A", 43), nil); a.text("access_token") != "" || a.StatusCode != http.StatusBadRequest {
		t.Errorf("nobody's: %d %s", a.StatusCode, a.body)
	}
	if a := w.send("POST", pathDevice, values("client_id", client.Mail, "scope", "imap"), nil); a.text("error") != unauthorizedClient {
		t.Errorf("a program without it: %d %s", a.StatusCode, a.body)
	}
	if a := w.send("POST", pathDevice, values("client_id", client.Token, "scope", "everything"), nil); a.text("error") != invalidScope {
		t.Errorf("no scope: %d %s", a.StatusCode, a.body)
	}
	w.DeviceCode = false
	if a := w.send("POST", pathDevice, values("client_id", client.Token, "scope", "imap"), nil); a.text("error") != unauthorizedClient {
		t.Errorf("switched off: %d %s", a.StatusCode, a.body)
	}
}

// However many ask from one address, a neighbour's request is heard and lives.
func TestRequestsOfDevicesSilenceNoNeighbour(t *testing.T) {
	w := newWorld(t)
	ask := func() *answer {
		a := w.send("POST", pathDevice, values("client_id", client.Token, "scope", "imap"), nil)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		return a
	}
	first := ask()
	for range 200 {
		ask()
	}
	if a := w.poll(first.text("device_code"), nil); a.text("error") != grant.AuthorizationPending {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// Behind a reverse proxy that nobody named everybody is in one place, and a code
// read out to a thief far away would do. No device is let in through it.
func TestDevicesBehindAForgottenProxy(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		from, said string
		believed   []netip.Prefix
		status     int
	}{
		{"127.0.0.1:4711", "203.0.113.9", nil, http.StatusBadRequest},
		{"10.0.0.2:4711", "203.0.113.9", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, http.StatusBadRequest},
		{"127.0.0.1:4711", "203.0.113.9", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, http.StatusOK},
		{"127.0.0.1:4711", "", nil, http.StatusOK},
		{"192.0.2.7:4711", "203.0.113.9", nil, http.StatusOK}, // a visitor's own proxy
	} {
		r := httptest.NewRequest("POST", pathDevice, strings.NewReader(values("client_id", client.Token, "scope", asksDevice).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if r.RemoteAddr = c.from; c.said != "" {
			r.Header.Set("X-Forwarded-For", c.said)
		}
		rec := httptest.NewRecorder()
		web.Forwarded(c.believed, w).ServeHTTP(rec, r)
		if rec.Code != c.status {
			t.Errorf("from %s, said to be %q: %d %s", c.from, c.said, rec.Code, rec.Body)
		}
	}
	if n := strings.Count(w.faults.String(), "forwarded_from"); n != 1 {
		t.Errorf("the operator is told %d times:\n%s", n, w.faults)
	}
}
