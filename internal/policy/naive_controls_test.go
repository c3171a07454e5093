package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

// naiveMFA are the combinations of Entra's built-in strength, as its page lists them.
var naiveMFA = strings.Fields(`windowsHelloForBusiness fido2 x509CertificateMultiFactor deviceBasedPush temporaryAccessPassOneTime
	temporaryAccessPassMultiUse password,microsoftAuthenticatorPush password,softwareOath password,hardwareOath
	password,x509CertificateSingleFactor password,x509CertificateMultiFactor password,sms password,voice federatedMultiFactor
	microsoftAuthenticatorPush,federatedSingleFactor softwareOath,federatedSingleFactor hardwareOath,federatedSingleFactor
	sms,federatedSingleFactor voice,federatedSingleFactor`)

var naiveBits = map[string]Methods{"password": 1, "voice": 2, "hardwareOath": 4, "softwareOath": 8, "sms": 16, "fido2": 32,
	"windowsHelloForBusiness": 64, "microsoftAuthenticatorPush": 128, "deviceBasedPush": 256, "temporaryAccessPassOneTime": 512,
	"temporaryAccessPassMultiUse": 1024, "email": 2048, "x509CertificateSingleFactor": 4096, "x509CertificateMultiFactor": 8192,
	"federatedSingleFactor": 16384, "federatedMultiFactor": 32768, "qrCodePin": 131072,
	"boundAppPassword": 1 << 32, "approvalWindow": 1 << 33, "knownProgram": 1 << 34}

func naiveCombination(text string, proven Methods) bool {
	for word := range strings.SplitSeq(text, ",") {
		if proven&naiveBits[word] == 0 {
			return false
		}
	}
	return true
}

func naiveHasMFA(proven Methods) bool {
	for _, c := range naiveMFA {
		if naiveCombination(c, proven) {
			return true
		}
	}
	return false
}

func naiveProven(list []Combination, proven Methods, key string) bool {
	for _, c := range list {
		if !c.Unprovable && c.Methods != 0 && proven&c.Methods == c.Methods && (len(c.Keys) == 0 || slices.Index(c.Keys, key) >= 0) {
			return true
		}
	}
	return false
}

// naiveOrder is the fixed order of the controls with the code of each.
var naiveOrder = []struct {
	c           Controls
	code        int
	interactive bool
}{
	{ControlMFA, 50076, true}, {ControlStrength, 50076, true}, {ControlCompliantDevice, 53000, false}, {ControlDomainJoinedDevice, 53001, false},
	{ControlApprovedApplication, 53002, false}, {ControlCompliantApplication, 53002, false}, {ControlPasswordChange, 50135, true},
	{ControlRiskRemediation, 50135, true}, {ControlTermsOfUse, 50158, true}, {ControlCustomFactor, 50158, true}, {ControlUnknown, 53003, false},
}

func naiveMet(src *Source, p *Policy, c Controls, f *Facts, also bool) bool {
	switch c {
	case ControlMFA:
		return naiveHasMFA(f.Methods) || also && naiveProven(src.Organization.MFAAlsoAccepts, f.Methods, f.Key)
	case ControlStrength:
		for _, s := range src.Strengths {
			if s.ID == p.Grant.Strength.ID {
				return naiveProven(s.Combinations, f.Methods, f.Key)
			}
		}
		if p.Grant.Strength.ID == "00000000-0000-0000-0000-000000000002" {
			return naiveHasMFA(f.Methods)
		}
		return naiveProven(p.Grant.Strength.Combinations, f.Methods, f.Key)
	case ControlCompliantDevice:
		return f.Device != nil && f.Device.IsCompliant != nil && *f.Device.IsCompliant
	case ControlDomainJoinedDevice:
		return f.Device != nil && strings.EqualFold(f.Device.TrustType, "ServerAD")
	}
	return false
}

func naiveWanted(g *Grant, c Controls) bool {
	return g.Controls&c != 0 || c == ControlStrength && g.Strength != nil || c == ControlUnknown && len(g.Unknown) > 0
}

// naiveControls says whether something is missing, with what code, and whether
// asking the person could mend it.
func naiveControls(src *Source, p *Policy, f *Facts) (missing bool, code int, canAsk bool) {
	return naiveControlsWith(src, p, f, true)
}

func naiveWidened(src *Source, p *Policy, f *Facts) bool {
	missing, _, _ := naiveControlsWith(src, p, f, false)
	return missing
}

func naiveControlsWith(src *Source, p *Policy, f *Facts, also bool) (missing bool, code int, canAsk bool) {
	var unmet []int // rows of naiveOrder
	if p.Grant != nil {
		if p.Grant.Controls&ControlBlock != 0 {
			return true, 53003, false
		}
		anyMet := false
		for i, row := range naiveOrder {
			if !naiveWanted(p.Grant, row.c) {
				continue
			}
			if naiveMet(src, p, row.c, f, also) {
				anyMet = true
			} else {
				unmet = append(unmet, i)
			}
		}
		if p.Grant.Any && anyMet {
			unmet = nil
		}
	}
	stale := false
	if q := p.Session.Frequency; q != nil {
		age, most := f.At.Sub(f.AuthTime), q.Every
		if q.EveryTime {
			most = 5 * time.Minute
		}
		stale = f.AuthTime.IsZero() || age >= most || age < -5*time.Minute
	}
	unbound := p.Session.TokenProtection
	if len(unmet) == 0 && !stale && !unbound {
		return false, 0, false
	}
	asking, hard := 0, 0
	for _, i := range unmet {
		if naiveOrder[i].interactive {
			asking++
		} else {
			hard++
		}
	}
	browser := f.Protocol == protocol.Webmail || f.Protocol == protocol.Portal
	mendable := hard == 0 || p.Grant.Any && asking > 0
	canAsk = browser && mendable && !unbound
	for _, i := range unmet {
		if browser && !canAsk && naiveOrder[i].interactive && (hard > 0 || unbound) {
			continue // asking for this one would not mend it
		}
		return true, naiveOrder[i].code, canAsk
	}
	if stale && !(browser && unbound) {
		return true, 50078, canAsk
	}
	return true, 53003, canAsk
}
