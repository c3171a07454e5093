package tenant

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// maxRecord bounds one record, in bytes: a group of 100,000 members has about 30 MB.
	maxRecord = 64 << 20
	maxDepth  = 64 // of lists and objects in one another; a policy needs eight
)

// jsonStream cuts records out of JSON: of one object, a list, Graph's
// collections ({"value": […]}), several of these one after the other, or in a
// list. It looks for brackets and quotes only; what a record says is read by
// parseJSON.
type jsonStream struct {
	r        io.Reader
	buf      []byte
	at, mark int // mark: what must stay in the buffer begins here
	line     int // of at
	eof      bool
	next     bool // the last page said that there is another
}

func newJSONStream(r io.Reader) *jsonStream { return &jsonStream{r: r, line: 1} }

// jsonFault is a place where the text is no JSON.
type jsonFault struct {
	line    int
	message string
}

func (e *jsonFault) Error() string { return e.message }

func (j *jsonStream) fault(format string, args ...any) error {
	return &jsonFault{j.line, fmt.Sprintf(format, args...)}
}

// records calls with each record and the line it begins at. The bytes are
// valid until the call returns.
func (j *jsonStream) records(yield func(raw []byte, line int) error) error {
	for {
		c, err := j.space()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := j.top(c, 0, yield); err != nil {
			return err
		}
	}
}

func (j *jsonStream) top(c byte, depth int, yield func([]byte, int) error) error {
	switch {
	case depth > maxDepth:
		return j.fault("lists are nested deeper than %d levels", maxDepth)
	case c == '[':
		return j.list(depth, yield)
	case c == '{':
		return j.object(depth, yield)
	}
	return j.fault("an object in braces or a list in brackets is expected here")
}

func (j *jsonStream) list(depth int, yield func([]byte, int) error) error {
	j.at++
	c, err := j.space()
	for err == nil && c != ']' {
		if err = j.top(c, depth+1, yield); err != nil {
			return err
		}
		if c, err = j.space(); err == nil && c == ',' {
			j.at++
			c, err = j.space()
		} else if err == nil && c != ']' {
			return j.fault("a comma or the list's end is missing")
		}
	}
	if err != nil {
		return j.early(err)
	}
	j.at++
	return nil
}

// object takes a record or a page of records. Which of the two it is shows
// only once its members are met.
func (j *jsonStream) object(depth int, yield func([]byte, int) error) error {
	page, more, line := false, false, j.line
	j.mark = j.at
	j.at++
	c, err := j.space()
	for err == nil && c != '}' {
		if page {
			j.mark = j.at
		}
		keyAt := j.at - j.mark
		if err = j.skip(); err != nil {
			return j.early(err)
		}
		key := string(j.buf[j.mark+keyAt : j.at])
		if c, err = j.space(); err != nil {
			return j.early(err)
		}
		if key[0] != '"' || c != ':' {
			return j.fault("a member's name in quotes and a colon are expected here")
		}
		j.at++
		if c, err = j.space(); err != nil {
			return j.early(err)
		}
		if (key == `"value"` || key == `"records"`) && c == '[' {
			page = true
			if err = j.list(depth+1, yield); err != nil {
				return err
			}
		} else if err = j.skip(); err != nil {
			return j.early(err)
		} else if key == `"@odata.nextLink"` && c == '"' {
			more = true
		}
		if c, err = j.space(); err == nil && c == ',' {
			j.at++
			c, err = j.space()
		} else if err == nil && c != '}' {
			return j.fault("a comma or the object's end is missing")
		}
	}
	if err != nil {
		return j.early(err)
	}
	j.at++
	raw := j.buf[j.mark:j.at]
	j.mark = j.at
	if page {
		j.next = more
		return nil
	}
	return yield(raw, line)
}

func (j *jsonStream) early(err error) error {
	if errors.Is(err, io.EOF) {
		return j.fault("the file ends in the middle: it was cut off")
	}
	return err
}

// space goes to the next byte that is no white space, and gives it.
func (j *jsonStream) space() (byte, error) {
	for {
		for j.at < len(j.buf) {
			switch c := j.buf[j.at]; c {
			case '\n':
				j.line++
				j.at++
			case ' ', '\t', '\r':
				j.at++
			default:
				return c, nil
			}
		}
		if err := j.fill(); err != nil {
			return 0, err
		}
	}
}

// structural are the bytes that matter within a value that is skipped.
var structural = [256]bool{'"': true, '{': true, '[': true, '}': true, ']': true, '\n': true}

// skip goes behind one value.
func (j *jsonStream) skip() error {
	depth := 0
	for {
		for j.at < len(j.buf) {
			c := j.buf[j.at]
			if depth > 0 && !structural[c] {
				j.at++
				continue
			}
			switch c {
			case '"':
				if err := j.quoted(); err != nil {
					return err
				}
				if depth == 0 {
					return nil
				}
				continue
			case '{', '[':
				depth++
				if depth > maxDepth {
					return j.fault("nested deeper than %d levels", maxDepth)
				}
			case '}', ']':
				if depth == 0 {
					return j.fault("a value is missing")
				}
				if depth--; depth == 0 {
					j.at++
					return nil
				}
			case '\n':
				j.line++
			case ' ', '\t', '\r', ',', ':':
			default:
				if depth == 0 {
					return j.scalar()
				}
			}
			j.at++
		}
		if err := j.fill(); err != nil {
			return err
		}
	}
}

// scalar goes behind a number, true, false or null.
func (j *jsonStream) scalar() error {
	for {
		for ; j.at < len(j.buf); j.at++ {
			if bytes.IndexByte([]byte(" \t\r\n,]}:"), j.buf[j.at]) >= 0 {
				return nil
			}
		}
		if err := j.fill(); err != nil {
			return err
		}
	}
}

// quoted goes behind a text in quotes. Most of a log lies in such texts, so
// they are searched for their end and not looked at byte by byte.
func (j *jsonStream) quoted() error {
	j.at++
	for start := j.at - j.mark; ; {
		i := bytes.IndexByte(j.buf[j.at:], '"')
		if i < 0 {
			j.at = len(j.buf)
			if err := j.fill(); err != nil {
				return err
			}
			continue
		}
		j.at += i
		bars := 0
		for at := j.at - 1; at >= j.mark+start && j.buf[at] == '\\'; at-- {
			bars++
		}
		j.at++
		if bars%2 == 0 {
			return nil
		}
	}
}

// fill reads more behind what is in the buffer, and drops what lies before the mark.
func (j *jsonStream) fill() error {
	if j.eof {
		return io.EOF
	}
	const step = 256 << 10
	kept := copy(j.buf, j.buf[j.mark:])
	j.at, j.mark, j.buf = j.at-j.mark, 0, j.buf[:kept]
	if kept > maxRecord {
		return j.fault("one record is larger than %d MB", maxRecord>>20)
	}
	if cap(j.buf)-kept < step {
		j.buf = append(make([]byte, 0, 2*cap(j.buf)+2*step), j.buf...)
	}
	for range 100 { // a reader may give nothing, but not for ever
		n, err := j.r.Read(j.buf[kept:cap(j.buf)])
		j.buf = j.buf[:kept+n]
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading: %w", err)
		}
		j.eof = err != nil
		if n > 0 {
			return nil
		}
		if j.eof {
			return io.EOF
		}
	}
	return io.ErrNoProgress
}
