package policyfile

import (
	"strings"
	"unicode/utf8"
)

const (
	indentBy = 2
	// maxFlow is how wide a line with brackets may be before it is written as a block, in characters.
	maxFlow = 100
)

// YAML is a value as YAML in the one layout that Format writes, ended by a newline.
func YAML(n *Node) []byte {
	w := writer{}
	w.root(n)
	var b strings.Builder
	for _, l := range w.lines {
		b.WriteString(strings.Repeat(" ", l.indent) + l.text + "\n")
	}
	return []byte(b.String())
}

// line is one line of YAML, and where in the source its first value stood.
type line struct {
	indent int
	text   string
	pos    Pos // zero: it belongs to the line before (a block's text)
}

// writer makes the lines of a document.
type writer struct {
	lines    []line
	cautious bool                       // quotes around every text
	broken   func(first, last Pos) bool // a comment stands between; nil: there are none
}

func (w *writer) add(indent int, text string, pos Pos) {
	if strings.HasPrefix(text, "-") && pos.Column > indentBy { // the line begins at the dash, the value behind it
		pos.Column -= indentBy
	}
	w.lines = append(w.lines, line{indent, text, pos})
}

func (w *writer) root(n *Node) {
	if (n.Kind == List && len(n.Items) > 0) || (n.Kind == Object && len(n.Members) > 0) {
		w.block(n, 0, "")
		return
	}
	w.value(n, 0, "", n.Pos)
}

// block writes a list or mapping line by line; lead is what stands before its first line.
func (w *writer) block(n *Node, indent int, lead string) {
	if n.Kind == List {
		for _, item := range n.Items {
			w.item(item, indent)
		}
		return
	}
	for i, m := range n.Members {
		at, before := indent, ""
		if i == 0 && lead != "" {
			at, before = indent-indentBy, lead
		}
		w.value(m.Value, at, before+key(m.Name, w.cautious)+":", m.Pos)
	}
}

func (w *writer) item(n *Node, indent int) {
	_, fits := w.flow(n, indent+indentBy)
	switch {
	case n.Kind == Object && len(n.Members) > 0 && !fits:
		w.block(n, indent+indentBy, "- ")
	case n.Kind == List && len(n.Items) > 0 && !fits:
		w.add(indent, "-", n.Pos)
		w.block(n, indent+indentBy, "")
	default:
		w.value(n, indent, "-", n.Pos)
	}
}

// value writes what stands behind a lead such as "name:" or "-".
func (w *writer) value(n *Node, indent int, lead string, pos Pos) {
	space := " "
	if lead == "" {
		space = ""
	}
	nested := indent + indentBy
	if strings.HasPrefix(lead, "- ") {
		nested += indentBy
	}
	if n.Kind == String {
		if header, text := literal(n.Text); header != "" && lead != "" {
			w.add(indent, lead+" "+header, pos)
			for _, l := range text {
				if l == "" {
					w.add(0, "", Pos{})
				} else {
					w.add(nested, l, Pos{})
				}
			}
			return
		}
	}
	if text, fits := w.flow(n, indent+utf8.RuneCountInString(lead)+1); fits {
		w.add(indent, lead+space+text, pos)
		return
	}
	w.add(indent, lead, pos)
	w.block(n, nested, "")
}

// flow is a value on one line, if it may stand on one that begins at a column.
func (w *writer) flow(n *Node, column int) (text string, fits bool) {
	switch n.Kind {
	case List:
		if len(n.Items) == 0 {
			return "[]", true
		}
	case Object:
		if len(n.Members) == 0 {
			return "{}", true
		}
	default:
		return scalar(n, w.cautious, false), true
	}
	if !n.Flow || w.broken != nil && w.broken(n.Pos, n.last()) {
		return "", false
	}
	text = w.inline(n)
	return text, column+utf8.RuneCountInString(text) <= maxFlow
}

// inline writes a value in brackets and braces.
func (w *writer) inline(n *Node) string {
	var parts []string
	switch n.Kind {
	case List:
		for _, item := range n.Items {
			parts = append(parts, w.inline(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case Object:
		for _, m := range n.Members {
			parts = append(parts, key(m.Name, w.cautious)+": "+w.inline(m.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return scalar(n, w.cautious, true)
}

// last is where the last value in n begins.
func (n *Node) last() Pos {
	switch {
	case n.Kind == List && len(n.Items) > 0:
		return n.Items[len(n.Items)-1].last()
	case n.Kind == Object && len(n.Members) > 0:
		return n.Members[len(n.Members)-1].Value.last()
	}
	return n.Pos
}
