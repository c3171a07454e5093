package grant

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

// logoutLife is how long a logout token lasts: it is sent at once (OpenID
// Connect Back-Channel Logout 1.0, section 2.4).
const logoutLife = 2 * time.Minute

// AccessFor says what an access token is for.
type AccessFor struct {
	ClientID  string
	Algorithm string    // ES256 or RS256; empty is ES256
	Scope     scope.Set // what of the grant's; empty is all
}

// accessClaims are an access token's (RFC 9068, section 2.2).
type accessClaims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Client   string   `json:"client_id"`
	Scope    string   `json:"scope,omitempty"`
	ID       string   `json:"jti"`
	Grant    string   `json:"sid"`
	Issued   int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	AuthTime int64    `json:"auth_time,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	Email    string   `json:"email"`
}

// Access makes an access token, and says how long it lasts.
func (s *Service) Access(g Grant, client AccessFor) (access string, expires time.Duration, err error) {
	granted := client.Scope
	if granted.Empty() {
		granted = g.Scope
	}
	if client.ClientID != g.Client || !granted.Within(g.Scope) {
		return "", 0, errors.New("making an access token: it is not what was granted")
	}
	now, expires := time.Now(), s.AccessLife
	if !g.Until.IsZero() {
		expires = min(expires, g.Until.Sub(now))
	}
	if expires = expires.Truncate(time.Second); expires <= 0 {
		return "", 0, g.refuse(signin.GrantEnded, "the grant ran out")
	}
	audience := s.Issuer
	if len(granted.Protocols()) > 0 {
		audience += token.MailAudience
	}
	access, err = s.Keys.Sign(jose.SignatureAlgorithm(client.Algorithm), token.TypeAccess, accessClaims{
		Issuer: s.Issuer, Audience: audience, Subject: g.Person, Client: g.Client, Scope: granted.String(), ID: newID(), Grant: g.ID,
		Issued: now.Unix(), Expires: now.Add(expires).Unix(), AuthTime: seconds(g.AuthTime), AMR: AMR(g.Methods), Email: g.Address,
	})
	return access, expires, err
}

// IDTokenFor says what an ID token is for.
type IDTokenFor struct {
	ClientID    string
	Algorithm   string // ES256 or RS256; empty is ES256
	AccessToken string // for at_hash; empty: none is given along with it
	Name        string // the person's, told if the scopes say so
}

// Format prints no token.
func (f IDTokenFor) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "an ID token for %q of %q", f.ClientID, f.Name)
}

// idClaims are an ID token's (OpenID Connect Core 1.0, sections 2, 3.1.3.6 and 5.1).
type idClaims struct {
	Issuer     string   `json:"iss"`
	Audience   string   `json:"aud"`
	Subject    string   `json:"sub"`
	Party      string   `json:"azp"`
	Issued     int64    `json:"iat"`
	Expires    int64    `json:"exp"`
	AuthTime   int64    `json:"auth_time,omitempty"`
	Nonce      string   `json:"nonce,omitempty"`
	AccessHash string   `json:"at_hash,omitempty"`
	Session    string   `json:"sid"`
	AMR        []string `json:"amr,omitempty"`
	ACR        string   `json:"acr"`
	Email      string   `json:"email,omitempty"`
	Verified   bool     `json:"email_verified,omitempty"`
	Name       string   `json:"name,omitempty"`
	Username   string   `json:"preferred_username,omitempty"`
}

// IDToken makes an ID token.
func (s *Service) IDToken(g Grant, f IDTokenFor) (string, error) {
	if f.ClientID != g.Client {
		return "", errors.New("making an ID token: it is another client's grant")
	}
	now := time.Now()
	c := idClaims{Issuer: s.Issuer, Audience: f.ClientID, Party: f.ClientID, Subject: g.Person, Issued: now.Unix(), Expires: now.Add(s.AccessLife).Unix(),
		AuthTime: seconds(g.AuthTime), Nonce: g.Nonce, AccessHash: halfHash(f.AccessToken), Session: g.ID,
		AMR: AMR(g.Methods), ACR: ACR(g.Methods)}
	if g.Scope.Has(scope.Email) {
		c.Email, c.Verified = g.Address, true // the mailbox is ours
	}
	if g.Scope.Has(scope.Profile) {
		c.Name, c.Username = f.Name, g.Address
	}
	return s.Keys.Sign(jose.SignatureAlgorithm(f.Algorithm), token.TypeID, c)
}

// logoutClaims are a logout token's (Back-Channel Logout 1.0, section 2.4).
type logoutClaims struct {
	Issuer   string              `json:"iss"`
	Audience string              `json:"aud"`
	Subject  string              `json:"sub,omitempty"`
	Issued   int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	ID       string              `json:"jti"`
	Session  string              `json:"sid,omitempty"`
	Events   map[string]struct{} `json:"events"`
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// LogoutToken tells a client that a grant, sid, or all of a person's are over.
func (s *Service) LogoutToken(clientID, person, sid, algorithm string) (string, error) {
	if clientID == "" || person == "" && sid == "" {
		return "", errors.New("making a logout token: it needs a client, and a person or a session")
	}
	now := time.Now()
	return s.Keys.Sign(jose.SignatureAlgorithm(algorithm), token.TypeLogout, logoutClaims{Issuer: s.Issuer, Audience: clientID, Subject: person,
		Issued: now.Unix(), Expires: now.Add(logoutLife).Unix(), ID: newID(), Session: sid, Events: map[string]struct{}{logoutEvent: {}}})
}

func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// halfHash is at_hash: the left half of SHA-256, which is the hash of
// both our algorithms (OpenID Connect Core 1.0, section 3.1.3.6).
func halfHash(text string) string {
	if text == "" {
		return ""
	}
	sum := hashOf(text)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// The values of acr.
const (
	ACRPhishingResistant = "phr"                            // OpenID's Extended Authentication Profile
	ACRSeveralFactors    = "https://refeds.org/profile/mfa" // REFEDS
	ACROneFactor         = "https://refeds.org/profile/sfa" // REFEDS
)

const (
	otp       = policy.MethodHardwareOath | policy.MethodSoftwareOath | policy.MethodTemporaryAccessPassOneTime | policy.MethodTemporaryAccessPassMulti | policy.MethodEmail
	push      = policy.MethodMicrosoftAuthenticatorPush | policy.MethodDeviceBasedPush
	resistant = policy.MethodFIDO2 | policy.MethodWindowsHelloForBusiness | policy.MethodX509MultiFactor
)

// amrWords are RFC 8176's words for methods, in the order they are told.
var amrWords = []struct {
	methods policy.Methods
	word    string
}{
	{policy.MethodPassword, "pwd"}, {policy.MethodQRCodePin, "pin"}, {otp, "otp"}, {policy.MethodSMS, "sms"}, {policy.MethodVoice, "tel"},
	{policy.MethodFIDO2 | policy.MethodWindowsHelloForBusiness, "hwk"}, {policy.MethodX509SingleFactor | policy.MethodX509MultiFactor | push, "pop"},
}

// AMR is how a person proved who they are, in the words of RFC 8176.
func AMR(m policy.Methods) (words []string) {
	for _, w := range amrWords {
		if m&w.methods != 0 {
			words = append(words, w.word)
		}
	}
	if policy.MultiFactor(m) {
		words = append(words, "mfa")
	}
	return words
}

// ACR is how much that was worth, in one word: what two factors are is the
// policies' to say.
func ACR(m policy.Methods) string {
	switch {
	case m&resistant != 0:
		return ACRPhishingResistant
	case policy.MultiFactor(m):
		return ACRSeveralFactors
	}
	return ACROneFactor
}
