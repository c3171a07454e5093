package admin

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// beyond is what more can be said of an imagined sign-in than its verdict.
type beyond struct {
	// Verdict is allowed, asked or refused; or depends, where what was not stated may change it.
	Verdict   string       `json:"verdict"`
	DependsOn []dependence `json:"dependsOn"`
	Whole     bool         `json:"everyCombination"` // of what was not stated was tried, not each by itself
	// ReportOnly is what it would come to if every report-only policy were enforced.
	ReportOnly ending `json:"withReportOnly"`
	// Flips are single changes, each judged, that would turn the answer round.
	Flips []flip `json:"flips"`
}

type ending struct {
	Effect string `json:"effect"`
	Code   string `json:"code"`
	By     string `json:"by,omitempty"`
	ByName string `json:"byName,omitempty"`
}

// dependence is one fact that was not stated and changes the verdict.
type dependence struct {
	Fact   string          `json:"fact"`
	Values []dependentCase `json:"values"`
}

type dependentCase struct {
	Value   string   `json:"value"`
	Effects []string `json:"effects"` // over everything else that was not stated
}

type flip struct {
	Kind   string `json:"kind"` // group, credential, protocol, place, program, proof, rule
	Text   string `json:"text"`
	Effect string `json:"effect"`
}

// choice is one value that a fact may have.
type choice struct {
	label string
	set   func(*policy.Facts)
}

type dimension struct {
	name    string
	choices []choice
}

// maxCombinations bounds how many completions of what was not stated are judged.
const maxCombinations = 20_000

// beyond works out the rest. code is the imagined sign-in's own.
func (a *api) beyond(r *http.Request, q *imagined, f *policy.Facts, code signin.Code) *beyond {
	s := a.Gate.Snapshot()
	n := a.naming(r.Context())
	v := policy.Judge(s, f, nil)
	out := &beyond{Verdict: endWord(v.Effect), DependsOn: []dependence{}, Flips: []flip{}}
	out.ReportOnly = endingOf(n, v)
	if all, any := enforcedAll(s); any {
		out.ReportOnly = endingOf(n, policy.Judge(all, f, nil))
	}
	if !f.Proven || f.Person == "" || code == signin.UserDisabled { // refused whatever the rules say
		out.Verdict = endWord(policy.Block)
		return out
	}
	out.DependsOn, out.Whole = depends(s, f, unstated(s, q, f))
	if len(out.DependsOn) > 0 {
		out.Verdict = "depends"
	}
	out.Flips = a.flips(s, f, v, n)
	return out
}

func endWord(e policy.Effect) string {
	return map[policy.Effect]string{policy.Allow: "allowed", policy.Interrupt: "asked", policy.Block: "refused"}[e]
}

func endingOf(n *naming, v policy.Verdict) ending {
	x := ending{Effect: v.Effect.String(), Code: signin.Code(v.Code).String(), By: v.By}
	if v.By != "" {
		x.ByName = n.text(v.By)
	}
	return x
}

// enforcedAll is the snapshot with every report-only policy enforced.
func enforcedAll(s *policy.Snapshot) (all *policy.Snapshot, any bool) {
	src := s.Source()
	src.Policies = slices.Clone(src.Policies)
	for i := range src.Policies {
		if src.Policies[i].State == policy.ReportOnly {
			src.Policies[i].State, any = policy.Enabled, true
		}
	}
	if any {
		all, _ = policy.Compile(src)
	}
	return all, any
}

// unstated are the facts that were not stated, with the values that the rules tell apart.
func unstated(s *policy.Snapshot, q *imagined, f *policy.Facts) (all []dimension) {
	add := func(name string, stated bool, choices []choice) {
		if !stated && len(choices) > 1 {
			all = append(all, dimension{name, choices})
		}
	}
	recorded := q.Reference != ""
	add("protocol", recorded || q.Protocol != "", protocolChoices())
	add("credential", recorded || q.Credential != "", credentialChoices())
	add("address", recorded || q.IP != "", addressChoices(s))
	add("country", recorded || q.Country != "" || q.IP != "" && f.Country != "", countryChoices(s))
	add("network number", recorded || q.ASN != 0, asnChoices(s))
	add("program", recorded || q.Program != "", programChoices(s))
	add("platform", recorded || q.Platform != "", platformChoices(s))
	add("known network", recorded || q.KnownNetwork != nil, []choice{
		{"new for this person", func(f *policy.Facts) { f.KnownNetwork = false }}, {"known", func(f *policy.Facts) { f.KnownNetwork = true }}})
	add("proof", recorded || len(q.Methods) > 0, proofChoices())
	add("device", recorded || q.Device != nil || f.Credential == policy.CredentialPassword, deviceChoices(s))
	add("time", recorded || q.At != nil, timeChoices(s, f.At))
	return all
}

func protocolChoices() (all []choice) {
	for _, p := range protocol.All() {
		all = append(all, choice{p.String(), func(f *policy.Facts) { f.Protocol = p }})
	}
	return all
}

func credentialChoices() (all []choice) {
	for _, k := range []policy.CredentialKind{policy.CredentialPassword, policy.CredentialAppPassword, policy.CredentialBearer, policy.CredentialCertificate} {
		all = append(all, choice{k.String(), func(f *policy.Facts) { shows(f, k) }})
	}
	return all
}

// shows gives a sign-in another kind of credential, and what such a one proves.
func shows(f *policy.Facts, k policy.CredentialKind) {
	f.Credential, f.Methods = k, f.Methods&^(policy.MethodPassword|policy.MethodBoundAppPassword)
	switch k {
	case policy.CredentialPassword:
		f.Methods |= policy.MethodPassword
	case policy.CredentialAppPassword:
		f.Methods = policy.MethodBoundAppPassword
	}
	if f.AuthTime.IsZero() && k != policy.CredentialBearer {
		f.AuthTime = f.At
	}
}

func addressChoices(s *policy.Snapshot) (all []choice) {
	for _, a := range s.Networks() {
		where := "in no named network"
		for _, l := range s.Source().Locations {
			if len(l.Ranges) > 0 && l.Contains(a, "") {
				where = "in " + l.DisplayName
				break
			}
		}
		all = append(all, choice{a.String() + ", " + where, func(f *policy.Facts) { f.Addr = a }})
	}
	return all
}

func countryChoices(s *policy.Snapshot) []choice {
	named := s.Countries()
	if len(named) == 0 {
		return nil
	}
	all := []choice{{"unknown", func(f *policy.Facts) { f.Country = "" }}, {"another", func(f *policy.Facts) { f.Country = "ZZ" }}}
	for _, c := range named {
		all = append(all, choice{c, func(f *policy.Facts) { f.Country = c }})
	}
	return all
}

func asnChoices(s *policy.Snapshot) []choice {
	all := []choice{{"unknown", func(f *policy.Facts) { f.ASN = 0 }}}
	for _, p := range s.Policies() {
		if n := p.Conditions.Portreeve.ASNs; n != nil {
			for _, x := range slices.Concat(n.Include, n.Exclude) {
				all = append(all, choice{fmt.Sprint("AS", x), func(f *policy.Facts) { f.ASN = x }})
			}
		}
	}
	return all
}

func programChoices(s *policy.Snapshot) []choice {
	all := []choice{{"unknown", func(f *policy.Facts) { f.Program = "" }}}
	for _, p := range s.Policies() {
		if w := p.Conditions.Portreeve.Programs; w != nil {
			for _, x := range slices.Concat(w.Include, w.Exclude) {
				all = append(all, choice{x, func(f *policy.Facts) { f.Program = strings.ToLower(x) }})
			}
		}
	}
	return all
}

func platformChoices(s *policy.Snapshot) []choice {
	if !slices.ContainsFunc(s.Policies(), func(p policy.Policy) bool {
		return p.Conditions.Platforms != nil || p.Conditions.ClientAppTypes&policy.ClientAppEasSupported != 0
	}) {
		return nil
	}
	all := []choice{{"unknown", func(f *policy.Facts) { f.Platform = policy.PlatformUnknown }}}
	for p := policy.PlatformAndroid; p <= policy.PlatformLinux; p++ {
		all = append(all, choice{p.String(), func(f *policy.Facts) { f.Platform = p }})
	}
	return all
}

// proofChoices are what may be proven besides; a sign-in has only what one of its kind can come to.
func proofChoices() []choice {
	all := []choice{{"nothing besides", func(*policy.Facts) {}}}
	for _, m := range []struct {
		label string
		m     policy.Methods
	}{{"a code from an app", policy.MethodSoftwareOath}, {"a passkey", policy.MethodFIDO2}, {"an approval window", policy.MethodApprovalWindow}, {"a known program", policy.MethodKnownProgram}} {
		all = append(all, choice{m.label, func(f *policy.Facts) {
			if m.m&policy.Attainable(f) != 0 {
				f.Methods, f.AuthTime = f.Methods|m.m, f.At
			}
		}})
	}
	return all
}

func deviceChoices(s *policy.Snapshot) (all []choice) {
	devices, _ := s.Devices()
	if !s.OnDevices() {
		return nil
	}
	for i, d := range devices[:min(len(devices), 16)] {
		label := "unregistered"
		if d != nil {
			compliant := "of unknown compliance"
			if d.IsCompliant != nil {
				compliant = map[bool]string{true: "compliant", false: "not compliant"}[*d.IsCompliant]
			}
			label = strings.TrimSpace(fmt.Sprintf("kind %d: %s %s %s", i, compliant, d.TrustType, d.DisplayName))
		}
		all = append(all, choice{label, func(f *policy.Facts) { f.Device = d }})
	}
	return all
}

func timeChoices(s *policy.Snapshot, at time.Time) (all []choice) {
	if !slices.ContainsFunc(s.Policies(), func(p policy.Policy) bool { return p.Conditions.Portreeve.Hours != nil }) {
		return nil
	}
	for h := range 7 * 24 {
		t := at.Add(time.Duration(h) * time.Hour)
		all = append(all, choice{t.Format("Mon 15:04 MST"), func(f *policy.Facts) { f.AuthTime, f.At = f.AuthTime.Add(t.Sub(f.At)), t }})
	}
	return all
}

// depends finds the facts of which the verdict hangs. whole says that every
// combination was tried; there may be too many, and then each fact is by itself.
func depends(s *policy.Snapshot, f *policy.Facts, dims []dimension) (out []dependence, whole bool) {
	out = []dependence{}
	total := 1
	for _, d := range dims {
		if total *= len(d.choices); total > maxCombinations {
			break
		}
	}
	if total > maxCombinations {
		for _, d := range dims {
			if x, _ := depends(s, f, []dimension{d}); len(x) > 0 {
				out = append(out, x...)
			}
		}
		return out, false
	}
	effects := make([]policy.Effect, total)
	for i := range effects {
		g := *f
		for d, rest := 0, i; d < len(dims); d++ {
			dims[d].choices[rest%len(dims[d].choices)].set(&g)
			rest /= len(dims[d].choices)
		}
		effects[i] = policy.Judge(s, &g, nil).Effect
	}
	for d, stride := 0, 1; d < len(dims); d++ {
		if x, matters := dependenceOf(&dims[d], effects, stride); matters {
			out = append(out, x)
		}
		stride *= len(dims[d].choices)
	}
	return out, true
}

// dependenceOf says whether one fact alone changes some combination.
func dependenceOf(d *dimension, effects []policy.Effect, stride int) (x dependence, matters bool) {
	x.Fact = d.name
	n := len(d.choices)
	for c := range d.choices {
		var seen [3]bool
		for i, e := range effects {
			at := i / stride % n
			matters = matters || at > 0 && e != effects[i-at*stride]
			if at == c {
				seen[min(e, policy.Allow)] = true
			}
		}
		one := dependentCase{Value: d.choices[c].label, Effects: []string{}}
		for _, e := range []policy.Effect{policy.Allow, policy.Interrupt, policy.Block} {
			if seen[e] {
				one.Effects = append(one.Effects, endWord(e))
			}
		}
		x.Values = append(x.Values, one)
	}
	return x, matters
}

// flips tries single changes, and says which would turn the answer round.
func (a *api) flips(s *policy.Snapshot, f *policy.Facts, v policy.Verdict, n *naming) []flip {
	out := []flip{}
	try := func(kind, text string, rules *policy.Snapshot, g policy.Facts) bool {
		e := policy.Judge(rules, &g, nil).Effect
		if (e == policy.Allow) == v.Allowed() {
			return false
		}
		out = append(out, flip{kind, text, endWord(e)})
		return true
	}
	facts := func(kind, before string, choices []choice) {
		for _, c := range choices {
			g := *f
			c.set(&g)
			try(kind, before+c.label, s, g)
		}
	}
	for _, g := range groupsNamed(s) {
		h := *f
		if i := slices.Index(f.Groups, g); i >= 0 {
			h.Groups = slices.Delete(slices.Clone(f.Groups), i, i+1)
			try("group", "take out of the group "+n.text(g), s, h)
		} else {
			h.Groups = append(slices.Clone(f.Groups), g)
			slices.Sort(h.Groups)
			try("group", "add to the group "+n.text(g), s, h)
		}
	}
	facts("credential", "sign in with: ", credentialChoices())
	facts("protocol", "over ", protocolChoices())
	facts("place", "from ", addressChoices(s))
	facts("place", "from the country ", countryChoices(s))
	facts("program", "with the program ", programChoices(s))
	facts("proof", "besides with ", proofChoices()[1:])
	a.flipRules(s, f, try)
	return out
}

// groupsNamed are the ids of the groups that policies name.
func groupsNamed(s *policy.Snapshot) (all []string) {
	names := s.Source().Names.Groups
	for _, p := range s.Policies() {
		if u := p.Conditions.Users; u != nil {
			for _, g := range slices.Concat(u.Include.Groups, u.Exclude.Groups) {
				if id, ok := names[strings.ToLower(g)]; ok {
					g = id
				}
				all = append(all, g)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// maxRules bounds how many policies are tried in another state.
const maxRules = 20

// flipRules tries the rules that decide in another state: one after the other,
// and if no single one turns the answer round, all of them together.
func (a *api) flipRules(s *policy.Snapshot, f *policy.Facts, try func(kind, text string, rules *policy.Snapshot, g policy.Facts) bool) {
	x := policy.Explain(s, f)
	if x.Stage == policy.StageSwitch.String() {
		flipSwitch(s, f, x.Steps[0].From, try)
		return
	}
	from, to, word := policy.Enabled, policy.ReportOnly, "only report the policy "
	if x.Effect == policy.Allow.String() {
		from, to, word = policy.ReportOnly, policy.Enabled, "enforce the policy "
	}
	var names []string
	together := s.Source()
	together.Policies = slices.Clone(together.Policies)
	flipped := false
	for i, p := range x.Policies {
		failing := p.Result == policy.Failure.String() || p.Result == policy.ReportOnlyFailure.String() || p.Result == policy.ReportOnlyInterrupted.String()
		if !failing || s.Policies()[i].State != from || len(names) >= maxRules {
			continue
		}
		one := s.Source()
		one.Policies = slices.Clone(one.Policies)
		one.Policies[i].State, together.Policies[i].State = to, to
		rules, _ := policy.Compile(one)
		names = append(names, p.Name)
		flipped = try("rule", word+p.Name, rules, *f) || flipped
	}
	if !flipped && len(names) > 1 {
		rules, _ := policy.Compile(together)
		try("rule", word+strings.Join(names, " and "), rules, *f)
	}
}

// flipSwitch tries the switch that closes the door, where it is set.
func flipSwitch(s *policy.Snapshot, f *policy.Facts, holder policy.Holder, try func(kind, text string, rules *policy.Snapshot, g policy.Facts) bool) {
	name := f.Protocol.Row().Switch
	open := name != "SmtpClientAuthenticationDisabled"
	src := s.Source()
	switch holder.Kind {
	case policy.HeldByOrganization:
		src.Organization.Set(name, &open)
	case policy.HeldByDomain:
		src.Domains = cloned(src.Domains)
		d := src.Domains[holder.ID]
		d.Set(name, &open)
		src.Domains[holder.ID] = d
	case policy.HeldByGroup:
		src.Groups = cloned(src.Groups)
		g := src.Groups[holder.ID]
		g.Set(name, &open)
		src.Groups[holder.ID] = g
	case policy.HeldByMailbox:
		src.Mailboxes = cloned(src.Mailboxes)
		m := src.Mailboxes[holder.ID]
		m.Set(name, &open)
		src.Mailboxes[holder.ID] = m
	}
	rules, _ := policy.Compile(src)
	try("rule", fmt.Sprintf("set %s to %v at the %s", name, open, holder.Kind), rules, *f)
}

// matrix is many imagined sign-ins in one call.
type matrix struct {
	Users       []string `json:"users"`
	Group       string   `json:"group"` // everybody in it
	Protocols   []string `json:"protocols"`
	Credentials []string `json:"credentials"`
	Places      []string `json:"places"` // addresses, or countries
}

type cell struct {
	User       string `json:"user"`
	Protocol   string `json:"protocol"`
	Credential string `json:"credential"`
	Place      string `json:"place"`
	Effect     string `json:"effect"`
	Code       string `json:"code"`
	Title      string `json:"title"`
	ByName     string `json:"byName"`
}

// maxCells bounds a matrix.
const maxCells = 100_000

// whatIfMatrix judges people x protocols x kinds of credential x places.
func (a *api) whatIfMatrix(r *http.Request) (any, error) {
	var m matrix
	if err := decode(r, &m); err != nil {
		return nil, err
	}
	if m.Group != "" {
		g, err := a.findGroup(r, m.Group)
		if err != nil {
			return nil, err
		}
		members, err := a.Store.MembersOf(r.Context(), g.ID)
		if err != nil {
			return nil, err
		}
		for _, x := range members {
			if p, err := a.Store.Person(r.Context(), x.Member); err == nil && !x.IsGroup {
				m.Users = append(m.Users, p.Address)
			}
		}
	}
	if len(m.Protocols) == 0 {
		m.Protocols = protocol.Names()
	}
	if len(m.Credentials) == 0 {
		m.Credentials = []string{"password", "appPassword", "bearer", "certificate"}
	}
	if len(m.Places) == 0 {
		m.Places = []string{""}
	}
	if n := len(m.Users) * len(m.Protocols) * len(m.Credentials) * len(m.Places); n == 0 || n > maxCells {
		return nil, bad("users", "say who: users or a group, of at most %d cells in all", maxCells)
	}
	rows := []cell{}
	n := a.naming(r.Context())
	for _, user := range m.Users {
		for _, p := range m.Protocols {
			for _, k := range m.Credentials {
				for _, place := range m.Places {
					x, err := a.cell(r, n, imagined{User: user, Protocol: p, Credential: k}, place)
					if err != nil {
						return nil, err
					}
					rows = append(rows, x)
				}
			}
		}
	}
	return list(rows), nil
}

func (a *api) cell(r *http.Request, n *naming, q imagined, place string) (x cell, err error) {
	if _, err := netip.ParseAddr(place); err == nil {
		q.IP = place
	} else if place != "" {
		if len(place) != 2 {
			return x, bad("places", "a place is an address or a country's two letters, not %q", place)
		}
		q.Country = place
	}
	attempt, f, err := a.imagine(r, &q)
	if err != nil {
		return x, err
	}
	o := a.outcome(r, &q, attempt, f)
	x = cell{User: q.User, Protocol: f.Protocol.String(), Credential: f.Credential.String(), Place: place, Effect: endWord(o.Verdict.Effect), Code: o.Code.String(), Title: o.Code.Meaning().Title}
	if o.Verdict.By != "" && o.Code != signin.OK {
		x.ByName = n.text(o.Verdict.By)
	}
	return x, nil
}
