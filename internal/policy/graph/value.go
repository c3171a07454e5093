package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxDocument bounds one document or collection, in bytes; Entra's 244 policies have about 1 MB.
	maxDocument = 32 << 20
	// maxDepth bounds nesting; a policy needs eight levels.
	maxDepth = 64
)

// Kind is what a value is.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Object
)

func (k Kind) String() string {
	return [...]string{"null", "true or false", "a number", "a text", "a list", "an object"}[k]
}

// Value is one JSON value, its members in their order and with their values as
// they were written.
type Value struct {
	Kind    Kind
	Text    string // of a scalar: the text itself, else as written
	Items   []*Value
	Members []Member
	Pointer string
	Offset  int // in bytes

	raw []byte // of a scalar, as written
}

// Member is one member of an object.
type Member struct {
	Name  string
	Value *Value
	raw   []byte // the name as written
}

// Member finds a member by its name; nil if there is none.
func (v *Value) Member(name string) *Value {
	for i := range v.Members {
		if v.Members[i].Name == name {
			return v.Members[i].Value
		}
	}
	return nil
}

// empty says that the value says nothing: null, false, "", [] and {}.
func (v *Value) empty() bool {
	switch v.Kind {
	case Null:
		return true
	case Bool:
		return v.Text == "false"
	case String:
		return v.Text == ""
	case List:
		return len(v.Items) == 0
	case Object:
		return len(v.Members) == 0
	}
	return false
}

// Parse reads JSON strictly: one value, valid UTF-8, no member twice, bounded
// in size and depth. The error is an *Error.
func Parse(data []byte) (*Value, error) {
	if len(data) > maxDocument {
		return nil, &Error{Message: fmt.Sprintf("a document has at most %d bytes", maxDocument)}
	}
	if !utf8.Valid(data) {
		return nil, &Error{Message: "the document is not UTF-8"}
	}
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		e := &Error{Message: "not JSON: " + err.Error()}
		if s, ok := err.(*json.SyntaxError); ok {
			e.Offset = int(max(s.Offset-1, 0))
		}
		return nil, e
	}
	p := parser{data: data}
	v := p.value("", 0)
	if p.err != nil {
		return nil, p.err
	}
	return v, nil
}

// parser walks over text that is known to be JSON, so it only has to find its way.
type parser struct {
	data []byte
	at   int
	err  *Error
}

func (p *parser) space() {
	for p.at < len(p.data) && strings.IndexByte(" \t\r\n", p.data[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) fault(pointer string, offset int, format string, args ...any) {
	if p.err == nil {
		p.err = &Error{pointer, offset, fmt.Sprintf(format, args...)}
	}
}

func (p *parser) value(pointer string, depth int) *Value {
	p.space()
	v := &Value{Pointer: pointer, Offset: p.at}
	if depth > maxDepth {
		p.fault(pointer, p.at, "nested deeper than %d levels", maxDepth)
	}
	if p.err != nil {
		return v
	}
	switch c := p.data[p.at]; c {
	case '{':
		p.object(v, depth)
	case '[':
		p.list(v, depth)
	case '"':
		v.Kind = String
		v.raw = p.quoted()
		v.Text = p.unquote(v.raw)
	default:
		end := p.at
		for end < len(p.data) && strings.IndexByte(" \t\r\n,]}", p.data[end]) < 0 {
			end++
		}
		v.raw = p.data[p.at:end]
		v.Text, p.at = string(v.raw), end
		v.Kind = map[byte]Kind{'n': Null, 't': Bool, 'f': Bool}[c]
		if c == '-' || '0' <= c && c <= '9' {
			v.Kind = Number
		}
	}
	return v
}

func (p *parser) quoted() []byte {
	end := p.at + 1
	for p.data[end] != '"' {
		if p.data[end] == '\\' {
			end++
		}
		end++
	}
	raw := p.data[p.at : end+1]
	p.at = end + 1
	return raw
}

func (p *parser) unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		p.fault("", p.at, "a text that cannot be read")
	}
	return s
}

func (p *parser) list(v *Value, depth int) {
	v.Kind = List
	p.at++
	for p.space(); p.err == nil && p.data[p.at] != ']'; p.space() {
		if p.data[p.at] == ',' {
			p.at++
		}
		v.Items = append(v.Items, p.value(v.Pointer+"/"+strconv.Itoa(len(v.Items)), depth+1))
	}
	p.at++
}

// escaper writes a member's name into a JSON pointer.
var escaper = strings.NewReplacer("~", "~0", "/", "~1")

func (p *parser) object(v *Value, depth int) {
	v.Kind = Object
	p.at++
	seen := map[string]bool{}
	for p.space(); p.err == nil && p.data[p.at] != '}'; p.space() {
		if p.data[p.at] == ',' {
			p.at++
			p.space()
		}
		at := p.at
		raw := p.quoted()
		name := p.unquote(raw)
		pointer := v.Pointer + "/" + escaper.Replace(name)
		if seen[name] {
			p.fault(pointer, at, "%q stands twice", name)
		}
		seen[name] = true
		p.space()
		p.at++ // the colon
		v.Members = append(v.Members, Member{name, p.value(pointer, depth+1), raw})
	}
	p.at++
}

// Bytes writes the value with two blanks per level, as Graph's examples are.
func (v *Value) Bytes() []byte {
	var flat, out bytes.Buffer
	v.write(&flat)
	if err := json.Indent(&out, flat.Bytes(), "", "  "); err != nil {
		return flat.Bytes()
	}
	return out.Bytes()
}

func (v *Value) write(b *bytes.Buffer) {
	switch v.Kind {
	case Object:
		b.WriteByte('{')
		for i, m := range v.Members {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(m.raw)
			b.WriteByte(':')
			m.Value.write(b)
		}
		b.WriteByte('}')
	case List:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	default:
		b.Write(v.raw)
	}
}

// Text makes a text value.
func Text(s string) *Value {
	raw, err := json.Marshal(s)
	if err != nil {
		return &Value{Kind: Null, raw: []byte("null")}
	}
	return &Value{Kind: String, Text: s, raw: raw}
}

// Set gives a member a value, in its place; a new one goes to the end.
func (v *Value) Set(name string, value *Value) {
	for i := range v.Members {
		if v.Members[i].Name == name {
			v.Members[i].Value = value
			return
		}
	}
	v.Members = append(v.Members, Member{name, value, Text(name).raw})
}

// Split takes a document apart: one object, a list of objects, or a Graph
// collection with its list in value. Pointers and offsets stay those of the
// whole, so that faults can be shown in it.
func Split(data []byte) ([]*Value, error) {
	v, err := Parse(data)
	if err != nil {
		return nil, err
	}
	items := []*Value{v}
	if v.Kind == List {
		items = v.Items
	} else if list := v.Member("value"); list != nil && list.Kind == List {
		items = list.Items
	}
	for _, item := range items {
		if item.Kind != Object {
			return nil, &Error{item.Pointer, item.Offset, "this is an object, not " + item.Kind.String()}
		}
	}
	return items, nil
}

// Patch changes a document as PATCH does in Graph: members of the patch
// replace those of the document, objects member by member, null becomes null;
// everything else stays as it is.
func Patch(document, patch []byte) ([]byte, error) {
	d, err := Parse(document)
	if err != nil {
		return nil, err
	}
	p, err := Parse(patch)
	if err != nil {
		return nil, err
	}
	if d.Kind != Object || p.Kind != Object {
		return nil, &Error{Message: "a patch and what it changes are objects"}
	}
	d.merge(p)
	return d.Bytes(), nil
}

func (v *Value) merge(patch *Value) {
	for _, m := range patch.Members {
		if old := v.Member(m.Name); old != nil && old.Kind == Object && m.Value.Kind == Object {
			old.merge(m.Value)
			continue
		}
		v.Set(m.Name, m.Value)
	}
}
