package policy

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/protocol"
)

// The second judge: plain loops written straight from Entra's documented
// semantics (collect, then enforce; exclude beats include; all that apply must
// be satisfied), sharing no code with the compiled engine beyond the types.
// It is slow and never cuts anything short.

// ruleTable is what the device rules that tests use mean, in Go.
var ruleTable = map[string]func(*Device) bool{
	`device.isCompliant -eq True`:                                       func(d *Device) bool { return d != nil && d.IsCompliant != nil && *d.IsCompliant },
	`device.isCompliant -ne True`:                                       func(d *Device) bool { return d == nil || d.IsCompliant == nil || !*d.IsCompliant },
	`device.trustType -eq "ServerAD"`:                                   func(d *Device) bool { return d != nil && strings.EqualFold(d.TrustType, "ServerAD") },
	`device.trustType -ne "ServerAD"`:                                   func(d *Device) bool { return d == nil || !strings.EqualFold(d.TrustType, "ServerAD") },
	`device.trustType -eq "AzureAD" -or device.trustType -ne "azuread"`: func(*Device) bool { return true },
	`device.displayName -startsWith "MFP-" -and device.isCompliant -eq False`: func(d *Device) bool {
		return d != nil && strings.HasPrefix(strings.ToUpper(d.DisplayName), "MFP-") && d.IsCompliant != nil && !*d.IsCompliant
	},
	`-not (device.displayName -contains "fp")`: func(d *Device) bool { return d == nil || !strings.Contains(strings.ToLower(d.DisplayName), "fp") },
	`device.displayName -endsWith "kiosk" -or device.displayName -notEndsWith "b"`: func(d *Device) bool {
		return d == nil || strings.HasSuffix(strings.ToLower(d.DisplayName), "kiosk") || !strings.HasSuffix(strings.ToLower(d.DisplayName), "b")
	},
	`device.displayName -endsWith "B"`: func(d *Device) bool { return d != nil && strings.HasSuffix(strings.ToLower(d.DisplayName), "b") },
	`device.physicalIds -contains "a"`: func(d *Device) bool {
		return d != nil && len(d.PhysicalIDs) > 0 && strings.EqualFold(d.PhysicalIDs[0], "a")
	},
	`device.displayName -in ["desk","mfp-3"]`: func(d *Device) bool {
		return d != nil && (strings.EqualFold(d.DisplayName, "desk") || strings.EqualFold(d.DisplayName, "mfp-3"))
	},
}

// everyKindOfDevice tells apart whatever the rules of ruleTable do.
func everyKindOfDevice() []*Device {
	yes, no := true, false
	all := []*Device{nil}
	for _, compliant := range []*bool{nil, &yes, &no} {
		for _, trust := range []string{"", "AzureAD", "ServerAD"} {
			for _, name := range []string{"", "MFP-3", "mfp-9", "mfp-Kiosk", "MFP-B", "aFPb", "aFPx", "fpKiosk", "kiosk", "xb", "desk"} {
				for _, ids := range [][]string{nil, {"a"}, {"b"}} {
					all = append(all, &Device{IsCompliant: compliant, TrustType: trust, DisplayName: name, PhysicalIDs: ids})
				}
			}
		}
	}
	return all
}

// naiveResult is what the second judge says.
type naiveResult struct {
	verdict Verdict
	results []Result
}

// naiveEvaluate is conditional access with everything known.
func naiveEvaluate(src *Source, f *Facts) naiveResult {
	out := naiveResult{verdict: Verdict{Effect: Allow, Version: src.Version}}
	var block, fail, ask *Policy
	var failCode, askCode int
	for i := range src.Policies {
		p := &src.Policies[i]
		if p.State == Disabled {
			out.results = append(out.results, NotEnabled)
			continue
		}
		if !naiveApplies(src, p, f) {
			out.results = append(out.results, map[State]Result{Enabled: NotApplied, ReportOnly: ReportOnlyNotApplied}[p.State])
			continue
		}
		missing, code, canAsk := naiveControls(src, p, f)
		switch {
		case !missing:
			out.results = append(out.results, map[State]Result{Enabled: Success, ReportOnly: ReportOnlySuccess}[p.State])
			if p.State == Enabled {
				naiveUntil(p, f, &out.verdict)
				out.verdict.Widened = out.verdict.Widened || naiveWidened(src, p, f)
			}
		case canAsk:
			out.results = append(out.results, map[State]Result{Enabled: Failure, ReportOnly: ReportOnlyInterrupted}[p.State])
			if p.State == Enabled && ask == nil {
				ask, askCode = p, code
			}
		default:
			out.results = append(out.results, map[State]Result{Enabled: Failure, ReportOnly: ReportOnlyFailure}[p.State])
			if p.State == Enabled && fail == nil {
				fail, failCode = p, code
			}
			if p.State == Enabled && block == nil && p.Grant != nil && p.Grant.Controls&ControlBlock != 0 {
				block = p
			}
		}
	}
	v := Verdict{Stage: StageConditionalAccess, Version: src.Version}
	switch {
	case block != nil:
		v.By, v.Code = block.ID, 53003
	case fail != nil:
		v.By, v.Code = fail.ID, failCode
	case ask != nil:
		v.Effect, v.By, v.Code = Interrupt, ask.ID, askCode
	default:
		return out
	}
	out.verdict = v
	return out
}

func naiveUntil(p *Policy, f *Facts, v *Verdict) {
	if q := p.Session.Frequency; q != nil {
		end := f.AuthTime.Add(q.Every)
		if q.EveryTime {
			end = f.AuthTime.Add(5 * time.Minute)
		}
		if v.Until.IsZero() || v.Until.After(end) {
			v.Until = end
		}
	}
}

func naiveApplies(src *Source, p *Policy, f *Facts) bool {
	c := &p.Conditions
	return naiveUsers(p, f) && naiveApplications(c.Applications, f) && naiveClient(c.ClientAppTypes, f) && naivePlatform(c.Platforms, f) &&
		naiveLocation(src, c.Locations, f) && naiveDevice(c.DeviceFilter, f) && (c.TransferMethods == 0 || c.TransferMethods&f.Flow != 0) &&
		naiveRisks(c.Risks) && !c.ClientApplications && naiveOwn(&c.Portreeve, f)
}

func naiveUsers(p *Policy, f *Facts) bool {
	u := p.Conditions.Users
	if u == nil {
		return true
	}
	expired := func(id string) bool {
		for _, x := range p.Exclusions {
			if x.ID == id && !x.Expires.IsZero() && !f.At.Before(x.Expires) {
				return true
			}
		}
		return false
	}
	in := func(side *People, excluding bool) bool {
		if side.All {
			return true
		}
		for _, id := range side.Users {
			if f.Person != "" && id == f.Person && !(excluding && expired(id)) {
				return true
			}
		}
		for _, id := range side.Groups {
			for _, g := range f.Groups {
				if id == g && !(excluding && expired(id)) {
					return true
				}
			}
		}
		for _, id := range side.Roles {
			for _, r := range f.Roles {
				if id == r && !(excluding && expired(id)) {
					return true
				}
			}
		}
		for _, g := range side.Guests {
			if g.Types&f.Guest == 0 {
				continue
			}
			if g.Everywhere {
				return true
			}
			for _, d := range g.Domains {
				if d == f.Domain {
					return true
				}
			}
		}
		return false
	}
	return in(&u.Include, false) && !in(&u.Exclude, true)
}

func naiveApplications(a *Applications, f *Facts) bool {
	if a == nil {
		return true
	}
	named := func(list []string) bool {
		for _, id := range list {
			mail := f.Protocol != protocol.Unknown && f.Protocol != protocol.Portal
			switch {
			case id == "All", id == f.Protocol.AppID() && id != "", id == f.Protocol.String() && f.Protocol != protocol.Unknown:
				return true
			case (id == "Office365" || id == ExchangeOnline) && mail:
				return true
			}
		}
		return false
	}
	if f.Protocol == protocol.Unknown { // whatever includes anything may include it
		anything := a.Filtered
		for _, id := range a.Include {
			anything = anything || id != "None" && id != "sharepoint"
		}
		return anything
	}
	return (a.Filtered || named(a.Include)) && !named(a.Exclude)
}

func naiveClient(types ClientAppTypes, f *Facts) bool {
	if types == 0 {
		return true
	}
	browser := f.Protocol == protocol.Webmail || f.Protocol == protocol.Portal
	unclear := !browser && (f.Protocol == protocol.Unknown || f.Credential == CredentialUnknown)
	modern := !browser && !unclear && f.Credential == CredentialBearer
	eas := !browser && !unclear && !modern && f.Protocol == protocol.ActiveSync
	supported := f.Platform == PlatformAndroid || f.Platform == PlatformIOS || f.Platform == PlatformWindows
	other := !browser && !unclear && !modern && !eas
	return unclear || browser && types&ClientAppBrowser != 0 || modern && types&ClientAppMobileAppsAndDesktopClients != 0 ||
		eas && types&ClientAppExchangeActiveSync != 0 || eas && supported && types&ClientAppEasSupported != 0 || other && types&ClientAppOther != 0
}

func naivePlatform(p *Platforms, f *Facts) bool {
	if p == nil {
		return true
	}
	has := func(list []Platform) bool {
		for _, x := range list {
			if x == f.Platform && x != PlatformUnknown {
				return true
			}
		}
		return false
	}
	return (p.AllIncluded || has(p.Include)) && !p.AllExcluded && !has(p.Exclude)
}

func naiveLocation(src *Source, l *Locations, f *Facts) bool {
	if l == nil {
		return true
	}
	at := func(n *location.Named) bool {
		if n.Kind == location.Networks {
			for _, r := range n.Ranges {
				a := f.Addr
				if a.IsValid() && a.Is4() == r.From.Is4() && a.Compare(r.From) >= 0 && a.Compare(r.To) <= 0 {
					return true
				}
			}
			return false
		}
		for _, c := range n.Countries {
			if c == f.Country && n.Kind == location.Countries {
				return true
			}
		}
		return (f.Country == "" || n.Kind == location.Elsewhere) && n.IncludeUnknown
	}
	in := func(list []string) bool {
		for _, id := range list {
			for i := range src.Locations {
				n := &src.Locations[i]
				if id == "All" || (id == "AllTrusted" && n.Trusted || id == n.ID) && at(n) {
					return true
				}
			}
			if id == "All" {
				return true
			}
		}
		return false
	}
	return in(l.Include) && !in(l.Exclude)
}

func naiveDevice(d *DeviceFilter, f *Facts) bool {
	return d == nil || ruleTable[d.Rule](f.Device) != d.Exclude
}

func naiveRisks(risks []Risk) bool {
	for _, r := range risks {
		none := len(r.Levels) == 0
		for _, l := range r.Levels {
			none = none || l == "none" || l == "hidden"
		}
		if !none {
			return false
		}
	}
	return true
}

func naiveOwn(o *Own, f *Facts) bool {
	word := func(w *Words, value string) bool {
		if w == nil {
			return true
		}
		in := len(w.Include) == 0
		for _, s := range w.Include {
			in = in || strings.EqualFold(s, value)
		}
		for _, s := range w.Exclude {
			in = in && !strings.EqualFold(s, value)
		}
		return in
	}
	program := f.Program
	if program == "" {
		program = "unknown"
	}
	asn := o.ASNs == nil
	if !asn {
		asn = len(o.ASNs.Include) == 0
		for _, n := range o.ASNs.Include {
			asn = asn || n == f.ASN
		}
		for _, n := range o.ASNs.Exclude {
			asn = asn && n != f.ASN
		}
	}
	return word(o.CredentialKinds, f.Credential.String()) && word(o.Programs, program) && asn && naiveHours(o.Hours, f.At) &&
		(o.NewClient == nil || *o.NewClient != f.KnownNetwork) && (o.ViaWebmail == nil || *o.ViaWebmail == f.ViaWebmail) &&
		(o.Share == nil || naiveLot(f.Person) < *o.Share)
}

// naiveLot mixes eight bytes at a time; the stranger has 0.
func naiveLot(person string) int {
	if person == "" {
		return 0
	}
	padded := []byte(person)
	padded = append(padded, make([]byte, 8-len(person)%8)...)
	h := uint64(len(person))
	for i := 0; i < len(padded); i += 8 {
		h = (h ^ binary.LittleEndian.Uint64(padded[i:])) * 0x9e3779b97f4a7c15
		if i+8 < len(padded) {
			h ^= h >> 29
		}
	}
	return int((h >> 32) % 100)
}

func naiveHours(h *Hours, at time.Time) bool {
	if h == nil || at.IsZero() {
		return true
	}
	zone, err := time.LoadLocation(h.Zone)
	if err != nil {
		return true
	}
	local := at.In(zone)
	now := local.Hour()*60 + local.Minute()
	today, yesterday := local.Weekday(), (local.Weekday()+6)%7
	in := func(list []Span) bool {
		for _, s := range list {
			if s.From < s.To && s.Days[today] && now >= s.From && now < s.To {
				return true
			}
			if s.From >= s.To && (s.Days[today] && now >= s.From || s.Days[yesterday] && now < s.To) {
				return true
			}
		}
		return false
	}
	return (len(h.Include) == 0 || in(h.Include)) && !in(h.Exclude)
}

// naiveAddr keeps netip's forms apart: tests use plain addresses only.
func naiveAddr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}
