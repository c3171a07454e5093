package authn

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// factors has mary's pass and key.
type factors struct {
	until time.Time
	lost  error // of PassGrant
}

func (factors) Passkey(_ context.Context, person string, shown []byte) (policy.Methods, error) {
	if person == "id-mary" && string(shown) == "state\n{}" {
		return policy.MethodFIDO2, nil
	}
	return 0, signin.Refuse(signin.FactorFailed, "no such key")
}

func (factors) Pass(_ context.Context, person string, shown []byte) (policy.Methods, error) {
	if (person == "id-mary" || person == "id-off") && string(shown) == "PASS" {
		return policy.MethodTemporaryAccessPassMulti, nil
	}
	return 0, signin.Refuse(signin.FactorFailed, "no such pass")
}

func (f factors) PassGrant(context.Context, string, []byte) (string, time.Time, error) {
	return "pass:1", f.until, f.lost
}

func TestPassesAndPasskeysStandInForThePasswordInFrontOfAPage(t *testing.T) {
	w := newWorld()
	v := w.verifier()
	f := factors{until: time.Now().Add(time.Hour)}
	v.Factors = f
	show := func(p protocol.Protocol, kind policy.CredentialKind, name, authzid, shown string) (signin.Principal, error) {
		person, known := w.people[name]
		return v.Verify(t.Context(), signin.Attempt{Protocol: p}, person, known, signin.NewCredential(kind, "portal", name, authzid, []byte(shown)))
	}
	key, err := show(protocol.Portal, policy.CredentialPasskey, "mary@example.org", "", "state\n{}")
	if err != nil || key.Methods != policy.MethodFIDO2 || key.Person != "id-mary" || key.Grant != "" {
		t.Errorf("the key came to %+v, %v", key, err)
	}
	pass, err := show(protocol.Portal, policy.CredentialPass, "mary@example.org", "", "PASS")
	if err != nil || pass.Methods != policy.MethodTemporaryAccessPassMulti || pass.Grant != "pass:1" || !pass.Until.Equal(f.until) {
		t.Errorf("the pass came to %+v, %v", pass, err)
	}
	for name, c := range map[string]struct {
		p                    protocol.Protocol
		kind                 policy.CredentialKind
		name, authzid, shown string
		want                 signin.Code
	}{
		"a pass at a mail door": {protocol.IMAP, policy.CredentialPass, "mary@example.org", "", "PASS", signin.WrongCredentials},
		"a key at a mail door":  {protocol.IMAP, policy.CredentialPasskey, "mary@example.org", "", "state\n{}", signin.WrongCredentials},
		"another's pass":        {protocol.Portal, policy.CredentialPass, "omar@example.org", "", "PASS", signin.FactorFailed},
		"another's key":         {protocol.Portal, policy.CredentialPasskey, "omar@example.org", "", "state\n{}", signin.FactorFailed},
		"nobody's":              {protocol.Portal, policy.CredentialPass, "nobody@example.org", "", "PASS", signin.WrongCredentials},
		"for another mailbox":   {protocol.Portal, policy.CredentialPass, "mary@example.org", "omar@example.org", "PASS", signin.WrongCredentials},
		"of the disabled":       {protocol.Portal, policy.CredentialPass, "off@example.org", "", "PASS", signin.UserDisabled},
		"with a line break":     {protocol.Portal, policy.CredentialPass, "mary@example.org", "", "PASS\n", signin.CredentialMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := show(c.p, c.kind, c.name, c.authzid, c.shown); codeOf(err) != c.want {
				t.Errorf("came to %+v, %v", p, err)
			}
		})
	}
	v.Factors = factors{lost: errors.New("away")}
	if _, err := show(protocol.Portal, policy.CredentialPass, "mary@example.org", "", "PASS"); err == nil || TroubleCode(err) != signin.InternalFault {
		t.Errorf("a pass whose end cannot be found came to %v", err)
	}
}
