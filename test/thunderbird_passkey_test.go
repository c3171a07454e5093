package test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"golang.org/x/net/html"
)

// onlyPasskeys is a policy: what can be had from somebody by a trick opens
// nothing.
const onlyPasskeys = `[{"displayName": "What nobody can be tricked out of", "state": "enabled",
  "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"]},
  "grantControls": {"operator": "OR", "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}}]`

// Somebody types an address into a Thunderbird that nobody has used before, and
// signs in in the window that opens with nothing but a passkey, which they made
// elsewhere and which their devices share. Until this one has it, the page says
// what Thunderbird does not, and leads back; password and code are not enough, and
// it says what is.
func TestThunderbirdSignsInByPasskey(t *testing.T) {
	t.Parallel()
	const mary = "mary@example.org"
	m := startModern(t, mary)
	elsewhere := m.visitor(t, m.origin())
	phone := elsewhere.enrol(m.door, mary)
	key := elsewhere.keyed(doorName)
	if out, err := m.feed(onlyPasskeys, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	m.deliver(t, mary, "Welcome, Mary")
	b := startThunderbird(t, m.policies(t, ""), m.street)

	b.begins(mary)
	b.presses(signInPage, `form[action="/signin/passkey"] button`) // there is none here yet, and Thunderbird shows nothing
	b.reads(signInPage, "[role=status]", "Thunderbird may show nothing while it waits")
	b.presses(signInPage, `main a[href^="/signin?"]`)
	b.types(signInPage, "#password", password)
	b.presses(signInPage, `form[action="/signin"] button`)
	b.types(signInPage, "#code", phone.code(t))
	b.presses(signInPage, `form:has(#code) button`)
	b.reads(signInPage, "[role=alert]", "asks for another kind of factor here. Use a passkey")
	b.presses(signInPage, `form[action="/signin/cancel"] button`)
	b.shares(key)
	b.presses(signInPage, `form[action="/signin/passkey"] button`)
	b.presses(signInPage, `form[action="/connect/allow"] button`)
	b.finishes("Welcome, Mary")
	m.logsPasskey(t, mary)
}

// logsPasskey waits until the log tells it: a passkey and the tokens under one
// correlation id, and the doors that were opened with them, for each of which
// policy asked for what nobody can be tricked out of, and found it.
func (m *modern) logsPasskey(t testing.TB, person string) {
	t.Helper()
	var all []signInStep
	find := func(so func(*signInStep) bool) *signInStep {
		for i := range all {
			if e := &all[i]; e.Status.ErrorCode == 0 && e.Requirement == "multiFactorAuthentication" && len(e.Applied) == 1 && e.Applied[0].Result == "success" && so(e) {
				return e
			}
		}
		return nil
	}
	told := func() bool {
		all = m.steps(t, person)
		given := find(func(e *signInStep) bool { return e.Portreeve.Mechanism == "authorization_code" })
		return given != nil && nil != find(func(e *signInStep) bool {
			return e.Portreeve.Credential == "passkey" && e.Portreeve.Mechanism == "webauthn" && e.Correlation == given.Correlation
		}) && nil != find(func(e *signInStep) bool {
			return e.Portreeve.Protocol == "imap" && e.Portreeve.Mechanism == "XOAUTH2" && e.Portreeve.Grant == given.Portreeve.Grant
		})
	}
	for end := time.Now().Add(logWait); !told(); time.Sleep(10 * pollTime) {
		if time.Now().After(end) {
			t.Errorf("the log does not tell of the passkey, the tokens and the mail:\n%+v", all)
			return
		}
	}
}

// passkey is one that somebody's devices share.
type passkey struct {
	virtualwebauthn.Credential
	host, handle string
}

// keyed makes one for whoever is signed in.
func (v *visitor) keyed(host string) *passkey {
	v.Helper()
	v.open("/security")
	v.send("/security/passkey")
	form := first(v.page, func(n *html.Node) bool { return attribute(n, "data-passkey") == "create" })
	if form == nil {
		v.Fatalf("%s asks for no passkey:\n%s", v.at, v.text())
	}
	o, err := virtualwebauthn.ParseAttestationOptions(attribute(form, "data-options"))
	check(v.TB, err)
	k := &passkey{host: host, handle: o.UserID}
	for len(k.ID) == 0 || len(k.Key.AttestationData()) < wholeKey { // it leaves the zeros out that coordinates begin with
		k.Credential = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	device := virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(o.UserID)})
	at := virtualwebauthn.RelyingParty{ID: host, Name: "x", Origin: v.origin}
	v.send(goes(form), "response", virtualwebauthn.CreateAttestationResponse(at, device, k.Credential, *o))
	if !strings.Contains(v.text(), "The passkey is set up") {
		v.Fatalf("the passkey is not set up at %s (%d):\n%s", v.at, v.status, v.text())
	}
	return k
}

// wholeKey is the length of a COSE key on P-256 in bytes.
const wholeKey = 77

// shares gives a Thunderbird's device a passkey of whoever sits in front of it,
// who shows it finger or face when asked.
func (b *thunderbird) shares(k *passkey) {
	b.Helper()
	var set bool
	check(b, b.run(&set, `for (const [name, on] of [["softtoken", true], ["usbtoken", false]]) Services.prefs.setBoolPref("security.webauth.webauthn_enable_" + name, on);
		return true;`))
	var device struct{ Value string }
	check(b, json.Unmarshal(b.must("WebAuthn:AddVirtualAuthenticator", map[string]any{"protocol": "ctap2_1", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserConsenting": true, "isUserVerified": true}), &device))
	text := base64.RawURLEncoding.EncodeToString
	b.must("WebAuthn:AddCredential", map[string]any{"authenticatorId": device.Value, "credentials": map[string]any{"credentialId": text(k.ID),
		"isResidentCredential": true, "rpId": k.host, "privateKey": text(k.Key.Data), "userHandle": text([]byte(k.handle)), "signCount": 0}})
}
