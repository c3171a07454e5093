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
