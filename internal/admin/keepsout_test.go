package admin

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// rulesOf compiles policies for everybody: which client app types, and what they ask for.
func rulesOf(t *testing.T, policies ...[2]string) *policy.Snapshot {
	t.Helper()
	src := policy.Source{Zone: time.LoadLocation}
	for i, x := range policies {
		p, err := graph.Policy([]byte(`{"id":"44f7c0de-0004-4a00-9b00-00000000000` + string(rune('0'+i)) + `","displayName":"Rule","state":"enabled",
			"conditions":{"clientAppTypes":["` + x[0] + `"],"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]}},
			"grantControls":{"operator":"OR","builtInControls":["` + x[1] + `"]}}`))
		if err != nil {
			t.Fatal(err)
		}
		src.Policies = append(src.Policies, p)
	}
	snap, _ := policy.Compile(src)
	return snap
}

// cameIn is a sign-in of somebody's that was let in.
func cameIn(person string, kind policy.CredentialKind) signin.Event {
	at := time.Now().Add(-time.Hour)
	return signin.Event{ID: store.NewID(), At: at, Last: at, Count: 1, Facts: policy.Facts{At: at, AuthTime: at, Person: person, Protocol: protocol.IMAP, Credential: kind,
		Addr: netip.MustParseAddr("192.0.2.7"), Proven: true, Methods: policy.MethodPassword}}
}

func TestWhomAChangeKeepsOut(t *testing.T) {
	password, token := policy.CredentialPassword, policy.CredentialBearer
	anna := watched{Person: store.Person{ID: "anna", Address: "anna@example.org"}, signIns: []signin.Event{cameIn("anna", password)}}
	both := watched{Person: anna.Person, signIns: []signin.Event{cameIn("anna", password), cameIn("anna", token)}}
	bob := watched{Person: store.Person{ID: "bob", Address: "bob@example.org"}, signIns: []signin.Event{cameIn("bob", token)}}
	idle := watched{Person: store.Person{ID: "idle", Address: "idle@example.org"}}
	lent := watched{Person: idle.Person, signIns: []signin.Event{cameIn("somebody else", token)}}
	for _, c := range []struct {
		what          string
		people        []watched
		before, after *policy.Snapshot
		want          []string // of whom, and why
	}{
		{"nothing is asked for", []watched{anna, bob}, rulesOf(t), rulesOf(t), nil},
		{"one of two is blocked", []watched{anna, bob}, rulesOf(t), rulesOf(t, [2]string{"other", "block"}), nil},
		{"both are", []watched{anna, bob}, rulesOf(t), rulesOf(t, [2]string{"all", "block"}), []string{"anna@example.org PR53003 \"Rule\"", "bob@example.org PR53003 \"Rule\""}},
		{"the only one is", []watched{anna}, rulesOf(t), rulesOf(t, [2]string{"other", "block"}), []string{"anna@example.org PR53003"}},
		{"one who never came in shows no way in", []watched{idle, anna}, rulesOf(t), rulesOf(t, [2]string{"other", "block"}), []string{"anna@example.org PR53003"}},
		{"nor does somebody else in their mailbox", []watched{lent, anna}, rulesOf(t), rulesOf(t, [2]string{"other", "block"}), []string{"anna@example.org PR53003"}},
		{"there is another way in", []watched{both}, rulesOf(t), rulesOf(t, [2]string{"other", "block"}), nil},
		{"what a mail program cannot show is asked for", []watched{anna}, rulesOf(t), rulesOf(t, [2]string{"all", "mfa"}), []string{"anna@example.org PR50076"}},
		{"they were out before", []watched{anna}, rulesOf(t, [2]string{"other", "block"}), rulesOf(t, [2]string{"all", "block"}), nil},
	} {
		w := &watch{people: c.people}
		w.judge(c.before, c.after)
		if len(w.out) != len(c.want) {
			t.Errorf("%s: kept out are %q, want %q", c.what, w.out, c.want)
			continue
		}
		for i, want := range c.want {
			for word := range strings.FieldsSeq(want) {
				if !strings.Contains(w.out[i], word) {
					t.Errorf("%s: %q does not say %s", c.what, w.out[i], word)
				}
			}
		}
	}
}

func TestDifferencesAreMembers(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{`{"a":1}`, `{"a": 1}`, ""},
		{``, `{"a":1}`, `/a:→1`},
		{`{"a":null}`, `{}`, `/a:null→`},
		{`{"a":{"b":[1,2]}}`, `{"a":{"b":[1]}}`, `/a/b:[1,2]→[1]`},
		{`{"a":[{"b":1},{"c":1}]}`, `{"a":[{"b":1},{"c":2}]}`, `/a/1/c:1→2`},
		{`{"a":[{"b":1}]}`, `{"a":[]}`, `/a:[{"b":1}]→[]`},
		{`{"a/b~":"<"}`, `{"a/b~":"é"}`, `/a~1b~0:"<"→"é"`},
		{`{"n":1e999999}`, `{"n":1e999998}`, `/n:1e999999→1e999998`},
	} {
		var got []string
		for _, d := range differences([]byte(c.before), []byte(c.after)) {
			got = append(got, d.Pointer+":"+string(d.Before)+"→"+string(d.After))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s and %s differ in %q, want %q", c.before, c.after, got, c.want)
		}
	}
}
