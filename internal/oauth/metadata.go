package oauth

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/token"
)

// described is the issuer's description, the same for OpenID Connect Discovery
// and for RFC 8414.
type described struct {
	oidc.DiscoveryConfiguration
	RequestParameter bool     `json:"request_parameter_supported"` // said though it is no: the defaults differ
	ClaimsParameter  bool     `json:"claims_parameter_supported"`
	Iss              bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	Prompts          []string `json:"prompt_values_supported"`
	Resources        []string `json:"protected_resources"` // RFC 9728
	UILocales        []string `json:"ui_locales_supported,omitempty"`
}

// offered are the scopes that a program can ask for. Those that programs have
// built in mean the same and are not named.
var offered = []string{"openid", "email", "profile", "offline_access", "mail", "imap", "pop", "smtp", "sieve",
	"urn:ietf:params:oauth:scope:mail", "urn:ietf:params:oauth:scope:contacts", "urn:ietf:params:oauth:scope:calendars"}

func (s *Server) describe() []byte {
	grants := []oidc.GrantType{client.GrantCode, client.GrantRefresh, client.GrantCredentials}
	secrets := []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost}
	d := described{
		DiscoveryConfiguration: oidc.DiscoveryConfiguration{
			Issuer:                s.Issuer,
			AuthorizationEndpoint: s.Issuer + pathAuthorize,
			TokenEndpoint:         s.Issuer + pathToken,
			IntrospectionEndpoint: s.Issuer + pathIntrospect,
			UserinfoEndpoint:      s.Issuer + pathUserinfo,
			RevocationEndpoint:    s.Issuer + pathRevoke,
			EndSessionEndpoint:    s.Issuer + pathLogout,
			JwksURI:               s.Issuer + pathKeys,

			ScopesSupported:                            offered,
			ResponseTypesSupported:                     []string{"code"},
			ResponseModesSupported:                     []string{"query", modeFormPost},
			SubjectTypesSupported:                      []string{"public"},
			ACRValuesSupported:                         []string{grant.ACRPhishingResistant, grant.ACRSeveralFactors, grant.ACROneFactor},
			IDTokenSigningAlgValuesSupported:           []string{"RS256", "ES256"},
			TokenEndpointAuthMethodsSupported:          append([]oidc.AuthMethod{oidc.AuthMethodNone}, secrets...),
			RevocationEndpointAuthMethodsSupported:     append([]oidc.AuthMethod{oidc.AuthMethodNone}, secrets...),
			IntrospectionEndpointAuthMethodsSupported:  secrets,
			CodeChallengeMethodsSupported:              []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
			ClaimTypesSupported:                        []string{"normal"},
			ClaimsSupported:                            []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid", "email", "email_verified", "name", "preferred_username"},
			BackChannelLogoutSupported:                 s.Changes != nil,
			BackChannelLogoutSessionSupported:          s.Changes != nil,
			TokenEndpointAuthSigningAlgValuesSupported: nil, // no program authenticates by a JWT
		},
		Iss: true, Prompts: []string{"none", "login", "consent", "select_account"}, Resources: []string{s.Issuer + token.MailAudience}, UILocales: s.Languages,
	}
	if s.DeviceCode {
		d.DeviceAuthorizationEndpoint = s.Issuer + pathDevice
		grants = append(grants, client.GrantDevice)
	}
	if s.Registration {
		d.RegistrationEndpoint = s.Issuer + pathRegister
	}
	d.GrantTypesSupported = grants
	return marshalled(d)
}

// describeResource says who gives tokens for a resource (RFC 9728).
func (s *Server) describeResource(name string) []byte {
	return marshalled(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
		Methods  []string `json:"bearer_methods_supported"`
	}{name, []string{s.Issuer}, offered, []string{"header"}})
}

// marshalled makes a document of what is ours and can always be made.
func marshalled(v any) []byte {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("a description of the issuer cannot be made: %v", err))
	}
	return append(b, '\n')
}

// document serves what was made once.
func document(b []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b)
	})
}

// keys serves the public keys of what we sign for programs.
func (s *Server) keys(w http.ResponseWriter, _ *http.Request) {
	b, err := s.Keyring.JWKS()
	if err != nil {
		s.Fault.Error("cannot publish the keys of tokens", "err", err)
		w.Header().Set("Cache-Control", "no-store")
		tell(w, http.StatusServiceUnavailable, temporarilyAway, awayText)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(b)
}
