package tenantaudit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/tenant"
)

// chance draws policies and places.
type chance struct{ *rand.Rand }

func (c chance) some(words ...string) []string {
	var out []string
	for _, w := range words {
		if c.IntN(3) == 0 {
			out = append(out, w)
		}
	}
	return out
}

func (c chance) places() (all []tenant.Location) {
	for i := range 4 {
		n := location.Named{ID: fmt.Sprintf("l%d", i), DisplayName: fmt.Sprint("L", i), Trusted: c.IntN(2) == 0}
		for range 1 + c.IntN(3) { // ranges that overlap
			from := netip.AddrFrom4([4]byte{198, 51, byte(c.IntN(3)), byte(c.IntN(200))})
			to := from
			for range c.IntN(40) {
				to = to.Next()
			}
			n.Ranges = append(n.Ranges, location.Range{From: from, To: to})
		}
		all = append(all, tenant.Location{Named: n})
	}
	for i := range 2 {
		all = append(all, tenant.Location{Named: location.Named{ID: fmt.Sprintf("c%d", i), DisplayName: fmt.Sprint("C", i), Kind: location.Countries, Countries: c.some("DE", "FR", "BR", "US", "ZZ"), IncludeUnknown: c.IntN(2) == 0}})
	}
	return all
}

func (c chance) policy(i int) tenant.Policy {
	p := policy.Policy{ID: fmt.Sprintf("p%d", i), DisplayName: fmt.Sprint("P", i), Grant: &policy.Grant{Controls: policy.ControlBlock}}
	p.Conditions.Users = &policy.Users{Include: policy.People{All: c.IntN(4) > 0, Users: c.some("u")}, Exclude: policy.People{Groups: c.some("g")}}
	if c.IntN(2) == 0 {
		p.Conditions.ClientAppTypes = []policy.ClientAppTypes{policy.ClientAppBrowser, policy.ClientAppMobileAppsAndDesktopClients, policy.ClientAppOther, policy.ClientAppExchangeActiveSync, policy.ClientAppEasSupported, policy.ClientAppOther | policy.ClientAppExchangeActiveSync}[c.IntN(6)]
	}
	if c.IntN(2) == 0 {
		names := append(c.some("l0", "l1", "l2", "l3", "c0", "c1"), "All")
		p.Conditions.Locations = &policy.Locations{Include: names[c.IntN(len(names)):], Exclude: c.some("l0", "l1", "l2", "c0", "c1", "AllTrusted")}
	}
	if c.IntN(3) == 0 {
		p.Conditions.Platforms = &policy.Platforms{AllIncluded: c.IntN(2) == 0, Include: []policy.Platform{policy.PlatformIOS, policy.PlatformWindows}}
		for _, x := range []policy.Platform{policy.PlatformIOS, policy.PlatformAndroid, policy.PlatformMacOS} {
			if c.IntN(3) == 0 {
				p.Conditions.Platforms.Exclude = append(p.Conditions.Platforms.Exclude, x)
			}
		}
	}
	if c.IntN(4) == 0 {
		p.State = policy.ReportOnly
	}
	return tenant.Policy{Policy: p}
}

// TestTheSearchIsComplete draws policies and places and holds the few choices
// that are tried against many that are not: where the search says closed no
// choice gets in, and where it says open its witness does.
func TestTheSearchIsComplete(t *testing.T) {
	open, closed := 0, 0
	for seed := range uint64(400) {
		c := chance{rand.New(rand.NewPCG(seed, 5))}
		x := &tenant.Tenant{SignIns: tenant.NewSignInLog(), Locations: c.places(), People: []tenant.Person{{ID: "u", UPN: "u@x.example"}}, Groups: []tenant.Group{{ID: "g", MembersSaid: true, Members: c.some("u")}}}
		for i := range 1 + c.IntN(4) {
			x.Policies = append(x.Policies, c.policy(i))
		}
		a := newAudit(x, Options{})
		a.judgePeople()
		who := a.people[0].class.who
		source := policy.Source{}
		for i := range x.Policies {
			source.Policies = append(source.Policies, x.Policies[i].Policy)
		}
		for i := range x.Locations {
			source.Locations = append(source.Locations, x.Locations[i].Named)
		}
		plain, _ := policy.Compile(source)
		for d := range doorCount {
			snapshot := a.thief.legacy
			if d >= doorBrowser {
				snapshot = a.thief.modern
			}
			for class := range a.thief.locator.Classes() {
				got := a.thief.search(snapshot, &who, d, class)
				if got.open {
					open++
				} else {
					closed++
				}
				f := d.facts()
				f.Person, f.Groups, f.Addr, f.Country, f.Platform = who.Person, who.Groups, got.address, got.country, got.platform
				if got.open && !policy.Evaluate(plain, &f, nil).Allowed() {
					t.Fatalf("seed %d, door %d: the witness %+v does not get in", seed, d, got)
				}
				for range 60 {
					f.Addr = netip.AddrFrom4([4]byte{198, 51, byte(c.IntN(4)), byte(c.IntN(256))})
					f.Country = []string{"DE", "FR", "BR", "US", "ZZ", "IT", ""}[c.IntN(7)]
					f.Platform = policy.Platform(c.IntN(7))
					if a.thief.locator.Class(f.Addr) == class && !got.open && policy.Evaluate(plain, &f, nil).Allowed() {
						t.Fatalf("seed %d, door %d, class %d: %v %s %s gets in, and was not tried", seed, d, class, f.Addr, f.Country, f.Platform)
					}
				}
			}
		}
	}
	if open < 500 || closed < 500 {
		t.Errorf("%d open, %d closed: the draw tells little", open, closed)
	}
}

// What cannot be counted on protects nobody.
func TestForceOfControls(t *testing.T) {
	a := &audit{t: &tenant.Tenant{Strengths: []tenant.Strength{{Strength: policy.Strength{ID: "weak", Combinations: []policy.Combination{{Methods: policy.MethodPassword}}}}}}}
	weak, strong := &policy.Strength{ID: "weak"}, &policy.Strength{ID: policy.StrengthPhishingResistant}
	for _, one := range []struct {
		name  string
		grant *policy.Grant
		want  force
	}{
		{"none", nil, force{}},
		{"no control", &policy.Grant{}, force{}},
		{"block", &policy.Grant{Controls: policy.ControlBlock}, force{modern: true, legacy: true, said: true}},
		{"mfa", &policy.Grant{Any: true, Controls: policy.ControlMFA}, force{modern: true, legacy: true, enrolling: true, said: true}},
		{"mfa or device", &policy.Grant{Any: true, Controls: policy.ControlMFA | policy.ControlCompliantDevice}, force{modern: true, legacy: true, enrolling: true, said: true}},
		{"mfa and device", &policy.Grant{Controls: policy.ControlMFA | policy.ControlCompliantDevice}, force{modern: true, legacy: true, said: true}},
		{"mfa or terms", &policy.Grant{Any: true, Controls: policy.ControlMFA | policy.ControlTermsOfUse}, force{legacy: true, enrolling: true, said: true}},
		{"mfa and terms", &policy.Grant{Controls: policy.ControlMFA | policy.ControlTermsOfUse}, force{modern: true, legacy: true, enrolling: true, said: true}},
		{"terms", &policy.Grant{Controls: policy.ControlTermsOfUse}, force{legacy: true}},
		{"custom", &policy.Grant{Any: true, Controls: policy.ControlCustomFactor}, force{legacy: true}},
		{"unknown or mfa", &policy.Grant{Any: true, Controls: policy.ControlMFA, Unknown: []string{"x"}}, force{legacy: true, enrolling: true, said: true}},
		{"weak strength", &policy.Grant{Any: true, Strength: weak}, force{legacy: true}},
		{"weak strength and device", &policy.Grant{Controls: policy.ControlCompliantDevice, Strength: weak}, force{modern: true, legacy: true, said: true}},
		{"strength", &policy.Grant{Any: true, Strength: strong}, force{modern: true, legacy: true, enrolling: true, said: true}},
		{"strength not known", &policy.Grant{Any: true, Strength: &policy.Strength{ID: "gone"}}, force{legacy: true}},
	} {
		if got := a.forceOf(&policy.Policy{Grant: one.grant}); got != one.want {
			t.Errorf("%s: %+v, not %+v", one.name, got, one.want)
		}
	}
}

func TestClients(t *testing.T) {
	for word, want := range map[string]client{"": clientUnnamed, "Unknown": clientUnnamed, "IMAP4": clientIMAP, "imap": clientIMAP, "Authenticated SMTP": clientSMTP, "SMTP": clientSMTP, "authenticated_smtp": clientSMTP,
		"Exchange ActiveSync": clientEAS, "Outlook Anywhere (RPC over HTTP)": clientLegacy, "MAPI Over HTTP": clientMAPI, "Mobile Apps and Desktop clients": clientModern, "Browser": clientBrowser,
		"Other clients": clientOthers, "Other clients; IMAP": clientIMAP, "Other clients; Older Office clients": clientLegacy, "AutoDiscover": clientLegacy, "Universal Outlook": clientLegacy, "Telepathy": clientNamed} {
		if got := clientOf(word); got != want {
			t.Errorf("%q: %d, not %d", word, got, want)
		}
	}
	for word, want := range map[string]bool{"ExchangeServicesClient/15.0": true, "python-ews/1": true, "EWSEditor": true, "News/1.2": false, "Contoso EWS": true, "MyEWS": true, "ewsx": false, "Daily Views": false, "Exchange Web Services": true, "exchangelib/5": true, "NEWS": false, "": false} {
		if got := tellsEWS(word); got != want {
			t.Errorf("%q: %v", word, got)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1005040: "1,005,040", -12345: "-12,345"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
