package policy_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Each document in testdata holds policies, locations and strengths in Graph's
// JSON and a table of attempts:
//
//	what it shows: person=ana protocol=imap credential=password -> block 53003 early by p1; p1=failure p2=unknown
//
// Policies not named after the semicolon must be notApplied or reportOnlyNotApplied.
func TestDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d documents: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runDocument(t, file) })
	}
}

func runDocument(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	src := policy.Source{Version: 1, Zone: time.LoadLocation}
	var attempts, warnings string
	for _, f := range archive.Files {
		switch {
		case strings.HasPrefix(f.Name, "policies"):
			src.Policies, err = graph.Policies(f.Data)
		case strings.HasPrefix(f.Name, "locations"):
			src.Locations, err = graph.Locations(f.Data)
		case strings.HasPrefix(f.Name, "strengths"):
			src.Strengths, err = graph.Strengths(f.Data)
		case f.Name == "mfaAlsoAccepts":
			c, _ := policy.ParseCombination(strings.TrimSpace(string(f.Data)))
			src.Organization.MFAAlsoAccepts = append(src.Organization.MFAAlsoAccepts, c)
		case f.Name == "warnings":
			warnings = string(f.Data)
		case f.Name == "attempts":
			attempts = string(f.Data)
		default:
			t.Fatalf("%s holds a file %s", file, f.Name)
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	s, noted := policy.Compile(src)
	var told []string
	for _, w := range noted {
		told = append(told, w.String())
	}
	if got := strings.Join(told, "\n"); got != strings.TrimSpace(warnings) {
		t.Errorf("warnings:\n%s", got)
	}
	ran := 0
	for line := range strings.Lines(attempts) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		ran++
		runAttempt(t, s, line)
	}
	if ran == 0 {
		t.Error("no attempts")
	}
}

func runAttempt(t *testing.T, s *policy.Snapshot, line string) {
	name, rest, _ := strings.Cut(line, ": ")
	attempt, want, ok := strings.Cut(rest, " -> ")
	verdict, results, _ := strings.Cut(want, ";")
	if !ok {
		t.Fatalf("no expectation: %s", line)
	}
	f := factsOf(t, attempt)
	var b policy.Bits
	v := policy.Judge(s, &f, &b)
	got := v.Effect.String()
	if v.Code != 0 {
		got += fmt.Sprintf(" %d", v.Code)
	}
	if v.Stage == policy.StageEarlyBlock {
		got += " early"
	}
	if v.By != "" {
		got += " by " + v.By
	}
	if v.Widened {
		got += " widened"
	}
	if !v.Until.IsZero() {
		got += " until +" + v.Until.Sub(f.At).String()
	}
	if got != strings.TrimSpace(verdict) {
		t.Errorf("%s: %s, want %s", name, got, verdict)
	}
	expected := map[string]string{}
	for pair := range strings.FieldsSeq(results) {
		id, result, _ := strings.Cut(pair, "=")
		expected[id] = result
	}
	x := policy.Explain(s, &f)
	for i, p := range s.Policies() {
		r := s.Result(&b, i).String()
		if x.Policies[i].Result != r {
			t.Errorf("%s: %s is explained as %s, and is %s", name, p.ID, x.Policies[i].Result, r)
		}
		want := expected[p.ID]
		delete(expected, p.ID)
		if want == "" {
			want = map[policy.State]string{policy.Enabled: "notApplied", policy.ReportOnly: "reportOnlyNotApplied", policy.Disabled: "notEnabled"}[p.State]
		}
		if r != want {
			t.Errorf("%s: policy %s is %s, want %s", name, p.ID, r, want)
		}
	}
	if len(expected) > 0 {
		t.Errorf("%s: no such policy: %v", name, expected)
	}
}

var friday = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

func factsOf(t *testing.T, text string) policy.Facts {
	f := policy.Facts{At: friday, AuthTime: friday, Proven: true, Domain: "example.org"}
	device := func() *policy.Device {
		if f.Device == nil {
			f.Device = &policy.Device{}
		}
		return f.Device
	}
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		var err error
		var ok = true
		switch key {
		case "person":
			f.Person = value
		case "groups":
			f.Groups = strings.Split(value, ",")
		case "roles":
			f.Roles = strings.Split(value, ",")
		case "guest":
			f.Guest, ok = policy.ParseGuestType(value)
		case "domain":
			f.Domain = value
		case "protocol":
			f.Protocol, ok = protocol.Parse(value)
		case "credential":
			f.Credential, ok = policy.ParseCredentialKind(value)
		case "addr":
			f.Addr, err = netip.ParseAddr(value)
		case "country":
			f.Country = value
		case "asn":
			var n uint64
			n, err = strconv.ParseUint(value, 10, 32)
			f.ASN = uint32(n)
		case "platform":
			f.Platform, ok = policy.ParsePlatform(value)
		case "program":
			f.Program = value
		case "known":
			f.KnownNetwork = true
		case "webmail":
			f.ViaWebmail = true
		case "methods":
			c, unknown := policy.ParseCombination(value)
			f.Methods, ok = c.Methods, len(unknown) == 0
		case "at":
			f.At, err = time.Parse(time.RFC3339, value)
			f.AuthTime = f.At
		case "proof": // how long ago
			var ago time.Duration
			ago, err = time.ParseDuration(value)
			f.AuthTime = f.At.Add(-ago)
		case "noproof":
			f.AuthTime = time.Time{}
		case "flow":
			f.Flow = map[string]policy.TransferMethods{"deviceCodeFlow": policy.DeviceCodeFlow, "authenticationTransfer": policy.AuthenticationTransfer}[value]
		case "registered":
			device()
		case "compliant":
			yes := value == "true"
			device().IsCompliant = &yes
		case "trust":
			device().TrustType = value
		case "device":
			device().DisplayName = value
		case "profile":
			device().ProfileType = value
		default:
			ok = false
		}
		if !ok || err != nil {
			t.Fatalf("%s in %s: %v", word, text, err)
		}
	}
	return f
}
