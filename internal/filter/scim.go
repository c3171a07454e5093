package filter

// scimOps are RFC 7644's, section 3.4.2.2.
var scimOps = map[string]opKind{
	"eq": {Eq, false, true},
	"ne": {Eq, true, true},
	"co": {Contains, false, true},
	"sw": {StartsWith, false, true},
	"ew": {EndsWith, false, true},
	"pr": {Present, false, true},
	"lt": {Lt, false, true},
	"le": {Le, false, true},
	"gt": {Gt, false, true},
	"ge": {Ge, false, true},
}

// scimLeaf reads name eq "value", name pr and list[member eq "value"].
func (p *parser) scimLeaf() (*Expr, error) {
	if p.tok.kind != tokWord {
		return nil, p.unexpected("a property")
	}
	name, err := p.take()
	if err != nil {
		return nil, err
	}
	if _, err := p.find(name, name.text); err != nil {
		return nil, err
	}
	if p.tok.is("[") && p.member == 0 {
		if err := p.advance(); err != nil {
			return nil, err
		}
		return p.anyOf(name, "", "]")
	}
	if p.member > 0 && lower(name.text) == "value" { // a simple member's value
		name.text = ""
	}
	op := p.tok
	kind := scimOps[lower(op.text)]
	if op.kind != tokWord || !kind.known {
		return nil, p.unexpected("an operator such as eq, co or ge")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	at := p.tok
	if kind.op == Present {
		return p.leaf(name, op, kind, nil, op)
	}
	v, err := p.constant("")
	if err != nil {
		return nil, err
	}
	return p.leaf(name, op, kind, []Value{v}, at)
}
