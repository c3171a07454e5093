package token

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
)

// Issuer is one OpenID issuer whose tokens are accepted.
type Issuer struct {
	Name      string   // in the configuration and the log
	Issuer    string   // the exact value of iss
	Audiences []string // one of these must be in aud
	// Keys is where the issuer's JWKS is: an https URL (http on loopback only)
	// or the path of a file.
	Keys string
	// Algorithms that the issuer signs with; empty is all that we know. None
	// and the HMAC family are never among them.
	Algorithms []string
	// Address is the claim that holds the person's mail address; empty is email.
	Address string
	// Verified says what must be said for an address to be the person's.
	Verified Verified
	// Domain is added to an address without one (upn and preferred_username may
	// be bare names).
	Domain string
	// Clients, if any, are the only values of azp or client_id that are accepted.
	Clients []string
	// Scopes must all be among the token's.
	Scopes []string
	// AMR and ACR map the values of those claims to methods; a value that is not
	// mapped proves nothing. Always is proven by any token of this issuer.
	AMR, ACR map[string]policy.Methods
	Always   policy.Methods
	// Groups is the claim with the person's groups; empty: none is read.
	Groups string
	// AuthTime says that the claim auth_time is taken for a fact.
	AuthTime bool
	// SessionMax is how long a sign-in lasts at most; 0 is 24 h.
	SessionMax time.Duration
	// Client fetches the keys; nil is an ordinary one.
	Client *http.Client
}

// Verified says whose word an address is taken on.
type Verified uint8

// The rules. The zero value is for issuers whose tokens programs hold.
const (
	VerifiedUnlessSaid Verified = iota // email, unless email_verified says no; any other claim
	VerifiedBySaying                   // only if email_verified says yes, whatever the claim
	VerifiedAnyhow                     // the issuer answers for its addresses, whatever it says
)

const (
	defaultAddressClaim = "email"
	defaultSessionMax   = 24 * time.Hour
)

// known are the signature algorithms that can be allowed: asymmetric ones only,
// so that no public key can be taken for a shared secret.
var known = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA, jose.ES384, jose.ES512,
	jose.PS256, jose.RS384, jose.RS512, jose.PS384, jose.PS512}

// issuer is an Issuer ready for use.
type issuer struct {
	Issuer
	algorithms []jose.SignatureAlgorithm
	keys       *keySource
}

func newIssuer(o Issuer) (*issuer, error) {
	if o.Name == "" || o.Issuer == "" || len(o.Audiences) == 0 || slices.Contains(o.Audiences, "") {
		return nil, fmt.Errorf("issuer %q needs a name, an issuer and an audience", o.Name)
	}
	if o.Address == "" {
		o.Address = defaultAddressClaim
	}
	if o.SessionMax == 0 {
		o.SessionMax = defaultSessionMax
	}
	i := &issuer{Issuer: o, algorithms: known}
	if len(o.Algorithms) > 0 {
		i.algorithms = nil
	}
	for _, name := range o.Algorithms {
		a := jose.SignatureAlgorithm(name)
		if !slices.Contains(known, a) {
			return nil, fmt.Errorf("issuer %s: algorithm %q cannot be allowed, use some of %v", o.Name, name, known)
		}
		i.algorithms = append(i.algorithms, a)
	}
	keys, err := newKeySource(o.Keys, o.Client)
	if err != nil {
		return nil, fmt.Errorf("issuer %s: %w", o.Name, err)
	}
	i.keys = keys
	return i, nil
}

// safeURL takes https, and http on loopback, where nobody can sit in between.
func safeURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q is no URL of keys", s)
	}
	if network.Safe(u) {
		return nil
	}
	return fmt.Errorf("keys must come over https, not from %q", s)
}

func isURL(s string) bool { return strings.Contains(s, "://") }
