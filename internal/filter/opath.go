package filter

import (
	"strings"

	"github.com/portreeve/portreeve/internal/spelling"
)

// opathOps are those of -Filter and of Where-Object. Case-insensitive spellings
// (-ieq) mean the same; case-sensitive ones (-ceq) are refused rather than bent.
var opathOps = map[string]opKind{
	"eq":          {Eq, false, true},
	"ne":          {Eq, true, true},
	"lt":          {Lt, false, true},
	"le":          {Le, false, true},
	"gt":          {Gt, false, true},
	"ge":          {Ge, false, true},
	"like":        {Like, false, true},
	"notlike":     {Like, true, true},
	"match":       {Match, false, true},
	"notmatch":    {Match, true, true},
	"in":          {In, false, true},
	"notin":       {In, true, true},
	"contains":    {Has, false, true},
	"notcontains": {Has, true, true},
}

func opathOp(word string) opKind {
	bare, hyphen := strings.CutPrefix(lower(word), "-")
	if !hyphen {
		return opKind{}
	}
	if k := opathOps[bare]; k.known {
		return k
	}
	if rest, ok := strings.CutPrefix(bare, "i"); ok {
		return opathOps[rest]
	}
	return opKind{}
}

// marksOPATH says that the token can only be OPATH's, not a plain word.
func (t token) marksOPATH(first bool) bool {
	switch t.kind {
	case tokMark:
		return first && (t.text == "{" || t.text == "!")
	case tokWord:
		_, piped := cutPiped(t.text)
		return piped || opathOp(t.text).known || t.word("-and") || t.word("-or") || t.word("-not")
	}
	return false
}

// cutPiped takes Where-Object's $_. from the front of a name.
func cutPiped(s string) (string, bool) {
	if rest, ok := strings.CutPrefix(s, "$_."); ok {
		return rest, true
	}
	return cutFold(s, "$PSItem.")
}

// parseOPATH lets the whole filter stand in quotes, as the manuals write it.
func parseOPATH(text string, s *Schema) (*Expr, error) {
	trimmed := strings.TrimSpace(text)
	from := strings.Index(text, trimmed)
	to := from + len(trimmed)
	if n := len(trimmed); n > 2 && (trimmed[0] == '"' || trimmed[0] == '\'') && trimmed[n-1] == trimmed[0] &&
		choose(OPATH, trimmed[1:n-1]) == OPATH {
		return parse(OPATH, text, from+1, to-1, s)
	}
	return parse(OPATH, text, from, to, s)
}

// opathLeaf reads Property -op value, or a property alone, which asks whether it is true.
func (p *parser) opathLeaf() (*Expr, error) {
	if p.tok.kind != tokWord {
		return nil, p.unexpected("a property")
	}
	name, err := p.take()
	if err != nil {
		return nil, err
	}
	name.text, _ = cutPiped(name.text)
	if name.text == "" || strings.ContainsAny(name.text[:1], "-$@") {
		return nil, p.fault(name, "a property's name should stand here")
	}
	if _, err := p.find(name, name.text); err != nil {
		return nil, err
	}
	if p.tok.kind == tokEnd || p.tok.is(")") || p.tok.is("}") || p.keyword("and") || p.keyword("or") {
		return p.leaf(name, name, opKind{Eq, false, true}, []Value{Bool(true)}, name)
	}
	op := p.tok
	kind := opathOp(op.text)
	if op.kind != tokWord || !kind.known {
		return nil, p.unknownOPATH()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	at := p.tok
	values, err := p.opathValues(kind)
	if err != nil {
		return nil, err
	}
	return p.leaf(name, op, kind, values, at)
}

func (p *parser) unknownOPATH() error {
	var names []string
	for n := range opathOps {
		names = append(names, "-"+n)
	}
	err := p.unexpected("an operator such as -eq or -like")
	if p.tok.kind == tokWord {
		err.Suggestion = spelling.Nearest(p.tok.text, sorted(names))
	}
	return err
}

func (p *parser) opathValues(kind opKind) ([]Value, error) {
	value := func(p *parser) (Value, error) { return p.constant("$") }
	if kind.op != In {
		v, err := value(p)
		return []Value{v}, err
	}
	if p.tok.word("@") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		if !p.tok.is("(") {
			return nil, p.unexpected("(")
		}
	}
	if p.tok.is("(") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		return p.list(")", value)
	}
	return p.bareList(value)
}

// bareList reads 'a','b' without brackets.
func (p *parser) bareList(value func(*parser) (Value, error)) ([]Value, error) {
	var all []Value
	for {
		v, err := value(p)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		if !p.tok.is(",") {
			return all, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}
