package filter

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/spelling"
)

var odataOps = map[string]opKind{
	"eq": {Eq, false, true},
	"ne": {Eq, true, true},
	"lt": {Lt, false, true},
	"le": {Le, false, true},
	"gt": {Gt, false, true},
	"ge": {Ge, false, true},
	"in": {In, false, true},
}

var odataCalls = map[string]opKind{
	"startswith": {StartsWith, false, true},
	"endswith":   {EndsWith, false, true},
	"contains":   {Contains, false, true},
}

// odataLeaf reads name eq value, startswith(name,'text') and name/any(x:x eq 'text').
func (p *parser) odataLeaf() (*Expr, error) {
	if p.tok.kind != tokWord {
		return nil, p.unexpected("a property")
	}
	name, err := p.take()
	if err != nil {
		return nil, err
	}
	if p.tok.is("(") {
		if list, ok := cutSuffixFold(name.text, "/any"); ok {
			name.text = list
			return p.odataAny(name)
		}
		return p.odataCall(name)
	}
	if name, err = p.memberName(name); err != nil {
		return nil, err
	}
	op := p.tok
	kind := odataOps[lower(op.text)]
	if op.kind != tokWord || !kind.known {
		return nil, p.unexpected("an operator such as eq or ge")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	at := p.tok
	values := []Value{Null}
	if kind.op != In {
		values[0], err = p.odataValue()
	} else if err = p.expect("("); err == nil {
		values, err = p.list(")", (*parser).odataValue)
	}
	if err != nil {
		return nil, err
	}
	return p.leaf(name, op, kind, values, at)
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) > len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s[:len(s)-len(suffix)], true
	}
	return s, false
}

// memberName resolves a name: inside any(x: …), x is the member itself and
// x/name one of its properties.
func (p *parser) memberName(t token) (token, error) {
	if p.member == 0 {
		_, err := p.find(t, t.text)
		return t, err
	}
	if t.text == p.of {
		t.text = ""
		return t, nil
	}
	inner, ok := strings.CutPrefix(t.text, p.of+"/")
	if !ok {
		return t, p.fault(t, "inside any, names begin with "+p.of)
	}
	t.text = inner
	return t, nil
}

func (p *parser) odataCall(call token) (*Expr, error) {
	kind := odataCalls[lower(call.text)]
	if !kind.known {
		err := p.fault(call, "there is no such function; startswith, endswith, contains and any are")
		err.Suggestion = spelling.Nearest(call.text, []string{"startswith", "endswith", "contains"})
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if p.tok.kind != tokWord {
		return nil, p.unexpected("a property")
	}
	name, err := p.memberName(p.tok)
	if err != nil {
		return nil, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect(","); err != nil {
		return nil, err
	}
	at := p.tok
	if at.kind != tokString {
		return nil, p.unexpected("a text in quotes")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	return p.leaf(name, call, kind, []Value{String(at.text)}, at)
}

func (p *parser) odataAny(list token) (*Expr, error) {
	if p.member > 0 {
		return nil, p.fault(list, "any cannot stand inside any")
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if p.tok.is(")") {
		e, err := p.leaf(list, list, opKind{Any, false, true}, nil, list)
		if err != nil {
			return nil, err
		}
		return e, p.advance()
	}
	if p.tok.kind != tokWord {
		return nil, p.unexpected("a name for the member, as in any(x:x eq 'text')")
	}
	of, err := p.take()
	if err != nil {
		return nil, err
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	return p.anyOf(list, of.text, ")")
}

// anyOf reads the question asked of each member, up to the closing mark.
func (p *parser) anyOf(list token, of, closing string) (*Expr, error) {
	p.member++
	p.of = of
	kid, err := p.nested(list, (*parser).or)
	p.member--
	if err != nil {
		return nil, err
	}
	e, err := p.leaf(list, list, opKind{Any, false, true}, nil, list)
	if err != nil {
		return nil, err
	}
	e.Kids = []*Expr{kid}
	return e, p.expect(closing)
}

// odataValue also reads what OData writes without quotes: times and GUIDs.
func (p *parser) odataValue() (Value, error) {
	if p.tok.kind == tokWord {
		if t, ok := parseTime(p.tok.text); ok {
			return Time(t), p.advance()
		}
		if isGUID(p.tok.text) {
			return String(p.tok.text), p.advance()
		}
	}
	return p.constant("")
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", rune(s[i])) {
			return false
		}
	}
	return true
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
