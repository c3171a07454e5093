package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/selfaudit"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// badge is what status says of the audit of the server itself.
type badge struct {
	Danger  int `json:"danger"`
	Warning int `json:"warning"`
}

// badgeAge is how old what status says may be where no rule has changed.
const badgeAge = 5 * time.Minute

// audited keeps the badge, since the look takes a while where many people are.
type audited struct {
	mu      sync.Mutex
	at      time.Time
	version uint64
	badge   badge
}

// badge is kept until a rule changes or some minutes are over. Doors around the
// gate are not looked for: that takes seconds, and alarms do.
func (s *Server) badge(ctx context.Context) *badge {
	a := &s.audited
	a.mu.Lock()
	defer a.mu.Unlock()
	if v := s.gate.Snapshot().Version(); v != a.version || time.Since(a.at) > badgeAge {
		found, err := s.selfAudit(ctx, false)
		if err != nil {
			return nil
		}
		a.at, a.version, a.badge = time.Now(), v, badge{}
		for _, f := range found {
			switch f.Severity {
			case selfaudit.Danger:
				a.badge.Danger++
			case selfaudit.Warning:
				a.badge.Warning++
			}
		}
	}
	b := a.badge
	return &b
}

// selfAudit looks at the server as a thief does.
func (s *Server) selfAudit(ctx context.Context, around bool) ([]selfaudit.Finding, error) {
	now := time.Now()
	in := selfaudit.Input{Rules: s.gate.Snapshot(), Now: now, Webmail: len(s.Config.Forwarders) > 0}
	for _, d := range s.doors {
		in.Doors = append(in.Doors, d.server.Protocol)
	}
	people, err := s.store.People(ctx)
	if err != nil {
		return nil, err
	}
	made, names := map[string]time.Time{}, map[string]string{}
	for i := range people {
		made[people[i].ID], names[people[i].ID] = people[i].Created, people[i].Address
		p, known := s.people.ByID(people[i].ID)
		if !known || p.Disabled {
			continue
		}
		_, domain, _ := strings.Cut(p.Address, "@")
		in.People = append(in.People, selfaudit.Person{ID: p.ID, Address: p.Address, Domain: domain, Guest: p.Guest, Groups: p.Groups, Roles: p.Roles})
	}
	in.Last = func(person string) time.Time {
		seen, _, err := s.store.Events(ctx, store.EventFilter{User: person, Outcome: signin.EndAllowed}, store.Cursor{}, 1)
		switch {
		case err != nil:
			return now // who cannot be asked for is not called unused
		case len(seen) == 1 && seen[0].Last.After(made[person]):
			return seen[0].Last
		}
		return made[person]
	}
	if in.Delegates, err = s.delegated(ctx); err != nil {
		return nil, err
	}
	if in.Others, err = s.widePasswords(ctx, names, now); err != nil {
		return nil, err
	}
	windows, err := s.wideWindows(ctx, names)
	if err != nil {
		return nil, err
	}
	in.Others = append(append(in.Others, windows...), narrowed(&in)...)
	if in.Issuer, err = s.auditedIssuer(ctx, &in); err != nil {
		return nil, err
	}
	if around && len(s.Config.Backends) > 0 {
		found, err := s.checkBackends(ctx, "")
		if err != nil {
			return nil, err
		}
		all, _ := found.([]backend.Finding)
		for _, f := range all {
			if f.ID == backend.FindingAround || f.ID == backend.FindingSMTPAuth {
				in.Others = append(in.Others, selfaudit.Finding{Kind: selfaudit.AroundTheGate, Severity: selfaudit.Danger, Subjects: []string{f.Backend}, Sentence: f.Sentence, Fix: "`portreeve backend check` prints what to change there"})
			}
		}
	}
	return selfaudit.Look(in), nil
}

// delegated are those who may open a mailbox besides their own.
func (s *Server) delegated(ctx context.Context) (all []selfaudit.Delegate, err error) {
	rows, err := s.store.Delegations(ctx)
	for _, d := range rows {
		if !d.Until.IsZero() && !d.Until.After(time.Now()) {
			continue
		}
		x := selfaudit.Delegate{Person: d.Person, Protocols: d.Protocols, Mailbox: "every mailbox"}
		switch d.Scope {
		case store.OneMailbox:
			x.Mailbox = "the mailbox " + d.Subject
			if p, known := s.people.ByID(d.Subject); known {
				x.Mailbox = "the mailbox of " + p.Address
			}
		case store.GroupOfBoxes:
			x.Mailbox = "the mailboxes of a group"
		}
		all = append(all, x)
	}
	return all, err
}

// widePasswords are app passwords that nothing holds to a place or a program, and
// those that nobody uses.
func (s *Server) widePasswords(ctx context.Context, names map[string]string, now time.Time) (all []selfaudit.Finding, err error) {
	rows, err := s.store.AppPasswords(ctx)
	for i := range rows {
		p := &rows[i]
		var scope apppassword.Scope
		if !p.Revoked.IsZero() || json.Unmarshal(p.Scope, &scope) != nil || !scope.Expires.IsZero() && !scope.Expires.After(now) {
			continue
		}
		of := []string{names[p.Person]}
		revoke := "`portreeve apppw revoke " + lint.ShellWord(p.Name) + "`" // a person chose that name
		if scope.Binding == apppassword.BindNone && !placed(scope.Networks) && len(scope.Countries) == 0 && !scope.SendOnly {
			all = append(all, selfaudit.Finding{Kind: selfaudit.AppPasswordWide, Severity: selfaudit.Warning, Subjects: of,
				Sentence: fmt.Sprintf("The app password %q of %s works from anywhere, in any program.", p.Name, names[p.Person]),
				Fix:      "make one with a network or bound to its program, and take this one back: " + revoke})
		}
		if last := p.Last; now.Sub(last) > selfaudit.Unused && now.Sub(p.Created) > selfaudit.Unused {
			all = append(all, selfaudit.Finding{Kind: selfaudit.AppPasswordUnused, Severity: selfaudit.Note, Subjects: of,
				Sentence: fmt.Sprintf("The app password %q of %s was not used for 90 days.", p.Name, names[p.Person]), Fix: revoke})
		}
	}
	return all, err
}

// leastBits is the length of the largest network that anybody has.
const leastBits = 8

// placed says that networks hold something to a place.
func placed(networks []netip.Prefix) bool {
	return len(networks) > 0 && !slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Bits() < leastBits })
}

// wideWindows are windows that hold in a whole country, by how many people have one.
func (s *Server) wideWindows(ctx context.Context, names map[string]string) ([]selfaudit.Finding, error) {
	rows, err := s.store.Windows(ctx, "")
	if err != nil {
		return nil, err
	}
	f := selfaudit.Finding{Kind: selfaudit.WindowWide, Severity: selfaudit.Note, Fix: "`portreeve approval adopt --widen owner` adopts narrower ones; `portreeve approval list --windows` lists them (docs/approval.md says what they are worth)"}
	seen := map[string]bool{}
	for _, w := range rows {
		if !w.Network.IsValid() && w.ASN == 0 && names[w.Person] != "" && !seen[w.Person] {
			seen[w.Person] = true
			f.Subjects = append(f.Subjects, names[w.Person])
		}
	}
	if len(f.Subjects) == 0 {
		return nil, nil
	}
	f.Sentence = fmt.Sprintf("%d people have a program whose very same make gets in with their password anywhere in a country.", len(f.Subjects))
	return []selfaudit.Finding{f}, nil
}

// narrowed are policies with one condition more than their author may have meant.
func narrowed(in *selfaudit.Input) (all []selfaudit.Finding) {
	for _, f := range lint.Check(lint.Input{Rules: in.Rules, Now: in.Now, NoNotes: true}) {
		if f.ID == lint.Narrowed || f.ID == lint.NeverApplies {
			all = append(all, selfaudit.Finding{Kind: selfaudit.PolicyNarrowed, Severity: selfaudit.Warning, Subjects: []string{f.Object.Name}, Sentence: f.Sentence, Fix: f.Fix.Text})
		}
	}
	return all
}
