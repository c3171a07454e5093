package policyfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// parseJSON reads one JSON value, keeping its bytes.
func parseJSON(s *source) ([]*Document, error) {
	r := &jsonReader{s: s, d: json.NewDecoder(bytes.NewReader(s.text))}
	r.d.UseNumber()
	root, err := r.value("")
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, r.located(err)
	}
	return []*Document{{Root: root, source: s, raw: bytes.TrimSpace(s.text)}}, nil
}

type jsonReader struct {
	s     *source
	d     *json.Decoder
	depth int

	// counted is where pos stopped counting: places are asked for in order,
	// and counting each from the start would take squared time.
	counted int
	at      Pos
}

const maxDepth = 200 // of lists and mappings in one another

// next gives the next token and where it stands.
func (r *jsonReader) next() (json.Token, Pos, error) {
	from := int(r.d.InputOffset())
	t, err := r.d.Token()
	if err != nil {
		return nil, Pos{}, err
	}
	// What lies between two tokens is white space, a comma or a colon.
	for from < len(r.s.text) && bytes.IndexByte([]byte(" \t\r\n,:"), r.s.text[from]) >= 0 {
		from++
	}
	return t, r.pos(from), nil
}

func (r *jsonReader) pos(offset int) Pos {
	if r.at.Line == 0 {
		r.at = Pos{1, 1}
	}
	for r.counted < offset {
		if b := r.s.text[r.counted]; b == '\n' {
			r.at = Pos{r.at.Line + 1, 1}
		} else if b&0xc0 != 0x80 { // not the middle of a character
			r.at.Column++
		}
		r.counted++
	}
	return r.at
}

func (r *jsonReader) value(pointer string) (*Node, error) {
	t, pos, err := r.next()
	if err != nil {
		return nil, err
	}
	n := &Node{Pos: pos}
	switch v := t.(type) {
	case nil:
	case bool:
		n.Kind, n.Text = Bool, fmt.Sprint(v)
	case json.Number:
		n.Kind, n.Text = Number, v.String()
	case string:
		n.Kind, n.Text = String, v
	case json.Delim:
		if r.depth++; r.depth > maxDepth {
			return nil, r.s.fault(pos, pointer, "nested too deeply")
		}
		defer func() { r.depth-- }()
		if v == '[' {
			n.Kind = List
			return n, r.items(n, pointer)
		}
		n.Kind = Object
		return n, r.members(n, pointer)
	}
	return n, nil
}

func (r *jsonReader) items(n *Node, pointer string) error {
	for r.d.More() {
		v, err := r.value(fmt.Sprintf("%s/%d", pointer, len(n.Items)))
		if err != nil {
			return err
		}
		n.Items = append(n.Items, v)
	}
	_, err := r.d.Token() // the closing bracket
	return err
}

func (r *jsonReader) members(n *Node, pointer string) error {
	seen := map[string]bool{}
	for r.d.More() {
		t, pos, err := r.next()
		if err != nil {
			return err
		}
		name, _ := t.(string) // Token gives nothing else here
		if seen[name] {
			return r.s.fault(pos, Pointer(pointer, name), fmt.Sprintf("%q stands here twice", name))
		}
		seen[name] = true
		v, err := r.value(Pointer(pointer, name))
		if err != nil {
			return err
		}
		n.Members = append(n.Members, Member{name, pos, v})
	}
	_, err := r.d.Token()
	return err
}

func (r *jsonReader) end() error {
	from := r.d.InputOffset()
	switch _, err := r.d.Token(); {
	case err == nil:
		for int(from) < len(r.s.text)-1 && bytes.IndexByte([]byte(" \t\r\n"), r.s.text[from]) >= 0 {
			from++
		}
		return r.s.fault(r.s.at(int(from)), "", "a second value: a JSON file holds one")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// located gives the decoder's complaints a place.
func (r *jsonReader) located(err error) error {
	var f *Fault
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &syntax):
		at := max(int(syntax.Offset)-1, 0)
		for at < len(r.s.text)-1 && bytes.IndexByte([]byte(" \t\r\n"), r.s.text[at]) >= 0 {
			at++
		}
		return r.s.fault(r.s.at(at), "", "no JSON: "+syntax.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return r.s.fault(r.s.at(len(r.s.text)), "", "the file ends before its JSON does")
	}
	return r.s.fault(r.s.at(int(r.d.InputOffset())), "", "no JSON: "+err.Error())
}
