package importer

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
)

func TestGooglesSettings(t *testing.T) {
	tr, err := GoogleSettings(oktaFiles(t, "google-policies.json", "google-orgunits.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := inForce(t, tr)
	for _, c := range []struct {
		group string
		door  protocol.Protocol
		kind  policy.CredentialKind
		want  bool // refused
	}{
		{"", protocol.IMAP, policy.CredentialBearer, true},        // the organisation's setting
		{"/Staff", protocol.IMAP, policy.CredentialBearer, false}, // the unit's own is of a higher order
		{"/Staff", protocol.IMAP, policy.CredentialPassword, true},
		{"", protocol.POP3, policy.CredentialBearer, false},
		{"/Staff", protocol.POP3, policy.CredentialBearer, true},
		{"", protocol.Submission, policy.CredentialPassword, true},
		{"", protocol.Submission, policy.CredentialAppPassword, false}, // Google's app passwords stay
		{"", protocol.Submission, policy.CredentialBearer, false},
		{"", protocol.Webmail, policy.CredentialPassword, false},
	} {
		var bits policy.Bits
		f := policy.Facts{At: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Person: "ana", Protocol: c.door, Credential: c.kind,
			Addr: netip.MustParseAddr("203.0.113.1"), Proven: true, Methods: policy.MethodPassword}
		if c.group != "" {
			f.Groups = []string{c.group}
		}
		if got := !policy.Judge(s, &f, &bits).Allowed(); got != c.want {
			t.Errorf("%q over %v with %v: refused is %v", c.group, c.door, c.kind, got)
		}
	}
	said := fmt.Sprint(tr.Unmapped)
	for _, part := range []string{"listed OAuth clients", "make a group of that name", `which organisational unit "orgUnits/03lost"`, "gmail.confidential_mode"} {
		if !strings.Contains(said, part) {
			t.Errorf("nothing says %q: %s", part, said)
		}
	}
	if _, err := GoogleSettings(map[string]io.Reader{"x": strings.NewReader(`{"dear":"diary"}`)}); err == nil {
		t.Error("what is no setting is taken for one")
	}
}

func FuzzGoogleSettings(f *testing.F) {
	for _, n := range []string{"google-policies.json", "google-orgunits.json"} {
		b, err := os.ReadFile("testdata/vendors/" + n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, s string) {
		tr, err := GoogleSettings(map[string]io.Reader{"x": strings.NewReader(s)})
		if err != nil {
			return
		}
		for _, raw := range tr.Policies {
			if _, err := graph.Policy(raw); err != nil {
				t.Errorf("%v in %s", err, raw)
			}
		}
	})
}
