package filter

import "fmt"

// states are the words after a switch's name: "imap off".
var states = map[string]opKind{
	"on":        {Eq, false, true},
	"off":       {Eq, true, true},
	"inherit":   {Present, true, true},
	"inherits":  {Present, true, true},
	"inherited": {Present, true, true},
	"set":       {Present, false, true},
}

// startsTerm says that another term follows without a word between them.
func (p *parser) startsTerm() bool {
	return p.tok.kind == tokString || p.tok.is("(") || p.tok.kind == tokWord && !p.keyword("or")
}

// wordLeaf reads "imap off", "protocol:pop3", or a word to look for.
func (p *parser) wordLeaf() (*Expr, error) {
	if p.tok.kind != tokWord && p.tok.kind != tokString {
		return nil, p.unexpected("a word")
	}
	name, err := p.take()
	if err != nil {
		return nil, err
	}
	if name.kind == tokString {
		return p.freeText(name)
	}
	if p.tok.is(":") || p.tok.is("=") {
		return p.wordEquals(name)
	}
	state := states[lower(p.tok.text)]
	if p.tok.kind == tokWord && state.known {
		return p.wordState(name, state)
	}
	if p.schema != nil {
		if prop := p.schema.index[lower(name.text)]; prop != nil && prop.Kind == KindBool {
			return nil, p.fault(name, fmt.Sprintf("%s what? on, off, inherits or set should follow; in quotes it is searched as text", prop.Name))
		}
	}
	return p.freeText(name)
}

func (p *parser) wordState(name token, state opKind) (*Expr, error) {
	prop, err := p.find(name, name.text)
	if err != nil {
		return nil, err
	}
	if prop != nil && prop.Kind != KindBool {
		return nil, p.fault(p.tok, fmt.Sprintf("%s is not switched on or off", prop.Name))
	}
	if prop != nil && state.op == Present && prop.Stored != "" {
		name.text = prop.Stored
	}
	op, err := p.take()
	if err != nil {
		return nil, err
	}
	if state.op == Present {
		return p.leaf(name, op, state, nil, op)
	}
	return p.leaf(name, op, opKind{Eq, false, true}, []Value{Bool(!state.negated)}, op)
}

func (p *parser) wordEquals(name token) (*Expr, error) {
	prop, err := p.find(name, name.text)
	if err != nil {
		return nil, err
	}
	op, err := p.take()
	if err != nil {
		return nil, err
	}
	if state := states[lower(p.tok.text)]; p.tok.kind == tokWord && state.known && (prop == nil || prop.Kind == KindBool) {
		return p.wordState(name, state)
	}
	if p.tok.kind != tokWord && p.tok.kind != tokString {
		return nil, p.unexpected("a value")
	}
	at, err := p.take()
	if err != nil {
		return nil, err
	}
	v := String(at.text)
	if at.kind == tokWord {
		if l, ok := literal(at.text, "$"); ok {
			v = l
		}
	}
	return p.leaf(name, op, opKind{Eq, false, true}, []Value{v}, at)
}

// freeText looks for the word in every property that the schema names for it.
func (p *parser) freeText(t token) (*Expr, error) {
	if p.schema == nil || len(p.schema.text) == 0 {
		return nil, p.fault(t, "there is no free text to search here")
	}
	or := &Expr{Op: Or, Offset: t.at}
	for _, name := range p.schema.text {
		e := &Expr{Op: Contains, Name: name, Values: []Value{String(t.text)}, Offset: t.at}
		if err := p.finish(e, t); err != nil {
			return nil, err
		}
		or.Kids = append(or.Kids, e)
	}
	return or, nil
}
