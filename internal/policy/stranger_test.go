package policy

import (
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

func TestLegacyBlockIsEarlyAndNamesThePolicy(t *testing.T) {
	s, warnings := Compile(Source{Version: 7, Policies: []Policy{{ID: "p1", DisplayName: "Block legacy",
		Conditions: Conditions{Users: &Users{Include: People{All: true}, Exclude: People{Users: []string{"glass"}}},
			Applications:   &Applications{Include: []string{"All"}},
			ClientAppTypes: ClientAppExchangeActiveSync | ClientAppOther},
		Grant: &Grant{Any: true, Controls: ControlBlock}}}})
	if len(warnings) != 0 {
		t.Error(warnings)
	}
	f := Facts{At: time.Unix(1e9, 0), Protocol: protocol.IMAP, Credential: CredentialPassword}
	if v := Judge(s, &f, nil); v.Stage != StageEarlyBlock || v.Code != 53003 || v.By != "p1" || v.Version != 7 {
		t.Errorf("the stranger with a password: %+v", v)
	}
	f.Person = "glass"
	if v := Judge(s, &f, nil); !v.Allowed() {
		t.Errorf("the excluded person with a password: %+v", v)
	}
	f.Person, f.Credential = "ana", CredentialBearer
	if v := Judge(s, &f, nil); !v.Allowed() {
		t.Errorf("a token: %+v", v)
	}
}

func TestAWrongSecretIsNoMatterOfPolicy(t *testing.T) {
	s, _ := Compile(Source{Policies: []Policy{{ID: "mfa", Grant: &Grant{Controls: ControlMFA}}}})
	f := Facts{At: time.Unix(1e9, 0), Person: "ana", Protocol: protocol.IMAP, Credential: CredentialBearer}
	x := Explain(s, &f)
	if last := x.Steps[3]; x.Effect != "block" || x.Stage != "none" || x.Code != 0 || last.Result != "notReached" || x.Policies[0].Result != "notApplied" {
		t.Errorf("%+v", x)
	}
	f.Proven = true
	if x := Explain(s, &f); x.Code != 50076 || x.Policies[0].Result != "failure" || len(x.Policies[0].Conditions) != 0 || x.Policies[0].Controls[0].Result != "unmet" {
		t.Errorf("%+v", x)
	}
}
