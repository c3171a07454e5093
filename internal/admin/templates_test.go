package admin

import (
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

func TestAPasswordAloneOpensNothingByTheTemplate(t *testing.T) {
	strength, rule, err := templates[0].documents("A password alone opens nothing")
	if err != nil {
		t.Fatal(err)
	}
	if rule.State != "enabledForReportingButNotEnforced" {
		t.Errorf("it begins as %s", rule.State)
	}
	snap, err := alone(strength.JSON, rule.JSON)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what     string
		protocol protocol.Protocol
		kind     policy.CredentialKind
		methods  policy.Methods
		want     bool
	}{
		{"a password", protocol.IMAP, policy.CredentialPassword, policy.MethodPassword, false},
		{"a password for sending", protocol.Submission, policy.CredentialPassword, policy.MethodPassword, false},
		{"a password of a telephone", protocol.ActiveSync, policy.CredentialPassword, policy.MethodPassword, false},
		{"a password and an approval", protocol.POP3, policy.CredentialPassword, policy.MethodPassword | policy.MethodApprovalWindow, true},
		{"a password of a known program", protocol.IMAP, policy.CredentialPassword, policy.MethodPassword | policy.MethodKnownProgram, true},
		{"an approval without its password", protocol.IMAP, policy.CredentialPassword, policy.MethodApprovalWindow, false},
		{"an app password", protocol.IMAP, policy.CredentialAppPassword, policy.MethodBoundAppPassword, true},
		{"a certificate of two factors", protocol.IMAP, policy.CredentialCertificate, policy.MethodX509MultiFactor, true},
		{"a token, which is another policy's matter", protocol.IMAP, policy.CredentialBearer, policy.MethodPassword, true},
	} {
		f := policy.Facts{At: time.Now(), Person: "mary", Protocol: c.protocol, Credential: c.kind, Proven: true, Methods: c.methods}
		if got := policy.Judge(snap, &f, nil).Allowed(); got != c.want {
			t.Errorf("%s: allowed is %v, want %v", c.what, got, c.want)
		}
	}
}
