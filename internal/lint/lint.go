// Package lint reads the rules as a whole and finds what their author may not
// have meant: a policy that can never apply, one that another makes idle, a
// block that shuts out programs that earned more than a password, an exclusion
// whose time is up. Each finding says what it rests on and how to mend it.
//
// It judges nobody and is never in the way of a sign-in. Everything it claims of
// sign-ins ("never", "changes nothing") it asks of package policy.
package lint

import (
	"cmp"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// Severity is how much a finding matters.
type Severity string

// The severities. Danger is somebody shut out, or let in, whom nobody meant.
const (
	Danger  Severity = "danger"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// The ids of findings.
const (
	PrivateRanges     = "private-ranges"
	BlocksGranted     = "blocks-app-passwords"
	ExclusionExpiring = "exclusion-expiring"
	ExclusionExpired  = "exclusion-expired"
	ExclusionUnowned  = "exclusion-unowned"
	NeverApplies      = "never-applies"
	Shadowed          = "shadowed"
	Narrowed          = "narrowed"
	ReportOnlyLong    = "report-only-long"
	Everywhere        = "location-everywhere"
	RefersToNothing   = "refers-to-nothing"
	NotEnforced       = "not-enforced"
)

// Object is what a finding is about.
type Object struct {
	Kind string `json:"kind"` // policy, location, strength, authenticationPolicy, organization, window
	ID   string `json:"id"`
	Name string `json:"displayName"`
}

// Fix is how to mend it: words, and the command or the JSON where there is one.
type Fix struct {
	Text    string          `json:"text"`
	Command string          `json:"command,omitempty"`
	JSON    json.RawMessage `json:"json,omitempty"` // members to change, as a PATCH takes them
}

// Finding is one thing found.
type Finding struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Object   Object   `json:"object"`
	Pointer  string   `json:"pointer,omitempty"` // into the object's JSON
	Sentence string   `json:"sentence"`
	Fix      Fix      `json:"fix"`
	Evidence []string `json:"evidence,omitempty"`
	// Warning is the text of the policy.Warning that says the same, if one does.
	Warning string `json:"warning,omitempty"`

	count func(*policy.Facts) bool         // recorded sign-ins that bear it out
	tell  func(signIns, people int) string // the evidence that they make; empty is none
}

// Input is what is looked at.
type Input struct {
	Rules *policy.Snapshot
	// Warnings are those that Compile gave; each becomes a finding. Leave them
	// out where they are told beside the findings.
	Warnings []policy.Warning
	Now      time.Time
	// Only chooses objects by their ids; nil is all. Policies are still compared with all others.
	Only func(id string) bool
	// NoNotes leaves out what is no more than a note, and the time that it takes.
	NoNotes bool
	// Since says since when a policy has been in its state, where that is known.
	Since map[string]time.Time
	// SignIns are recorded sign-ins that were let in lately, and how many each stands for; nil is not looked at.
	SignIns iter.Seq2[*policy.Facts, int64]
	// Days is how far back SignIns go, for the words.
	Days int
}

// Check finds everything there is to find, the worst first.
func Check(in Input) []Finding {
	c := &checker{Input: in, source: in.Rules.Source()}
	for i := range c.source.Policies {
		p := &c.source.Policies[i]
		if !c.wanted(p.ID) || p.State == policy.Disabled {
			continue
		}
		c.exclusions(p)
		c.reach(i, p)
		c.blocks(i, p)
		c.waits(p)
	}
	c.locations()
	c.warned()
	c.watch()
	slices.SortStableFunc(c.found, func(a, b Finding) int { return cmp.Compare(rank(a.Severity), rank(b.Severity)) })
	return c.found
}

func rank(s Severity) int { return slices.Index([]Severity{Danger, Warning, Note}, s) }

// checker is one look at the rules.
type checker struct {
	Input
	source policy.Source
	found  []Finding
	names  map[string]string // of people, groups and roles by id, once somebody asks
}

// called is what somebody or a group that a policy names by id is called.
func (c *checker) called(id string) string {
	if c.names == nil {
		c.names = map[string]string{}
		n := &c.source.Names
		for _, all := range []map[string]string{n.People, n.Groups, n.Roles} {
			for name, of := range all {
				if known := c.names[of]; !strings.EqualFold(name, of) && (known == "" || name < known) {
					c.names[of] = name
				}
			}
		}
	}
	if name := c.names[id]; name != "" {
		return name
	}
	return id
}

func (c *checker) wanted(id string) bool { return c.Only == nil || c.Only(id) }

func (c *checker) add(f Finding) {
	if f.Severity != Note || !c.NoNotes {
		c.found = append(c.found, f)
	}
}

func about(p *policy.Policy) Object { return Object{"policy", p.ID, p.DisplayName} }

// warned turns what Compile had to say into findings.
func (c *checker) warned() {
	for _, w := range c.Warnings {
		if !c.wanted(w.ID) || slices.ContainsFunc(c.found, func(f Finding) bool { return f.Object.ID == w.ID && f.Warning == w.Text }) {
			continue
		}
		f := Finding{ID: NotEnforced, Severity: Warning, Object: Object{w.Object, w.ID, w.Name}, Pointer: w.Pointer, Sentence: w.Text, Warning: w.Text,
			Fix: Fix{Text: "it is read as the sentence says; change or remove what it names"}}
		if nothing(w.Text) {
			f.ID, f.Fix.Text = RefersToNothing, "name what is there, or take the reference out"
		}
		c.add(f)
	}
}

// nothing says that a warning is about a reference to what is not there. Tests
// hold these words to those of package policy.
func nothing(text string) bool {
	for _, s := range []string{"it matches nobody", "it matches no address", "it matches no sign-in", "there is no authentication policy", "is in none of the policy's exclude lists"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// ShellWord makes one word of a name for a shell.
func ShellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@:/+,", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
