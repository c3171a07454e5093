// Package name settles who is meant: one canonical address from whatever was
// typed, before anything is judged. One person has one name, and so one guess
// budget and one verdict, however the name is spelt.
//
// The local part follows PRECIS UsernameCaseMapped (RFC 8265), the domain
// IDNA (UTS 46, written as A-labels). A character that the backend would take
// for a separator (Dovecot's master user "*", the "%" that old servers read as
// "@") is refused, so that no canonical name can mean somebody else behind us.
//
// It looks nothing up: the alias table is given to it.
package name

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Why a name is refused. A refused name belongs to nobody.
var (
	ErrEmpty     = errors.New("the name is empty")
	ErrLong      = errors.New("the name is too long")
	ErrControl   = errors.New("the name holds a control, bidirectional or invisible character")
	ErrSeparator = errors.New("the name holds a separator of the mail server")
	ErrLocal     = errors.New("the part before the @ is no user name")
	ErrDomain    = errors.New("the part after the @ is no domain")
	ErrConflict  = errors.New("the name holds two different domains")
	ErrNTDomain  = errors.New("the domain before the backslash is not known")
	ErrAlias     = errors.New("the alias leads nowhere")
	ErrSpelling  = errors.New("the name is not spelt as it stands here")
)

// Bounds, in bytes of UTF-8. RFC 5321 section 4.5.3.1 gives 64 for a local
// part, RFC 1035 gives 253 for a domain as people write it.
const (
	maxTyped  = 640 // DOMAIN\local+detail@domain@domain
	maxLocal  = 64
	maxDetail = 64
	maxDomain = 253
	maxHops   = 8 // aliases of aliases, and domain aliases likewise
)

// alwaysSeparators are refused whatever the rules say: Dovecot's
// auth_master_user_separator in every recipe, and the percent hack.
const alwaysSeparators = "*%"

// Address is who is meant. Full is what the backend, the guard, the policies
// and the log are told: Local@Domain, or Local alone where the site has no
// default domain. Detail is what stood after the "+", and names nobody.
type Address struct {
	Full, Local, Domain, Detail string
}

// Rules are a listener's rules for names. The zero value takes full addresses
// as they stand; Normalize puts hand-written tables into canonical form.
type Rules struct {
	// DefaultDomain is added to a name without one; empty leaves it bare.
	DefaultDomain string
	// DomainAliases maps a canonical domain to the one that is meant.
	DomainAliases map[string]string
	// NTDomains maps the upper-case name before a backslash to a domain.
	NTDomains map[string]string
	// Detail lists the characters that start a detail ("+"); empty means none.
	Detail string
	// Separators lists further characters that the backend splits names at.
	Separators string
	// Aliases finds what a canonical address stands for. An address that
	// stands for itself is final, and keeps what looks like a detail.
	Aliases func(address string) (string, bool)
}

// Canonical finds the one address that is meant by what was typed. Its errors
// are this package's, never hold what was typed, and mean "nobody".
func (r Rules) Canonical(typed string) (Address, error) {
	a, err := r.spelled(typed)
	if err != nil {
		return Address{}, err
	}
	for range maxHops {
		next, final, err := r.alias(a)
		if err != nil || final {
			return next, err
		}
		next.Detail = a.Detail
		a = next
	}
	return Address{}, ErrAlias
}

// Vouched is Canonical for a name that an issuer's token or a certificate
// states. It is held to the letter, but for case and aliases: what is one person
// here however they type it (mary+x, full-width letters, a dot behind) may be
// two there, and whoever may choose the second name must not become the first.
func (r Rules) Vouched(stated string) (Address, error) {
	if strings.Contains(stated, `\`) || strings.Count(stated, "@") > 1 || strings.Trim(stated, " .") != stated || norm.NFC.String(width.Fold.String(stated)) != stated {
		return Address{}, ErrSpelling
	}
	r.Detail = ""
	return r.Canonical(stated)
}

// alias takes one step through the alias table: the address with its detail
// first, as Postfix does, then without.
func (r Rules) alias(a Address) (next Address, final bool, err error) {
	bare := Address{Full: join(a.Local, a.Domain), Local: a.Local, Domain: a.Domain, Detail: a.Detail}
	if r.Aliases == nil {
		return bare, true, nil
	}
	for _, key := range []string{a.Full, bare.Full} {
		target, ok := r.Aliases(key)
		if !ok {
			continue
		}
		if target == key {
			return r.itself(a, key), true, nil
		}
		if next, err = r.spelled(target); err != nil {
			return Address{}, false, fmt.Errorf("%w: %w", ErrAlias, err)
		}
		return next, false, nil
	}
	return bare, true, nil
}

// itself is the address of an alias that stands for itself.
func (r Rules) itself(a Address, key string) Address {
	if key == join(a.Local, a.Domain) {
		return Address{Full: key, Local: a.Local, Domain: a.Domain, Detail: a.Detail}
	}
	local := strings.TrimSuffix(key, "@"+a.Domain)
	return Address{Full: key, Local: local, Domain: a.Domain}
}

// spelled reads one spelling. Its Full still holds the detail.
func (r Rules) spelled(typed string) (Address, error) {
	p, err := split(typed, r.separators())
	if err != nil {
		return Address{}, err
	}
	domain, err := r.domain(p)
	if err != nil {
		return Address{}, err
	}
	whole, err := local(p.local, maxLocal+1+maxDetail)
	if err != nil {
		return Address{}, err
	}
	a := Address{Full: join(whole, domain), Local: whole, Domain: domain}
	if i := strings.IndexAny(whole, r.Detail); i > 0 {
		a.Local, a.Detail = whole[:i], whole[i+1:]
	}
	if err := r.check(a); err != nil {
		return Address{}, err
	}
	return a, nil
}

// check is the last look at what is about to be called canonical.
func (r Rules) check(a Address) error {
	switch {
	case len(a.Local) > maxLocal || len(a.Detail) > maxDetail:
		return ErrLong
	case !dotted(a.Local):
		return ErrLocal
	case strings.ContainsAny(a.Full, r.separators()):
		return ErrSeparator
	}
	return nil
}

// domain settles the one domain that all parts of a spelling agree on.
func (r Rules) domain(p parts) (string, error) {
	named := p.domains
	if p.nt != "" {
		d, err := r.ntDomain(p.nt)
		if err != nil {
			return "", err
		}
		named = append(named, d)
	}
	if len(named) == 0 {
		if r.DefaultDomain == "" {
			return "", nil
		}
		named = append(named, r.DefaultDomain)
	}
	settled := ""
	for i, n := range named {
		d, err := r.aliasedDomain(n)
		if err != nil {
			return "", err
		}
		if i > 0 && d != settled {
			return "", ErrConflict
		}
		settled = d
	}
	return settled, nil
}

// ntDomain finds the domain of DOMAIN\user; a DNS name stands for itself.
func (r Rules) ntDomain(nt string) (string, error) {
	if d, ok := r.NTDomains[strings.ToUpper(nt)]; ok {
		return d, nil
	}
	if strings.Contains(nt, ".") {
		return nt, nil
	}
	return "", ErrNTDomain
}

func (r Rules) aliasedDomain(typed string) (string, error) {
	d, err := domain(typed)
	if err != nil {
		return "", err
	}
	for range maxHops {
		to, ok := r.DomainAliases[d]
		if !ok || to == d {
			return d, nil
		}
		if d, err = domain(to); err != nil {
			return "", err
		}
	}
	return "", ErrAlias
}

func (r Rules) separators() string { return alwaysSeparators + r.Separators }

func join(local, domain string) string {
	if domain == "" {
		return local
	}
	return local + "@" + domain
}

// Normalize returns r with its tables in canonical form, or says which entry
// is no domain or leads in a circle.
func (r Rules) Normalize() (Rules, error) {
	if r.DefaultDomain != "" {
		d, err := domain(r.DefaultDomain)
		if err != nil {
			return Rules{}, fmt.Errorf("default domain %q: %w", r.DefaultDomain, err)
		}
		r.DefaultDomain = d
	}
	if strings.ContainsAny(r.Detail, r.separators()+"@\\.") {
		return Rules{}, fmt.Errorf("detail separator %q: %w", r.Detail, ErrSeparator)
	}
	aliases := make(map[string]string, len(r.DomainAliases))
	for from, to := range r.DomainAliases {
		f, err := domain(from)
		if err != nil {
			return Rules{}, fmt.Errorf("domain alias %q: %w", from, err)
		}
		if aliases[f], err = domain(to); err != nil {
			return Rules{}, fmt.Errorf("domain alias %q: %w", to, err)
		}
	}
	r.DomainAliases = aliases
	for from := range aliases {
		if _, err := r.aliasedDomain(from); err != nil {
			return Rules{}, fmt.Errorf("domain alias %q: %w", from, err)
		}
	}
	nt := make(map[string]string, len(r.NTDomains))
	for from, to := range r.NTDomains {
		d, err := domain(to)
		if err != nil {
			return Rules{}, fmt.Errorf("domain of %q: %w", from, err)
		}
		nt[strings.ToUpper(from)] = d
	}
	r.NTDomains = nt
	return r, nil
}

// Domain is the canonical form of a domain as people write it.
func Domain(typed string) (string, error) { return domain(typed) }
