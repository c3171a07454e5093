package filter

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// parser holds the and/or/not skeleton that all the grammars share; each has
// its own leaf.
type parser struct {
	grammar Grammar
	dialect
	lex    lexer
	tok    token
	schema *Schema
	leaves int
	depth  int
	member int    // how many Any enclose this place
	of     string // OData's name of the member
}

// opKind is an operator of a language: what it does, and whether it is the negated form.
type opKind struct {
	op      Op
	negated bool
	known   bool
}

func parse(g Grammar, text string, from, to int, s *Schema) (*Expr, error) {
	d := g.dialect()
	p := &parser{grammar: g, dialect: d, schema: s, lex: lexer{text: text, at: from, end: to, escape: d.escape}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == tokEnd {
		return nil, p.fault(p.tok, "the filter is empty")
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, p.unexpected("and, or, or the end")
	}
	return e, nil
}

func (p *parser) fault(t token, message string) *SyntaxError {
	return &SyntaxError{Text: p.lex.text, Offset: t.at, Message: message}
}

func (p *parser) unexpected(wanted string) *SyntaxError {
	if p.tok.kind == tokEnd {
		return p.fault(p.tok, "it ends too early; "+wanted+" should follow")
	}
	return p.fault(p.tok, fmt.Sprintf("%s should stand here, not %q", wanted, printable(clip(p.lex.text[p.tok.at:p.tok.end]))))
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

// take advances over the token that stands here and returns it.
func (p *parser) take() (token, error) {
	t := p.tok
	return t, p.advance()
}

func (p *parser) expect(mark string) error {
	if !p.tok.is(mark) {
		return p.unexpected(mark)
	}
	return p.advance()
}

// keyword says that and, or, not stands here, in the dialect's spelling.
func (p *parser) keyword(w string) bool {
	return p.bare && p.tok.word(w) || p.hyphen && p.tok.word("-"+w)
}

func (p *parser) or() (*Expr, error) { return p.chain(Or, "or", (*parser).and) }

func (p *parser) and() (*Expr, error) { return p.chain(And, "and", (*parser).not) }

func (p *parser) chain(op Op, word string, part func(*parser) (*Expr, error)) (*Expr, error) {
	first, err := part(p)
	if err != nil {
		return nil, err
	}
	kids := []*Expr{first}
	for p.keyword(word) || op == And && p.grammar == Words && p.startsTerm() {
		if p.keyword(word) {
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		k, err := part(p)
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	if len(kids) == 1 {
		return first, nil
	}
	return &Expr{Op: op, Kids: kids, Offset: first.Offset}, nil
}

func (p *parser) not() (*Expr, error) {
	if !p.keyword("not") && !(p.hyphen && p.tok.is("!")) {
		return p.primary()
	}
	t, err := p.take()
	if err != nil {
		return nil, err
	}
	e, err := p.nested(t, (*parser).not)
	if err != nil {
		return nil, err
	}
	return &Expr{Op: Not, Kids: []*Expr{e}, Offset: t.at}, nil
}

func (p *parser) primary() (*Expr, error) {
	closing := map[string]string{"(": ")", "{": "}"}[p.tok.text]
	if p.tok.kind != tokMark || closing == "" || closing == "}" && p.grammar != OPATH {
		return p.dialect.leaf(p)
	}
	open, err := p.take()
	if err != nil {
		return nil, err
	}
	e, err := p.nested(open, (*parser).or)
	if err != nil {
		return nil, err
	}
	if !p.tok.is(closing) && p.tok.kind == tokEnd {
		return nil, p.fault(open, "this "+open.text+" is never closed")
	}
	return e, p.expect(closing)
}

func (p *parser) nested(t token, inner func(*parser) (*Expr, error)) (*Expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fault(t, fmt.Sprintf("more than %d levels of parentheses", maxDepth))
	}
	e, err := inner(p)
	p.depth--
	return e, err
}

// finish checks a comparison's constants and counts it.
func (p *parser) finish(e *Expr, at token) error {
	if p.leaves++; p.leaves > maxLeaves {
		return p.fault(at, fmt.Sprintf("more than %d comparisons", maxLeaves))
	}
	switch e.Op {
	case StartsWith, EndsWith, Contains, Has, Like, Match:
		if e.Values[0].kind == KindNull {
			return p.fault(at, "null cannot be compared in this way")
		}
		if e.Op != Has {
			e.Values[0] = String(e.Values[0].Text())
		}
	case Lt, Le, Gt, Ge:
		if e.Values[0].kind == KindNull {
			return p.fault(at, "null is neither less nor more than anything")
		}
	}
	if e.Op != Match {
		return nil
	}
	re, err := regexp.Compile("(?i)" + e.Values[0].str)
	if err != nil {
		return p.fault(at, "this is no regular expression (RE2)")
	}
	e.pattern = re
	return nil
}

// list reads value {"," value} up to the closing mark, which it takes.
func (p *parser) list(closing string, value func(*parser) (Value, error)) ([]Value, error) {
	var all []Value
	for {
		v, err := value(p)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		if p.tok.is(closing) {
			return all, p.advance()
		}
		if !p.tok.is(",") {
			return nil, p.unexpected(", or " + closing)
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// constant reads a text, number, truth value or null; sigil is "$" where a
// language writes $true.
func (p *parser) constant(sigil string) (Value, error) {
	t := p.tok
	if t.kind == tokString {
		return String(t.text), p.advance()
	}
	if t.kind != tokWord {
		return Null, p.unexpected("a value")
	}
	v, ok := literal(t.text, sigil)
	if !ok {
		return Null, p.fault(t, fmt.Sprintf("%q should stand in quotes", printable(clip(t.text))))
	}
	return v, p.advance()
}

func literal(s, sigil string) (Value, bool) {
	switch lower(strings.TrimPrefix(s, sigil)) {
	case "true":
		return Bool(true), true
	case "false":
		return Bool(false), true
	case "null":
		return Null, true
	}
	if c := s[0]; c >= '0' && c <= '9' || (c == '-' || c == '+' || c == '.') && len(s) > 1 {
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return Number(n), true
		}
	}
	return Null, false
}
