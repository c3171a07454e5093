package test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// Tokens that must not lead in, and what the log says of each. All are told the
// same, which is nothing.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	s := shared()
	other := newIssuer(t)
	keys, err := os.ReadFile(s.issuer.keysFile)
	check(t, err)
	claims := func(person string) map[string]any {
		return map[string]any{"iss": issuerURL, "aud": audience, "sub": person, "email": person, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	}
	// forgedToken is unsigned, or signed with what everybody can read.
	forgedToken := func(alg, person string) string {
		part := func(v any) string {
			raw, err := json.Marshal(v)
			check(t, err)
			return base64.RawURLEncoding.EncodeToString(raw)
		}
		body := part(map[string]any{"alg": alg, "kid": "k1", "typ": "JWT"}) + "." + part(claims(person))
		mac := hmac.New(sha256.New, keys)
		mac.Write([]byte(body))
		sum := mac.Sum(nil)
		if alg == "none" {
			sum = nil
		}
		return body + "." + base64.RawURLEncoding.EncodeToString(sum)
	}
	in1h := time.Now().Add(time.Hour).Unix()
	for what, c := range map[string]struct {
		token func(person string) string
		code  string
	}{
		"expired":                 {func(p string) string { return s.issuer.expired(t, p) }, "PR1020"},
		"not yet valid":           {func(p string) string { return s.issuer.token(t, p, map[string]any{"nbf": in1h, "iat": in1h}) }, "PR1021"},
		"another issuer's name":   {func(p string) string { return s.issuer.token(t, p, map[string]any{"iss": "https://evil.test"}) }, "PR1022"},
		"another issuer's key":    {func(p string) string { return other.token(t, p) }, "PR1022"},
		"another audience":        {func(p string) string { return s.issuer.token(t, p, map[string]any{"aud": "calendar"}) }, "PR1024"},
		"somebody else's":         {func(string) string { return s.issuer.token(t, "somebody@example.org") }, "PR1023"},
		"not signed":              {func(p string) string { return forgedToken("none", p) }, "PR1022"},
		"signed with a known key": {func(p string) string { return forgedToken("HS256", p) }, "PR1022"},
		"no token":                {func(string) string { return "AAAA.BBBB.CCCC" }, "PR1022"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			person := newPerson(t)
			s.do(t, "user", "add", person)
			k := s.mustKnock(t, "imap", netip.Addr{})
			answer, _, err := k.say("a AUTHENTICATE XOAUTH2 " + xoauth2(person, s.use(c.token(person))))
			if err != nil || in(answer) || codeIn(answer) != "PR50126" {
				t.Errorf("told %q, %v", answer, err)
			}
			s.signIn(t, person, c.code)
		})
	}
	t.Run("in the name of somebody else", func(t *testing.T) {
		t.Parallel()
		person, victim := newPerson(t), newPerson(t)
		k := s.mustKnock(t, "imap", netip.Addr{})
		answer, _, err := k.say("a AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString([]byte(victim+"\x00"+person+"\x00"+password)))
		if err != nil || in(answer) {
			t.Errorf("told %q, %v", answer, err)
		}
	})
	t.Run("repeated fields", func(t *testing.T) {
		t.Parallel()
		person, victim := newPerson(t), newPerson(t)
		token := s.use(s.issuer.token(t, person))
		for _, response := range []string{
			fmt.Sprintf("user=%s\x01user=%s\x01auth=Bearer %s\x01\x01", person, victim, token),
			fmt.Sprintf("user=%s\x01auth=Bearer %s\x01auth=Bearer x\x01\x01", person, token),
			fmt.Sprintf("user=%s\x01auth=Bearer %s\x01\x01user=%s\x01\x01", person, token, victim),
		} {
			k := s.mustKnock(t, "imap", netip.Addr{})
			if answer, _, err := k.say("a AUTHENTICATE XOAUTH2 " + base64.StdEncoding.EncodeToString([]byte(response))); err != nil || in(answer) {
				t.Errorf("%q: told %q, %v", strings.ReplaceAll(response, token, "TOKEN"), answer, err)
			}
		}
	})
}

// xoauth2 is the mechanism's response in base64.
func xoauth2(person, token string) string {
	return base64.StdEncoding.EncodeToString([]byte("user=" + person + "\x01auth=Bearer " + token + "\x01\x01"))
}
