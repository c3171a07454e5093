package policyfile

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML reads all documents of a YAML text; empty ones are left out. The
// documents are cut apart here, since the parser silently loses what follows
// an empty one.
func parseYAML(s *source) (docs []*Document, err error) {
	if f := tooDeep(s); f != nil {
		return nil, f
	}
	for line, part := range s.documents() {
		d, err := parseDocument(s, line, part)
		if err != nil {
			return nil, err
		}
		if d != nil {
			docs = append(docs, d)
		}
	}
	return docs, nil
}

// documents gives each document's text with the number of lines before it:
// one begins at a line "---" and after a line "...".
func (s *source) documents() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		start, first, number := 0, 0, 0
		for at := 0; at < len(s.text); number++ {
			line, _, _ := bytes.Cut(s.text[at:], []byte("\n"))
			if marks(line, "---") && at > start {
				if !yield(first, s.text[start:at]) {
					return
				}
				start, first = at, number
			}
			if marks(line, "...") {
				if !yield(first, s.text[start:at]) {
					return
				}
				start, first = min(at+len(line)+1, len(s.text)), number+1
			}
			at += len(line) + 1
		}
		yield(first, s.text[start:])
	}
}

func marks(line []byte, mark string) bool {
	return bytes.HasPrefix(line, []byte(mark)) && (len(line) == 3 || bytes.IndexByte([]byte(" \t\r"), line[3]) >= 0)
}

func parseDocument(s *source, before int, part []byte) (doc *Document, err error) {
	r := &yamlReader{s: s, before: before, anchors: map[string]ast.Node{}}
	defer func() {
		// The parser is somebody else's, and files come from people.
		if p := recover(); p != nil {
			doc, err = nil, r.fault(Pos{1, 1}, fmt.Sprintf("the YAML reader gave up: %v", p))
		}
	}()
	file, err := parser.ParseBytes(part, 0, parser.AllowDuplicateMapKey()) // duplicates are found below, in words
	if err != nil {
		return nil, r.syntax(err)
	}
	for _, d := range file.Docs {
		switch d.Body.(type) {
		case nil, *ast.CommentGroupNode:
			continue
		case *ast.DirectiveNode:
			return nil, r.fault(place(d.Body), "directives are not taken")
		}
		if doc != nil {
			return nil, r.fault(place(d.Body), "a second value without a line --- before it")
		}
		root, err := r.node(d.Body)
		if err != nil {
			return nil, err
		}
		doc = &Document{Root: root, source: s, anchored: len(r.anchors) > 0}
	}
	return doc, nil
}

// tooDeep refuses what would exhaust the parser's stack: brackets or dashes
// in one another without end.
func tooDeep(s *source) *Fault {
	depth := 0
	for i, b := range s.text {
		switch b {
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		}
		if depth > 10*maxDepth {
			return s.fault(s.at(i), "", "nested too deeply")
		}
	}
	for number, line := range bytes.Split(s.text, []byte("\n")) {
		lead := len(line) - len(bytes.TrimLeft(line, " \t-?:"))
		if bytes.Count(line[:lead], []byte("-"))+bytes.Count(line[:lead], []byte("?")) > maxDepth {
			return s.fault(Pos{number + 1, 1}, "", "nested too deeply")
		}
	}
	return nil
}

var inMessage = regexp.MustCompile(`^\[\d+:\d+\] `)

// syntax turns the parser's complaint into a fault of ours.
func (r *yamlReader) syntax(err error) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		return r.fault(Pos{1, 1}, "no YAML: "+err.Error())
	}
	p := y.GetToken().Position
	if strings.Contains(y.GetMessage(), "'\t'") {
		return r.fault(Pos{p.Line, p.Column}, "no YAML: a tab; lines are indented with spaces")
	}
	return r.fault(Pos{p.Line, p.Column}, "no YAML: "+inMessage.ReplaceAllString(y.GetMessage(), ""))
}

// fault says what is wrong at a place as the parser counts it.
func (r *yamlReader) fault(pos Pos, message string) *Fault {
	return r.s.fault(r.inFile(pos), "", message)
}

// inFile turns a place in the document into one in the file.
func (r *yamlReader) inFile(pos Pos) Pos {
	if pos.Line > 0 {
		pos.Line += r.before
	}
	return pos
}

const (
	maxNodes = 5_000_000 // of a document; 10,000 policies have about a million
	// maxAliased bounds what aliases unfold to: people write some, bombs are made of them.
	maxAliased = 100_000
)

type yamlReader struct {
	s       *source
	before  int // lines of the file before this document
	anchors map[string]ast.Node
	depth   int
	nodes   int
	aliases int // in one another, where we are
	aliased int // nodes that stand there by an alias
}

// node reads one value. Its place is where it stands in the file; faults on
// the way are told in the parser's own count, see fault.
func (r *yamlReader) node(n ast.Node) (*Node, error) {
	read, err := r.value(n, place(n))
	if err != nil {
		return nil, err
	}
	read.Pos = r.inFile(read.Pos)
	return read, nil
}

func (r *yamlReader) value(n ast.Node, pos Pos) (*Node, error) {
	r.nodes++
	r.depth++
	defer func() { r.depth-- }()
	if r.aliases > 0 {
		r.aliased++
	}
	switch {
	case r.depth > maxDepth:
		return nil, r.fault(pos, "nested too deeply")
	case r.nodes > maxNodes:
		return nil, r.fault(pos, fmt.Sprintf("a document has at most %d values", maxNodes))
	case r.aliased > maxAliased:
		return nil, r.fault(pos, fmt.Sprintf("the aliases unfold to more than %d values", maxAliased))
	}
	switch v := n.(type) {
	case nil, *ast.NullNode:
		return &Node{Kind: Null, Pos: pos}, nil
	case *ast.BoolNode:
		return &Node{Kind: Bool, Text: strconv.FormatBool(v.Value), Pos: pos}, nil
	case *ast.IntegerNode:
		return &Node{Kind: Number, Text: fmt.Sprint(v.Value), Pos: pos}, nil
	case *ast.FloatNode:
		return r.float(v, pos)
	case *ast.StringNode:
		return &Node{Kind: String, Text: v.Value, Pos: pos}, nil
	case *ast.LiteralNode:
		return &Node{Kind: String, Text: v.Value.Value, Pos: pos}, nil
	case *ast.SequenceNode:
		return r.list(v, pos)
	case *ast.MappingNode:
		n, err := r.object(v.Values, pos)
		if err == nil {
			n.Flow = v.IsFlowStyle
		}
		return n, err
	case *ast.MappingValueNode:
		return r.object([]*ast.MappingValueNode{v}, pos)
	case *ast.AnchorNode:
		r.anchors[v.Name.GetToken().Value] = v.Value
		return r.value(v.Value, place(v.Value))
	case *ast.AliasNode:
		return r.alias(v, pos)
	case *ast.TagNode:
		return r.tag(v, pos)
	}
	return nil, r.fault(pos, fmt.Sprintf("%s is not taken here", strings.ToLower(n.Type().String())))
}

// float keeps a number as it is written where JSON would write it so too.
func (r *yamlReader) float(v *ast.FloatNode, pos Pos) (*Node, error) {
	if math.IsInf(v.Value, 0) || math.IsNaN(v.Value) {
		return nil, r.fault(pos, "this is no number that can be used")
	}
	text := v.Token.Value
	if !jsonNumber.MatchString(text) {
		text = strconv.FormatFloat(v.Value, 'g', -1, 64)
	}
	return &Node{Kind: Number, Text: text, Pos: pos}, nil
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$`)

func (r *yamlReader) list(v *ast.SequenceNode, pos Pos) (*Node, error) {
	n := &Node{Kind: List, Pos: pos, Flow: v.IsFlowStyle}
	for _, item := range v.Values {
		if text := colonWord(item); v.IsFlowStyle && text != "" {
			n.Items = append(n.Items, &Node{Kind: String, Text: text, Pos: r.inFile(place(item))})
			continue
		}
		c, err := r.node(item)
		if err != nil {
			return nil, err
		}
		n.Items = append(n.Items, c)
	}
	return n, nil
}

// colonWord is a text such as group:board or 2001:db8::9 in brackets within
// braces, which the parser takes for a mapping though no blank follows the
// colon (YAML 1.2, 7.3.3); empty if the item is something else.
func colonWord(item ast.Node) string {
	var pair *ast.MappingValueNode
	switch v := item.(type) {
	case *ast.MappingValueNode:
		pair = v
	case *ast.MappingNode:
		if v.Start != nil && v.Start.Type == token.MappingStartType || len(v.Values) != 1 {
			return ""
		}
		pair = v.Values[0]
	default:
		return ""
	}
	key, value := pair.Key.GetToken(), pair.Value.GetToken()
	if key == nil || value == nil || key.Position == nil || value.Position == nil || !isPlain(key) || !isPlain(value) ||
		value.Position.Line != key.Position.Line || value.Position.Column != key.Position.Column+utf8.RuneCountInString(key.Value)+1 {
		return ""
	}
	return key.Value + ":" + value.Value
}

// isPlain says that a scalar stands without quotes.
func isPlain(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.IntegerType, token.FloatType, token.BoolType, token.NullType:
		return true
	}
	return false
}

func (r *yamlReader) object(values []*ast.MappingValueNode, pos Pos) (*Node, error) {
	n := &Node{Kind: Object, Pos: pos}
	seen := map[string]bool{}
	for _, m := range values {
		at := place(m.Key)
		name, err := r.name(m.Key, at)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, r.fault(at, fmt.Sprintf("%q stands here twice", name))
		}
		seen[name] = true
		v, err := r.node(m.Value)
		if err != nil {
			return nil, err
		}
		if v.Pos == (Pos{}) { // nothing stands behind the colon
			v.Pos = r.inFile(at)
		}
		n.Members = append(n.Members, Member{name, r.inFile(at), v})
	}
	return n, nil
}

func (r *yamlReader) name(key ast.MapKeyNode, at Pos) (string, error) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return key.GetToken().Value, nil
	case *ast.MergeKeyNode:
		return "", r.fault(at, "merge keys (<<) are not taken: write the members out")
	}
	return "", r.fault(at, "a key must be a simple text")
}

func (r *yamlReader) alias(v *ast.AliasNode, pos Pos) (*Node, error) {
	name := v.Value.GetToken().Value
	target, ok := r.anchors[name]
	if !ok {
		return nil, r.fault(pos, fmt.Sprintf("no anchor &%s stands before this", name))
	}
	r.aliases++
	defer func() { r.aliases-- }()
	return r.value(target, place(target))
}

func (r *yamlReader) tag(v *ast.TagNode, pos Pos) (*Node, error) {
	scalar, ok := v.Value.(ast.ScalarNode)
	if v.Start.Value != "!!str" || !ok {
		return nil, r.fault(pos, "the tag "+v.Start.Value+" is not taken")
	}
	text := scalar.GetToken().Value
	if s, ok := v.Value.(*ast.StringNode); ok {
		text = s.Value
	} else if l, ok := v.Value.(*ast.LiteralNode); ok {
		text = l.Value.Value
	}
	return &Node{Kind: String, Text: text, Pos: pos}, nil
}

// place is where a node begins: a mapping at its first key.
func place(n ast.Node) Pos {
	var t *token.Token
	switch v := n.(type) {
	case nil:
		return Pos{}
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return place(v.Values[0].Key)
		}
		t = v.Start
	case *ast.MappingValueNode:
		return place(v.Key)
	default:
		t = n.GetToken()
	}
	if t == nil || t.Position == nil {
		return Pos{}
	}
	return Pos{t.Position.Line, t.Position.Column}
}
