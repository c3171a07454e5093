package exchange

import (
	"fmt"
	"io"
	"strings"
)

// NewCSV makes a file as PowerShell's Export-Csv -NoTypeInformation -Encoding
// UTF8 does: byte order mark, commas, quotes, CRLF.
func NewCSV(columns []string) *CSV {
	c := &CSV{form: form{Bytes, true}, delimiter: ',', lineEnd: "\r\n", quoted: true, index: map[string]int{}}
	c.header.end = c.lineEnd
	for i, name := range columns {
		c.header.cells = append(c.header.cells, c.cellOf(name, false))
		c.index[strings.ToLower(name)] = i
	}
	return c
}

// Append adds a row of nulls at the end.
func (c *CSV) Append() *Row {
	last := &c.header
	if len(c.Rows) > 0 {
		last = &c.Rows[len(c.Rows)-1].record
	}
	if last.end == "" {
		last.end = c.lineEnd
	}
	r := &Row{file: c, record: record{end: c.lineEnd, cells: make([]Cell, len(c.header.cells))}}
	for i := range r.cells {
		r.cells[i].Null = true
	}
	c.Rows = append(c.Rows, r)
	return r
}

// Set writes a text into a cell. A cell that holds it already stays as it is written.
func (r *Row) Set(column, text string) error { return r.put(column, text, false) }

// SetNull makes a cell null.
func (r *Row) SetNull(column string) error { return r.put(column, "", true) }

func (r *Row) put(column, text string, null bool) error {
	i, ok := r.file.index[strings.ToLower(column)]
	if !ok {
		return fmt.Errorf("the file has no column %s", column)
	}
	old := r.cells[i]
	if old.Text == text && old.Null == null {
		return nil
	}
	cell := r.file.cellOf(text, null)
	cell.column = old.column
	r.cells[i] = cell
	return nil
}

// cellOf writes a value in the file's manner: in quotes where its cells have
// them, and wherever it could be misread without.
func (c *CSV) cellOf(text string, null bool) Cell {
	if null {
		return Cell{Null: true}
	}
	raw := text
	if c.quoted || text == "" || strings.ContainsAny(text, "\"\r\n,;\t") {
		raw = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	return Cell{Text: text, raw: raw}
}

// Bytes is the file.
func (c *CSV) Bytes() []byte {
	var b strings.Builder
	b.WriteString(c.typeLine)
	c.header.write(&b, c.delimiter)
	for _, r := range c.Rows {
		r.write(&b, c.delimiter)
	}
	b.WriteString(c.tail)
	return c.encode(b.String())
}

// WriteTo writes the file.
func (c *CSV) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(c.Bytes())
	return int64(n), err
}

func (r *record) write(b *strings.Builder, delimiter byte) {
	b.WriteString(r.lead)
	for i, cell := range r.cells {
		if i > 0 {
			b.WriteByte(delimiter)
		}
		b.WriteString(cell.raw)
	}
	b.WriteString(r.end)
}
