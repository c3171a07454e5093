// Package policyfile reads what people write by hand, YAML or JSON, and
// remembers where each value stood. Whoever judges the content (package
// policy/graph, package config) speaks of JSON and JSON pointers; the person
// sees the file, the line and a caret under the word.
//
// It is strict: no duplicate keys, no merge keys, no tags but !!str, and
// "yes" is a text. JSON files are passed on to the byte. It knows nothing of
// what the values mean.
package policyfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxFile bounds a file: 10,000 policies have about 15 MB.
const maxFile = 32 << 20

// Kind is what a value is, in JSON's words.
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

var kindNames = [...]string{"null", "true or false", "a number", "a text", "a list", "a mapping"}

// String is the kind in a sentence: "a text".
func (k Kind) String() string { return kindNames[k] }

// Pos is a place in a file; lines and columns (in characters) count from 1.
type Pos struct{ Line, Column int }

// Node is one value and where it stood.
type Node struct {
	Kind Kind
	// Text is the scalar: the text itself, a number as JSON writes it, "true" or "false".
	Text    string
	Pos     Pos
	Items   []*Node
	Members []Member
	// Flow says that a list or mapping is written in brackets or braces.
	Flow bool
}

// Member is one member of an Object, in the file's order.
type Member struct {
	Name  string
	Pos   Pos
	Value *Node
}

// Get finds a member's value, nil if there is none.
func (n *Node) Get(name string) *Node {
	for _, m := range n.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// Document is one document of a file.
type Document struct {
	Root *Node

	source   *source
	raw      []byte // what a JSON file said, to the byte
	anchored bool   // there are anchors in it
}

// source is a file's name and lines, for faults.
type source struct {
	name   string
	text   []byte
	hidden []string // what excerpts must not show
}

// Read reads all documents of a file, "-" being standard input's name for stdin.
func Read(path string, stdin io.Reader) ([]*Document, error) {
	var in io.Reader = stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return Parse(path, b)
}

// Parse reads all documents of a text; name is what faults call the file. A
// text that starts like JSON and is JSON is taken as it is, else it is YAML.
func Parse(name string, text []byte) ([]*Document, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	s := &source{name: name, text: text}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	if i := badByte(text); i >= 0 {
		return nil, s.fault(s.at(i), "", "this is no UTF-8 text")
	}
	if looksLikeJSON(text) {
		docs, err := parseJSON(s)
		if err == nil || strings.HasSuffix(strings.ToLower(name), ".json") {
			return docs, err
		}
		if yaml, yamlErr := parseYAML(s); yamlErr == nil {
			return yaml, nil
		}
		return nil, err // it was meant as JSON
	}
	return parseYAML(s)
}

func looksLikeJSON(text []byte) bool {
	t := bytes.TrimLeft(text, " \t\r\n")
	return len(t) > 0 && (t[0] == '{' || t[0] == '[')
}

// badByte finds the first byte that no text has, -1 if there is none.
func badByte(text []byte) int {
	if utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 {
		return -1
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == 0 || r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// JSON is the document as JSON: members in the file's order, numbers as
// written; a JSON file's bytes as they are.
func (d *Document) JSON() []byte {
	if d.raw != nil {
		return d.raw
	}
	var b bytes.Buffer
	d.Root.write(&b)
	return b.Bytes()
}

func (n *Node) write(b *bytes.Buffer) {
	switch n.Kind {
	case Null:
		b.WriteString("null")
	case Bool, Number:
		b.WriteString(n.Text)
	case String:
		writeText(b, n.Text)
	case List:
		b.WriteByte('[')
		for i, v := range n.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			v.write(b)
		}
		b.WriteByte(']')
	case Object:
		b.WriteByte('{')
		for i, m := range n.Members {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, m.Name)
			b.WriteByte(':')
			m.Value.write(b)
		}
		b.WriteByte('}')
	}
}

func writeText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	b.Truncate(b.Len() - 1)
}

// find walks a JSON pointer (RFC 6901) as far as the document goes; name is
// where the last member found has its name, or the last item its value.
func (d *Document) find(pointer string) (value *Node, name Pos, whole bool) {
	n, pos := d.Root, d.Root.Pos
	if pointer == "" {
		return n, pos, true
	}
	for _, token := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		next, at := n.child(token)
		if next == nil {
			return n, pos, false
		}
		n, pos = next, at
	}
	return n, pos, true
}

func (n *Node) child(token string) (*Node, Pos) {
	for _, m := range n.Members {
		if m.Name == token {
			return m.Value, m.Pos
		}
	}
	if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(n.Items) {
		return n.Items[i], n.Items[i].Pos
	}
	return nil, Pos{}
}

// Pointer adds a token to a JSON pointer.
func Pointer(base, token string) string {
	return base + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
}

// Fault says what is wrong with the value at a JSON pointer; what is missing
// is shown at the name of what should have held it.
func (d *Document) Fault(pointer, format string, args ...any) *Fault {
	n, pos, whole := d.find(pointer)
	if whole {
		pos = n.Pos
	}
	return d.source.fault(pos, pointer, fmt.Sprintf(format, args...))
}

// Pos is where the value at a JSON pointer stands, or what should have held it.
func (d *Document) Pos(pointer string) Pos {
	n, pos, whole := d.find(pointer)
	if whole {
		return n.Pos
	}
	return pos
}

// NameFault says what is wrong with a member's name (an unknown key).
func (d *Document) NameFault(pointer, format string, args ...any) *Fault {
	_, pos, _ := d.find(pointer)
	return d.source.fault(pos, pointer, fmt.Sprintf(format, args...))
}

// FaultAt says what is wrong at a place, for those who walk the nodes.
func (d *Document) FaultAt(pos Pos, format string, args ...any) *Fault {
	return d.source.fault(pos, "", fmt.Sprintf(format, args...))
}

// Hide keeps a text, a secret found in the document, out of excerpts from now on.
func (d *Document) Hide(text string) {
	if text != "" {
		d.source.hidden = append(d.source.hidden, text)
	}
}

// Name is the file's name as faults call it.
func (d *Document) Name() string { return d.source.name }

// JSON is a value as JSON, as Document.JSON writes the whole.
func JSON(n *Node) []byte {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}
