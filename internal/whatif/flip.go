package whatif

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
)

// Flip is a single change, judged, that turns the answer round.
type Flip struct {
	Kind   string `json:"kind"` // group, credential, protocol, place, program, proof, rule
	Text   string `json:"text"`
	Effect string `json:"effect"`
}

// trial judges facts by rules and keeps the change that leads there if the answer
// is another; it says whether it is.
type trial func(kind, text string, rules *policy.Snapshot, g policy.Facts) bool

// Flips tries single changes, and says which would turn the answer v round.
// name is what people call an object, by its id.
func Flips(s *policy.Snapshot, f *policy.Facts, v policy.Verdict, name func(id string) string) []Flip {
	out := []Flip{}
	try := func(kind, text string, rules *policy.Snapshot, g policy.Facts) bool {
		e := policy.Judge(rules, &g, nil).Effect
		if (e == policy.Allow) == v.Allowed() {
			return false
		}
		out = append(out, Flip{kind, text, EndWord(e)})
		return true
	}
	facts := func(kind, before string, choices []Choice) {
		for _, c := range choices {
			g := *f
			c.set(&g)
			try(kind, before+c.Label, s, g)
		}
	}
	for _, g := range groupsNamed(s) {
		h := *f
		if i := slices.Index(f.Groups, g); i >= 0 {
			h.Groups = slices.Delete(slices.Clone(f.Groups), i, i+1)
			try("group", "take out of the group "+name(g), s, h)
		} else {
			h.Groups = append(slices.Clone(f.Groups), g)
			slices.Sort(h.Groups)
			try("group", "add to the group "+name(g), s, h)
		}
	}
	facts("credential", "sign in with: ", credentialChoices())
	facts("protocol", "over ", protocolChoices())
	facts("place", "from ", addressChoices(s))
	facts("place", "from the country ", countryChoices(s))
	facts("program", "with the program ", programChoices(s))
	facts("proof", "besides with ", proofChoices()[1:])
	flipRules(s, f, try)
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
func flipRules(s *policy.Snapshot, f *policy.Facts, try trial) {
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
func flipSwitch(s *policy.Snapshot, f *policy.Facts, holder policy.Holder, try trial) {
	name := f.Protocol.Row().Switch
	open := name != "SmtpClientAuthenticationDisabled"
	src := s.Source()
	src.SetSwitch(holder, name, &open)
	rules, _ := policy.Compile(src)
	try("rule", fmt.Sprintf("set %s to %v at the %s", name, open, holder.Kind), rules, *f)
}
