package policyset

import (
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policycheck"
	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/spelling"
)

// Source is what the folder's objects are compiled of. People and groups are
// not in it: references to them are taken as they are written.
func (s *Set) Source() (policy.Source, error) {
	src := policy.Source{Domains: map[string]policy.Switches{}, Groups: map[string]policy.Settings{}, Mailboxes: map[string]policy.Settings{}, Zone: time.LoadLocation}
	var faults Errors
	said := map[string]string{}
	for _, o := range s.Objects {
		var err error
		switch o.Kind {
		case Policy:
			var p policy.Policy
			p, err = o.Policy()
			src.Policies = append(src.Policies, p)
		case Location:
			l, e := o.Location()
			src.Locations, err = append(src.Locations, l), e
		case Strength:
			x, e := o.Strength()
			src.Strengths, err = append(src.Strengths, x), e
		case AuthenticationPolicy:
			a, e := o.AuthenticationPolicy()
			src.AuthenticationPolicies, err = append(src.AuthenticationPolicies, a), e
		case Switches:
			err = o.add(&src, said)
		}
		if err != nil {
			faults.add(err)
		}
	}
	return src, faults.err()
}

// Suite reads a PolicyTest.
func (o *Object) Suite() (*policycheck.Suite, error) {
	suite, err := policycheck.ReadSuite(o.Place(), o.Spec)
	return suite, o.placed(err)
}

// Suites are the folder's tests, held to the rules that they are to be run
// under: those of the folder, or what they would make of a server's. The
// number of a suite is that of its object in Of(Test).
func (s *Set) Suites(src *policy.Source) (all []*policycheck.Suite, err error) {
	var faults Errors
	for _, o := range s.Of(Test) {
		suite, err := o.Suite()
		if err == nil {
			err = o.placed(suite.Check(src))
		}
		if err != nil {
			faults.add(err)
			continue
		}
		all = append(all, suite)
	}
	return all, faults.err()
}

// Warning is something in a folder that its author may not have meant: what
// will not be enforced as it stands, and what lint finds.
type Warning struct {
	Object   *Object
	ID       string // of the finding, such as never-applies
	Severity lint.Severity
	Pointer  string // into the object's JSON
	Text     string
	Fix      string
}

// Fault is the warning with its lines and a caret. It goes through the file, so
// of thousands of warnings not every one should be shown so.
func (w *Warning) Fault() *policyfile.Fault { return w.Object.Fault(w.Pointer, "%s", w.Text) }

// maxNoted is how many policies a folder may have for notes to be told, too: they
// take the most time, and nobody reads thousands.
const maxNoted = 2000

// Warnings compiles the folder by itself and looks it over. People and groups
// are a server's, and references to them are not looked at.
func (s *Set) Warnings(now time.Time) ([]Warning, error) {
	src, err := s.Source()
	if err != nil {
		return nil, err
	}
	kinds := map[string]Kind{"policy": Policy, "location": Location, "strength": Strength, "authenticationPolicy": AuthenticationPolicy}
	rules, told := policy.Compile(src)
	at := s.index()
	var all []Warning
	for _, f := range lint.Check(lint.Input{Rules: rules, Warnings: told, Now: now, NoNotes: len(src.Policies) > maxNoted}) {
		o := at[place{kinds[f.Object.Kind], strings.ToLower(f.Object.ID)}]
		if o == nil {
			o = at[place{kinds[f.Object.Kind], strings.ToLower(f.Object.Name)}]
		}
		pointer := f.Pointer
		if o == nil { // the organisation's
			if o, pointer = s.first(Switches), ""; o == nil {
				continue
			}
		}
		said := f.Sentence
		if f.Warning != "" {
			said = f.Warning + s.meant(f.Pointer, f.Warning)
		}
		all = append(all, Warning{o, f.ID, f.Severity, pointer, said, f.Fix.Text})
	}
	return all, nil
}

// place is how a warning names an object.
type place struct {
	kind Kind
	word string
}

func (s *Set) index() map[place]*Object {
	at := map[place]*Object{}
	for _, o := range s.Objects {
		for _, word := range []string{strings.ToLower(o.Name), strings.ToLower(o.ID)} {
			if word != "" {
				at[place{o.Kind, word}] = o
			}
		}
	}
	return at
}

func (s *Set) first(k Kind) *Object {
	for _, o := range s.Objects {
		if o.Kind == k {
			return o
		}
	}
	return nil
}

// graphMembers are the members of policies that are likely to be mistyped.
var graphMembers = []string{"displayName", "state", "conditions", "grantControls", "sessionControls", "users", "includeUsers", "excludeUsers", "includeGroups", "excludeGroups",
	"includeRoles", "excludeRoles", "includeGuestsOrExternalUsers", "excludeGuestsOrExternalUsers", "applications", "includeApplications", "excludeApplications", "includeUserActions",
	"clientAppTypes", "platforms", "includePlatforms", "excludePlatforms", "locations", "includeLocations", "excludeLocations", "devices", "deviceFilter", "authenticationFlows",
	"signInRiskLevels", "userRiskLevels", "operator", "builtInControls", "authenticationStrength", "termsOfUse", "signInFrequency", "secureSignInSession", "persistentBrowser"}

// meant guesses at a word that is not known.
func (s *Set) meant(pointer, text string) string {
	if name, ok := strings.CutPrefix(text, "there is no location \""); ok {
		name, _, _ = strings.Cut(name, "\"")
		var known []string
		for _, o := range s.Of(Location) {
			known = append(known, o.Name, o.ID)
		}
		return spelling.DidYouMean(name, known)
	}
	member := pointer[strings.LastIndexByte(pointer, '/')+1:]
	if !strings.Contains(text, "not known here") && !strings.Contains(text, "is not enforced and is read") || slices.Contains(graphMembers, member) {
		return ""
	}
	return spelling.DidYouMean(member, graphMembers)
}
