package tenant

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

const (
	maxXMLDepth = 100      // elements in one another; Export-Clixml's -Depth is 2 unless told
	maxXMLNodes = 1 << 19  // of one object
	maxXMLText  = 64 << 20 // bytes of the texts of one object
	maxRefs     = 1 << 17  // nested objects that a later Ref may name
	maxRefParts = 32       // of such an object; a Ref to a larger one is not known
)

// clixmlStream reads what Export-Clixml writes, object by object. Entities of
// the file's own and documents with a DOCTYPE are refused: nothing is ever
// expanded.
type clixmlStream struct {
	d     *xml.Decoder
	in    *tokenReader
	types map[string]string // TN by RefId: the class
	refs  map[string]*named // Obj by RefId
	nodes int
	bytes int
	line  int
}

// named is an object that a later Ref may name, with what it adds to whatever
// does: an object of Refs to objects of Refs would be few bytes and without end.
type named struct {
	value
	nodes, bytes int
}

func newCLIXMLStream(r io.Reader) *clixmlStream {
	in := &tokenReader{r: r}
	c := &clixmlStream{d: xml.NewDecoder(in), in: in, types: map[string]string{}, refs: map[string]*named{}}
	c.d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // was made UTF-8 already
	return c
}

// tokenReader ends a token that is too long: the decoder would hold all of it.
type tokenReader struct {
	r    io.Reader
	left int
}

func (t *tokenReader) Read(p []byte) (int, error) {
	if t.left <= 0 {
		return 0, fmt.Errorf("one text or tag is larger than %d MB", maxRow>>20)
	}
	n, err := t.r.Read(p)
	t.left -= n
	return n, err
}

func (c *clixmlStream) token() (xml.Token, error) {
	c.in.left = maxRow + 64<<10 // what the decoder has read ahead
	t, err := c.d.Token()
	if _, ok := t.(xml.Directive); ok {
		return nil, c.fault("a DOCTYPE has no place here")
	}
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		c.line = syntax.Line
		message := "no well-formed XML: " + syntax.Msg
		if strings.Contains(syntax.Msg, "unexpected EOF") {
			message = "the file ends in the middle: it was cut off"
		}
		return nil, &jsonFault{syntax.Line, message}
	}
	return t, err
}

func (c *clixmlStream) fault(format string, args ...any) error {
	line, _ := c.d.InputPos()
	return &jsonFault{line, fmt.Sprintf(format, args...)}
}

// records calls with each object, its class and the line it begins at.
func (c *clixmlStream) records(yield func(v *value, class string, line int) error) error {
	root := false
	for {
		t, err := c.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		if !root {
			if start.Name.Local != "Objs" {
				return c.fault("this is XML, but not what Export-Clixml writes: it begins with %s", start.Name.Local)
			}
			root = true
			continue
		}
		line, _ := c.d.InputPos()
		c.nodes, c.bytes = 0, 0
		v, class, err := c.element(start, 1)
		if err != nil {
			return err
		}
		each := []value{v}
		if v.kind == list { // a list piped as one object
			each, class = v.items, ""
		}
		for i := range each {
			if err := yield(&each[i], class, line); err != nil {
				return err
			}
		}
	}
}

// element reads one value with its end.
func (c *clixmlStream) element(start xml.StartElement, depth int) (value, string, error) {
	if c.nodes++; depth > maxXMLDepth || c.nodes > maxXMLNodes {
		return value{}, "", c.fault("an object nested deeper than %d levels or of more than %d parts", maxXMLDepth, maxXMLNodes)
	}
	switch start.Name.Local {
	case "Obj":
		return c.obj(start, depth)
	case "Nil":
		return value{}, "", c.d.Skip()
	case "Ref":
		if v := c.refs[attribute(start, "RefId")]; v != nil {
			c.nodes, c.bytes = c.nodes+v.nodes, c.bytes+v.bytes
			if c.nodes > maxXMLNodes || c.bytes > maxXMLText {
				return value{}, "", c.fault("an object of more than %d parts or %d MB", maxXMLNodes, maxXMLText>>20)
			}
			return v.value, "", c.d.Skip()
		}
		return value{kind: text, text: "System.Object"}, "", c.d.Skip() // not known, which is not empty
	}
	s, err := c.chars()
	v := value{kind: text, text: s}
	switch start.Name.Local {
	case "B":
		v.kind = boolean
	case "I16", "I32", "I64", "U16", "U32", "U64", "By", "SB", "Sg", "Db", "D":
		v.kind = number
	}
	return v, "", err
}

// chars is the text up to the element's end.
func (c *clixmlStream) chars() (string, error) {
	var b strings.Builder
	for {
		t, err := c.token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			if c.bytes += len(t); b.Len()+len(t) > maxRow || c.bytes > maxXMLText {
				return "", c.fault("a text is larger than %d MB, or the texts of one object than %d MB", maxRow>>20, maxXMLText>>20)
			}
			b.Write(t)
		case xml.StartElement:
			if err := c.d.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return unescape(b.String()), nil
		}
	}
}

// obj reads an object: its properties, a list, an enumeration's word, or what
// it calls itself.
func (c *clixmlStream) obj(start xml.StartElement, depth int) (value, string, error) {
	v := value{kind: object}
	class, calls := "", ""
	nodes, size := c.nodes, c.bytes
	scalar := false
	for {
		t, err := c.token()
		if err != nil {
			return v, "", err
		}
		if _, end := t.(xml.EndElement); end {
			break
		}
		e, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		switch name := e.Name.Local; name {
		case "TN":
			class, err = c.typeNames(e)
		case "TNRef":
			class, err = c.types[attribute(e, "RefId")], c.d.Skip()
		case "ToString":
			calls, err = c.chars()
		case "Props", "MS":
			err = c.properties(&v, depth)
		case "LST", "IE", "QUE", "STK":
			v.kind = list
			err = c.list(&v, depth)
		case "DCT":
			err = c.dictionary(&v, depth)
		default: // the number of an enumeration, or the value that was given more properties
			var inner value
			if inner, _, err = c.element(e, depth+1); err == nil {
				v.text, scalar = inner.text, true
				if calls == "" {
					calls = inner.text
				}
			}
		}
		if err != nil {
			return v, "", err
		}
	}
	switch {
	case v.kind == list:
		v.members = nil
	case scalar && len(v.members) == 0:
		v = value{kind: text, text: calls}
	case len(v.members) == 0 && calls != "":
		v = value{kind: text, text: calls}
	default:
		v.text = calls
	}
	if id := attribute(start, "RefId"); id != "" && depth > 1 && len(c.refs) < maxRefs && c.nodes-nodes <= maxRefParts && c.bytes-size <= maxText {
		c.refs[id] = &named{v, c.nodes - nodes, c.bytes - size}
	}
	return v, class, nil
}

// typeNames takes the most derived class and remembers it under its number.
func (c *clixmlStream) typeNames(start xml.StartElement) (string, error) {
	class := ""
	for {
		t, err := c.token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			name, err := c.chars()
			if err != nil {
				return "", err
			}
			if class == "" {
				class = name
			}
		case xml.EndElement:
			_ = t
			if len(c.types) < maxRefs {
				c.types[attribute(start, "RefId")] = class
			}
			return class, nil
		}
	}
}

func (c *clixmlStream) properties(v *value, depth int) error {
	return c.children(func(e xml.StartElement) error {
		inner, _, err := c.element(e, depth+1)
		if err == nil {
			v.members = append(v.members, member{unescape(attribute(e, "N")), inner})
		}
		return err
	})
}

func (c *clixmlStream) list(v *value, depth int) error {
	return c.children(func(e xml.StartElement) error {
		inner, _, err := c.element(e, depth+1)
		if err == nil {
			v.items = append(v.items, inner)
		}
		return err
	})
}

// dictionary reads DCT: entries of a Key and a Value.
func (c *clixmlStream) dictionary(v *value, depth int) error {
	return c.children(func(xml.StartElement) error {
		m := member{}
		err := c.children(func(e xml.StartElement) error {
			inner, _, err := c.element(e, depth+2)
			if attribute(e, "N") == "Key" {
				m.name = inner.word()
			} else {
				m.value = inner
			}
			return err
		})
		if err == nil {
			v.members = append(v.members, m)
		}
		return err
	})
}

// children calls with each element up to the end of the one that is open.
func (c *clixmlStream) children(each func(xml.StartElement) error) error {
	for {
		t, err := c.token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := each(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

var escaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// unescape undoes CLIXML's way to write characters that XML has not: _x000A_.
func unescape(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	return escaped.ReplaceAllStringFunc(s, func(e string) string {
		n, err := strconv.ParseUint(e[2:6], 16, 16)
		if err != nil {
			return e
		}
		return string(rune(n))
	})
}
