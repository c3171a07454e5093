package lint

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// blocks finds policies that shut out whom their author may not have thought of.
func (c *checker) blocks(i int, p *policy.Policy) {
	c.private(i, p)
	c.granted(i, p)
}

// PrivateText is how package policy warns of the same.
const PrivateText = "private addresses (10.0.0.0/8 and the like) are in no country and are caught for that reason alone: name a network location for them"

// privateRanges are what a location of one's own networks may hold.
var privateRanges = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}

const privateName = "Private networks"

// private finds policies that catch private addresses only because no country
// file knows them.
func (c *checker) private(i int, p *policy.Policy) {
	if !c.Rules.CatchesPrivate(i) || p.Grant == nil && p.Session == (policy.Session{}) {
		return
	}
	does, severity := "asks more of", Warning
	if p.Grant != nil && p.Grant.Controls&policy.ControlBlock != 0 {
		does, severity = "blocks", Danger
	}
	exclude := append(slices.Clone(p.Conditions.Locations.Exclude), privateName)
	f := Finding{ID: PrivateRanges, Severity: severity, Object: about(p), Pointer: "/conditions/locations", Warning: PrivateText,
		Sentence: fmt.Sprintf("The policy %s sign-ins from private networks (10.0.0.0/8 and the like): they match no country, so scanners and webmail on your own network are caught by a rule that is about countries", does),
		Fix: Fix{Text: fmt.Sprintf("make a named location %q of your own networks and exclude it", privateName),
			Command: "portreeve location add " + ShellWord(privateName) + " --cidr " + strings.Join(privateRanges, " --cidr "),
			JSON:    patch(map[string]any{"conditions": map[string]any{"locations": map[string]any{"includeLocations": p.Conditions.Locations.Include, "excludeLocations": exclude}}})}}
	alone := sync.OnceValue(func() *policy.Snapshot { return c.alone(i) })
	f.count = func(f *policy.Facts) bool { return location.Private(f.Addr) && applies(alone(), f) }
	f.tell = func(n, people int) string {
		return fmt.Sprintf("%s of %s in %s came from private addresses and would meet it", signIns(n), persons(people), days(c.Days))
	}
	c.add(f)
}

// alone is one policy in force by itself.
func (c *checker) alone(i int) *policy.Snapshot {
	src := c.source
	p := src.Policies[i]
	p.State = policy.Enabled
	src.Policies = []policy.Policy{p}
	s, _ := policy.Compile(src)
	return s
}

// granted finds a block of password programs that also shuts out those that
// earned more than a password: app passwords, approval windows, known programs.
func (c *checker) granted(i int, p *policy.Policy) {
	if p.Grant == nil || p.Grant.Controls&policy.ControlBlock == 0 || narrow(&p.Conditions) {
		return // a block of one place or program is meant so
	}
	alone := c.alone(i)
	caught := func(k policy.CredentialKind) int { return caughtDoors(alone, p, k, c) }
	apps, passwords, tokens := caught(policy.CredentialAppPassword), caught(policy.CredentialPassword), caught(policy.CredentialBearer)
	if apps == 0 || passwords == 0 || tokens > 0 {
		return // a block of everything that somebody has is meant so, too
	}
	f := Finding{ID: BlocksGranted, Severity: Warning, Object: about(p), Pointer: "/grantControls",
		Sentence: "The block also shuts out every app password and every approval window: Entra counts them as legacy authentication",
		Fix: Fix{Text: "ask for a strength instead of block: a password alone is refused just the same, and what was granted to a program goes on working; the template makes the policy and its strength",
			Command: "portreeve policy new --template password-alone-opens-nothing --dry-run", JSON: Instead()}}
	f.count = func(f *policy.Facts) bool { return earned(f) && applies(alone, f) }
	f.tell = func(n, people int) string {
		return fmt.Sprintf("%s of %s in %s showed an app password or used a window and would be refused", signIns(n), persons(people), days(c.Days))
	}
	c.add(f)
}

// narrow says that a block is for some places, programs or times only.
func narrow(c *policy.Conditions) bool {
	return c.Locations != nil || c.Platforms != nil || c.DeviceFilter != nil || c.TransferMethods != 0 || c.Portreeve.Programs != nil || c.Portreeve.ASNs != nil ||
		c.Portreeve.Hours != nil || c.Portreeve.NewClient != nil || c.Portreeve.ViaWebmail != nil || c.Portreeve.CredentialKinds != nil
}

// caughtDoors counts the protocols on which a policy is met with a kind of
// credential, by somebody whom it includes.
func caughtDoors(alone *policy.Snapshot, p *policy.Policy, kind policy.CredentialKind, c *checker) (n int) {
	f := policy.Facts{At: c.Now, Proven: true, Credential: kind, Person: "somebody", Domain: "example.org"}
	if u := p.Conditions.Users; u != nil && !u.Include.All {
		known := func(names map[string]string, list []string) (ids []string) {
			for _, s := range list {
				if id, ok := names[strings.ToLower(s)]; ok {
					s = id
				}
				ids = append(ids, s)
			}
			return ids
		}
		f.Groups, f.Roles = known(c.source.Names.Groups, u.Include.Groups), known(c.source.Names.Roles, u.Include.Roles)
		slices.Sort(f.Groups)
		if people := known(c.source.Names.People, u.Include.Users); len(people) > 0 {
			f.Person = people[0]
		}
		if len(u.Include.Guests) > 0 {
			f.Guest = u.Include.Guests[0].Types
		}
	}
	for _, door := range protocol.All() {
		if f.Protocol = door; applies(alone, &f) {
			n++
		}
	}
	return n
}

// earned says that a sign-in showed more than a password, by what was granted beforehand.
func earned(f *policy.Facts) bool {
	return f.Credential == policy.CredentialAppPassword || f.Methods&(policy.MethodBoundAppPassword|policy.MethodApprovalWindow|policy.MethodKnownProgram) != 0
}

// StrengthName is the strength that Instead asks for.
const StrengthName = "More than a password"

// Instead is what a policy asks for in the place of a block: a strength with
// everything that a program that knows only a password can have earned, and
// every second factor.
func Instead() []byte {
	combinations := []string{"boundAppPassword", "password,approvalWindow", "password,knownProgram"}
	for _, c := range policy.BuiltInStrengths()[0].Combinations {
		combinations = append(combinations, c.String())
	}
	return patch(map[string]any{"grantControls": map[string]any{"operator": "OR", "builtInControls": []string{},
		"authenticationStrength": map[string]any{"displayName": StrengthName, "policyType": "custom", "requirementsSatisfied": "none", "allowedCombinations": combinations}}})
}
