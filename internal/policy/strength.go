package policy

import (
	"slices"
	"strings"
)

// methodNames are Graph's authenticationMethodModes and ours, by bit.
var methodNames = map[string]Methods{
	"password": MethodPassword, "voice": MethodVoice, "hardwareOath": MethodHardwareOath, "softwareOath": MethodSoftwareOath,
	"sms": MethodSMS, "fido2": MethodFIDO2, "windowsHelloForBusiness": MethodWindowsHelloForBusiness,
	"microsoftAuthenticatorPush": MethodMicrosoftAuthenticatorPush, "deviceBasedPush": MethodDeviceBasedPush,
	"temporaryAccessPassOneTime": MethodTemporaryAccessPassOneTime, "temporaryAccessPassMultiUse": MethodTemporaryAccessPassMulti,
	"email": MethodEmail, "x509CertificateSingleFactor": MethodX509SingleFactor, "x509CertificateMultiFactor": MethodX509MultiFactor,
	"federatedSingleFactor": MethodFederatedSingleFactor, "federatedMultiFactor": MethodFederatedMultiFactor, "qrCodePin": MethodQRCodePin,
	"boundAppPassword": MethodBoundAppPassword, "approvalWindow": MethodApprovalWindow, "knownProgram": MethodKnownProgram,
}

// ParseMethod finds a method by Graph's word, in any case.
func ParseMethod(s string) (Methods, bool) {
	if m, ok := methodNames[s]; ok {
		return m, true
	}
	for name, m := range methodNames {
		if equalFold(name, s) {
			return m, true
		}
	}
	return 0, false
}

// Names are Graph's words for the methods, in the order of their bits.
func (m Methods) Names() []string {
	var names []string
	for bit := Methods(1); bit != 0; bit <<= 1 {
		if m&bit == 0 {
			continue
		}
		for name, b := range methodNames {
			if b == bit {
				names = append(names, name)
			}
		}
	}
	return names
}

// ParseCombination reads a comma-joined set of methods ("password,softwareOath");
// with a word that is not known it can never be proven.
func ParseCombination(s string) (c Combination, unknown []string) {
	for word := range strings.SplitSeq(s, ",") {
		m, ok := ParseMethod(strings.TrimSpace(word))
		if !ok {
			unknown = append(unknown, strings.TrimSpace(word))
			c.Unprovable = true
		}
		c.Methods |= m
	}
	return c, unknown
}

// String is the combination as it is written.
func (c Combination) String() string {
	s := strings.Join(c.Methods.Names(), ",")
	if c.Keys != nil {
		s += " with a key of model " + strings.Join(c.Keys, " or ")
	}
	return s
}

// Met says whether one of the combinations has been proven, with a passkey of
// the given model if there was one.
func (s *Strength) Met(proven Methods, key string) bool {
	return anyProven(s.Combinations, proven, key)
}

// anyKey stands for a passkey of whatever model is asked for. Where policies
// ask for different ones, no single key is that good; a sign-in that none could
// satisfy is then not refused early, but once it is proven.
const anyKey = "*"

func anyProven(all []Combination, proven Methods, key string) bool {
	for i := range all {
		c := &all[i]
		if !c.Unprovable && c.Methods != 0 && c.Methods&^proven == 0 && (c.Keys == nil || key == anyKey || slices.Contains(c.Keys, key)) {
			return true
		}
	}
	return false
}

// The ids of Entra's built-in strengths.
const (
	StrengthMFA               = "00000000-0000-0000-0000-000000000002"
	StrengthPasswordless      = "00000000-0000-0000-0000-000000000003"
	StrengthPhishingResistant = "00000000-0000-0000-0000-000000000004"
)

// BuiltInStrengths are Entra's: multifactor (19 combinations), passwordless
// and phishing-resistant.
func BuiltInStrengths() []Strength {
	resistant := []string{"windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor"}
	passwordless := append(resistant[:len(resistant):len(resistant)], "deviceBasedPush")
	mfa := append(passwordless[:len(passwordless):len(passwordless)],
		"temporaryAccessPassOneTime", "temporaryAccessPassMultiUse",
		"password,microsoftAuthenticatorPush", "password,softwareOath", "password,hardwareOath",
		"password,x509CertificateSingleFactor", "password,x509CertificateMultiFactor",
		"password,sms", "password,voice", "federatedMultiFactor",
		"microsoftAuthenticatorPush,federatedSingleFactor", "softwareOath,federatedSingleFactor",
		"hardwareOath,federatedSingleFactor", "sms,federatedSingleFactor", "voice,federatedSingleFactor")
	return []Strength{
		{StrengthMFA, "Multifactor authentication", combinations(mfa)},
		{StrengthPasswordless, "Passwordless MFA", combinations(passwordless)},
		{StrengthPhishingResistant, "Phishing-resistant MFA", combinations(resistant)},
	}
}

// multiFactor is Entra's built-in strength for any second factor.
var multiFactor = BuiltInStrengths()[0]

// MultiFactor says whether the methods are two factors by Entra's built-in strength.
func MultiFactor(m Methods) bool { return multiFactor.Met(m, "") }

func combinations(texts []string) (all []Combination) {
	for _, s := range texts {
		c, _ := ParseCombination(s)
		all = append(all, c)
	}
	return all
}
