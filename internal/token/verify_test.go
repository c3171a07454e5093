package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

func TestAGoodTokenIsTaken(t *testing.T) {
	v := door(t)
	for _, p := range []pair{ecPair(), rsaPair(), edPair()} {
		c, err := verify(v, p.token(t, good()))
		if err != nil {
			t.Errorf("%s: %v", p.algorithm, err)
		}
		if c.Address != "mary@example.org" || c.Subject != "4711" || c.Issuer != "example" || c.ID != "one" || c.Methods != 0 ||
			!c.AuthTime.IsZero() || c.Session != defaultSessionMax || c.Expires.IsZero() {
			t.Errorf("%s: %+v", p.algorithm, c)
		}
	}
	for name, claims := range map[string]members{
		"several audiences":       good().with("aud", []string{"other", testAudience}),
		"no iat, no nbf":          good().with("iat", nil).with("nbf", nil),
		"expired within leeway":   good().with("exp", time.Now().Unix()-30),
		"fresh within leeway":     good().with("iat", time.Now().Unix()+30).with("nbf", time.Now().Unix()+30),
		"fractions of a second":   good().with("exp", float64(time.Now().Unix())+600.5),
		"verified address":        good().with("email_verified", true),
		"facts that are unmapped": good().with("amr", []string{"mfa"}).with("acr", "2").with("auth_time", time.Now().Unix()),
		"null is absence":         good().with("azp", json.RawMessage("null")),
	} {
		if _, err := verify(v, ecPair().token(t, claims)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, header := range map[string]members{
		"at+jwt":      ecPair().header().with("typ", "at+jwt"),
		"full type":   ecPair().header().with("typ", "application/at+JWT"),
		"no type":     ecPair().header().with("typ", nil),
		"no kid":      ecPair().header().with("kid", nil),
		"a thumbmark": ecPair().header().with("x5t", "AAAA"),
	} {
		if _, err := verify(v, ecPair().sign(t, header, good())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// forged are tokens that nobody with the issuer's keys made.
func forged(t *testing.T) map[string]string {
	ec, rs, ed, other := ecPair(), rsaPair(), edPair(), otherPair()
	whole := ec.token(t, good())
	p := strings.Split(whole, ".")
	head, body, sig := p[0], p[1], p[2]
	unsigned := func(alg string) string {
		return encode(t, ec.header().with("alg", alg)) + "." + body + "."
	}
	hsInput := encode(t, members{"alg": "HS256", "kid": "rsa", "typ": "JWT"}) + "." + body
	public, err := json.Marshal(rs.jwk())
	if err != nil {
		t.Fatal(err)
	}
	own := other.jwk()
	flip := func(s string, at int) string {
		b := []byte(s)
		if b[at] = 'A'; s[at] == 'A' {
			b[at] = 'B'
		}
		return string(b)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(sig)
	enc := base64.RawURLEncoding.EncodeToString
	swapped := encode(t, good().with("email", "omar@example.org"))
	return map[string]string{
		"alg none":                       unsigned("none"),
		"alg None":                       unsigned("None"),
		"alg NONE":                       unsigned("NONE"),
		"alg nOnE with a signature":      unsigned("nOnE") + sig,
		"alg empty":                      unsigned(""),
		"alg missing":                    encode(t, members{"kid": "ec"}) + "." + body + "." + sig,
		"alg a number":                   encode(t, members{"alg": 256, "kid": "ec"}) + "." + body + "." + sig,
		"signature empty":                head + "." + body + ".",
		"signature missing":              head + "." + body,
		"signature of zeros":             head + "." + body + "." + enc(make([]byte, 64)), // CVE-2022-21449
		"signature cut":                  head + "." + body + "." + enc(raw[:63]),
		"signature longer":               head + "." + body + "." + enc(append(raw, 0)),
		"signature in DER":               head + "." + body + "." + enc(append([]byte{0x30, 0x44, 2, 32}, raw...)),
		"signature changed":              head + "." + body + "." + flip(sig, 5),
		"signature with stray bits":      head + "." + body + "." + sig[:len(sig)-1] + string(sig[len(sig)-1]+1),
		"claims changed":                 head + "." + swapped + "." + sig,
		"header changed":                 encode(t, ec.header().with("typ", "at+jwt")) + "." + body + "." + sig,
		"a stranger's key":               other.token(t, good()),
		"a stranger's key, no kid":       other.sign(t, other.header().with("kid", nil), good()),
		"HS256 with the public key":      hs256(hsInput, public),
		"HS256 with an empty key":        hs256(hsInput, nil),
		"HS256 with the modulus":         hs256(hsInput, []byte(rs.jwk().KeyID)),
		"RS256 header, ES256 signature":  ec.sign(t, rs.header(), good()),
		"ES256 header, EdDSA signature":  ed.sign(t, ec.header(), good()),
		"PS256 by a key for RS256":       rs.sign(t, rs.header().with("alg", "PS256"), good()),
		"another key's kid":              ec.sign(t, ec.header().with("kid", "ed"), good()),
		"unknown kid":                    ec.sign(t, ec.header().with("kid", "nope"), good()),
		"kid that is a path":             other.sign(t, other.header().with("kid", "../../../../dev/null"), good()),
		"kid that is SQL":                other.sign(t, other.header().with("kid", "x' UNION SELECT 'key"), good()),
		"kid that is no text":            ec.sign(t, ec.header().with("kid", 7), good()),
		"own key in jwk":                 other.sign(t, other.header().with("jwk", own), good()),
		"own key in jwk of a good token": ec.sign(t, ec.header().with("jwk", own), good()),
		"own keys at jku":                other.sign(t, other.header().with("jku", "https://evil.example/jwks"), good()),
		"own certificate at x5u":         other.sign(t, other.header().with("x5u", "https://evil.example/c"), good()),
		"unknown crit":                   ec.sign(t, ec.header().with("crit", []string{"exp"}).with("exp", 1), good()),
		"unencoded payload":              ec.sign(t, ec.header().with("crit", []string{"b64"}).with("b64", false), good()),
		"compressed":                     ec.sign(t, ec.header().with("zip", "DEF"), good()),
		"nested":                         ec.sign(t, ec.header().with("cty", "JWT"), good()),
		"logout token":                   ec.sign(t, ec.header().with("typ", "logout+jwt"), good()),
		"DPoP proof":                     ec.sign(t, ec.header().with("typ", "dpop+jwt"), good()),
		"type no text":                   ec.sign(t, ec.header().with("typ", 1), good()),
		"JWE of five parts":              head + "." + body + "." + sig + "." + sig + "." + sig,
		"four parts":                     whole + ".",
		"JSON form":                      `{"payload":"` + body + `","protected":"` + head + `","signature":"` + sig + `"}`,
		"padding":                        whole + "=",
		"line ends":                      head + "." + body[:10] + "\n" + body[10:] + "." + sig,
		"space before":                   " " + whole,
		"space after":                    whole + " ",
		"standard base64":                strings.NewReplacer("-", "+", "_", "/").Replace(head+"."+body) + "." + strings.Repeat("+/", 43),
		"repeated claim":                 ec.signText(t, head, enc([]byte(`{"iss":"`+testIssuer+`","iss":"`+testIssuer+`"}`))),
		"repeated header":                ec.signText(t, enc([]byte(`{"alg":"none","alg":"ES256","kid":"ec"}`)), body),
		"claims no object":               ec.signText(t, head, enc([]byte(`["x"]`))),
		"claims null":                    ec.signText(t, head, enc([]byte(`null`))),
		"claims no JSON":                 ec.signText(t, head, enc([]byte(`x`))),
		"claims with a tail":             ec.signText(t, head, enc([]byte(`{} {}`))),
		"too long":                       ec.token(t, good().with("pad", strings.Repeat("x", maxToken))),
		"empty":                          "",
		"dots":                           "..",
		"opaque":                         "ya29.a0AfH6SMBx",
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	v := door(t)
	all := forged(t)
	if len(all) < 32 {
		t.Fatalf("only %d kinds", len(all))
	}
	for name, s := range all {
		for range 2 { // the second time from memory, if it were kept there
			if c, err := verify(v, s); codeOf(err) != signin.TokenInvalid {
				t.Errorf("%s: %+v, %v", name, c, err)
			}
		}
	}
	if len(v.seen.claims) != 0 {
		t.Errorf("%d refused tokens are remembered", len(v.seen.claims))
	}
}

func TestWrongClaimsAreRefused(t *testing.T) {
	v, now := door(t), time.Now().Unix()
	for name, c := range map[string]struct {
		claims members
		want   signin.Code
	}{
		"exp missing":               {good().with("exp", nil), signin.TokenInvalid},
		"exp past":                  {good().with("exp", now-61), signin.TokenExpired},
		"exp text":                  {good().with("exp", fmt.Sprint(now+600)), signin.TokenInvalid}, // accepted by Dovecot 2.3
		"exp true":                  {good().with("exp", true), signin.TokenInvalid},
		"exp null":                  {good().with("exp", json.RawMessage("null")), signin.TokenInvalid},
		"exp list":                  {good().with("exp", []int64{now + 600}), signin.TokenInvalid},
		"exp negative":              {good().with("exp", -1), signin.TokenInvalid},
		"exp huge":                  {good().with("exp", json.RawMessage("1e300")), signin.TokenInvalid},
		"exp beyond int64":          {good().with("exp", json.RawMessage("99999999999999999999")), signin.TokenInvalid},
		"exp milliseconds":          {good().with("exp", (now+600)*1000), signin.TokenInvalid},
		"EXP instead of exp":        {good().with("exp", nil).with("EXP", now+600), signin.TokenInvalid},
		"nbf ahead":                 {good().with("nbf", now+90), signin.TokenNotYetValid},
		"nbf text":                  {good().with("nbf", fmt.Sprint(now)), signin.TokenInvalid},
		"iat ahead":                 {good().with("iat", now+90), signin.TokenNotYetValid},
		"iat text":                  {good().with("iat", fmt.Sprint(now)), signin.TokenInvalid},
		"iss missing":               {good().with("iss", nil), signin.TokenInvalid},
		"iss another":               {good().with("iss", "https://id.example.com"), signin.TokenInvalid},
		"iss with a slash":          {good().with("iss", testIssuer+"/"), signin.TokenInvalid},
		"iss in other case":         {good().with("iss", strings.ToUpper(testIssuer)), signin.TokenInvalid},
		"iss list":                  {good().with("iss", []string{testIssuer}), signin.TokenInvalid},
		"iss ours for backends":     {good().with("iss", "https://gate.example.org/backends"), signin.TokenAtWrongDoor},
		"aud missing":               {good().with("aud", nil), signin.TokenAtWrongDoor},
		"aud another":               {good().with("aud", "calendar"), signin.TokenAtWrongDoor},
		"aud others":                {good().with("aud", []string{"calendar", "mail2", "MAIL", ""}), signin.TokenAtWrongDoor},
		"aud empty list":            {good().with("aud", []string{}), signin.TokenAtWrongDoor},
		"aud object":                {good().with("aud", members{"mail": 1}), signin.TokenInvalid},
		"aud nested":                {good().with("aud", [][]string{{testAudience}}), signin.TokenInvalid},
		"sub missing":               {good().with("sub", nil), signin.TokenInvalid},
		"sub number":                {good().with("sub", 4711), signin.TokenInvalid},
		"email missing":             {good().with("email", nil), signin.TokenInvalid},
		"email empty":               {good().with("email", ""), signin.TokenInvalid},
		"email list":                {good().with("email", []string{"mary@example.org", "omar@example.org"}), signin.TokenInvalid},
		"email unverified":          {good().with("email_verified", false), signin.TokenInvalid},
		"email unverified as text":  {good().with("email_verified", "false"), signin.TokenInvalid},
		"email_verified a number":   {good().with("email_verified", 1), signin.TokenInvalid},
		"jti object":                {good().with("jti", members{}), signin.TokenInvalid},
		"amr number":                {good().with("amr", 1), signin.TokenInvalid},
		"everything right but null": {members{"iss": nil}, signin.TokenInvalid},
	} {
		for range 2 {
			if got, err := verify(v, ecPair().token(t, c.claims)); codeOf(err) != c.want {
				t.Errorf("%s: %+v, %v, want %s", name, got, err, c.want)
			}
		}
	}
}

func TestIssuersAreKeptApart(t *testing.T) {
	one, two := issuerWith(keyFile(t, keySet(t, ecPair()))), issuerWith(keyFile(t, keySet(t, otherPair())))
	two.Name, two.Issuer = "other", "https://other.example"
	v := newVerifier(t, one, two)
	theirs := good().with("iss", two.Issuer)
	if c, err := verify(v, otherPair().token(t, theirs)); err != nil || c.Issuer != "other" {
		t.Errorf("theirs: %+v, %v", c, err)
	}
	for name, s := range map[string]string{
		"their key, our name": otherPair().token(t, good()),
		"our key, their name": ecPair().token(t, theirs),
	} {
		if _, err := verify(v, s); codeOf(err) != signin.TokenInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyAllowedAlgorithmsCount(t *testing.T) {
	o := issuerWith(keyFile(t, keySet(t, ecPair(), rsaPair())))
	o.Algorithms = []string{"ES256"}
	v := newVerifier(t, o)
	if _, err := verify(v, ecPair().token(t, good())); err != nil {
		t.Error(err)
	}
	if _, err := verify(v, rsaPair().token(t, good())); codeOf(err) != signin.TokenInvalid {
		t.Error(err)
	}
	for _, bad := range []string{"none", "HS256", "HS512", "", "es256", "RSA1_5"} {
		if o.Algorithms = []string{bad}; bad == "" {
			o.Algorithms = []string{"", "ES256"}
		}
		if _, err := NewVerifier([]Issuer{o}); err == nil {
			t.Errorf("algorithm %q can be allowed", bad)
		}
	}
}

func TestKeysFitOnlyTheirAlgorithm(t *testing.T) {
	small, _ := json.Marshal(members{"keys": []any{
		members{"kty": "oct", "kid": "ec", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
		members{"kty": "RSA", "kid": "short", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(append([]byte{0x80}, make([]byte, 127)...))},
		members{"kty": "EC", "kid": "wrong", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
		members{"kty": "unknown"},
	}})
	if keys, err := readKeys(small); err == nil {
		t.Errorf("taken: %v", keys)
	}
	enc := ecPair().jwk()
	enc.Use = "enc"
	wrong := ecPair().jwk()
	wrong.Algorithm = "RS256"
	private := jose.JSONWebKey{Key: ecPair().private, KeyID: "private"}
	for name, j := range map[string]jose.JSONWebKey{"for encryption": enc, "of another algorithm": wrong, "private": private} {
		raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{j}})
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := readKeys(raw); err == nil {
			t.Errorf("%s: taken %v", name, keys)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	fine := issuerWith("/nowhere/jwks.json")
	for name, change := range map[string]func(*Issuer){
		"no name":          func(i *Issuer) { i.Name = "" },
		"no issuer":        func(i *Issuer) { i.Issuer = "" },
		"no audience":      func(i *Issuer) { i.Audiences = nil },
		"empty audience":   func(i *Issuer) { i.Audiences = []string{""} },
		"no keys":          func(i *Issuer) { i.Keys = "" },
		"keys over http":   func(i *Issuer) { i.Keys = "http://id.example.org/jwks" },
		"keys with a user": func(i *Issuer) { i.Keys = "https://a:b@id.example.org/jwks" },
		"keys over ftp":    func(i *Issuer) { i.Keys = "ftp://127.0.0.1/jwks" },
		"ours":             func(i *Issuer) { i.Issuer = "https://gate.example.org/backends" },
	} {
		o := fine
		change(&o)
		if _, err := NewVerifier([]Issuer{o}, "https://gate.example.org/backends"); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := NewVerifier([]Issuer{fine, fine}); err == nil {
		t.Error("two of the same are taken")
	}
	if _, err := NewVerifier([]Issuer{fine}); err != nil {
		t.Error(err)
	}
}

func TestFactsComeOnlyFromAMapping(t *testing.T) {
	o := issuerWith(keyFile(t, keySet(t, ecPair())))
	o.AMR = map[string]policy.Methods{"pwd": policy.MethodPassword, "mfa": policy.MethodFederatedMultiFactor}
	o.ACR = map[string]policy.Methods{"urn:high": policy.MethodFIDO2}
	o.Always, o.AuthTime, o.SessionMax = policy.MethodEmail, true, time.Hour
	o.Clients, o.Scopes, o.Address, o.Domain = []string{"thunderbird"}, []string{"mail.read"}, "upn", "example.org"
	v, now := newVerifier(t, o), time.Now().Unix()
	claims := good().with("email", nil).with("upn", "mary").with("azp", "thunderbird").with("scope", "openid mail.read").
		with("amr", []string{"pwd", "mfa", "kba"}).with("acr", "urn:high").with("auth_time", now-100).with("sid", "session-1")
	c, err := verify(v, ecPair().token(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	want := policy.MethodPassword | policy.MethodFederatedMultiFactor | policy.MethodFIDO2 | policy.MethodEmail
	if c.Methods != want || c.AuthTime.Unix() != now-100 || c.Address != "mary@example.org" || c.Session != time.Hour || c.ID != "session-1" || c.ClientID != "thunderbird" {
		t.Errorf("%+v", c)
	}
	for name, w := range map[string]struct {
		claims members
		want   signin.Code
	}{
		"another client":     {claims.with("azp", "evil"), signin.TokenAtWrongDoor},
		"no client":          {claims.with("azp", nil), signin.TokenAtWrongDoor},
		"two clients":        {claims.with("client_id", "evil"), signin.TokenAtWrongDoor},
		"scope missing":      {claims.with("scope", nil), signin.TokenAtWrongDoor},
		"scope not whole":    {claims.with("scope", "mail.readwrite mail"), signin.TokenAtWrongDoor},
		"auth_time ahead":    {claims.with("auth_time", now+3600), signin.TokenInvalid},
		"auth_time a text":   {claims.with("auth_time", "yesterday"), signin.TokenInvalid},
		"upn missing":        {claims.with("upn", nil).with("email", "mary@example.org"), signin.TokenInvalid},
		"client a number":    {claims.with("azp", 1), signin.TokenInvalid},
		"scope not a string": {claims.with("scope", 1), signin.TokenInvalid},
	} {
		if got, err := verify(v, ecPair().token(t, w.claims)); codeOf(err) != w.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := verify(v, ecPair().token(t, claims.with("scope", nil).with("scp", []string{"mail.read"}))); err != nil {
		t.Errorf("scp: %v", err)
	}
}

func TestParseMethods(t *testing.T) {
	if m, ok := ParseMethods("password, softwareOath"); !ok || m != policy.MethodPassword|policy.MethodSoftwareOath {
		t.Errorf("%b, %v", m, ok)
	}
	for _, bad := range []string{"", "mfa", "password,", "Password"} {
		if _, ok := ParseMethods(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestANewKeyIsFetchedOnceAMinuteAtMost(t *testing.T) {
	server := serveKeys(t, keySet(t, ecPair()))
	v := newVerifier(t, issuerWith(server.URL))
	if _, err := verify(v, ecPair().token(t, good())); err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		s := otherPair().sign(t, otherPair().header().with("kid", fmt.Sprint("guess", n)), good())
		if _, err := verify(v, s); codeOf(err) != signin.TokenInvalid {
			t.Error(err)
		}
	}
	if n := server.asked.Load(); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
	fresh := newPair("next", jose.ES256)
	server.set(http.StatusOK, keySet(t, ecPair(), fresh))
	next := fresh.token(t, good())
	if _, err := verify(v, next); codeOf(err) != signin.TokenInvalid {
		t.Errorf("within the minute: %v", err)
	}
	age(v, fetchPause)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := verify(v, next); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := server.asked.Load(); n != 2 {
		t.Errorf("keys were fetched %d times", n)
	}
}

func TestOldKeysStayGoodWhileNewOnesCannotBeHad(t *testing.T) {
	server := serveKeys(t, keySet(t, ecPair()))
	v := newVerifier(t, issuerWith(server.URL))
	n := 0
	check := func(when string, p pair, want signin.Code) {
		t.Helper()
		n++
		_, err := verify(v, p.token(t, good().with("jti", fmt.Sprint(n))))
		if err == nil && want == signin.OK || err != nil && want != signin.OK && codeOf(err) == want {
			return
		}
		t.Errorf("%s: %v, want %s", when, err, want)
	}
	check("at first", ecPair(), signin.OK)
	for name, bad := range map[string]struct {
		code int
		body []byte
	}{
		"empty set":       {200, []byte(`{"keys":[]}`)},
		"no set":          {200, []byte(`{}`)},
		"no JSON":         {200, []byte(`<html>`)},
		"nothing":         {200, nil},
		"only symmetric":  {200, []byte(`{"keys":[{"kty":"oct","kid":"ec","k":"AAAA"}]}`)},
		"server error":    {503, keySet(t, otherPair())},
		"over the bounds": {200, []byte(`{"keys":[` + strings.Repeat(" ", fetchBytes) + `]}`)},
	} {
		server.set(bad.code, bad.body)
		age(v, 2*keysFresh)
		v.Refresh(t.Context())
		check(name, ecPair(), signin.OK)
		if st := v.States()[0]; st.Keys != 1 || st.Fault == "" {
			t.Errorf("%s: state %+v", name, st)
		}
	}
	server.set(200, keySet(t, rsaPair()))
	age(v, 2*keysFresh)
	v.Refresh(t.Context())
	check("a key that was withdrawn", ecPair(), signin.TokenInvalid)
	check("its follower", rsaPair(), signin.OK)
}

func TestAWithdrawnKeysTokensAreForgotten(t *testing.T) {
	path := keyFile(t, keySet(t, ecPair(), rsaPair()))
	v, s := newVerifier(t, issuerWith(path)), ecPair().token(t, good())
	if _, err := verify(v, s); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, keySet(t, rsaPair()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(v, s); err != nil {
		t.Errorf("seen before: %v", err)
	}
	age(v, 2*keysFresh)
	v.Refresh(t.Context())
	if _, err := verify(v, s); codeOf(err) != signin.TokenInvalid {
		t.Errorf("after the key was withdrawn: %v", err)
	}
}

func TestWithoutKeysNothingCanBeSaid(t *testing.T) {
	server := serveKeys(t, nil)
	server.set(500, nil)
	v := newVerifier(t, issuerWith(server.URL))
	for range 5 {
		_, err := verify(v, ecPair().token(t, good()))
		if !errors.Is(err, errNoKeys) || codeOf(err) != -1 {
			t.Errorf("%v", err)
		}
	}
	if n := server.asked.Load(); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
	server.set(200, keySet(t, ecPair()))
	age(v, fetchPause)
	if _, err := verify(v, ecPair().token(t, good())); err != nil {
		t.Error(err)
	}
}

func TestKeysNeverComeOverARedirectionToHTTP(t *testing.T) {
	s := serveKeys(t, nil)
	s.Config.Handler = http.RedirectHandler("http://keys.example/jwks", http.StatusFound)
	v := newVerifier(t, issuerWith(s.URL))
	if _, err := verify(v, ecPair().token(t, good())); !errors.Is(err, errNoKeys) || !strings.Contains(err.Error(), "https") {
		t.Errorf("%v", err)
	}
}

func TestASeenTokenStillExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := door(t)
		s := ecPair().token(t, good())
		for range 11 {
			if _, err := verify(v, s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if _, err := verify(v, s); codeOf(err) != signin.TokenExpired {
			t.Errorf("%v", err)
		}
	})
}

func TestSeenTokensAreBoundedAndEachPersonsOwn(t *testing.T) {
	s, now := newSeen(), time.Now()
	for n := range seenMost + 500 {
		s.add(s.print(fmt.Append(nil, n)), Claims{Address: fmt.Sprint(n), Expires: now.Add(time.Hour)}, s.generation())
	}
	if len(s.claims) != seenMost {
		t.Errorf("%d are kept", len(s.claims))
	}
	for n := range seenMost + 500 {
		if c, ok := s.find(s.print(fmt.Append(nil, n)), now); ok && c.Address != fmt.Sprint(n) {
			t.Fatalf("token %d gives %s", n, c.Address)
		}
	}
	old := s.generation()
	s.clear()
	s.add(s.print([]byte("x")), Claims{Expires: now.Add(time.Hour)}, old)
	if len(s.claims) != 0 {
		t.Error("a token verified with old keys is remembered after they changed")
	}
}

func FuzzVerify(f *testing.F) {
	v := door(f)
	f.Add(ecPair().token(f, good()))
	f.Add(rsaPair().token(f, good()))
	f.Add("..")
	f.Add(encode(f, members{"alg": "none"}) + "." + encode(f, good()) + ".")
	taken := map[string]bool{ecPair().token(f, good()): true}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := verify(v, s)
		if err == nil && !taken[s] && c.Address != "mary@example.org" {
			t.Errorf("%q is taken for %+v", s, c)
		}
		if err != nil && codeOf(err) == -1 {
			t.Errorf("%q is called our trouble: %v", s, err)
		}
	})
}

func BenchmarkVerifyCold(b *testing.B) {
	v := door(b)
	for _, p := range []pair{ecPair(), rsaPair(), edPair()} {
		s := []byte(p.token(b, good()))
		b.Run(string(p.algorithm), func(b *testing.B) {
			for b.Loop() {
				v.seen.clear()
				if _, err := v.Verify(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifySeen(b *testing.B) {
	v := door(b)
	for _, size := range []int{0, 1000} {
		s := []byte(rsaPair().token(b, good().with("pad", strings.Repeat("x", size))))
		b.Run(fmt.Sprint(len(s), "B"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
