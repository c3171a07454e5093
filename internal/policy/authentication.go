package policy

import (
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// AuthenticationPolicy says which kinds of credential each protocol takes, in
// Exchange's three families. Keys are Exchange's suffixes ("Imap", "Pop",
// "WebServices"); what is not there was not said, and does not refuse.
type AuthenticationPolicy struct {
	ID, Name        string
	AllowBasicAuth  map[string]bool // false refuses passwords and app passwords
	BlockLegacyAuth map[string]bool // true refuses everything but tokens
	BlockModernAuth map[string]bool // true refuses tokens
}

// Set gives a switch such as AllowBasicAuthImap a value; nil takes it away. It
// says whether the name begins with one of the three families.
func (a *AuthenticationPolicy) Set(name string, value *bool) bool {
	for _, family := range []struct {
		prefix string
		values *map[string]bool
	}{{"AllowBasicAuth", &a.AllowBasicAuth}, {"BlockLegacyAuth", &a.BlockLegacyAuth}, {"BlockModernAuth", &a.BlockModernAuth}} {
		if len(name) <= len(family.prefix) || !equalFold(name[:len(family.prefix)], family.prefix) {
			continue
		}
		suffix := name[len(family.prefix):]
		if value == nil {
			delete(*family.values, suffix)
			return true
		}
		if *family.values == nil {
			*family.values = map[string]bool{}
		}
		(*family.values)[suffix] = *value
		return true
	}
	return false
}

// protocolBits is a set of protocols.
type protocolBits uint32

// authRules is an authentication policy made ready: which doors refuse what.
type authRules struct {
	id                              string
	passwords, certificates, tokens protocolBits // refused
}

func (a *AuthenticationPolicy) rules() authRules {
	r := authRules{id: a.ID}
	if r.id == "" {
		r.id = a.Name
	}
	for _, p := range protocol.All() {
		suffix, bit := p.Row().AuthPolicy, protocolBits(1)<<p
		if suffix == "" {
			continue
		}
		if allowed, said := fold(a.AllowBasicAuth, suffix); said && !allowed {
			r.passwords |= bit
		}
		if blocked, _ := fold(a.BlockLegacyAuth, suffix); blocked {
			r.passwords |= bit
			r.certificates |= bit // strong, yet not modern
		}
		if blocked, _ := fold(a.BlockModernAuth, suffix); blocked {
			r.tokens |= bit
		}
	}
	return r
}

// fold looks a name up in any case.
func fold(m map[string]bool, name string) (value, ok bool) {
	if v, ok := m[name]; ok {
		return v, true
	}
	for k, v := range m {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return false, false
}

// Codes of the two first stages: ours, package signin has their sentences.
const (
	codeSwitchedOff        = 1001
	codePasswordNotAllowed = 1002
	codeModernNotAllowed   = 1003
)

// refuses is the code with which the policy refuses a sign-in's kind of
// credential, or 0. A kind that is not known must pass as every kind.
func (r *authRules) refuses(f *Facts) int {
	if r == nil {
		return 0
	}
	bit := protocolBits(1) << f.Protocol
	legacy := 0
	if r.passwords&bit != 0 && f.Credential != CredentialCertificate || r.certificates&bit != 0 {
		legacy = codePasswordNotAllowed
	}
	modern := 0
	if r.tokens&bit != 0 {
		modern = codeModernNotAllowed
	}
	switch f.Credential {
	case CredentialBearer:
		return modern
	case CredentialUnknown:
		return max(legacy, modern)
	}
	return legacy
}

// authRefusal finds the authentication policy that refuses, and its code. The
// mailbox's own policy beats its groups', theirs the organisation's default;
// of several groups' policies each must let the sign-in pass.
func (s *Snapshot) authRefusal(f *Facts) (by string, code int) {
	if own := s.mailboxes[f.Person].auth; own != nil {
		return own.id, own.refuses(f)
	}
	assigned := false
	if len(s.groups) > 0 {
		for _, g := range f.Groups {
			if a := s.groups[g].auth; a != nil {
				assigned = true
				if code := a.refuses(f); code != 0 {
					return a.id, code
				}
			}
		}
	}
	if assigned || s.defaultAuth == nil {
		return "", 0
	}
	return s.defaultAuth.id, s.defaultAuth.refuses(f)
}

// unsaid lists protocols on which a policy that refuses passwords elsewhere
// says nothing of them: a gap that nobody meant.
func (a *AuthenticationPolicy) unsaid() []string {
	r := a.rules()
	if r.passwords == 0 {
		return nil
	}
	var open []string
	for _, p := range protocol.All() {
		suffix := p.Row().AuthPolicy
		_, basic := fold(a.AllowBasicAuth, suffix)
		_, legacy := fold(a.BlockLegacyAuth, suffix)
		if suffix != "" && !basic && !legacy {
			open = append(open, p.String())
		}
	}
	return open
}
