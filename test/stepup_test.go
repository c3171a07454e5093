package test

import (
	"encoding/base32"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// byLevel is Keycloak's flow that asks for a code only if more than a password
// is asked of it.
const byLevel = "by level"

// stepUp has somebody sign in at Keycloak with a password, which policy finds
// too little; our page leads back there, with the class of authentication that
// the configuration names, and what they show there then is enough.
func (s *openIDSite) stepUp(t *testing.T) {
	const kif = "kif@example.org"
	s.keycloak.addPerson(t, kif, true, true)
	s.keycloak.admin(t, http.MethodPut, "", map[string]any{"browserFlow": byLevel, "attributes": map[string]string{"acr.loa.map": `{"silver":"1","gold":"2"}`}})
	b := s.surfer(t)
	p := b.signIn(kif, false)
	if p.at != "https://"+s.Public+"/signin/factor" || b.in() {
		t.Fatalf("with a password alone they came to %s (%d):\n%s\n%s", p.at, p.status, p.text, s.log())
	}
	s.signIn(t, kif, "PR50076")
	link := regexp.MustCompile(`href="(/upstream/start[^"]*fresh=1[^"]*)"`).FindStringSubmatch(p.text)
	if link == nil {
		t.Fatalf("the page does not lead back to Keycloak:\n%s", p.text)
	}
	p = b.open("https://" + s.Public + html.UnescapeString(link[1]))
	p = b.send(p, url.Values{"username": {kif}, "password": {password}})
	if !strings.Contains(p.text, `name="otp"`) {
		t.Fatalf("Keycloak asks for no code: %s (%d)\n%s\n%s", p.at, p.status, p.text, s.log())
	}
	code, err := totp.GenerateCode(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(totpSeed)), time.Now())
	check(t, err)
	if p = b.send(p, url.Values{"otp": {code}}); p.at != "https://"+s.Public+"/signins" || !b.in() {
		t.Fatalf("with a code they came to %s (%d):\n%s\n%s", p.at, p.status, p.text, s.log())
	}
	s.signIn(t, kif, "PR0")
}
