package filter

import "regexp"

// Op is what a node of the tree does.
type Op uint8

// The operations. And, Or and Not have children; the others compare the named
// property with constants.
const (
	And Op = iota
	Or
	Not
	Eq
	Lt
	Le
	Gt
	Ge
	StartsWith
	EndsWith
	Contains // substring; of a list, in any member
	Has      // a list has this whole member
	In       // equals one of several constants
	Like     // * and ? as wildcards
	Match    // regular expression, RE2
	Present  // is not null
	Any      // a list has a member for which the one child holds
)

var opNames = [...]string{"and", "or", "not", "eq", "lt", "le", "gt", "ge", "startsWith", "endsWith",
	"contains", "has", "in", "like", "match", "present", "any"}

func (o Op) String() string {
	if int(o) >= len(opNames) {
		return "unknown"
	}
	return opNames[o]
}

// Expr is a filter, or a part of one. It is never changed after Parse and may
// be used by many at once.
type Expr struct {
	Op   Op
	Kids []*Expr // of And, Or, Not, Any
	// Name is the property asked for, in the schema's spelling; inside an Any,
	// empty means the member itself.
	Name string
	// Negated turns a comparison round (-ne, -notIn). Positive comparisons
	// never match null, so negated ones always do; comparing with null itself
	// is the exception, except in device rules.
	Negated bool
	Values  []Value // the constants; one, except for In
	Offset  int     // of the property in the text, in bytes

	pattern *regexp.Regexp
	device  bool // null equals nothing, not even null
}

// Lookup tells the value of a property. A name it does not know is Null.
type Lookup func(name string) Value

// Truth is the answer of a filter: unknown where a value that decides is unknown.
type Truth uint8

// The truth values. The zero value is a no.
const (
	False Truth = iota
	Unknown
	True
)

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Match says whether the filter certainly holds: every unknown is a no.
func (e *Expr) Match(lookup Lookup) bool { return e.Eval(lookup) == True }

// Eval is Match with three answers.
func (e *Expr) Eval(lookup Lookup) Truth {
	switch e.Op {
	case And:
		all := True
		for _, k := range e.Kids {
			if all = min(all, k.Eval(lookup)); all == False {
				break
			}
		}
		return all
	case Or:
		one := False
		for _, k := range e.Kids {
			if one = max(one, k.Eval(lookup)); one == True {
				break
			}
		}
		return one
	case Not:
		return True - e.Kids[0].Eval(lookup)
	}
	v := lookup(e.Name)
	if v.kind == KindUnknown {
		return Unknown
	}
	t := e.compare(v)
	if e.Negated {
		return True - t
	}
	return t
}

// compare asks the positive question.
func (e *Expr) compare(v Value) Truth {
	switch e.Op {
	case Eq, In:
		for i := range e.Values {
			if e.equals(v, e.Values[i]) {
				return True
			}
		}
		return False
	case Any:
		return e.any(v)
	case Present:
		return truth(v.kind != KindNull)
	case Has:
		return truth(v.anyText(func(s string) bool { return equalText(s, e.Values[0]) }))
	case Lt, Le, Gt, Ge:
		return truth(e.ordered(v))
	case StartsWith:
		return truth(v.anyText(func(s string) bool { return hasPrefixFold(s, e.Values[0].str) }))
	case EndsWith:
		return truth(v.anyText(func(s string) bool { return hasSuffixFold(s, e.Values[0].str) }))
	case Contains:
		return truth(v.anyText(func(s string) bool { return containsFold(s, e.Values[0].str) }))
	case Like:
		return truth(v.anyText(func(s string) bool { return like(s, e.Values[0].str) }))
	case Match:
		return truth(v.anyText(e.pattern.MatchString))
	}
	return False
}

func (e *Expr) equals(v, constant Value) bool {
	if v.kind == KindNull && constant.kind == KindNull {
		return !e.device
	}
	return v.equal(constant)
}

func (e *Expr) ordered(v Value) bool {
	c, comparable := v.order(e.Values[0])
	if !comparable {
		return false
	}
	switch e.Op {
	case Lt:
		return c < 0
	case Le:
		return c <= 0
	case Gt:
		return c > 0
	}
	return c >= 0
}

func (e *Expr) any(v Value) Truth {
	if len(e.Kids) == 0 {
		return truth(len(v.list) > 0 || len(v.objects) > 0)
	}
	found := False
	for _, s := range v.list {
		found = max(found, e.Kids[0].Eval(func(name string) Value {
			if name == "" {
				return String(s)
			}
			return Null
		}))
	}
	for _, o := range v.objects {
		found = max(found, e.Kids[0].Eval(o))
	}
	return found
}

// Names lists the properties the filter asks for, each once, in their order.
func (e *Expr) Names() []string {
	var names []string
	seen := map[string]bool{}
	var walk func(*Expr)
	walk = func(n *Expr) {
		if n.Name != "" && !seen[n.Name] {
			seen[n.Name] = true
			names = append(names, n.Name)
		}
		if n.Op != Any { // names inside are the member's
			for _, k := range n.Kids {
				walk(k)
			}
		}
	}
	walk(e)
	return names
}
