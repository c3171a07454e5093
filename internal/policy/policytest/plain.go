package policytest

import (
	"net/netip"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// The second judge: plain loops written straight from Entra's documented
// semantics (collect, then enforce; exclude beats include; all that apply must
// be satisfied), sharing no code with the compiled engine beyond the types.
// It is slow and never cuts anything short.

// DeviceRules is what the device rules that tests use mean, in Go.
var DeviceRules = map[string]func(*policy.Device) bool{
	`device.operatingSystem -eq "iOS" -and device.isCompliant -ne True`: func(d *policy.Device) bool {
		return d != nil && strings.EqualFold(d.OperatingSystem, "iOS") && (d.IsCompliant == nil || !*d.IsCompliant)
	},
	`device.isCompliant -eq True`:                                       func(d *policy.Device) bool { return d != nil && d.IsCompliant != nil && *d.IsCompliant },
	`device.isCompliant -ne True`:                                       func(d *policy.Device) bool { return d == nil || d.IsCompliant == nil || !*d.IsCompliant },
	`device.trustType -eq "ServerAD"`:                                   func(d *policy.Device) bool { return d != nil && strings.EqualFold(d.TrustType, "ServerAD") },
	`device.trustType -ne "ServerAD"`:                                   func(d *policy.Device) bool { return d == nil || !strings.EqualFold(d.TrustType, "ServerAD") },
	`device.trustType -eq "AzureAD" -or device.trustType -ne "azuread"`: func(*policy.Device) bool { return true },
	`device.displayName -startsWith "MFP-" -and device.isCompliant -eq False`: func(d *policy.Device) bool {
		return d != nil && strings.HasPrefix(strings.ToUpper(d.DisplayName), "MFP-") && d.IsCompliant != nil && !*d.IsCompliant
	},
	`-not (device.displayName -contains "fp")`: func(d *policy.Device) bool {
		return d == nil || !strings.Contains(strings.ToLower(d.DisplayName), "fp")
	},
	`device.displayName -endsWith "kiosk" -or device.displayName -notEndsWith "b"`: func(d *policy.Device) bool {
		return d == nil || strings.HasSuffix(strings.ToLower(d.DisplayName), "kiosk") || !strings.HasSuffix(strings.ToLower(d.DisplayName), "b")
	},
	`device.displayName -endsWith "B"`: func(d *policy.Device) bool { return d != nil && strings.HasSuffix(strings.ToLower(d.DisplayName), "b") },
	`device.physicalIds -contains "a"`: func(d *policy.Device) bool {
		return d != nil && len(d.PhysicalIDs) > 0 && strings.EqualFold(d.PhysicalIDs[0], "a")
	},
	`device.displayName -in ["desk","mfp-3"]`: func(d *policy.Device) bool {
		return d != nil && (strings.EqualFold(d.DisplayName, "desk") || strings.EqualFold(d.DisplayName, "mfp-3"))
	},
}

// madeUpRules are what the rules of Source mean.
var madeUpRules = map[string]func(*policy.Device) bool{
	`device.displayName -startsWith "MFP-"`: func(d *policy.Device) bool {
		return d != nil && strings.HasPrefix(strings.ToUpper(d.DisplayName), "MFP-")
	},
}

// EveryKindOfDevice tells apart whatever the rules of DeviceRules do.
func EveryKindOfDevice() []*policy.Device {
	yes, no := true, false
	all := []*policy.Device{nil}
	for _, compliant := range []*bool{nil, &yes, &no} {
		for _, trust := range []string{"", "AzureAD", "ServerAD"} {
			for _, name := range []string{"", "MFP-3", "mfp-9", "mfp-Kiosk", "MFP-B", "aFPb", "aFPx", "fpKiosk", "kiosk", "xb", "desk"} {
				for _, ids := range [][]string{nil, {"a"}, {"b"}} {
					for _, system := range []string{"", "iOS"} {
						all = append(all, &policy.Device{IsCompliant: compliant, TrustType: trust, DisplayName: name, PhysicalIDs: ids, OperatingSystem: system})
					}
				}
			}
		}
	}
	return all
}

// PlainVerdict is what the second judge says.
type PlainVerdict struct {
	Verdict policy.Verdict
	Results []policy.Result
}

// Plain is conditional access with everything known.
func Plain(src *policy.Source, f *policy.Facts) PlainVerdict {
	out := PlainVerdict{Verdict: policy.Verdict{Effect: policy.Allow, Version: src.Version}}
	var block, fail, ask *policy.Policy
	var failCode, askCode int
	for i := range src.Policies {
		p := &src.Policies[i]
		if p.State == policy.Disabled {
			out.Results = append(out.Results, policy.NotEnabled)
			continue
		}
		if !plainApplies(src, p, f) {
			out.Results = append(out.Results, map[policy.State]policy.Result{policy.Enabled: policy.NotApplied, policy.ReportOnly: policy.ReportOnlyNotApplied}[p.State])
			continue
		}
		missing, code, canAsk := plainControls(src, p, f)
		switch {
		case !missing:
			out.Results = append(out.Results, map[policy.State]policy.Result{policy.Enabled: policy.Success, policy.ReportOnly: policy.ReportOnlySuccess}[p.State])
			if p.State == policy.Enabled {
				plainUntil(p, f, &out.Verdict)
				out.Verdict.Widened = out.Verdict.Widened || plainWidened(src, p, f)
			}
		case canAsk:
			out.Results = append(out.Results, map[policy.State]policy.Result{policy.Enabled: policy.Failure, policy.ReportOnly: policy.ReportOnlyInterrupted}[p.State])
			if p.State == policy.Enabled && ask == nil {
				ask, askCode = p, code
			}
		default:
			out.Results = append(out.Results, map[policy.State]policy.Result{policy.Enabled: policy.Failure, policy.ReportOnly: policy.ReportOnlyFailure}[p.State])
			if p.State == policy.Enabled && fail == nil {
				fail, failCode = p, code
			}
			if p.State == policy.Enabled && block == nil && p.Grant != nil && p.Grant.Controls&policy.ControlBlock != 0 {
				block = p
			}
		}
	}
	v := policy.Verdict{Stage: policy.StageConditionalAccess, Version: src.Version}
	switch {
	case block != nil:
		v.By, v.Code = block.ID, 53003
	case fail != nil:
		v.By, v.Code = fail.ID, failCode
	case ask != nil:
		v.Effect, v.By, v.Code = policy.Interrupt, ask.ID, askCode
	default:
		return out
	}
	out.Verdict = v
	return out
}

func plainUntil(p *policy.Policy, f *policy.Facts, v *policy.Verdict) {
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

func plainApplies(src *policy.Source, p *policy.Policy, f *policy.Facts) bool {
	c := &p.Conditions
	return plainUsers(p, f) && plainApplications(c.Applications, f) && plainClient(c.ClientAppTypes, f) && plainPlatform(c.Platforms, f) &&
		plainLocation(src, c.Locations, f) && plainDevice(c.DeviceFilter, f) && (c.TransferMethods == 0 || c.TransferMethods&f.Flow != 0) &&
		plainRisks(c.Risks) && !c.ClientApplications && plainOwn(&c.Portreeve, f)
}

func plainUsers(p *policy.Policy, f *policy.Facts) bool {
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
	in := func(side *policy.People, excluding bool) bool {
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

func plainApplications(a *policy.Applications, f *policy.Facts) bool {
	if a == nil {
		return true
	}
	named := func(list []string) bool {
		for _, id := range list {
			mail := f.Protocol != protocol.Unknown && f.Protocol != protocol.Portal
			switch {
			case id == "All", id == f.Protocol.AppID() && id != "", id == f.Protocol.String() && f.Protocol != protocol.Unknown:
				return true
			case (id == "Office365" || id == policy.ExchangeOnline) && mail:
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

func plainClient(types policy.ClientAppTypes, f *policy.Facts) bool {
	if types == 0 {
		return true
	}
	browser := f.Protocol == protocol.Webmail || f.Protocol == protocol.Portal
	unclear := !browser && (f.Protocol == protocol.Unknown || f.Credential == policy.CredentialUnknown)
	modern := !browser && !unclear && f.Credential == policy.CredentialBearer
	eas := !browser && !unclear && !modern && f.Protocol == protocol.ActiveSync
	supported := f.Platform == policy.PlatformAndroid || f.Platform == policy.PlatformIOS || f.Platform == policy.PlatformWindows
	other := !browser && !unclear && !modern && !eas
	return unclear || browser && types&policy.ClientAppBrowser != 0 || modern && types&policy.ClientAppMobileAppsAndDesktopClients != 0 ||
		eas && types&policy.ClientAppExchangeActiveSync != 0 || eas && supported && types&policy.ClientAppEasSupported != 0 || other && types&policy.ClientAppOther != 0
}

func plainPlatform(p *policy.Platforms, f *policy.Facts) bool {
	if p == nil {
		return true
	}
	has := func(list []policy.Platform) bool {
		for _, x := range list {
			if x == f.Platform && x != policy.PlatformUnknown {
				return true
			}
		}
		return false
	}
	return (p.AllIncluded || has(p.Include)) && !p.AllExcluded && !has(p.Exclude)
}

func plainLocation(src *policy.Source, l *policy.Locations, f *policy.Facts) bool {
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

func plainDevice(d *policy.DeviceFilter, f *policy.Facts) bool {
	if d == nil {
		return true
	}
	rule := DeviceRules[d.Rule]
	if rule == nil {
		rule = madeUpRules[d.Rule]
	}
	return rule(f.Device) != d.Exclude
}

func plainRisks(risks []policy.Risk) bool {
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

// Addr keeps netip's forms apart: tests use plain addresses only.
func Addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}
