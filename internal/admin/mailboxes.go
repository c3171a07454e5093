package admin

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/store"
)

// mailbox is one mailbox with its own switches, what holds, and who says so.
type mailbox struct {
	ID                   string           `json:"id"`
	PrimarySmtpAddress   string           `json:"PrimarySmtpAddress"`
	DisplayName          string           `json:"DisplayName"`
	EmailAddresses       []string         `json:"EmailAddresses"`
	MemberOfGroup        []string         `json:"MemberOfGroup"`
	AuthenticationPolicy string           `json:"AuthenticationPolicy"` // its own; empty is its groups' or the organisation's
	Switches             map[string]*bool `json:"switches"`             // its own; null inherits
	Effective            []held           `json:"effective"`
}

// held is what holds of one switch, and the object that says so.
type held struct {
	policy.EffectiveSwitch
	FromName       string `json:"fromName"` // "default", "organization", a domain, a group's name, an address
	AuthPolicyName string `json:"authenticationPolicyName,omitempty"`
	AuthFromName   string `json:"authenticationPolicyFromName"`
}

// shelf is everything that says what holds for mailboxes, read once for many.
type shelf struct {
	people   []store.Person
	aliases  map[string][]string // by person
	groups   map[string]store.Group
	groupsOf func(person string) []string
	switches map[string]map[string]bool // of mailboxes by person, by name
	policies map[string]string          // names of authentication policies by person
	rules    *policy.Snapshot

	policyNames map[string]string // of authentication policies by id
}

func (a *api) readShelf(ctx context.Context) (*shelf, error) {
	s := &shelf{aliases: map[string][]string{}, groups: map[string]store.Group{}, switches: map[string]map[string]bool{}, policies: map[string]string{},
		policyNames: map[string]string{}, rules: a.Gate.Snapshot()}
	var err error
	if s.people, err = a.Store.People(ctx); err != nil {
		return nil, err
	}
	aliases, err := a.Store.Aliases(ctx)
	if err != nil {
		return nil, err
	}
	for _, al := range aliases {
		s.aliases[al.Person] = append(s.aliases[al.Person], al.Address)
	}
	groups, err := a.Store.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		s.groups[g.ID] = g
	}
	members, err := a.Store.Members(ctx)
	if err != nil {
		return nil, err
	}
	s.groupsOf = nested(members)
	set, err := a.Store.Switches(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range set {
		if w.Scope != store.Mailbox {
			continue
		}
		if s.switches[w.Subject] == nil {
			s.switches[w.Subject] = map[string]bool{}
		}
		s.switches[w.Subject][w.Name] = w.Value
	}
	return s, a.readAssigned(ctx, s)
}

func (a *api) readAssigned(ctx context.Context, s *shelf) error {
	docs, err := a.Store.AuthenticationPolicies(ctx)
	if err != nil {
		return err
	}
	for _, d := range docs {
		s.policyNames[d.ID] = d.Name
	}
	assigned, err := a.Store.Assignments(ctx)
	if err != nil {
		return err
	}
	for _, x := range assigned {
		if x.Scope == store.PersonScope {
			s.policies[x.Subject] = s.policyNames[x.Policy]
		}
	}
	return nil
}

// nested resolves groups in groups: the ids of a person's groups, sorted. A
// ring of groups is no harm.
func nested(members []store.Member) func(person string) []string {
	above := map[string][]string{} // groups that a person or group is directly in
	for _, m := range members {
		above[m.Member] = append(above[m.Member], m.Group)
	}
	return func(person string) []string {
		var all []string
		seen := map[string]bool{}
		for next := above[person]; len(next) > 0; {
			g := next[0]
			next = next[1:]
			if !seen[g] {
				seen[g] = true
				all = append(all, g)
				next = append(slices.Clone(next), above[g]...)
			}
		}
		slices.Sort(all)
		return all
	}
}

// mailbox is one person's row.
func (s *shelf) mailbox(p *store.Person) mailbox {
	m := mailbox{ID: p.ID, PrimarySmtpAddress: p.Address, DisplayName: p.DisplayName, EmailAddresses: append([]string{p.Address}, s.aliases[p.ID]...),
		MemberOfGroup: []string{}, AuthenticationPolicy: s.policies[p.ID], Switches: map[string]*bool{}}
	groups := s.groupsOf(p.ID)
	for _, g := range groups {
		m.MemberOfGroup = append(m.MemberOfGroup, s.groups[g].Name)
	}
	for _, name := range policy.SwitchNames() {
		m.Switches[name] = value(s.switches[p.ID], name)
	}
	domain := p.Address[strings.LastIndexByte(p.Address, '@')+1:]
	for _, e := range s.rules.Effective(p.ID, domain, groups) {
		m.Effective = append(m.Effective, held{e, s.nameOf(e.From, p), s.policyNames[e.AuthPolicy], s.nameOf(e.AuthFrom, p)})
	}
	return m
}

// nameOf is what people call who says so.
func (s *shelf) nameOf(h policy.Holder, p *store.Person) string {
	switch h.Kind {
	case policy.HeldByGroup:
		return s.groups[h.ID].Name
	case policy.HeldByMailbox:
		return p.Address
	case policy.HeldByDomain:
		return h.ID
	}
	return h.Kind
}

func value(set map[string]bool, name string) *bool {
	if v, ok := set[name]; ok {
		return &v
	}
	return nil
}

// open says what holds for a protocol: every switch of its own must be on.
func (m *mailbox) open(p protocol.Protocol) filter.Value {
	found := false
	for i := range m.Effective {
		if w, ok := exchange.FindSwitch(m.Effective[i].EffectiveSwitch.Name); !ok || w.Protocol != p {
			continue
		}
		if found = true; !m.Effective[i].On {
			return filter.Bool(false)
		}
	}
	if !found {
		return filter.Null
	}
	return filter.Bool(true)
}

// lookup answers a mailbox filter: Exchange's properties as they are written
// down, a protocol's name as it holds.
func (m *mailbox) lookup(name string) filter.Value {
	switch name {
	case "PrimarySmtpAddress":
		return filter.String(m.PrimarySmtpAddress)
	case "DisplayName":
		return filter.OptionalString(m.DisplayName)
	case "Name":
		local, _, _ := strings.Cut(m.PrimarySmtpAddress, "@")
		return filter.String(local)
	case "Guid":
		return filter.String(m.ID)
	case "EmailAddresses":
		return filter.Strings(m.EmailAddresses)
	case "MemberOfGroup":
		return filter.Strings(m.MemberOfGroup)
	case "AuthenticationPolicy":
		return filter.OptionalString(m.AuthenticationPolicy)
	}
	if p, ok := protocol.Parse(name); ok {
		return m.open(p)
	}
	return filter.OptionalBool(m.Switches[name])
}

// mailboxes lists mailboxes that a filter chooses: PowerShell's
// (MapiHttpEnabled -ne $null) or plain words (imap off).
func (a *api) mailboxes(r *http.Request) (any, error) {
	var e *filter.Expr
	if text := r.URL.Query().Get("filter"); strings.TrimSpace(text) != "" {
		var err error
		if e, err = filter.Parse(filter.MailboxSearch, text, exchange.MailboxSchema); err != nil {
			return nil, badFilter("filter", err, exchange.MailboxSchema)
		}
	}
	v := r.URL.Query()
	skip, err := number(v.Get("$skiptoken"), 0, 0, 1<<30)
	if err != nil {
		return nil, bad("$skiptoken", "%v", err)
	}
	top, err := number(v.Get("$top"), maxPage, 1, maxPage)
	if err != nil {
		return nil, bad("$top", "%v", err)
	}
	s, err := a.readShelf(r.Context())
	if err != nil {
		return nil, err
	}
	rows := []mailbox{}
	for i := skip; i < len(s.people); i++ {
		if len(rows) == top {
			v.Set("$skiptoken", strconv.Itoa(i))
			out := list(rows)
			out["@odata.nextLink"] = link(r, v)
			return out, nil
		}
		if m := s.mailbox(&s.people[i]); e == nil || e.Match(m.lookup) {
			rows = append(rows, m)
		}
	}
	return list(rows), nil
}

func (a *api) mailbox(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	s, err := a.readShelf(r.Context())
	if err != nil {
		return nil, err
	}
	return s.mailbox(&p), nil
}

// switches lists what is set on one object, or everything that is set anywhere.
func (a *api) switches(r *http.Request) (any, error) {
	q := r.URL.Query()
	var set []store.Switch
	var err error
	if scope := store.Scope(q.Get("scope")); scope != "" {
		subject, serr := a.subjectOf(r, scope, q.Get("subject"))
		if serr != nil {
			return nil, serr
		}
		set, err = a.Store.SwitchesOf(r.Context(), scope, subject)
	} else {
		set, err = a.Store.Switches(r.Context())
	}
	if err != nil {
		return nil, err
	}
	type row struct {
		store.Switch
		SubjectName string `json:"subjectName"`
	}
	rows := []row{}
	for _, w := range set {
		rows = append(rows, row{w, a.nameOf(r, w.Scope, w.Subject)})
	}
	return list(rows), nil
}

// switchChange sets switches on one object: Exchange's names with true, false
// or null, or a protocol's name with "on", "off" or "inherit".
type switchChange struct {
	Scope    store.Scope    `json:"scope"`
	Subject  string         `json:"subject"`
	Switches map[string]any `json:"switches"`
}

func (a *api) setSwitches(r *http.Request) (any, error) {
	var c switchChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if c.Scope == store.PersonScope {
		c.Scope = store.Mailbox
	}
	subject, err := a.subjectOf(r, c.Scope, c.Subject)
	if err != nil {
		return nil, err
	}
	values, err := switchValues(c.Switches)
	if err != nil {
		return nil, err
	}
	report, err := a.change(r, func(tx *store.Tx) error {
		for name, v := range values {
			if err := tx.PutSwitch(c.Scope, subject, name, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"switches": values, "@portreeve.sessions": sessionsOf(report)}, nil
}

// switchValues turns what was asked for into switches by Exchange's names.
func switchValues(asked map[string]any) (map[string]*bool, error) {
	if len(asked) == 0 {
		return nil, bad("switches", "say which switch, such as ImapEnabled or imap")
	}
	values := map[string]*bool{}
	for name, v := range asked {
		if p, ok := protocol.Parse(name); ok {
			if err := door(values, p, v); err != nil {
				return nil, err
			}
			continue
		}
		known := slices.IndexFunc(policy.SwitchNames(), func(s string) bool { return strings.EqualFold(s, name) })
		if known < 0 {
			return nil, bad(name, "there is no switch %q; there are %s, and the protocols' names", name, strings.Join(policy.SwitchNames(), ", "))
		}
		b, isBool := v.(bool)
		switch {
		case v == nil:
			values[policy.SwitchNames()[known]] = nil
		case isBool:
			values[policy.SwitchNames()[known]] = &b
		default:
			return nil, bad(name, "%s is true, false or null", name)
		}
	}
	return values, nil
}

// door sets the switches of a protocol, minding those that are the other way round.
func door(values map[string]*bool, p protocol.Protocol, v any) error {
	word, _ := v.(string)
	if b, ok := v.(bool); ok {
		word = map[bool]string{true: "on", false: "off"}[b]
	}
	found := false
	all := exchange.Switches()
	for i := range all {
		w := &all[i]
		if w.Protocol != p {
			continue
		}
		switch {
		case word == "inherit":
			values[w.Name] = nil
		case word == "on":
			open := !w.Reversed
			values[w.Name] = &open
		case word == "off":
			closed := w.Reversed
			if !found { // one that is closed is enough
				values[w.Name] = &closed
			}
		default:
			return bad(p.String(), "%s is on, off or inherit", p)
		}
		found = true
	}
	if !found {
		return bad(p.String(), "%s has no switch", p)
	}
	return nil
}
