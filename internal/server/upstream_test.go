package server

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/token"
)

func TestAProviderIsWhatTheConfigurationSays(t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("portreeve.yaml", dir, []byte(`
public_url: https://door.example.org
issuers:
  corp:
    issuer: https://login.example.org/
    claims: {address: upn}
    domain: example.org
    algorithms: [ES256]
    amr: {otp: [softwareOath]}
    proves: [password]
    auth_time: true
    scopes: [mail]
    clients: [program]
    sign_in: {client_id: us, client_secret: {env: SECRET}, domains: [Example.ORG], trust_addresses: true, groups_claim: g, groups: {a: b}}
  strict: {issuer: "https://strict.example", sign_in: {client_id: us, domains: [strict.example]}}
  broken: {issuer: "https://broken.example", sign_in: {client_id: us, domains: [broken.example], ca: ca.pem}}
  programs: {issuer: "https://programs.example", audience: [mail], jwks_url: "https://programs.example/keys"}
`), []string{"SECRET=hush"})
	if err != nil {
		t.Fatal(err)
	}
	one := c.Issuers["corp"]
	p, err := providerOf("corp", &one)
	if err != nil {
		t.Fatal(err)
	}
	i := p.Tokens
	if p.Issuer != "https://login.example.org/" || p.ClientID != "us" || string(p.Secret.Bytes()) != "hush" || p.Label != "corp" || len(p.Scopes) != 2 ||
		len(p.Domains) != 1 || p.Domains[0] != "example.org" || p.Groups["a"] != "b" {
		t.Errorf("the provider is %+v", p)
	}
	if i.Address != "upn" || i.Domain != "example.org" || i.Groups != "g" || i.Verified != token.VerifiedAnyhow || !i.AuthTime || i.Always != policy.MethodPassword ||
		i.AMR["otp"] != policy.MethodSoftwareOath || len(i.Algorithms) != 1 || len(i.Scopes)+len(i.Clients)+len(i.Audiences) > 0 {
		t.Errorf("its ID tokens are read as %+v", i)
	}
	two := c.Issuers["strict"]
	if p, err = providerOf("strict", &two); err != nil || p.Tokens.Verified != token.VerifiedBySaying || p.Tokens.Groups != "" || p.Groups != nil {
		t.Errorf("without a word of trust: %+v, %v", p.Tokens, err)
	}
	three := c.Issuers["broken"]
	if _, err := providerOf("broken", &three); err == nil {
		t.Error("a file without a certificate is an authority")
	}
	s := &Server{Options: Options{Config: c}}
	if one, ok := s.onlyIssuer(); !ok || one != "https://programs.example" {
		t.Errorf("programs are pointed to %q, %v", one, ok)
	}
	if err := s.openIssuers(t.Context()); err != nil || s.tokens == nil || len(s.tokens.States()) != 1 {
		t.Errorf("tokens of programs are taken of %+v, %v", s.tokens, err)
	}
}
