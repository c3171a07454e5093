package tenant

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// wanted says which members of an object are read: nil is all of them. What is
// not wanted is skipped without a copy, which is most of a sign-in.
type wanted map[string]wanted

// parseJSON reads one record. Members that stand twice are both there, and the
// first is found.
func parseJSON(raw string, want wanted) (value, error) {
	p := jsonParser{s: raw}
	v, err := p.value(want, 0)
	if err == nil {
		if p.space(); p.at < len(p.s) {
			err = p.fault("something follows the end")
		}
	}
	return v, err
}

type jsonParser struct {
	s      string
	at     int
	values int
}

// maxValues bounds what one record is taken apart into, about 100 MB: a group of
// 100,000 members, of which only the ids are read, has 200,000.
const maxValues = 1 << 20

// offsetError is a fault so many bytes behind a record's start.
type offsetError struct {
	offset  int
	message string
}

func (e *offsetError) Error() string { return e.message }

func (p *jsonParser) fault(format string, args ...any) error {
	return &offsetError{p.at, fmt.Sprintf(format, args...)}
}

func (p *jsonParser) space() {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\n' || p.s[p.at] == '\r' || p.s[p.at] == '\t') {
		p.at++
	}
}

// next gives the next byte that is no white space; 0 at the end.
func (p *jsonParser) next() byte {
	p.space()
	if p.at == len(p.s) {
		return 0
	}
	return p.s[p.at]
}

func (p *jsonParser) value(want wanted, depth int) (value, error) {
	if depth > maxDepth {
		return value{}, p.fault("nested deeper than %d levels", maxDepth)
	}
	if p.values++; p.values > maxValues {
		return value{}, p.fault("this object has more than %d parts", maxValues)
	}
	switch c := p.next(); c {
	case '{':
		return p.object(want, depth)
	case '[':
		return p.list(want, depth)
	case '"':
		s, err := p.quoted()
		return value{kind: text, text: s}, err
	default:
		return p.scalar()
	}
}

func (p *jsonParser) object(want wanted, depth int) (value, error) {
	v := value{kind: object}
	if want != nil {
		v.members = make([]member, 0, len(want)/2) // each name stands there twice, as Graph and as PowerShell spells it
	}
	p.at++
	for c := p.next(); c != '}'; {
		if c != '"' {
			return v, p.fault("a member's name in quotes is expected here")
		}
		name, err := p.quoted()
		if err != nil {
			return v, err
		}
		if p.next() != ':' {
			return v, p.fault("a colon is expected here")
		}
		p.at++
		inner, wantIt := want[name]
		if want == nil || wantIt {
			m, err := p.value(inner, depth+1)
			if err != nil {
				return v, err
			}
			v.members = append(v.members, member{name, m})
		} else if err := p.skip(); err != nil {
			return v, err
		}
		switch c = p.next(); c {
		case ',':
			p.at++
			if c = p.next(); c == '}' {
				return v, p.fault("a member is missing behind the comma")
			}
		case '}':
		default:
			return v, p.fault("a comma or the object's end is missing")
		}
	}
	p.at++
	return v, nil
}

func (p *jsonParser) list(want wanted, depth int) (value, error) {
	v := value{kind: list}
	p.at++
	for c := p.next(); c != ']'; {
		item, err := p.value(want, depth+1)
		if err != nil {
			return v, err
		}
		v.items = append(v.items, item)
		switch c = p.next(); c {
		case ',':
			p.at++
			if c = p.next(); c == ']' {
				return v, p.fault("a value is missing behind the comma")
			}
		case ']':
		default:
			return v, p.fault("a comma or the list's end is missing")
		}
	}
	p.at++
	return v, nil
}

// skip goes behind a value. Its brackets were counted already, when the record
// was cut out.
func (p *jsonParser) skip() error {
	depth := 0
	for p.space(); p.at < len(p.s); {
		switch c := p.s[p.at]; c {
		case '"':
			if err := p.pastQuotes(); err != nil {
				return err
			}
		case '{', '[':
			depth++
			p.at++
		case '}', ']':
			if depth == 0 {
				return nil
			}
			depth--
			p.at++
		case ',':
			if depth == 0 {
				return nil
			}
			p.at++
		default:
			p.at++
			continue
		}
		if depth == 0 {
			return nil
		}
	}
	return p.fault("the record ends too early")
}

func (p *jsonParser) pastQuotes() error {
	p.at++
	for start := p.at; ; {
		i := strings.IndexByte(p.s[p.at:], '"')
		if i < 0 {
			p.at = len(p.s)
			return p.fault("the quote that opens this text is never closed")
		}
		p.at += i
		bars := 0
		for at := p.at - 1; at >= start && p.s[at] == '\\'; at-- {
			bars++
		}
		p.at++
		if bars%2 == 0 {
			return nil
		}
	}
}

func (p *jsonParser) quoted() (string, error) {
	start := p.at
	if err := p.pastQuotes(); err != nil {
		return "", err
	}
	inner := p.s[start+1 : p.at-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var s string
	if err := json.Unmarshal([]byte(p.s[start:p.at]), &s); err != nil {
		// A lone control character is no JSON, but what Exchange writes.
		return inner, nil
	}
	return s, nil
}

var errScalar = errors.New("neither a text, a number, true, false, null, an object nor a list")

func (p *jsonParser) scalar() (value, error) {
	start := p.at
	for p.at < len(p.s) && strings.IndexByte(" \t\r\n,]}:", p.s[p.at]) < 0 {
		p.at++
	}
	switch word := p.s[start:p.at]; word {
	case "null":
		return value{}, nil
	case "true", "false":
		return value{kind: boolean, text: word}, nil
	default:
		if !json.Valid([]byte(word)) {
			p.at = start
			return value{}, p.fault("%v", errScalar)
		}
		return value{kind: number, text: word}, nil
	}
}
