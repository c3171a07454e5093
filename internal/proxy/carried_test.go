package proxy

import (
	"testing"
	"testing/synctest"
	"time"
	"unique"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
)

// A name that a program gives itself after sign-in is worth as much as one
// before it: little, where the TLS hello is another program's.
func TestALateNameIsHeldAgainstTheHello(t *testing.T) {
	const thunderbirds, gos = "t13d171400_5b57614c22b0_3d5424432f57", "t13d131100_f57a46bbacb6_ab7e3b40a677"
	sure := map[string]uint8{}
	for _, hello := range []string{thunderbirds, "", gos} {
		synctest.Test(t, func(t *testing.T) {
			snap, _ := policy.Compile(policy.Source{Version: 1})
			var r session.Registry
			r.Install(snap)
			f := policy.Facts{At: time.Now(), Person: "mary", Credential: policy.CredentialPassword, Proven: true, Methods: policy.MethodPassword}
			k := &carried{hello: unique.Make(hello)}
			if !r.OpenIn(&k.session, &signin.Outcome{Facts: f, Verdict: policy.Judge(snap, &f, nil)}, "", func(signin.Code, string) {}) {
				t.Fatal("not opened")
			}
			k.Learn(signin.Hints{IMAPID: []signin.Pair{{Key: "name", Value: "Thunderbird"}, {Key: "version", Value: "153.7.0"}}})
			synctest.Wait()
			if k.session.Facts().Program != "thunderbird" {
				t.Fatalf("the program is %q", k.session.Facts().Program)
			}
			sure[hello] = k.session.Facts().ProgramConfidence
		})
	}
	if sure[thunderbirds] <= sure[""] || sure[""] <= sure[gos] {
		t.Errorf("how sure the name is: %v", sure)
	}
}
