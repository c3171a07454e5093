package token

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// claimSet is a token's claims, each read only as what it must be. The JSON
// package is go-jose's, which refuses repeated members and knows no other case
// of a name.
type claimSet map[string]json.RawMessage

func readClaims(payload []byte) (claimSet, error) {
	var c claimSet
	if err := json.Unmarshal(payload, &c); err != nil || c == nil {
		return nil, refuse(signin.TokenInvalid, "the claims are no JSON object, or a member is repeated")
	}
	return c, nil
}

func (c claimSet) has(name string) bool {
	raw, ok := c[name]
	return ok && string(raw) != "null"
}

// text reads a claim that must be a string and not empty.
func (c claimSet) text(name string) (string, error) {
	var s string
	if !c.has(name) || json.Unmarshal(c[name], &s) != nil || s == "" {
		return "", refuse(signin.TokenInvalid, "claim %s is missing or no text", name)
	}
	return s, nil
}

// optional is text for a claim that may be missing.
func (c claimSet) optional(name string) (string, error) {
	if !c.has(name) {
		return "", nil
	}
	return c.text(name)
}

// list reads a claim that is a string or several (aud, and amr of some issuers).
func (c claimSet) list(name string) ([]string, error) {
	if !c.has(name) {
		return nil, nil
	}
	var many []string
	if json.Unmarshal(c[name], &many) == nil {
		return many, nil
	}
	one, err := c.text(name)
	return []string{one}, err
}

// latest is the last second that a claim can name: the year 9999.
const latest = 253402300799

// moment reads a NumericDate: a JSON number, never a text that looks like one.
func (c claimSet) moment(name string) (time.Time, error) {
	var f float64
	if !c.has(name) || c[name][0] == '"' || json.Unmarshal(c[name], &f) != nil || math.IsNaN(f) || f < 0 || f > latest {
		return time.Time{}, refuse(signin.TokenInvalid, "claim %s is no time", name)
	}
	whole, rest := math.Modf(f)
	return time.Unix(int64(whole), int64(rest*1e9)), nil
}

// judge says what a token with a right signature proves now.
func (i *issuer) judge(c *claimSet, now time.Time) (Claims, error) {
	out := Claims{Issuer: i.Name, Session: i.SessionMax}
	var err error
	if out.Issued, out.Expires, err = c.times(now); err != nil {
		return Claims{}, err
	}
	if err := i.meant(c, &out); err != nil {
		return Claims{}, err
	}
	if c.has("events") { // RFC 8417: a security event, such as a logout token
		return Claims{}, refuse(signin.TokenInvalid, "a security event is no sign-in")
	}
	if out.Subject, err = c.text("sub"); err != nil {
		return Claims{}, err
	}
	if out.Address, err = i.address(c); err != nil {
		return Claims{}, err
	}
	if out.ID, err = c.id(); err != nil {
		return Claims{}, err
	}
	return out, i.facts(c, &out)
}

// times checks exp, nbf and iat. exp must be there: a token that never ends is
// no token.
func (c *claimSet) times(now time.Time) (issued, expires time.Time, err error) {
	if expires, err = c.moment("exp"); err != nil {
		return issued, expires, err
	}
	if !now.Before(expires.Add(leeway)) {
		return issued, expires, refuse(signin.TokenExpired, "expired at %s", expires.UTC().Format(time.RFC3339))
	}
	for _, name := range []string{"nbf", "iat"} {
		if !c.has(name) {
			continue
		}
		at, err := c.moment(name)
		if err != nil {
			return issued, expires, err
		}
		if at.After(now.Add(leeway)) {
			return issued, expires, refuse(signin.TokenNotYetValid, "%s is %s", name, at.UTC().Format(time.RFC3339))
		}
		issued = at // iat comes last
	}
	return issued, expires, nil
}

// meant checks that the token is for this door, this client and this use.
func (i *issuer) meant(c *claimSet, out *Claims) error {
	audience, err := c.list("aud")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(i.Audiences, a) }) {
		return refuse(signin.TokenAtWrongDoor, "the audience is %.200q", audience)
	}
	for _, name := range []string{"client_id", "azp"} { // azp comes last and wins
		client, err := c.optional(name)
		if err != nil {
			return err
		}
		if client != "" {
			out.ClientID = client
		}
		if len(i.Clients) > 0 && client != "" && !slices.Contains(i.Clients, client) {
			return refuse(signin.TokenAtWrongDoor, "%s is %.200q", name, client)
		}
	}
	if len(i.Clients) > 0 && out.ClientID == "" {
		return refuse(signin.TokenAtWrongDoor, "the token names no client")
	}
	return i.scoped(c)
}

func (i *issuer) scoped(c *claimSet) error {
	if len(i.Scopes) == 0 {
		return nil
	}
	name := "scope"
	if !c.has(name) {
		name = "scp" // Entra and Okta
	}
	scopes, err := c.list(name)
	if err != nil {
		return err
	}
	scopes = strings.Fields(strings.Join(scopes, " "))
	for _, want := range i.Scopes {
		if !slices.Contains(scopes, want) {
			return refuse(signin.TokenAtWrongDoor, "the token lacks the scope %s", want)
		}
	}
	return nil
}

// address is the person's mail address. One that the issuer calls unverified
// could be anybody's.
func (i *issuer) address(c *claimSet) (string, error) {
	address, err := c.text(i.Address)
	if err != nil {
		return "", err
	}
	said := c.has("email_verified")
	yes := said && (string((*c)["email_verified"]) == "true" || string((*c)["email_verified"]) == `"true"`) // Cognito writes a text
	switch i.Verified {
	case VerifiedUnlessSaid:
		if i.Address == defaultAddressClaim && said && !yes {
			return "", refuse(signin.TokenInvalid, "the issuer has not verified the address")
		}
	case VerifiedBySaying:
		if !yes {
			return "", refuse(signin.TokenInvalid, "the issuer does not say that it has verified the address")
		}
	}
	if !strings.Contains(address, "@") && i.Domain != "" {
		address += "@" + i.Domain
	}
	return address, nil
}

// id names what the token hangs on: the sign-in at the issuer, else the token.
func (c *claimSet) id() (string, error) {
	sid, err := c.optional("sid")
	if err != nil || sid != "" {
		return sid, err
	}
	return c.optional("jti")
}

// facts takes how the person signed in, as far as the configuration maps it.
func (i *issuer) facts(c *claimSet, out *Claims) error {
	amr, err1 := c.list("amr")
	acr, err2 := c.optional("acr")
	if err := errors.Join(err1, err2); err != nil {
		return refuse(signin.TokenInvalid, "amr or acr is no text")
	}
	out.Methods = i.Always | i.ACR[acr]
	for _, value := range amr {
		out.Methods |= i.AMR[value]
	}
	if i.Groups != "" {
		if err := i.groups(c, out); err != nil {
			return err
		}
	}
	if !i.AuthTime || !c.has("auth_time") {
		return nil
	}
	at, err := c.moment("auth_time")
	if err == nil && at.After(time.Now().Add(leeway)) {
		return refuse(signin.TokenInvalid, "auth_time lies in the future")
	}
	out.AuthTime = at
	return err
}

// groups takes the groups that the issuer says. One that has too many for a
// token says where they can be asked for instead (OpenID Connect Core, section
// 5.6.2; Entra does so above 200): who is in which is then not known.
func (i *issuer) groups(c *claimSet, out *Claims) error {
	if elsewhere, ok := (*c)["_claim_names"]; ok {
		var names map[string]json.RawMessage
		if json.Unmarshal(elsewhere, &names) != nil || names[i.Groups] != nil {
			return refuse(signin.TokenInvalid, "the person has more groups than the issuer puts into a token: have it send only those that matter here")
		}
	}
	var err error
	out.Groups, err = c.list(i.Groups)
	return err
}

// methodNames are RFC 8176's words and Graph's for the methods that a mapping
// can name.
var methodNames = map[string]policy.Methods{
	"password": policy.MethodPassword, "voice": policy.MethodVoice, "hardwareOath": policy.MethodHardwareOath,
	"softwareOath": policy.MethodSoftwareOath, "sms": policy.MethodSMS, "fido2": policy.MethodFIDO2,
	"windowsHelloForBusiness": policy.MethodWindowsHelloForBusiness, "microsoftAuthenticatorPush": policy.MethodMicrosoftAuthenticatorPush,
	"deviceBasedPush": policy.MethodDeviceBasedPush, "temporaryAccessPassOneTime": policy.MethodTemporaryAccessPassOneTime,
	"temporaryAccessPassMultiUse": policy.MethodTemporaryAccessPassMulti, "email": policy.MethodEmail,
	"x509CertificateSingleFactor": policy.MethodX509SingleFactor, "x509CertificateMultiFactor": policy.MethodX509MultiFactor,
	"federatedSingleFactor": policy.MethodFederatedSingleFactor, "federatedMultiFactor": policy.MethodFederatedMultiFactor,
	"qrCodePin": policy.MethodQRCodePin,
}

// ParseMethods reads Graph's authenticationMethodModes, separated by commas, as
// the configuration maps amr and acr to them.
func ParseMethods(s string) (policy.Methods, bool) {
	var all policy.Methods
	for word := range strings.SplitSeq(s, ",") {
		m, ok := methodNames[strings.TrimSpace(word)]
		if !ok {
			return 0, false
		}
		all |= m
	}
	return all, true
}
