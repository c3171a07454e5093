package name

import (
	"errors"
	"strings"
	"testing"
)

// site is a company with two spellings of its domain, an NT domain and aliases.
func site(t testing.TB) Rules {
	aliases := map[string]string{
		"m.kowalska@münchen.example":        "mary@example.org", // never found: keys are canonical
		"m.kowalska@xn--mnchen-3ya.example": "mary@example.org",
		"maria@example.org":                 "m.kowalska@xn--mnchen-3ya.example",
		"mary+boss@example.org":             "boss@example.org",
		"c+d@example.org":                   "c+d@example.org",
		"round@example.org":                 "about@example.org",
		"about@example.org":                 "round@example.org",
		"broken@example.org":                "a*b@example.org",
		"zoë@example.org":                   "zoe@example.org",
	}
	r, err := Rules{
		DefaultDomain: "Example.ORG",
		DomainAliases: map[string]string{"Example.COM": "example.org", "old.example.com": "example.com", "Bücher.example": "example.org"},
		NTDomains:     map[string]string{"corp": "example.org", "Sales": "example.com"},
		Detail:        "+",
		Aliases:       func(a string) (string, bool) { to, ok := aliases[a]; return to, ok },
	}.Normalize()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFortySpellingsAreOnePerson(t *testing.T) {
	spellings := []string{
		"mary", "MARY", "Mary", "mARy", " mary", "mary ", "  mary  ", "mary.", "mary. ", "mary\u00a0",
		"mary@example.org", "Mary@Example.Org", "MARY@EXAMPLE.ORG", "mary@example.org.", "mary@example.org ", "mary@EXAMPLE.org . ",
		"mary@example.com", "Mary@OLD.example.com", "mary@bücher.example", "mary@BÜCHER.example", "mary@xn--bcher-kva.example", "mary@XN--BCHER-KVA.example",
		"mary@bu\u0308cher.example", "mary@example。org",
		"mary+lists", "mary+lists@example.org", "MARY+Lists@example.com", "mary+a+b@example.org", "mary+@example.org",
		`CORP\mary`, `corp\Mary`, `SALES\mary`, `CORP\mary@example.org`, `example.org\mary`, `CORP\mary+x@example.com`,
		"mary@example.org@example.org", "mary@example.com@Example.org", `CORP\mary@example.org@example.com`,
		"ｍａｒｙ", "ＭＡＲＹ＠ｅｘａｍｐｌｅ．ｏｒｇ", "mary＠example.org", `ＣＯＲＰ＼ｍａｒｙ`, "ｍary＋lists@example.org",
		"maria", "Maria@example.com", "m.kowalska@münchen.example", "M.Kowalska@XN--MNCHEN-3YA.example", "maria+shop@example.org",
	}
	if len(spellings) < 40 {
		t.Fatalf("only %d spellings", len(spellings))
	}
	r := site(t)
	for _, s := range spellings {
		a, err := r.Canonical(s)
		if err != nil || a.Full != "mary@example.org" || a.Local != "mary" || a.Domain != "example.org" {
			t.Errorf("%q: %+v, %v", s, a, err)
		}
	}
}

// Who may choose a name at an issuer must not become another person by it.
func TestVouchedNamesAreTakenToTheLetter(t *testing.T) {
	r := site(t)
	for _, stated := range []string{"mary@example.org", "Mary@Example.ORG", "mary", "mary@example.com", "maria@example.org", "m.kowalska@münchen.example"} {
		if a, err := r.Vouched(stated); err != nil || a.Full != "mary@example.org" {
			t.Errorf("%q: %+v, %v", stated, a, err)
		}
	}
	for _, stated := range []string{"mary+evil@example.org", "mary+@example.org", "mary+evil", "mary.", "mary.@example.org", " mary@example.org", "mary@example.org.",
		"ｍａｒｙ@example.org", "mary＠example.org", `CORP\mary`, "mary@example.org@example.org", "", "mary*gate@example.org", "mary\u00a0@example.org"} {
		if a, err := r.Vouched(stated); err == nil && a.Full == "mary@example.org" {
			t.Errorf("%q became %+v", stated, a)
		}
	}
	if a, err := r.Vouched("c+d@example.org"); err != nil || a.Full != "c+d@example.org" {
		t.Errorf("a name that stands for itself: %+v, %v", a, err)
	}
}

func TestNamesThatAreNobody(t *testing.T) {
	r := site(t)
	r.Separators = "!"
	for typed, want := range map[string]error{
		"": ErrEmpty, "   ": ErrEmpty, "...": ErrEmpty,
		"mary*admin": ErrSeparator, "mary@example.org*admin@example.org": ErrSeparator, "mary＊admin": ErrSeparator,
		"mary%example.org": ErrSeparator, "mary％example.org": ErrSeparator, "mary!x": ErrSeparator, "mary@exa*mple.org": ErrSeparator,
		"mary\x00": ErrControl, "ma\rry": ErrControl, "mary\n": ErrControl, "\tmary": ErrControl, "mary\x7f": ErrControl,
		"ma\u202ery": ErrControl, "mary\u200b": ErrControl, "\ufeffmary": ErrControl, "ma\u00adry": ErrControl, "ma\u2066ry": ErrControl,
		"ma\u200ery": ErrControl, "ma\u2028ry": ErrControl, "ma\xffry": ErrControl, "ma\ufe0fry": ErrControl, "ma\u034fry": ErrControl,
		"mary smith": ErrLocal, `"mary"@example.org`: ErrLocal, "<mary@example.org>": ErrDomain, "@example.org": ErrLocal,
		".mary": ErrLocal, "ma..ry": ErrLocal, "mary.@example.org": ErrLocal, "../mary": ErrLocal, "a/b": ErrLocal, `\mary`: ErrLocal, `CORP\a\b`: ErrLocal,
		"ma.+x@example.org": ErrLocal,
		"mary@":             ErrDomain, "mary@ex ample.org": ErrDomain, "mary@exa_mple.org": ErrDomain, "mary@[127.0.0.1]": ErrDomain, "mary@-a.org": ErrDomain,
		"mary@xn--a.org": ErrDomain, "mary@example..org": ErrDomain, "mary@" + strings.Repeat("a", 64) + ".org": ErrDomain, "mary@exam\ufe6bple.org": ErrDomain,
		"mary@example.org@evil.example": ErrConflict, `CORP\mary@evil.example`: ErrConflict, "a@b@c@d": ErrConflict,
		`EVIL\mary`: ErrNTDomain, `.\mary`: ErrDomain,
		"round": ErrAlias, "broken": ErrAlias,
		strings.Repeat("a", 65): ErrLong, strings.Repeat("a", 641): ErrLong, "a+" + strings.Repeat("b", 65): ErrLong,
	} {
		a, err := r.Canonical(typed)
		if !errors.Is(err, want) || a != (Address{}) {
			t.Errorf("%q: %+v, %v; want %v", typed, a, err, want)
		}
	}
}

func TestDetailsAndAliases(t *testing.T) {
	r := site(t)
	for typed, want := range map[string]Address{
		"mary+Lists":     {"mary@example.org", "mary", "example.org", "lists"},
		"mary+boss":      {"boss@example.org", "boss", "example.org", "boss"},
		"c+d":            {"c+d@example.org", "c+d", "example.org", ""},
		"+x":             {"+x@example.org", "+x", "example.org", ""},
		"zoe\u0308":      {"zoe@example.org", "zoe", "example.org", ""},
		"bob@other.test": {"bob@other.test", "bob", "other.test", ""},
	} {
		if a, err := r.Canonical(typed); err != nil || a != want {
			t.Errorf("%q: %+v, %v; want %+v", typed, a, err, want)
		}
	}
	bare, err := Rules{}.Canonical("Mary+x")
	if want := (Address{"mary+x", "mary+x", "", ""}); err != nil || bare != want {
		t.Errorf("without rules: %+v, %v", bare, err)
	}
}

func TestBadTablesAreRefused(t *testing.T) {
	for what, r := range map[string]Rules{
		"circle":         {DomainAliases: map[string]string{"a.example": "b.example", "b.example": "a.example"}},
		"no domain":      {DefaultDomain: "exa mple"},
		"alias":          {DomainAliases: map[string]string{"a_b": "b.example"}},
		"alias target":   {DomainAliases: map[string]string{"b.example": "*"}},
		"nt":             {NTDomains: map[string]string{"CORP": ""}},
		"detail is mark": {Detail: "*"},
	} {
		if _, err := r.Normalize(); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// FuzzCanonical holds: canonical is a fixed point, and holds no separator, no
// control and at most one @, whatever was typed.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"mary", `CORP\mary`, "mary+x@example.com", "m.kowalska@münchen.example", "ＭＡＲＹ＠ｅｘ．org", "a@b@b", "ǅ", "ς@σ.gr", "İ@x.y", "عمر@مثال.com", "c+d"} {
		f.Add(s)
	}
	r := site(f)
	r.Separators = "!"
	f.Fuzz(func(t *testing.T, typed string) {
		a, err := r.Canonical(typed)
		if err != nil {
			return
		}
		again, err := r.Canonical(a.Full)
		if err != nil || again.Full != a.Full || again.Local != a.Local || again.Domain != a.Domain {
			t.Fatalf("%q: %+v, then %+v, %v", typed, a, again, err)
		}
		if strings.ContainsAny(a.Full, "*%!\\/\" \r\n\x00") || strings.Count(a.Full, "@") > 1 || a.Full != join(a.Local, a.Domain) || strings.ContainsFunc(a.Full, unseen) {
			t.Fatalf("%q: %+v", typed, a)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	r := site(b)
	for b.Loop() {
		if _, err := r.Canonical("Mary@Example.org"); err != nil {
			b.Fatal(err)
		}
	}
}
