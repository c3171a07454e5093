// Package selfaudit looks at the rules in force as a thief does: whom does a
// stolen password alone let in, over which protocol, from where, and past which
// policy? And what else stands open: delegates of such people, app passwords and
// windows that reach far, doors around the gate, exemptions that nobody needs,
// and what our own issuer of tokens hands out.
//
// It asks package policy about every choice that a thief has, so that who is not
// named cannot be got at that way. It changes nothing and reads no clock.
package selfaudit

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Severity is how much a finding matters.
type Severity string

// The severities. Danger: a stolen password is enough.
const (
	Danger  Severity = "danger"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// The kinds of findings.
const (
	PasswordOnly      = "password-only"
	PasswordOnlyFrom  = "password-only-from"
	DelegateOpen      = "delegate-open"
	AppPasswordWide   = "app-password-wide"
	AppPasswordUnused = "app-password-unused"
	WindowWide        = "window-wide"
	AroundTheGate     = "around-the-gate"
	PolicyNarrowed    = "policy-narrowed"
	ExemptUnused      = "exempt-unused"
)

// Unused is how long somebody or something was not used that needs no exemption.
const Unused = 90 * 24 * time.Hour

// Witness is a sign-in that would be let in, as it can be given to What-If.
type Witness struct {
	User     string     `json:"user"`
	Protocol string     `json:"protocol"`
	Address  string     `json:"ipAddress"`
	Country  string     `json:"country,omitempty"`
	Platform string     `json:"platform,omitempty"`
	Program  string     `json:"program,omitempty"`
	ASN      uint32     `json:"asn,omitempty"`
	Webmail  bool       `json:"viaWebmail,omitempty"`
	At       *time.Time `json:"at,omitempty"` // where it hangs on the time
	// Past says for each policy in force why it does not stop it.
	Past []string `json:"past"`
}

// Finding is something that stands open.
type Finding struct {
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity"`
	Sentence string   `json:"sentence"`
	// Subjects are those whom it concerns: people by address, or an object's name.
	Subjects  []string `json:"subjects"`
	Protocols []string `json:"protocols,omitempty"`
	Where     []string `json:"where,omitempty"` // "anywhere", or named locations
	Witness   *Witness `json:"witness,omitempty"`
	Fix       string   `json:"fix"` // words and a command
}

// Person is somebody whose password could be stolen.
type Person struct {
	ID, Address, Domain string
	Guest               policy.GuestTypes
	Groups, Roles       []string // ids, nesting resolved, sorted
}

// Delegate is somebody who may open a mailbox with their own password.
type Delegate struct {
	Person    string // id
	Mailbox   string // in words
	Protocols []protocol.Protocol
}

// Input is what is looked at.
type Input struct {
	Rules   *policy.Snapshot
	Now     time.Time
	People  []Person
	Doors   []protocol.Protocol // that are open
	Webmail bool                // a forwarder vouches for sign-ins
	// Last says when a person, by id, was let in last, or was made.
	Last func(person string) time.Time
	// Delegates are those who may open a mailbox other than their own.
	Delegates []Delegate
	// Issuer is our own issuer of tokens; nil where there is none.
	Issuer *Issuer
	// Others are findings of other looks at the same server, put among the rest.
	Others []Finding
}

// Look finds everything, the worst first.
func Look(in Input) []Finding {
	t := newThief(&in)
	open := map[string]*reach{}
	var all []Finding
	groups := map[string]*Finding{}
	var order []string
	for i := range in.People {
		p := &in.People[i]
		r := t.reach(p)
		open[p.ID] = r
		for _, anywhere := range []bool{true, false} {
			f := r.finding(p, anywhere)
			if f == nil {
				continue
			}
			key := f.Kind + "|" + strings.Join(f.Protocols, ",") + "|" + strings.Join(f.Where, ",") + "|" + strings.Join(f.Witness.Past, ",")
			if first := groups[key]; first != nil {
				first.Subjects = append(first.Subjects, p.Address)
				continue
			}
			groups[key] = f
			order = append(order, key)
		}
	}
	for _, key := range order {
		f := groups[key]
		slices.Sort(f.Subjects)
		f.Sentence = f.said()
		all = append(all, *f)
	}
	all = append(all, delegates(&in, open)...)
	all = append(all, exemptions(&in)...)
	all = append(all, issued(&in, t)...)
	all = append(all, in.Others...)
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(len(b.Subjects), len(a.Subjects)))
	})
	return all
}

func rank(s Severity) int { return slices.Index([]Severity{Danger, Warning, Note}, s) }

// delegates are mailboxes that somebody else's stolen password opens.
func delegates(in *Input, open map[string]*reach) (all []Finding) {
	names := map[string]string{}
	for i := range in.People {
		names[in.People[i].ID] = in.People[i].Address
	}
	for _, d := range in.Delegates {
		r := open[d.Person]
		if r == nil {
			continue
		}
		var over []string
		for _, w := range r.anywhere {
			if len(d.Protocols) == 0 || slices.Contains(d.Protocols, w.Protocol) {
				over = append(over, w.Protocol.String())
			}
		}
		if len(over) == 0 {
			continue
		}
		slices.Sort(over)
		all = append(all, Finding{Kind: DelegateOpen, Severity: Danger, Subjects: []string{names[d.Person]}, Protocols: over, Where: []string{"anywhere"},
			Sentence: "The password of " + names[d.Person] + " alone also opens " + d.Mailbox + ", over " + words(over) + ".",
			Fix:      "take the delegation back, or ask more of its delegate: `portreeve policy new --template password-alone-opens-nothing`"})
	}
	return all
}

// exemptions are people whom policies in force exclude though they were not seen for long.
func exemptions(in *Input) (all []Finding) {
	for _, p := range in.Rules.Policies() {
		u := p.Conditions.Users
		if p.State != policy.Enabled || u == nil || p.Grant == nil {
			continue
		}
		ended := map[string]bool{}
		for _, x := range p.Exclusions {
			ended[x.ID] = !x.Expires.IsZero() && !in.Now.Before(x.Expires)
		}
		var who []string
		for i := range in.People {
			q := &in.People[i]
			if !excluded(in.Rules, u, q, ended) || in.Now.Sub(in.Last(q.ID)) < Unused {
				continue
			}
			who = append(who, q.Address)
		}
		if len(who) == 0 {
			continue
		}
		slices.Sort(who)
		all = append(all, Finding{Kind: ExemptUnused, Severity: Warning, Subjects: who,
			Sentence: counted(len(who), "person is", "people are") + " excluded from the policy " + quoted(p.DisplayName) + " and did not sign in for 90 days.",
			Fix:      "take them out of the exclusion, or out of the excluded group: `portreeve policy show " + lint.ShellWord(p.DisplayName) + "`"})
	}
	return all
}

// excluded says that a policy excludes somebody, themselves or by a group.
func excluded(rules *policy.Snapshot, u *policy.Users, p *Person, ended map[string]bool) bool {
	names := rules.Source().Names
	return slices.ContainsFunc(u.Exclude.Users, func(word string) bool {
		return !ended[word] && (word == p.ID || strings.EqualFold(word, p.Address))
	}) || slices.ContainsFunc(u.Exclude.Groups, func(word string) bool {
		return !ended[word] && (slices.Contains(p.Groups, word) || slices.Contains(p.Groups, names.Groups[strings.ToLower(word)]))
	})
}
