package template

import (
	"crypto/sha1" //nolint:gosec // what UUIDv5 is made of
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
)

var now = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// made makes a template and reads what it made with the engine's own readers.
func made(t *testing.T, x *Template, set map[string][]string) policy.Source {
	t.Helper()
	n := 0
	newID := func() string { n++; return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	out, err := x.Make(Request{Set: set, Now: now, NewID: newID})
	if err != nil {
		t.Fatalf("%s: %v", x.Name, err)
	}
	src := policy.Source{Zone: time.LoadLocation}
	r, err := location.ParseRange("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	src.Locations = []location.Named{{ID: "office", DisplayName: "Office", Trusted: true, Ranges: []location.Range{r}}}
	if out.Strength != nil {
		s, err := graph.Strength(out.Strength.JSON)
		if err != nil {
			t.Fatalf("%s: %v", x.Name, err)
		}
		src.Strengths = append(src.Strengths, s)
	}
	if out.Location != nil {
		l, err := graph.Location(out.Location.JSON)
		if err != nil {
			t.Fatalf("%s: %v\n%s", x.Name, err, out.Location.JSON)
		}
		src.Locations = append(src.Locations, l)
	}
	for _, o := range out.Policies {
		if strings.Contains(string(o.JSON), "${") {
			t.Errorf("%s: a parameter is left in %s", x.Name, o.JSON)
		}
		p, err := graph.Policy(o.JSON)
		if err != nil {
			t.Fatalf("%s: %v\n%s", x.Name, err, o.JSON)
		}
		if p.State != policy.ReportOnly {
			t.Errorf("%s begins as %s", x.Name, p.State)
		}
		p.State = policy.Enabled
		src.Policies = append(src.Policies, p)
	}
	return src
}

// Each template is made, put in force, and asked about the sign-ins of its file.
func TestTemplatesLetThroughAndRefuseWhatTheirFilesSay(t *testing.T) {
	for _, x := range All() {
		t.Run(x.Name, func(t *testing.T) {
			raw, err := os.ReadFile("testdata/" + x.Name + ".txt")
			if err != nil {
				t.Fatalf("every template says who passes and who does not: %v", err)
			}
			seen := map[string]bool{}
			var snap *policy.Snapshot
			ready := func(set map[string][]string) {
				var warnings []policy.Warning
				if snap, warnings = policy.Compile(made(t, &x, set)); len(warnings) > 0 {
					t.Errorf("not enforced as it stands: %v", warnings)
				}
			}
			for line := range strings.Lines(string(raw)) {
				line = strings.TrimSpace(line)
				what, rest, _ := strings.Cut(line, ": ")
				if what == "set" {
					ready(parameters(rest))
					continue
				}
				if snap == nil {
					ready(nil)
				}
				facts, want, ok := strings.Cut(rest, " -> ")
				if !ok {
					t.Fatalf("%q says no outcome", line)
				}
				f := attempt(t, facts)
				seen[want] = true
				if got := policy.Judge(snap, &f, nil); got.Effect.String() != want {
					t.Errorf("%s: %s, want %s", what, got.Effect, want)
				}
			}
			if !seen["allow"] || !seen["block"] && !seen["interrupt"] {
				t.Error("the file must say of somebody that they pass, and of somebody that they do not")
			}
		})
	}
}

func parameters(s string) map[string][]string {
	set := map[string][]string{}
	for word := range strings.FieldsSeq(s) {
		name, value, _ := strings.Cut(word, "=")
		set[name] = append(set[name], value)
	}
	return set
}

func attempt(t *testing.T, s string) policy.Facts {
	t.Helper()
	f := policy.Facts{At: now, Proven: true, AuthTime: now, Methods: policy.MethodPassword, Addr: netip.MustParseAddr("198.51.100.1"), Domain: "example.org"}
	for word := range strings.FieldsSeq(s) {
		name, value, _ := strings.Cut(word, "=")
		var err error
		ok := true
		switch name {
		case "person":
			f.Person = value
		case "groups":
			f.Groups = strings.Split(value, ",")
			slices.Sort(f.Groups)
		case "roles":
			f.Roles = strings.Split(value, ",")
		case "guest":
			f.Guest, ok = policy.ParseGuestType(value)
		case "protocol":
			f.Protocol, ok = protocol.Parse(value)
		case "credential":
			f.Credential, ok = policy.ParseCredentialKind(value)
			if f.Credential != policy.CredentialPassword && f.Credential != policy.CredentialBearer {
				f.Methods = 0
			}
		case "methods":
			var m policy.Methods
			m, ok = policy.ParseMethod(value)
			f.Methods |= m
		case "ip":
			f.Addr, err = netip.ParseAddr(value)
		case "country":
			f.Country = value
		case "platform":
			f.Platform, ok = policy.ParsePlatform(value)
		case "device":
			yes := value == "compliant"
			f.Device = &policy.Device{DeviceID: "d", IsCompliant: &yes, TrustType: map[string]string{"joined": "ServerAD"}[value]}
		case "flow":
			f.Flow = policy.DeviceCodeFlow
		case "at":
			f.At, err = time.Parse(time.RFC3339, value)
			f.AuthTime = f.At
		default:
			ok = false
		}
		if !ok || err != nil {
			t.Fatalf("%q is no fact: %v", word, err)
		}
	}
	return f
}

func TestOwnTemplatesHaveTheIDsOfTheirNames(t *testing.T) {
	namespaceURL := []byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8} // RFC 9562
	seen := map[string]bool{}
	for _, x := range All() {
		h := sha1.Sum(append(slices.Clone(namespaceURL), "urn:portreeve:template:"+x.Name...)) //nolint:gosec
		h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
		own := fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
		if (x.Origin == "Portreeve") != (x.ID == own) {
			t.Errorf("%s (%s) has the id %s; its own would be %s", x.Name, x.Origin, x.ID, own)
		}
		if seen[x.ID] || seen[x.Name] || x.DisplayName == "" || x.Description == "" || x.Scenarios == "" {
			t.Errorf("%s: an id or a name twice, or no words", x.Name)
		}
		seen[x.ID], seen[x.Name] = true, true
		for _, name := range []string{x.ID, x.Name, strings.ToUpper(x.Name)} {
			if found, ok := Find(name); !ok || found.Name != x.Name {
				t.Errorf("%s is not found by %s", x.Name, name)
			}
		}
	}
	if _, ok := Find("nothing"); ok {
		t.Error("nothing was found")
	}
}

// examples are the parameters' own, which must do.
func examples(x *Template) map[string][]string {
	set := map[string][]string{}
	for _, p := range x.Parameters {
		set[p.Name] = []string{p.Example}
	}
	return set
}

func TestWhatIsWrongWithAParameterIsToldByItsName(t *testing.T) {
	scanners, _ := Find("scanners-one-network")
	week, _ := Find("migration-week")
	travel, _ := Find("travel")
	for _, c := range []struct {
		x         Template
		set       string
		parameter string
	}{
		{scanners, "group=scanners", "network"},
		{scanners, "network=10.0.0.0/8", "group"},
		{scanners, "group=scanners network=10.0.0.0/33", "network"},
		{scanners, "group=scanners network=10.0.0.1-10.0.0.9", "network"},
		{scanners, "group=scanners network=10.0.0.0/8 colour=red", "colour"},
		{scanners, "group= network=10.0.0.0/8", "group"},
		{week, "group=g network=10.0.0.0/8 from=2027-01-18 until=2027-01-11", "until"},
		{week, "group=g network=10.0.0.0/8 from=2027-01-18 until=2027-01-18", "until"},
		{week, "group=g network=10.0.0.0/8 from=tomorrow until=2027-01-11", "from"},
		{week, "group=g network=10.0.0.0/8 from=2027-01-01 from=2027-01-02 until=2027-01-11", "from"},
		{travel, "country=Portugal group=g until=2027-01-01 owner=o", "country"},
	} {
		_, err := c.x.Make(Request{Set: parameters(c.set), Now: now, NewID: func() string { return "id" }})
		var f *Fault
		if !errors.As(err, &f) || f.Parameter != c.parameter || f.Message == "" {
			t.Errorf("%s %s: %v, want a fault of %s", c.x.Name, c.set, err, c.parameter)
		}
	}
}

func TestTemplatesAreInGraphsShape(t *testing.T) {
	for _, x := range All() {
		raw, err := json.Marshal(x.Graph())
		if err != nil {
			t.Fatal(err)
		}
		var g struct {
			ID, Name, Description, Scenarios string
			Details                          struct{ Conditions, GrantControls map[string]any }
		}
		if err := json.Unmarshal(raw, &g); err != nil || g.ID != x.ID || g.Name != x.DisplayName || g.Details.Conditions["users"] == nil || g.Details.GrantControls["operator"] == nil {
			t.Errorf("%s: %v\n%s", x.Name, err, raw)
		}
	}
}

// Nothing that we hand out is what lint warns of, but where that is said.
func TestTemplatesAreCleanOfFindings(t *testing.T) {
	meant := map[string]string{"block-legacy-authentication": lint.BlocksGranted}
	for _, x := range All() {
		snap, warnings := policy.Compile(made(t, &x, examples(&x)))
		for _, f := range lint.Check(lint.Input{Rules: snap, Warnings: warnings, Now: now}) {
			if f.ID != meant[x.Name] && f.ID != lint.ExclusionUnowned {
				t.Errorf("%s: %s: %s", x.Name, f.ID, f.Sentence)
			}
		}
	}
}
