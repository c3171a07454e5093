package admin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// choice is one value that a fact may have.
type choice struct {
	label string
	set   func(*policy.Facts)
}

type dimension struct {
	name    string
	choices []choice
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
