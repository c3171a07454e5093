package policytest

import (
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// PlainMFA are the combinations of Entra's built-in strength, as its page lists them.
var PlainMFA = strings.Fields(`windowsHelloForBusiness fido2 x509CertificateMultiFactor deviceBasedPush temporaryAccessPassOneTime
	temporaryAccessPassMultiUse password,microsoftAuthenticatorPush password,softwareOath password,hardwareOath
	password,x509CertificateSingleFactor password,x509CertificateMultiFactor password,sms password,voice federatedMultiFactor
	microsoftAuthenticatorPush,federatedSingleFactor softwareOath,federatedSingleFactor hardwareOath,federatedSingleFactor
	sms,federatedSingleFactor voice,federatedSingleFactor`)

var PlainBits = map[string]policy.Methods{"password": 1, "voice": 2, "hardwareOath": 4, "softwareOath": 8, "sms": 16, "fido2": 32,
	"windowsHelloForBusiness": 64, "microsoftAuthenticatorPush": 128, "deviceBasedPush": 256, "temporaryAccessPassOneTime": 512,
	"temporaryAccessPassMultiUse": 1024, "email": 2048, "x509CertificateSingleFactor": 4096, "x509CertificateMultiFactor": 8192,
	"federatedSingleFactor": 16384, "federatedMultiFactor": 32768, "qrCodePin": 131072,
	"boundAppPassword": 1 << 32, "approvalWindow": 1 << 33, "knownProgram": 1 << 34}

func PlainCombination(text string, proven policy.Methods) bool {
	for word := range strings.SplitSeq(text, ",") {
		if proven&PlainBits[word] == 0 {
			return false
		}
	}
	return true
}

func plainHasMFA(proven policy.Methods) bool {
	for _, c := range PlainMFA {
		if PlainCombination(c, proven) {
			return true
		}
	}
	return false
}

func plainProven(list []policy.Combination, proven policy.Methods, key string) bool {
	for _, c := range list {
		if !c.Unprovable && c.Methods != 0 && proven&c.Methods == c.Methods && (len(c.Keys) == 0 || slices.Index(c.Keys, key) >= 0) {
			return true
		}
	}
	return false
}

// plainOrder is the fixed order of the controls with the code of each.
var plainOrder = []struct {
	c           policy.Controls
	code        int
	interactive bool
}{
	{policy.ControlMFA, 50076, true}, {policy.ControlStrength, 50076, true}, {policy.ControlCompliantDevice, 53000, false}, {policy.ControlDomainJoinedDevice, 53001, false},
	{policy.ControlApprovedApplication, 53002, false}, {policy.ControlCompliantApplication, 53002, false}, {policy.ControlPasswordChange, 50135, true},
	{policy.ControlRiskRemediation, 50135, true}, {policy.ControlTermsOfUse, 50158, true}, {policy.ControlCustomFactor, 50158, true}, {policy.ControlUnknown, 53003, false},
}

func plainMet(src *policy.Source, p *policy.Policy, c policy.Controls, f *policy.Facts, also bool) bool {
	switch c {
	case policy.ControlMFA:
		return plainHasMFA(f.Methods) || also && plainProven(src.Organization.MFAAlsoAccepts, f.Methods, f.Key)
	case policy.ControlStrength:
		for _, s := range src.Strengths {
			if s.ID == p.Grant.Strength.ID {
				return plainProven(s.Combinations, f.Methods, f.Key)
			}
		}
		if p.Grant.Strength.ID == "00000000-0000-0000-0000-000000000002" {
			return plainHasMFA(f.Methods)
		}
		return plainProven(p.Grant.Strength.Combinations, f.Methods, f.Key)
	case policy.ControlCompliantDevice:
		return f.Device != nil && f.Device.IsCompliant != nil && *f.Device.IsCompliant
	case policy.ControlDomainJoinedDevice:
		return f.Device != nil && strings.EqualFold(f.Device.TrustType, "ServerAD")
	}
	return false
}

func plainWanted(g *policy.Grant, c policy.Controls) bool {
	return g.Controls&c != 0 || c == policy.ControlStrength && g.Strength != nil || c == policy.ControlUnknown && len(g.Unknown) > 0
}

// plainControls says whether something is missing, with what code, and whether
// asking the person could mend it.
func plainControls(src *policy.Source, p *policy.Policy, f *policy.Facts) (missing bool, code int, canAsk bool) {
	return plainControlsWith(src, p, f, true)
}

func plainWidened(src *policy.Source, p *policy.Policy, f *policy.Facts) bool {
	missing, _, _ := plainControlsWith(src, p, f, false)
	return missing
}

func plainControlsWith(src *policy.Source, p *policy.Policy, f *policy.Facts, also bool) (missing bool, code int, canAsk bool) {
	var unmet []int // rows of plainOrder
	if p.Grant != nil {
		if p.Grant.Controls&policy.ControlBlock != 0 {
			return true, 53003, false
		}
		anyMet := false
		for i, row := range plainOrder {
			if !plainWanted(p.Grant, row.c) {
				continue
			}
			if plainMet(src, p, row.c, f, also) {
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
		if plainOrder[i].interactive {
			asking++
		} else {
			hard++
		}
	}
	browser := f.Protocol == protocol.Webmail || f.Protocol == protocol.Portal
	mendable := hard == 0 || p.Grant.Any && asking > 0
	canAsk = browser && mendable && !unbound
	for _, i := range unmet {
		if browser && !canAsk && plainOrder[i].interactive && (hard > 0 || unbound) {
			continue // asking for this one would not mend it
		}
		return true, plainOrder[i].code, canAsk
	}
	if stale && !(browser && unbound) {
		return true, 50078, canAsk
	}
	return true, 53003, canAsk
}
