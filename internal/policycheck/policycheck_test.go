package policycheck

import (
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
)

const retire = `{"id": "retire-passwords", "displayName": "Retire passwords", "state": "enabledForReportingButNotEnforced", "conditions": {
	"clientAppTypes": ["exchangeActiveSync", "other"], "users": {"includeUsers": ["All"], "excludeGroups": ["service-accounts", "break-glass"]},
	"applications": {"includeApplications": ["All"]}, "locations": {"includeLocations": ["All"], "excludeLocations": ["office"]}},
	"grantControls": {"operator": "OR", "builtInControls": ["block"]}}`

const given = `"given": {"people": {"leela@example.org": {"groups": ["staff"], "factors": ["totp"]}, "scanner@example.org": {"groups": ["service-accounts"]},
	"amy@example.org": {"admin": true, "factors": ["passkey"]}}, "locations": {"office": ["192.0.2.0/24"]}, "time": "2026-11-20T09:00:00Z"}`

func source(t testing.TB, policies ...string) policy.Source {
	t.Helper()
	var src policy.Source
	for _, text := range policies {
		p, err := graph.Policy([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		src.Policies = append(src.Policies, p)
	}
	return src
}

// run runs the tests of a suite with the fixtures above.
func run(t testing.TB, src policy.Source, rest string) *Report {
	t.Helper()
	s, err := ReadSuite("x", []byte(`{"kind": "PolicyTest", `+given+`, `+rest+`}`))
	if err != nil {
		t.Fatal(err)
	}
	return Run(src, []*Suite{s}, Options{Now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)})
}

func TestTheExampleOfTheManual(t *testing.T) {
	r := run(t, source(t, retire), `"assume": {"retire-passwords": "on"}, "tests": [
		{"name": "refused", "signin": {"user": "leela@example.org", "protocol": "imap", "credential": "password", "ip": "203.0.113.7"}, "expect": "refuse", "because": {"policy": "retire-passwords", "code": "PR53003"}},
		{"name": "token", "signin": {"user": "leela", "protocol": "imap", "credential": "token", "mfa": "totp", "ip": "203.0.113.7"}, "expect": "allow"},
		{"name": "matrix", "for": {"protocol": ["imap", "pop3", "smtp", "eas"], "ip": ["192.0.2.9"]}, "signin": {"user": "leela@example.org", "credential": "password"}, "expect": "allow"},
		{"name": "scanner", "signin": {"user": "scanner@example.org", "protocol": "smtp", "credential": "appPassword", "ip": "10.0.4.7"}, "expect": {"outcome": "allow", "notBy": ["retire-passwords"]}},
		{"name": "nobody outside", "invariant": "everyAdminCanSignIn"},
		{"name": "the log", "replay": {"last": "30d", "server": true}, "expect": {"newlyRefused": {"people": "<= 5", "none": ["group:board"]}}}]`)
	for _, x := range r.Results {
		if x.Status != Passed && x.Name != "the log" {
			t.Errorf("%s: %q, %s", x.Title(), x.Problems, x.Got)
		}
	}
	if len(r.Results) != 9 || r.Passed != 8 || r.NotRun != 1 || r.OK() {
		t.Errorf("%+v", r)
	}
	if r.Coverage.Percent != 100 || r.Coverage.Points != 8 {
		t.Errorf("%+v", r.Coverage)
	}
}

func TestATestThatShouldFailFails(t *testing.T) {
	for _, c := range []struct{ test, problem string }{
		{`"signin": {"user": "leela", "protocol": "imap", "credential": "password"}, "expect": "allow"`, "expected allow, got refuse, PR53003 by \"Retire passwords\" (earlyBlock)"},
		{`"signin": {"user": "leela", "protocol": "imap", "credential": "token"}, "expect": "refuse"`, "expected refuse, got allow"},
		{`"signin": {"user": "leela", "protocol": "imap", "credential": "password"}, "expect": "refuse", "because": {"code": "PR50076"}`, "expected the code PR50076, got PR53003"},
		{`"signin": {"user": "leela", "protocol": "imap", "credential": "password"}, "expect": "refuse", "because": {"stage": "switch"}`, "expected the stage switch to decide, and it was earlyBlock"},
		{`"signin": {"user": "leela", "protocol": "imap", "credential": "token", "secret": "wrong"}, "expect": "refuse", "because": {"policy": "retire-passwords"}`, "expected the policy retire-passwords to refuse it, got refuse, PR50126"},
		{`"assume": {"retire-passwords": "report-only"}, "signin": {"user": "leela", "protocol": "imap", "credential": "password"}, "expect": {"notBy": ["Retire passwords"]}`, "the policy Retire passwords refuses it, or would if it were on"},
		{`"assume": {"retire-passwords": "report-only"}, "signin": {"user": "leela", "protocol": "imap", "credential": "password"}, "expect": "refuse", "because": {"policy": "retire-passwords"}`, "the policy would refuse it, and only reports: with assume: {retire-passwords: on} it is tested"},
		{`"signin": {"user": "leela", "protocol": "imap", "credential": "password"}, "expect": "refuse", "text": "x"`, "the reply on the wire is not known here, so text cannot be tested"},
		{`"assume": {"retire-passwords": "off"}, "invariant": "noPasswordAlone", "except": ["group:service-accounts", "amy@example.org"]`, "leela@example.org: is let in over imap with password"},
		{`"invariant": "noPasswordAlone", "except": ["group:service-accounts"]`, "leela@example.org: is let in over webmail with password from 203.0.113.1"},
		{`"invariant": "everyAdminCanSignIn", "signin": {"credential": "password", "ip": "203.0.113.7", "protocol": "imap"}`, "amy@example.org: is let in by no sign-in that was tried; the last, over imap with password, ends in PR53003"},
		{`"invariant": "everyAdminCanSignIn", "except": ["amy@example.org"]`, "nobody in given.people is meant by it, so it proves nothing"},
		{`"invariant": "alwaysRefused", "signin": {"user": "scanner", "credential": "password"}`, "scanner@example.org: is let in over imap with password"},
		{`"invariant": "alwaysAllowed", "signin": {"protocol": "imap", "credential": "password", "ip": "192.0.2.1", "user": "leela"}`, ""},
		{`"invariant": "alwaysAllowed", "signin": {"protocol": "imap", "ip": "203.0.113.1", "user": "leela"}`, "leela@example.org: is not let in over imap with password from 203.0.113.1: PR53003 by \"Retire passwords\""},
	} {
		r := run(t, source(t, retire), `"assume": {"retire-passwords": "on"}, "tests": [{"name": "x", `+c.test+`}]`)
		got := strings.Join(r.Results[0].Problems, "; ")
		if c.problem == "" && r.OK() {
			continue
		}
		if r.OK() || c.problem == "" || !strings.Contains(got, c.problem) {
			t.Errorf("%s\n got %s\nwant %s", c.test, got, c.problem)
		}
	}
}

func TestAChallengeAndWhoCanAnswerIt(t *testing.T) {
	mfa := `{"id": "mfa", "displayName": "MFA", "state": "enabled", "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}`
	r := run(t, source(t, mfa), `"tests": [
		{"name": "able", "signin": {"user": "leela", "protocol": "webmail", "credential": "password"}, "expect": {"outcome": "challenge", "able": true}, "because": {"policy": "MFA", "code": "PR50076"}},
		{"name": "unable", "signin": {"user": "scanner", "protocol": "webmail", "credential": "password"}, "expect": {"outcome": "challenge", "able": false}},
		{"name": "program", "signin": {"user": "leela", "protocol": "imap", "credential": "password"}, "expect": "refuse"},
		{"name": "a way in", "invariant": "everyoneCanSignIn", "except": ["scanner@example.org"]},
		{"name": "alone", "invariant": "noPasswordAlone"}]`)
	if r.Failed > 0 {
		t.Errorf("%+v", r.Results)
	}
	r = run(t, source(t, mfa), `"tests": [{"name": "a way in", "invariant": "everyoneCanSignIn"}]`)
	if r.Failed != 1 || !strings.HasPrefix(r.Results[0].Problems[0], "scanner@example.org: is let in by no sign-in") {
		t.Errorf("%+v", r.Results)
	}
}

func TestWindowsAndAppPasswordsOfFixtures(t *testing.T) {
	strength := `{"id": "w", "displayName": "Window or app password", "state": "enabled", "conditions": {"users": {"includeUsers": ["All"]}, "clientAppTypes": ["other"]}, "grantControls": {"operator": "OR",
		"authenticationStrength": {"id": "s", "displayName": "s", "allowedCombinations": ["password,approvalWindow", "boundAppPassword"]}}}`
	s, err := ReadSuite("x", []byte(`{"given": {"people": {"a@b.org": {"windows": [{"protocols": ["imap"], "networks": ["192.0.2.0/24"], "until": "2026-11-20T12:00:00Z"}],
		"appPasswords": [{"protocols": "smtp", "networks": "10.0.4.0/24"}]}}, "time": "2026-11-20T09:00:00Z"}, "tests": [
		{"name": "open", "signin": {"user": "a", "protocol": "imap", "credential": "password", "ip": "192.0.2.1"}, "expect": "allow"},
		{"name": "elsewhere", "for": {"ip": ["192.0.3.1", "10.0.4.1"]}, "signin": {"user": "a", "protocol": "imap", "credential": "password"}, "expect": "refuse"},
		{"name": "later", "signin": {"user": "a", "protocol": "imap", "credential": "password", "ip": "192.0.2.1", "time": "2026-11-20T12:00:00Z"}, "expect": "refuse"},
		{"name": "good", "signin": {"user": "a", "protocol": "smtp", "credential": "appPassword", "ip": "10.0.4.1"}, "expect": "allow"},
		{"name": "door", "signin": {"user": "a", "protocol": "imap", "credential": "appPassword", "ip": "10.0.4.1"}, "expect": "refuse", "because": {"code": "PR1070"}},
		{"name": "net", "signin": {"user": "a", "protocol": "smtp", "credential": "appPassword", "ip": "10.0.5.1"}, "expect": "refuse", "because": {"code": "PR1071"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	src := source(t, strength)
	st, err := graph.Strength([]byte(`{"id": "s", "displayName": "s", "allowedCombinations": ["password,approvalWindow", "boundAppPassword"]}`))
	if err != nil {
		t.Fatal(err)
	}
	src.Strengths = []policy.Strength{st}
	r := Run(src, []*Suite{s}, Options{})
	for _, x := range r.Results {
		if x.Status != Passed {
			t.Errorf("%s: %q", x.Title(), x.Problems)
		}
	}
}

func TestReplayBounds(t *testing.T) {
	got := &Replayed{Buckets: map[string]Bucket{"newlyRefused": {SignIns: 10, People: 5, Who: []string{"a@b.org"}}},
		InGroup: func(who, group string) (bool, error) { return who == "a@b.org" && group == "board", nil }}
	for expect, problem := range map[string]string{
		`{"newlyRefused": {"people": "<= 5", "signIns": 10}}`:          "",
		`{"newlyRefused": {"people": "< 5"}}`:                          "newlyRefused: expected people < 5, got 5",
		`{"newlyRefused": {"none": ["group:staff", "c@b.org"]}}`:       "",
		`{"newlyRefused": {"none": ["group:board"]}}`:                  "newlyRefused: a@b.org is in it, and nobody of group:board may be",
		`{"askedUnable": {"people": 0}, "unknown": {"signIns": ">0"}}`: "unknown: expected signIns > 0, got 0",
	} {
		s, err := ReadSuite("x", []byte(`{"tests": [{"name": "x", "replay": {"last": "30d"}, "expect": `+expect+`}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r := Run(policy.Source{}, []*Suite{s}, Options{Recorded: func(*Replay) (*Replayed, error) { return got, nil }})
		if p := strings.Join(r.Results[0].Problems, "; "); p != problem || (problem == "") != r.OK() {
			t.Errorf("%s: %q, not %q", expect, p, problem)
		}
	}
}

func TestMistakesInTests(t *testing.T) {
	for text, want := range map[string]string{
		`{"tests": []}`: "a policy test needs tests, a list of them",
		`{"tests": [{"name": "x", "signin": {"user": "stranger", "protocol": "imapp"}, "expect": "refuse"}]}`:                  "/tests/0/signin/protocol: there is no protocol \"imapp\": there are",
		`{"tests": [{"name": "x", "signin": {"user": "stranger"}, "expect": "refused"}]}`:                                      "/tests/0/expect: a sign-in ends in allow, refuse or challenge, not \"refused\"; did you mean refuse?",
		`{"tests": [{"name": "x", "sigin": {"user": "stranger"}, "expect": "refuse"}]}`:                                        "/tests/0/sigin: a test has no member \"sigin\"; did you mean signin?",
		`{"tests": [{"name": "x", "signin": {"user": "leela"}, "expect": "refuse"}], "given": {"people": {"lela@b.org": {}}}}`: "/tests/0/signin/user: \"leela\" is none of given.people",
		`{"tests": [{"name": "x", "signin": {"user": "stranger"}, "expect": "refuse", "text": "/(a+/"}]}`:                      "/tests/0/text: this is no regular expression (RE2): missing closing ): (a+",
		`{"tests": [{"name": "x", "signin": {"user": "stranger"}, "expect": "refuse", "text": "/(?=a)b/"}]}`:                   "this is no regular expression (RE2): invalid or unsupported Perl syntax",
		`{"tests": [{"name": "x", "signin": {"user": "stranger"}, "expect": "refuse", "text": "/(a{500}){500}/"}]}`:            "this is no regular expression (RE2): invalid repeat count",
		`{"tests": [{"name": "x", "invariant": "noPasswordsAlone"}]}`:                                                          "did you mean noPasswordAlone?",
		`{"tests": [{"name": "x", "signin": {"user": "stranger"}, "for": {"ip": "x"}, "expect": "refuse"}]}`:                   "/tests/0/for/ip: for ip is a list of the values to try",
		`{"tests": [{"name": "x", "signin": {"user": "stranger"}, "for": {"ip": ["x"]}, "expect": "refuse"}]}`:                 "/tests/0/for/ip/0: \"x\" is no address",
		`{"assume": {"a": "maybe"}, "tests": [{"name": "x", "signin": {"user": "stranger"}, "expect": "refuse"}]}`:             "/assume/a: a state is on, off or report-only, not \"maybe\"",
		`{"tests": [{"name": "x", "replay": {"last": "30"}, "expect": {"newlyRefused": {"people": "few"}}}]}`:                  "/tests/0/replay/last",
		`{"tests": [{"name": 5, "signin": 3, "expect": "refuse"}]}`:                                                            "/tests/0/name: name is a text, not a number",
	} {
		_, err := ReadSuite("x", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestAMatrixIsBounded(t *testing.T) {
	axis := `["imap"` + strings.Repeat(`,"imap"`, 120) + `]`
	_, err := ReadSuite("x", []byte(`{"tests": [{"name": "x", "signin": {"user": "stranger"}, "expect": "refuse", "for": {"protocol": `+axis+`, "credential": `+strings.ReplaceAll(axis, "imap", "password")+`}}]}`))
	if err == nil || !strings.Contains(err.Error(), "a matrix has at most 10000 sign-ins") {
		t.Error(err)
	}
}

func TestWhatIsNamedMustBeThere(t *testing.T) {
	s, err := ReadSuite("x", []byte(`{"assume": {"retire-password": "on"}, "given": {"locations": {"Office": "192.0.2.0/24"}}, "tests": [
		{"name": "x", "signin": {"user": "stranger"}, "expect": {"outcome": "refuse", "notBy": ["nothing"]}, "because": {"policy": "Retire"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	src := source(t, retire)
	src.Locations = []location.Named{{ID: "office"}}
	err = s.Check(&src)
	for _, want := range []string{`/assume/retire-password: there is no policy "retire-password"; did you mean retire-passwords?`, `/tests/0/expect/notBy/0: there is no policy "nothing"`,
		`/tests/0/because/policy: there is no policy "Retire"`, `/given/locations/Office: the location "Office" is among the rules`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %s", err, want)
		}
	}
}

// FuzzReadSuite holds that whatever is read can be run.
func FuzzReadSuite(f *testing.F) {
	f.Add(`{` + given + `, "assume": {"retire-passwords": "on"}, "tests": [{"name": "x", "for": {"protocol": ["imap"]}, "signin": {"user": "leela", "credential": "password"}, "expect": "allow", "text": "/a/i"}]}`)
	f.Add(`{` + given + `, "tests": [{"name": "x", "invariant": "everyoneCanSignIn"}, {"name": "y", "replay": {"last": "7d"}, "expect": {"unknown": {"people": ">= 1"}}}]}`)
	src := source(f, retire)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ReadSuite("x", []byte(text))
		if err != nil {
			return
		}
		_ = s.Check(&src)
		r := Run(src, []*Suite{s}, Options{})
		if r.Passed+r.Failed+r.NotRun != len(r.Results) {
			t.Fatalf("%+v", r)
		}
	})
}
