package tenant

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy/exchange"
)

// kind is what a value is, whatever form it was read from.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// value is one value of a record: of JSON, of a CSV row (an object of texts
// and nulls) or of CLIXML. Its texts may share memory with the whole record.
type value struct {
	kind    kind
	text    string // of a scalar; of an object from CLIXML what it calls itself
	items   []value
	members []member
}

type member struct {
	name  string
	value value
}

// get finds a member by its name in any case; a null value if there is none.
func (v *value) get(name string) *value {
	if m, ok := v.find(name); ok {
		return m
	}
	return &value{}
}

func (v *value) find(name string) (*value, bool) {
	for i := range v.members {
		m := &v.members[i]
		if len(m.name) == len(name) && (m.name == name || strings.EqualFold(m.name, name)) {
			return &m.value, true
		}
	}
	return nil, false
}

// has says that there is such a member, be it null.
func (v *value) has(name string) bool {
	_, ok := v.find(name)
	return ok
}

func (v *value) hasAny(names ...string) bool { return slices.ContainsFunc(names, v.has) }

// word is a scalar's text, or what an object calls itself: Exchange's
// identities come as texts or as objects with a Name.
func (v *value) word() string {
	switch v.kind {
	case text, number, boolean:
		return strings.TrimSpace(v.text)
	case object:
		if v.text != "" {
			return strings.TrimSpace(v.text)
		}
		if low, high := v.get("LowerBound").word(), v.get("UpperBound").word(); low != "" && high != "" { // a range of addresses
			return low + "-" + high
		}
		for _, name := range []string{"DistinguishedName", "Address", "Name", "Value"} {
			if m, ok := v.find(name); ok && m.kind == text {
				return strings.TrimSpace(m.text)
			}
		}
	case list:
		if len(v.items) == 1 {
			return v.items[0].word()
		}
	}
	return ""
}

// maxText bounds a name or an id that is kept, in bytes: Exchange's longest,
// distinguished names, have some hundred.
const maxText = 1 << 10

// kept is a text free of the record's memory, and cut where it is too long for
// any name.
func kept(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return strings.Clone(s)
}

// said is the word of the first of these members that has one, kept.
func (v *value) said(names ...string) string {
	for _, name := range names {
		if w := v.get(name).word(); w != "" && !lostList(w) {
			return kept(w)
		}
	}
	return ""
}

// truths are how true and false are written: by .NET, by JSON, and by
// spreadsheets that saved the file again in their language.
var truths = map[string]bool{
	"true": true, "1": true, "$true": true, "yes": true, "wahr": true, "vrai": true, "verdadero": true, "vero": true, "waar": true, "sant": true,
	"false": false, "0": false, "$false": false, "no": false, "falsch": false, "faux": false, "falso": false, "onwaar": false, "falskt": false,
}

var yes, no = true, false

// truth is true or false; nil for everything else.
func (v *value) truth() *bool {
	if is, ok := truths[strings.ToLower(v.word())]; ok {
		if is {
			return &yes
		}
		return &no
	}
	return nil
}

// setting is an on/off value with Exchange's null kept apart from what cannot
// be read: the empty text of a broken export and class names are Hidden.
func (v *value) setting(name string) exchange.Setting {
	m, ok := v.find(name)
	if !ok {
		return exchange.Absent
	}
	switch is := m.truth(); {
	case m.kind == null:
		return exchange.Null
	case is != nil && *is:
		return exchange.On
	case is != nil:
		return exchange.Off
	case strings.EqualFold(m.word(), "null") || strings.EqualFold(m.word(), "$null"):
		return exchange.Null
	}
	return exchange.Hidden
}

// className is what ConvertTo-Csv and a too small -Depth print in place of a
// collection or object.
var className = regexp.MustCompile("^(System|Microsoft|Deserialized)\\.[A-Za-z0-9_.+]+(`[0-9]+\\[[^\\r\\n]*\\])?(\\[\\])?$")

func lostList(s string) bool {
	return className.MatchString(s) || strings.HasPrefix(s, "@{")
}

// words is a list of texts: a list, or a cell that holds several. lost says
// that an export put something in place of the list, or of one of its members,
// that does not tell what it was: then what is left must not pass for the whole.
func (v *value) words() (all []string, lost bool) {
	switch v.kind {
	case list:
		for i := range v.items {
			item := &v.items[i]
			if w := item.word(); w != "" && !lostList(w) {
				all = append(all, kept(w))
			} else if item.kind != null && (item.kind != text || w != "") {
				lost = true
			}
		}
	case text, number:
		if lostList(v.text) {
			return nil, true
		}
		for _, w := range strings.FieldsFunc(v.text, func(r rune) bool { return r == ';' || r == ',' || r == '\n' || r == '|' }) {
			if w = strings.Trim(strings.TrimSpace(w), "{}\r"); w != "" {
				all = append(all, kept(w))
			}
		}
	case object:
		if inner, ok := v.find("value"); ok && inner.kind == list { // as Windows PowerShell writes a list that has properties
			return inner.words()
		}
		w := v.word()
		if w == "" || lostList(w) {
			return nil, len(v.members) > 0
		}
		all = append(all, kept(w))
	case boolean:
		lost = true
	}
	return all, lost
}

// ids are the ids of a list of objects, or of texts.
func (v *value) ids() (all []string, lost bool) {
	if inner, ok := v.find("value"); ok && v.kind == object && inner.kind == list {
		v = inner
	}
	if v.kind != list {
		return v.words()
	}
	for i := range v.items {
		id := v.items[i].said("id")
		if id == "" && v.items[i].kind != object {
			id = kept(v.items[i].word())
		}
		if id == "" || lostList(id) {
			lost = true
			continue
		}
		all = append(all, id)
	}
	return all, lost
}

// graphJSON writes the value as Graph does: names begin with small letters,
// what PowerShell put aside under AdditionalProperties stands where it
// belongs, and the empty objects it makes of null are gone.
func (v *value) graphJSON() []byte {
	var b bytes.Buffer
	v.writeGraph(&b)
	return b.Bytes()
}

func (v *value) writeGraph(b *bytes.Buffer) {
	switch v.kind {
	case null:
		b.WriteString("null")
	case boolean, number:
		b.WriteString(v.text)
	case text:
		quoted, err := json.Marshal(v.text)
		if err != nil { // a text always encodes
			quoted = []byte(`""`)
		}
		b.Write(quoted)
	case list:
		b.WriteByte('[')
		for i := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			v.items[i].writeGraph(b)
		}
		b.WriteByte(']')
	case object:
		v.writeMembers(b)
	}
}

func (v *value) writeMembers(b *bytes.Buffer) {
	b.WriteByte('{')
	seen := map[string]bool{}
	add := func(m *member) {
		name := camel(m.name)
		if seen[name] || m.value.void() {
			return
		}
		if len(seen) > 0 {
			b.WriteByte(',')
		}
		seen[name] = true
		quoted := value{kind: text, text: name}
		quoted.writeGraph(b)
		b.WriteByte(':')
		m.value.writeGraph(b)
	}
	for i := range v.members {
		if !strings.EqualFold(v.members[i].name, "AdditionalProperties") {
			add(&v.members[i])
		}
	}
	more := v.get("AdditionalProperties")
	for i := range more.members {
		add(&more.members[i])
	}
	b.WriteByte('}')
}

// void says that an object or list holds nothing but nulls.
func (v *value) void() bool {
	switch v.kind {
	case null:
		return true
	case object:
		return !slices.ContainsFunc(v.members, func(m member) bool { return !m.value.void() })
	}
	return false
}

func camel(name string) string {
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return name
	}
	return strings.ToLower(name[:1]) + name[1:]
}
