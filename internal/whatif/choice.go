package whatif

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Choice is one value that a fact may have.
type Choice struct {
	Label string
	set   func(*policy.Facts)
}

// Dimension is a fact, with the values that rules tell apart.
type Dimension struct {
	Fact    string
	Choices []Choice
}

// Stated says which facts of an imagined sign-in are not up for choice.
type Stated struct {
	Protocol, Credential, Address, Country, ASN, Program, Platform, KnownNetwork, Methods, Device, Time bool
}

// Unstated are the facts that were not stated, with the values that the rules tell apart.
func Unstated(s *policy.Snapshot, f *policy.Facts, stated Stated) (all []Dimension) {
	add := func(fact string, stated bool, choices []Choice) {
		if !stated && len(choices) > 1 {
			all = append(all, Dimension{fact, choices})
		}
	}
	add("protocol", stated.Protocol, protocolChoices())
	add("credential", stated.Credential, credentialChoices())
	add("address", stated.Address, addressChoices(s))
	add("country", stated.Country, countryChoices(s))
	add("network number", stated.ASN, asnChoices(s))
	add("program", stated.Program, programChoices(s))
	add("platform", stated.Platform, platformChoices(s))
	add("known network", stated.KnownNetwork, []Choice{
		{"new for this person", func(f *policy.Facts) { f.KnownNetwork = false }}, {"known", func(f *policy.Facts) { f.KnownNetwork = true }}})
	add("proof", stated.Methods, proofChoices())
	add("device", stated.Device, deviceChoices(s))
	add("time", stated.Time, timeChoices(s, f.At))
	return all
}

func protocolChoices() (all []Choice) {
	for _, p := range protocol.All() {
		all = append(all, Choice{p.String(), func(f *policy.Facts) { f.Protocol = p }})
	}
	return all
}

func credentialChoices() (all []Choice) {
	for _, k := range []policy.CredentialKind{policy.CredentialPassword, policy.CredentialAppPassword, policy.CredentialBearer, policy.CredentialCertificate} {
		all = append(all, Choice{k.String(), func(f *policy.Facts) { shows(f, k) }})
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

func addressChoices(s *policy.Snapshot) (all []Choice) {
	for _, a := range s.Networks() {
		where := "in no named network"
		for _, l := range s.Source().Locations {
			if len(l.Ranges) > 0 && l.Contains(a, "") {
				where = "in " + l.DisplayName
				break
			}
		}
		all = append(all, Choice{a.String() + ", " + where, func(f *policy.Facts) { f.Addr = a }})
	}
	return all
}

func countryChoices(s *policy.Snapshot) []Choice {
	named := s.Countries()
	if len(named) == 0 {
		return nil
	}
	all := []Choice{{"unknown", func(f *policy.Facts) { f.Country = "" }}, {"another", func(f *policy.Facts) { f.Country = "ZZ" }}}
	for _, c := range named {
		all = append(all, Choice{c, func(f *policy.Facts) { f.Country = c }})
	}
	return all
}

func asnChoices(s *policy.Snapshot) []Choice {
	all := []Choice{{"unknown", func(f *policy.Facts) { f.ASN = 0 }}}
	for _, p := range s.Policies() {
		if n := p.Conditions.Portreeve.ASNs; n != nil {
			for _, x := range slices.Concat(n.Include, n.Exclude) {
				all = append(all, Choice{fmt.Sprint("AS", x), func(f *policy.Facts) { f.ASN = x }})
			}
		}
	}
	return all
}

func programChoices(s *policy.Snapshot) []Choice {
	all := []Choice{{"unknown", func(f *policy.Facts) { f.Program = "" }}}
	for _, p := range s.Policies() {
		if w := p.Conditions.Portreeve.Programs; w != nil {
			for _, x := range slices.Concat(w.Include, w.Exclude) {
				all = append(all, Choice{x, func(f *policy.Facts) { f.Program = strings.ToLower(x) }})
			}
		}
	}
	return all
}

func platformChoices(s *policy.Snapshot) []Choice {
	if !slices.ContainsFunc(s.Policies(), func(p policy.Policy) bool {
		return p.Conditions.Platforms != nil || p.Conditions.ClientAppTypes&policy.ClientAppEasSupported != 0
	}) {
		return nil
	}
	all := []Choice{{"unknown", func(f *policy.Facts) { f.Platform = policy.PlatformUnknown }}}
	for p := policy.PlatformAndroid; p <= policy.PlatformLinux; p++ {
		all = append(all, Choice{p.String(), func(f *policy.Facts) { f.Platform = p }})
	}
	return all
}

// proofChoices are what may be proven besides; a sign-in has only what one of its kind can come to.
func proofChoices() []Choice {
	all := []Choice{{"nothing besides", func(*policy.Facts) {}}}
	for _, m := range []struct {
		label string
		m     policy.Methods
	}{{"a code from an app", policy.MethodSoftwareOath}, {"a passkey", policy.MethodFIDO2}, {"an approval window", policy.MethodApprovalWindow}, {"a known program", policy.MethodKnownProgram}} {
		all = append(all, Choice{m.label, func(f *policy.Facts) {
			if m.m&policy.Attainable(f) != 0 {
				f.Methods, f.AuthTime = f.Methods|m.m, f.At
			}
		}})
	}
	return all
}

func deviceChoices(s *policy.Snapshot) (all []Choice) {
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
		all = append(all, Choice{label, func(f *policy.Facts) { f.Device = d }})
	}
	return all
}

func timeChoices(s *policy.Snapshot, at time.Time) (all []Choice) {
	add := func(t time.Time, layout string) {
		all = append(all, Choice{t.Format(layout), func(f *policy.Facts) { f.AuthTime, f.At = f.AuthTime.Add(t.Sub(f.At)), t }})
	}
	const most = 100 // of what periods begin and end by
	for _, p := range s.Policies() {
		if q := p.Conditions.Portreeve.Period; q != nil && p.State != policy.Disabled && len(all) < most {
			for _, border := range []time.Time{q.Start, q.End} {
				if !border.IsZero() {
					add(border.Add(-time.Second).UTC(), time.RFC3339)
					add(border.UTC(), time.RFC3339)
				}
			}
		}
	}
	if !slices.ContainsFunc(s.Policies(), func(p policy.Policy) bool { return p.Conditions.Portreeve.Hours != nil }) {
		return all
	}
	for h := range 7 * 24 {
		add(at.Add(time.Duration(h)*time.Hour), "Mon 15:04 MST")
	}
	return all
}

// Set gives the facts this value.
func (c Choice) Set(f *policy.Facts) { c.set(f) }
