package authn

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

// provider is an OpenID provider that speaks for example.org, but not for omar.
type provider struct {
	tokens map[string]token.Claims
	fault  error
	came   []string // people
}

func (p *provider) Verify(_ context.Context, raw []byte) (token.Claims, error) {
	c, ok := p.tokens[string(raw)]
	if !ok {
		return c, &token.Refusal{Code: signin.TokenInvalid, Detail: "not fetched here"}
	}
	return c, nil
}

func (p *provider) Vouches(name, address string) bool {
	return name == "corp" && strings.HasSuffix(address, "@example.org") && address != "omar@example.org"
}

func (p *provider) Arrived(_ context.Context, person string, _ token.Claims) error {
	p.came = append(p.came, person)
	return p.fault
}

func atPage(name, raw string) (signin.Attempt, signin.Credential) {
	a := signin.Attempt{At: time.Now(), Protocol: protocol.Portal, Listener: "public"}
	return a, signin.NewCredential(policy.CredentialBearer, "openid", name, "", []byte(raw))
}

func TestAnIDTokenCountsInABrowserAndNowhereElse(t *testing.T) {
	w := newWorld()
	p := &provider{tokens: map[string]token.Claims{}}
	for name, address := range map[string]string{"mary": "mary@example.org", "omar": "omar@example.org", "else": "mary@elsewhere.example", "off": "off@example.org", "new": "new@example.org"} {
		p.tokens[name] = token.Claims{Issuer: "corp", Subject: name, Address: address, ID: "sid-" + name, Methods: policy.MethodSoftwareOath, AuthTime: time.Unix(7, 0)}
	}
	v := New(Options{Names: w, Vouchers: w, Directory: w, Networks: w, Pool: nil, Newcomers: w, Tokens: w, Upstream: p, Revocations: w})
	show := func(protocol protocol.Protocol, name, raw string) (signin.Principal, error) {
		a, c := atPage(name, raw)
		a.Protocol = protocol
		who, known, _ := w.Lookup(t.Context(), name)
		return v.Verify(t.Context(), a, who, known, c)
	}
	got, err := show(protocol.Portal, "mary@example.org", "mary")
	if err != nil || got.Person != "id-mary" || got.Issuer != "corp" || got.Grant != "corp:sid-mary" || got.Methods != policy.MethodSoftwareOath || !got.AuthTime.Equal(time.Unix(7, 0)) {
		t.Errorf("mary is %+v, %v", got, err)
	}
	if got, err = show(protocol.Portal, "new@example.org", "new"); err != nil || got.Person != "id-made" {
		t.Errorf("a newcomer is %+v, %v", got, err)
	}
	if len(p.came) != 2 || p.came[0] != "id-mary" || p.came[1] != "id-made" {
		t.Errorf("taken over of %v", p.came)
	}
	for _, c := range []struct {
		what     string
		protocol protocol.Protocol
		name     string
		raw      string
		want     signin.Code
	}{
		{"an ID token at IMAP", protocol.IMAP, "mary@example.org", "mary", signin.TokenExpired}, // as the door's issuers know none such
		{"an ID token at submission", protocol.Submission, "mary@example.org", "mary", signin.TokenExpired},
		{"an ID token at webmail", protocol.Webmail, "mary@example.org", "mary", signin.TokenExpired},
		{"a program's token in a browser", protocol.Portal, "mary@example.org", "mary-token", signin.TokenInvalid},
		{"somebody of another provider", protocol.Portal, "omar@example.org", "omar", signin.ProviderForAnother},
		{"somebody of another domain", protocol.Portal, "mary@elsewhere.example", "else", signin.ProviderForAnother},
		{"somebody who is disabled", protocol.Portal, "off@example.org", "off", signin.UserDisabled},
		{"mary's token under another's name", protocol.Portal, "pete@example.org", "mary", signin.TokenOfAnother},
	} {
		before := len(p.came)
		_, err := show(c.protocol, c.name, c.raw)
		var no *Refusal
		if !errors.As(err, &no) || no.Code != c.want {
			t.Errorf("%s: %v, want %s", c.what, err, c.want)
		}
		if len(p.came) != before {
			t.Errorf("%s: something was taken over", c.what)
		}
	}
	if _, made := w.people["mary@elsewhere.example"]; made {
		t.Error("somebody of another domain has become a person")
	}
	w.revoked["corp:sid-mary"] = true
	var no *Refusal
	if _, err := show(protocol.Portal, "mary@example.org", "mary"); !errors.As(err, &no) || no.Code != signin.TokenInvalid {
		t.Errorf("after the provider's logout: %v", err)
	}
	delete(w.revoked, "corp:sid-mary")
	p.fault = errors.New("no database")
	if _, err := show(protocol.Portal, "mary@example.org", "mary"); err == nil || TroubleCode(err) != signin.DirectoryAway {
		t.Errorf("what could not be taken over: %v", err)
	}
	if _, err := New(Options{Names: w, Vouchers: w, Directory: w, Networks: w, Tokens: w}).Verify(t.Context(), signin.Attempt{Protocol: protocol.Portal},
		w.people["mary@example.org"], true, signin.NewCredential(policy.CredentialBearer, "openid", "mary@example.org", "", []byte("mary-token"))); !errors.As(err, &no) {
		t.Errorf("without a provider: %v", err)
	}
}
