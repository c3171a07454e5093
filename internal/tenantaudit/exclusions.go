package tenantaudit

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/tenant"
)

// leastLog is how long a log must be before it says that something is not used.
const leastLog = 7 * 24 * time.Hour

// exclusionKey is one excluded id of one policy of the tenant.
type exclusionKey struct {
	policy int
	id     string
}

// replayKey is all that a policy's conditions hang on, people aside.
type replayKey struct {
	person   *person
	client   client
	platform policy.Platform
	address  netip.Addr
	country  string
	flow     policy.TransferMethods
	resource string
}

// exclusions asks of each sign-in which policies it would have met if nobody
// were excluded. What the log does not tell (a device's attributes) is taken to
// have met: an exclusion is called unused only where that is certain.
type exclusions struct {
	a        *audit
	snapshot *policy.Snapshot          // of policies without their exclusions of people
	policies []int                     // of t.Policies, beside the snapshot's
	of       map[string][]exclusionKey // by a person's id
	bits     policy.Bits
}

func newExclusions(a *audit) *exclusions {
	x := &exclusions{a: a, of: map[string][]exclusionKey{}}
	var all []policy.Policy
	for i := range a.t.Policies {
		p := &a.t.Policies[i]
		ids := excluded(p)
		if p.State == policy.Disabled || len(ids) == 0 {
			continue
		}
		b := bare(p)
		b.Conditions.Users.Exclude = policy.People{}
		b.Conditions.DeviceFilter = nil
		all, x.policies = append(all, b), append(x.policies, i)
		for _, id := range ids {
			key := exclusionKey{i, id}
			x.of[id] = append(x.of[id], key)
			for _, member := range a.membersOf(id) {
				x.of[member] = append(x.of[member], key)
			}
		}
	}
	x.snapshot, _ = policy.Compile(policy.Source{Policies: all, Locations: a.thief.places})
	return x
}

// excluded are the users and groups a policy excludes by id.
func excluded(p *tenant.Policy) []string {
	if p.Conditions.Users == nil {
		return nil
	}
	e := &p.Conditions.Users.Exclude
	ids := append(lowerAll(e.Users), lowerAll(e.Groups)...)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// need marks the exclusions that a sign-in needed.
func (x *exclusions) need(p *person, s *tenant.SignIn) {
	keys := x.of[p.id]
	if len(keys) == 0 || !slices.ContainsFunc(keys, func(k exclusionKey) bool { return !x.a.log.met[k] }) {
		return
	}
	f := factsOf(s)
	key := replayKey{p, clientOf(s.ClientApp), f.Platform, f.Addr, f.Country, f.Flow, resourceOf(s)}
	applied, known := x.a.log.replayed[key]
	if !known {
		f.Person, f.Groups, f.Roles, f.Guest = p.id, p.groups, p.roles, p.guestType
		policy.Evaluate(x.snapshot, &f, &x.bits)
		applied = slices.Clone(x.bits.Applied)
		const most = 1 << 18 // rows to remember
		if len(x.a.log.replayed) < most {
			x.a.log.replayed[key] = applied
		}
	}
	for _, k := range keys {
		at := slices.Index(x.policies, k.policy)
		if at >= 0 && applied[at/64]>>(at%64)&1 != 0 && aims(x.a.t.Policies[k.policy].Conditions.Applications, key.resource) {
			x.a.log.met[k] = true
		}
	}
}

// resourceOf is the application id of what was signed in to.
func resourceOf(s *tenant.SignIn) string {
	if toExchange(s) {
		return exchangeID
	}
	if s.ResourceID == "" && clientOf(s.ClientApp).legacy() {
		return exchangeID
	}
	return lower(s.ResourceID)
}

// factsOf is a sign-in as policies judge it, people aside.
func factsOf(s *tenant.SignIn) policy.Facts {
	f := policy.Facts{At: s.Time, Addr: s.Address, Country: strings.ToUpper(s.Country), Platform: platformOf(s.OS)}
	switch c := clientOf(s.ClientApp); {
	case c == clientBrowser:
		f.Protocol, f.Credential = protocol.Webmail, policy.CredentialPassword
	case c == clientModern:
		f.Protocol, f.Credential = protocol.IMAP, policy.CredentialBearer
	case c == clientEAS:
		f.Protocol, f.Credential = protocol.ActiveSync, policy.CredentialPassword
	case c.legacy():
		f.Protocol, f.Credential = protocol.IMAP, policy.CredentialPassword
	} // else the kind is not known, which counts as every kind
	switch lower(s.Protocol) {
	case "devicecode":
		f.Flow = policy.DeviceCodeFlow
	case "authenticationtransfer":
		f.Flow = policy.AuthenticationTransfer
	}
	return f
}

// platformOf reads deviceDetail.operatingSystem, such as "Windows 10" or "Ios 17.4".
func platformOf(os string) policy.Platform {
	os = plain(os)
	for _, row := range []struct {
		prefix   string
		platform policy.Platform
	}{{"windowsphone", policy.PlatformWindowsPhone}, {"windows", policy.PlatformWindows}, {"macos", policy.PlatformMacOS}, {"osx", policy.PlatformMacOS},
		{"ios", policy.PlatformIOS}, {"ipados", policy.PlatformIOS}, {"iphone", policy.PlatformIOS}, {"ipad", policy.PlatformIOS}, {"android", policy.PlatformAndroid}, {"linux", policy.PlatformLinux}, {"ubuntu", policy.PlatformLinux}} {
		if strings.HasPrefix(os, row.prefix) {
			return row.platform
		}
	}
	return policy.PlatformUnknown
}

// findUnusedExclusions names the exclusions that no sign-in needed.
func (a *audit) findUnusedExclusions() {
	if a.log.last.Sub(a.log.first) < leastLog {
		if a.log.counted > 0 {
			a.note("sign-ins", "the part of the log that counts is shorter than 7 days: which exclusions are used is not said", tenant.Source{})
		}
		return
	}
	for i := range a.t.Policies {
		p := &a.t.Policies[i]
		if p.State == policy.Disabled {
			continue
		}
		for _, id := range excluded(p) {
			if a.log.met[exclusionKey{i, id}] || a.gone(id, p) {
				continue
			}
			what, name := "user", id
			if x := a.byID[id]; x != nil {
				name = x.upn
			}
			if g := a.groups[id]; g != nil {
				what, name = "group", g.DisplayName
			}
			side := "excludeUsers"
			if what == "group" {
				side = "excludeGroups"
			}
			f := a.find(UnusedExclusion, lower(p.ID)+"/"+id, "")
			f.Title = fmt.Sprintf("%s excludes the %s %s, and nobody needed it", quoted(p.DisplayName), what, name)
			f.Evidence = append(f.Evidence, Evidence{File: p.Source.File, Line: p.Source.Line, Says: fmt.Sprintf("conditions.users.%s names %s; no sign-in from %s to %s needed it", side, id, a.log.first.Format(time.DateOnly), a.log.last.Format(time.DateOnly))})
			f.Remedy = Remedy{Do: "Take the exclusion out of the policy, unless it is an emergency account.", Command: patchUsers(p, side, id)}
		}
	}
}

// gone says that an excluded id is nobody's: that is another finding.
func (a *audit) gone(id string, p *tenant.Policy) bool {
	e := &p.Conditions.Users.Exclude
	if slices.Contains(lowerAll(e.Groups), id) {
		return a.groups[id] == nil && a.complete(tenant.Groups)
	}
	return (a.byID[id] == nil || a.byID[id].account == nil) && a.complete(tenant.Users)
}
