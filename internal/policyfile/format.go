package policyfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Format writes a file in one layout, in the order in which it is written and
// with its comments: two blanks per level, no quotes where none are needed,
// brackets and braces where they stood and fit. It is its own fixed point, and
// what it writes reads the same: it looks, and gives an error otherwise.
func Format(name string, text []byte) ([]byte, error) {
	docs, err := Parse(name, text)
	if err != nil {
		return nil, err
	}
	if len(docs) == 1 && docs[0].raw != nil {
		var b bytes.Buffer
		if err := json.Indent(&b, docs[0].raw, "", "  "); err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
		return append(b.Bytes(), '\n'), nil
	}
	for _, d := range docs {
		if d.anchored {
			return nil, d.Fault("", "anchors and aliases would be written out: do it by hand, or leave the file as it is")
		}
	}
	s := &source{name: name, text: bytes.TrimPrefix(text, []byte("\ufeff"))}
	for _, cautious := range []bool{false, true} {
		out, err := s.format(cautious)
		if err != nil {
			return nil, err
		}
		if s.keeps(docs, out, cautious) {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%s: this cannot be laid out anew without changing what it says; it is left as it is", name)
}

// keeps says that a new layout holds the same values and comments, and would
// itself not be changed.
func (s *source) keeps(docs []*Document, out []byte, cautious bool) bool {
	again, err := Parse(s.name, out)
	if err != nil || len(again) != len(docs) {
		return false
	}
	for i := range docs {
		if !bytes.Equal(docs[i].JSON(), again[i].JSON()) {
			return false
		}
	}
	next := &source{name: s.name, text: out}
	if !slices.Equal(texts(s.comments()), texts(next.comments())) {
		return false
	}
	twice, err := next.format(cautious)
	return err == nil && bytes.Equal(twice, out)
}

// comment is a comment and where it stands; own says that nothing else is on its line.
type comment struct {
	text string
	pos  Pos
	own  bool
}

func texts(all []comment) (out []string) {
	for _, c := range all {
		out = append(out, c.text)
	}
	return out
}

// comments are the file's, in their order.
func (s *source) comments() (all []comment) {
	for before, part := range s.documents() {
		all = append(all, commentsOf(part, before)...)
	}
	return all
}

// commentsOf are a document's comments, placed in the file.
func commentsOf(part []byte, before int) (all []comment) {
	lines := strings.Split(string(part), "\n")
	for _, t := range lexer.Tokenize(string(part)) {
		if t.Type != token.CommentType || t.Position == nil {
			continue
		}
		c := comment{text: "#" + strings.TrimRight(t.Value, " \t\r"), pos: Pos{t.Position.Line, t.Position.Column}}
		if n := t.Position.Line - 1; n >= 0 && n < len(lines) {
			c.own = strings.HasPrefix(strings.TrimLeft(lines[n], " \t"), "#")
			if i := strings.Index(lines[n], "#"); c.own && i >= 0 {
				c.pos.Column = i + 1
			}
		}
		c.pos.Line += before
		all = append(all, c)
	}
	return all
}

// format lays out every document.
func (s *source) format(cautious bool) ([]byte, error) {
	var parts []string
	all := strings.Split(string(s.text), "\n")
	blank := func(number int) bool { // of the file's lines, from 1
		return number >= 1 && number <= len(all) && strings.TrimSpace(all[number-1]) == ""
	}
	for before, part := range s.documents() {
		doc, err := parseDocument(s, before, part)
		if err != nil {
			return nil, err
		}
		comments := commentsOf(part, before)
		w := writer{cautious: cautious, broken: func(first, last Pos) bool {
			return slices.ContainsFunc(comments, func(c comment) bool {
				return c.pos.Line >= first.Line && (c.pos.Line < last.Line || c.own && c.pos.Line == last.Line)
			})
		}}
		if doc != nil {
			w.root(doc.Root)
		}
		if lines := merged(w.lines, comments, blank); len(lines) > 0 {
			parts = append(parts, strings.Join(lines, "\n")+"\n")
		}
	}
	return []byte(strings.Join(parts, "---\n")), nil
}

// merged puts comments among the lines: one with a line of its own before the
// next value, the others behind the value that they stood behind. A blank line
// before a line stays one.
func merged(lines []line, comments []comment, blank func(int) bool) (out []string) {
	put := func(indent int, text string, pos Pos) {
		if len(out) > 0 && pos.Line > 0 && blank(pos.Line-1) {
			out = append(out, "")
		}
		out = append(out, strings.TrimRight(strings.Repeat(" ", indent)+text, " "))
	}
	var open []line // the lines that we are in, by depth
	next := 0
	for i, l := range lines {
		if l.pos.Line == 0 {
			out = append(out, strings.TrimRight(strings.Repeat(" ", l.indent)+l.text, " "))
			continue
		}
		for ; next < len(comments) && comments[next].pos.Line < l.pos.Line; next++ {
			put(indentOf(comments[next], open, &l), comments[next].text, comments[next].pos)
		}
		until := 0 // the line of the next value
		for _, after := range lines[i+1:] {
			if until = after.pos.Line; until > 0 {
				break
			}
		}
		text := l.text
		for ; next < len(comments) && !comments[next].own && (until == 0 || comments[next].pos.Line < until); next++ {
			text += " " + comments[next].text
		}
		put(l.indent, text, l.pos)
		for len(open) > 0 && open[len(open)-1].indent >= l.indent {
			open = open[:len(open)-1]
		}
		open = append(open, l)
	}
	for ; next < len(comments); next++ {
		put(indentOf(comments[next], open, nil), comments[next].text, comments[next].pos)
	}
	return out
}

// indentOf is how far a comment on its own line is indented: as the deepest
// value around it that does not stand further right than it did.
func indentOf(c comment, open []line, next *line) int {
	best, column := 0, 0
	for _, l := range open {
		if l.pos.Column <= c.pos.Column && l.pos.Column >= column {
			best, column = l.indent, l.pos.Column
		}
	}
	if next != nil && (next.pos.Column <= c.pos.Column && next.pos.Column >= column || best > next.indent && c.pos.Column <= next.pos.Column) {
		best = next.indent
	}
	return best
}
