package name

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// parts are the pieces of one spelling: nt\local@domain@domain.
type parts struct {
	nt, local string
	domains   []string
}

// split cuts a spelling into its parts. Widths are folded first: a full-width
// "＠" or "＊" would otherwise become a separator after we had looked for one.
func split(typed, separators string) (parts, error) {
	if len(typed) > maxTyped {
		return parts{}, ErrLong
	}
	if !utf8.ValidString(typed) || strings.ContainsFunc(typed, unseen) {
		return parts{}, ErrControl
	}
	s := norm.NFC.String(width.Fold.String(typed))
	s = strings.TrimFunc(s, unicode.IsSpace)
	s = strings.TrimRight(s, ". ") // "mary@example.org." and Windows' habit of dropping both
	if s == "" {
		return parts{}, ErrEmpty
	}
	if strings.ContainsAny(s, separators) {
		return parts{}, ErrSeparator
	}
	var p parts
	rest, found := s, false
	if before, after, ok := strings.Cut(s, `\`); ok {
		p.nt, rest, found = before, after, true
	}
	if found && p.nt == "" || strings.Contains(rest, `\`) {
		return parts{}, ErrLocal
	}
	pieces := strings.Split(rest, "@")
	if len(pieces) > 3 {
		return parts{}, ErrConflict
	}
	p.local, p.domains = pieces[0], pieces[1:]
	return p, nil
}

// unseen says that a rune has no business in a name because nobody sees it:
// controls (NUL, CR, LF), format characters (bidirectional marks, zero-width
// joiners, the byte order mark), line separators and unassigned code points.
func unseen(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) ||
		r == utf8.RuneError || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r)
}

// local is the canonical form of a local part, detail included.
func local(typed string, limit int) (string, error) {
	s := typed
	// RFC 8264 section 7: repeat until stable, at most three times more.
	for range 4 {
		t, err := precis.UsernameCaseMapped.String(s)
		if err != nil {
			return "", ErrLocal
		}
		if t == s {
			return checkedLocal(s, limit)
		}
		s = t
	}
	return "", ErrLocal
}

func checkedLocal(s string, limit int) (string, error) {
	if len(s) > limit {
		return "", ErrLong
	}
	// Specials of RFC 5322 section 3.2.3 need quoting, and a slash walks into
	// another folder at servers that build paths from names.
	if strings.ContainsAny(s, `"(),:;<>[\]@/`+"`") || !dotted(s) {
		return "", ErrLocal
	}
	return s, nil
}

// dotted says that s is a dot-atom: no empty piece between dots, so neither
// "." nor ".." can be one.
func dotted(s string) bool {
	return s != "" && s[0] != '.' && s[len(s)-1] != '.' && !strings.Contains(s, "..")
}

// lookup is IDNA 2008 as resolvers use it, non-transitional ("ß" stays itself).
var lookup = idna.New(
	idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.CheckHyphens(true),
	idna.CheckJoiners(true), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// domain is the canonical form of a domain: lower-case A-labels, no final dot.
func domain(typed string) (string, error) {
	typed = strings.TrimRight(strings.TrimSpace(typed), ".")
	if typed == "" || len(typed) > maxDomain*2 {
		return "", ErrDomain
	}
	d, err := lookup.ToASCII(typed)
	if err != nil || len(d) > maxDomain || strings.ContainsFunc(d, notHost) || !dotted(d) {
		return "", ErrDomain
	}
	return d, nil
}

func notHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
}
