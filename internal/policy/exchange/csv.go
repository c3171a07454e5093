package exchange

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	maxFile    = 64 << 20 // bytes; 100,000 mailboxes with every column are about 40 MB
	maxColumns = 1024     // Get-CASMailbox has about 100
	maxCell    = 1 << 20  // bytes; the longest cells are device lists
)

// CSV is a file as Export-Csv writes it, kept so that it can be written again
// byte for byte.
type CSV struct {
	form
	typeLine  string // "#TYPE …" with its line end, empty if none
	delimiter byte
	lineEnd   string // of new rows
	quoted    bool   // this file's cells stand in quotes
	header    record
	index     map[string]int // column names in lower case
	Rows      []*Row
	tail      string // blank lines at the end
}

// Cell is one value. The zero value is null.
type Cell struct {
	Text string
	Null bool // nothing between the delimiters; "" is the empty text

	raw    string // as written
	column int    // where it starts, in characters
}

// record is one line's cells, with what stands round them.
type record struct {
	lead  string // blank lines before it
	cells []Cell
	end   string // line end; empty at the end of the file
}

// Row is one line below the header.
type Row struct {
	Line int
	record
	file *CSV
}

// ReadCSV reads a whole file.
func ReadCSV(r io.Reader) (*CSV, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the CSV file: %w", err)
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("the CSV file is larger than %d MB", maxFile>>20)
	}
	text, f, err := decode(raw)
	if err != nil {
		return nil, err
	}
	c := &CSV{form: f, index: map[string]int{}, lineEnd: "\r\n"}
	s := scanner{text: text, line: 1}
	if strings.HasPrefix(text, "#TYPE ") {
		c.typeLine = s.rawLine()
	}
	c.delimiter = s.guessDelimiter()
	if err := c.readHeader(&s); err != nil {
		return nil, err
	}
	return c, c.readRows(&s)
}

func (c *CSV) readHeader(s *scanner) error {
	s.delimiter = c.delimiter
	var err error
	lead := s.skipBlank()
	line := s.line
	if c.header, err = s.record(lead); err != nil {
		return c.named(err)
	}
	if len(c.header.cells) == 0 {
		return &Error{Line: line, Message: "there is no header line with column names"}
	}
	if c.header.end != "" {
		c.lineEnd = c.header.end
	}
	for i, cell := range c.header.cells {
		c.quoted = c.quoted || strings.HasPrefix(cell.raw, `"`)
		key := strings.ToLower(cell.Text)
		if _, twice := c.index[key]; twice {
			return &Error{Line: line, Column: cell.column, Field: cell.Text, Message: "this column stands here twice"}
		}
		c.index[key] = i
	}
	return nil
}

func (c *CSV) readRows(s *scanner) error {
	for {
		lead := s.skipBlank()
		line := s.line
		rec, err := s.record(lead)
		if err != nil {
			return c.named(err)
		}
		if len(rec.cells) == 0 {
			c.tail = lead
			return nil
		}
		if n, want := len(rec.cells), len(c.header.cells); n != want {
			return &Error{Line: line, Message: fmt.Sprintf("this line has %d cells, the header has %d", n, want)}
		}
		c.Rows = append(c.Rows, &Row{Line: line, record: rec, file: c})
	}
}

// named puts the column's name into an error that has only its number.
func (c *CSV) named(err error) error {
	var e *cellError
	if !errors.As(err, &e) {
		return err
	}
	if e.cell < len(c.header.cells) {
		e.fault.Field = c.header.cells[e.cell].Text
	}
	return &e.fault
}

// Columns lists the columns' names in their order.
func (c *CSV) Columns() []string {
	names := make([]string, len(c.header.cells))
	for i, cell := range c.header.cells {
		names[i] = cell.Text
	}
	return names
}

// Has says that there is such a column, in any case.
func (c *CSV) Has(column string) bool {
	_, ok := c.index[strings.ToLower(column)]
	return ok
}

// Type is the class in the #TYPE line, empty without one.
func (c *CSV) Type() string {
	t := strings.TrimRight(strings.TrimPrefix(c.typeLine, "#TYPE "), "\r\n")
	return strings.TrimRight(t, ",;\t") // what a spreadsheet appends
}

// Delimiter separates the cells: comma, semicolon or tab.
func (c *CSV) Delimiter() byte { return c.delimiter }

// Encoding and BOM say how the file's characters are written.
func (c *CSV) Encoding() Encoding { return c.encoding }

// BOM says that the file begins with a byte order mark.
func (c *CSV) BOM() bool { return c.bom }

// Cell returns the cell of a column, in any case; false if there is no such column.
func (r *Row) Cell(column string) (Cell, bool) {
	i, ok := r.file.index[strings.ToLower(column)]
	if !ok {
		return Cell{Null: true}, false
	}
	return r.cells[i], true
}

// fault makes an error that points at a cell.
func (r *Row) fault(column, message string) *Error {
	cell, _ := r.Cell(column)
	return &Error{Line: r.Line, Column: cell.column, Field: column, Message: message}
}

// cellError is a fault within the cell of that number.
type cellError struct {
	fault Error
	cell  int
}

func (e *cellError) Error() string { return e.fault.Error() }

// scanner takes records off the text.
type scanner struct {
	text      string
	at, line  int
	counted   int // up to there col has counted this line's characters
	col       int
	delimiter byte
}

// rawLine takes a line with its end.
func (s *scanner) rawLine() string {
	start := s.at
	if i := strings.IndexByte(s.text[s.at:], '\n'); i >= 0 {
		s.at += i + 1
	} else {
		s.at = len(s.text)
	}
	s.newLine()
	return s.text[start:s.at]
}

// newLine counts a line that begins here.
func (s *scanner) newLine() { s.line, s.counted, s.col = s.line+1, s.at, 0 }

// column is the place in its line, in characters, from 1.
func (s *scanner) column() int {
	s.col += utf8.RuneCountInString(s.text[s.counted:s.at])
	s.counted = s.at
	return s.col + 1
}

// skipBlank takes empty lines, which Import-Csv skips too.
func (s *scanner) skipBlank() string {
	start := s.at
	for {
		end := s.lineEndAt(s.at)
		if end == 0 {
			return s.text[start:s.at]
		}
		s.at += end
		s.newLine()
	}
}

// lineEndAt is the length of the line end at that place, 0 if none.
func (s *scanner) lineEndAt(at int) int {
	switch rest := s.text[at:]; {
	case strings.HasPrefix(rest, "\r\n"):
		return 2
	case strings.HasPrefix(rest, "\n"):
		return 1
	}
	return 0
}

// guessDelimiter takes the most frequent candidate outside quotes in the header.
func (s *scanner) guessDelimiter() byte {
	counts, inQuotes := map[byte]int{}, false
	for _, c := range []byte(strings.TrimLeft(s.text[s.at:], "\r\n")) {
		if c == '"' {
			inQuotes = !inQuotes
		}
		if c == '\n' && !inQuotes {
			break
		}
		if !inQuotes {
			counts[c]++
		}
	}
	best := byte(',')
	for _, c := range []byte{';', '\t'} {
		if counts[c] > counts[best] {
			best = c
		}
	}
	return best
}

// record takes one line's cells; none at the end of the text.
func (s *scanner) record(lead string) (record, error) {
	rec := record{lead: lead}
	for s.at < len(s.text) {
		line, column := s.line, s.column()
		cell, err := s.cell()
		if err == nil && len(rec.cells) >= maxColumns {
			err = fmt.Errorf("more than %d columns", maxColumns)
		}
		if err != nil {
			return rec, &cellError{Error{Line: line, Column: column, Message: err.Error()}, len(rec.cells)}
		}
		cell.column = column
		rec.cells = append(rec.cells, cell)
		if end := s.lineEndAt(s.at); end > 0 || s.at == len(s.text) {
			rec.end = s.text[s.at : s.at+end]
			s.at += end
			s.newLine()
			return rec, nil
		}
		s.at++ // the delimiter
		if s.at == len(s.text) {
			rec.cells = append(rec.cells, Cell{Null: true, column: s.column()})
		}
	}
	return rec, nil
}

// cell takes one cell and stops before the delimiter or line end.
func (s *scanner) cell() (Cell, error) {
	start := s.at
	if s.text[start] == '"' {
		return s.quotedCell()
	}
	for s.at < len(s.text) && s.text[s.at] != s.delimiter && s.lineEndAt(s.at) == 0 {
		if s.text[s.at] == '"' {
			return Cell{}, fmt.Errorf("a quote within a cell that does not begin with one")
		}
		s.at++
	}
	raw := s.text[start:s.at]
	if len(raw) > maxCell {
		return Cell{}, fmt.Errorf("the cell is longer than %d bytes", maxCell)
	}
	return Cell{Text: raw, Null: raw == "", raw: raw}, nil
}

func (s *scanner) quotedCell() (Cell, error) {
	start := s.at
	var text strings.Builder
	for s.at++; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		if c == '"' {
			s.at++
			if s.at == len(s.text) || s.text[s.at] == s.delimiter || s.lineEndAt(s.at) > 0 {
				return Cell{Text: text.String(), raw: s.text[start:s.at]}, nil
			}
			if s.text[s.at] != '"' {
				return Cell{}, fmt.Errorf("something stands between the closing quote and the delimiter")
			}
		}
		if c == '\n' {
			s.line, s.counted, s.col = s.line+1, s.at+1, 0
		}
		if text.Len() > maxCell {
			return Cell{}, fmt.Errorf("the cell is longer than %d bytes", maxCell)
		}
		text.WriteByte(c)
	}
	return Cell{}, fmt.Errorf("the quote that opens this cell is never closed")
}
