package tenant

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxColumns = 1024    // Get-CASMailbox has about 100
	maxRow     = 4 << 20 // bytes of one row; the longest cells are lists of devices
)

// csvStream reads rows as Export-Csv, the portal and spreadsheets write them,
// one after the other, so that a log of gigabytes needs no memory. Unlike the
// reader of package exchange, which must be able to write the same file again
// and so refuses what it does not understand, it goes on behind a broken row.
type csvStream struct {
	r         *bufio.Reader
	delimiter byte
	line      int    // of the next row
	Type      string // class in the #TYPE line
	header    []string
	blank     []bool // of the cells of the row that was read: nothing stood there
	cells     []string
	row       []byte
}

// newCSVStream reads the #TYPE line and the header.
func newCSVStream(r *bufio.Reader) (*csvStream, error) {
	c := &csvStream{r: r, line: 1}
	if head, _ := r.Peek(6); string(head) == "#TYPE " {
		if err := c.take(); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		c.Type = strings.TrimRight(strings.TrimPrefix(string(c.row), "#TYPE "), "\r\n,;\t\"")
	}
	for {
		err := c.take()
		if len(bytes.TrimSpace(c.row)) > 0 {
			break
		}
		if err != nil {
			return nil, errors.New("there is no header line with column names")
		}
	}
	if first := strings.TrimSpace(string(c.row)); len(first) == 5 && strings.HasPrefix(strings.ToLower(first), "sep=") { // Excel's own hint
		c.delimiter = first[4]
		if err := c.take(); err != nil && len(c.row) == 0 {
			return nil, errors.New("there is no header line with column names")
		}
	} else {
		c.delimiter = guessDelimiter(c.row)
	}
	if err := c.split(); err != nil {
		return nil, fmt.Errorf("the header: %w", err)
	}
	for _, name := range c.cells {
		c.header = append(c.header, strings.Clone(strings.TrimSpace(readable(name))))
	}
	return c, nil
}

// guessDelimiter takes the most frequent candidate outside quotes.
func guessDelimiter(row []byte) byte {
	counts, quoted := map[byte]int{}, false
	for _, b := range row {
		if b == '"' {
			quoted = !quoted
		} else if !quoted {
			counts[b]++
		}
	}
	best := byte(',')
	for _, b := range []byte{';', '\t'} {
		if counts[b] > counts[best] {
			best = b
		}
	}
	return best
}

// rowError is a row that cannot be read; the next one may be.
type rowError struct{ message string }

func (e *rowError) Error() string { return e.message }

// next reads a row: nil and io.EOF at the end, a *rowError for a row to leave out.
func (c *csvStream) next() (line int, err error) {
	for {
		line = c.line
		err := c.take()
		if len(bytes.TrimRight(c.row, "\r\n")) == 0 {
			if err != nil {
				return line, err
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return line, err
		}
		if err := c.split(); err != nil {
			return line, err
		}
		if n, want := len(c.cells), len(c.header); n != want {
			return line, &rowError{fmt.Sprintf("this row has %d cells, the header has %d: it was left out", n, want)}
		}
		return line, nil
	}
}

// take puts the next row's bytes into c.row: to the first line end outside quotes.
func (c *csvStream) take() error {
	c.row = c.row[:0]
	quotes := 0
	for {
		part, err := c.r.ReadSlice('\n')
		c.row = append(c.row, part...)
		if len(c.row) > maxRow {
			return fmt.Errorf("one row is larger than %d MB: a quote is not closed, or this is no CSV", maxRow>>20)
		}
		quotes += bytes.Count(part, []byte{'"'})
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == nil {
			c.line++
			if quotes%2 == 1 {
				continue
			}
		}
		return err
	}
}

// split cuts c.row into cells.
func (c *csvStream) split() error {
	row := string(bytes.TrimRight(c.row, "\r\n"))
	c.cells, c.blank = c.cells[:0], c.blank[:0]
	for at := 0; ; {
		cell, empty, rest, err := c.cell(row, at)
		if err != nil {
			return err
		}
		if len(c.cells) == maxColumns {
			return &rowError{fmt.Sprintf("more than %d cells: the row was left out", maxColumns)}
		}
		c.cells, c.blank = append(c.cells, cell), append(c.blank, empty)
		if rest >= len(row) {
			return nil
		}
		at = rest + 1
	}
}

// cell takes the cell at that place; rest is where its delimiter stands.
func (c *csvStream) cell(row string, at int) (cell string, empty bool, rest int, err error) {
	if at == len(row) || row[at] != '"' {
		end := strings.IndexByte(row[at:], c.delimiter)
		if end < 0 {
			end = len(row) - at
		}
		return row[at : at+end], end == 0, at + end, nil
	}
	doubled := false
	for i := at + 1; i < len(row); i++ {
		if row[i] != '"' {
			continue
		}
		if i+1 < len(row) && row[i+1] == '"' {
			doubled = true
			i++
			continue
		}
		if i+1 < len(row) && row[i+1] != c.delimiter {
			return "", false, 0, &rowError{"something stands between a closing quote and the delimiter: the row was left out"}
		}
		cell = row[at+1 : i]
		if doubled {
			cell = strings.ReplaceAll(cell, `""`, `"`)
		}
		return cell, false, i + 1, nil
	}
	return "", false, 0, &rowError{"a quote is never closed, the file was cut off here: the row was left out"}
}

// record is the row as a value. It is overwritten by the next one.
func (c *csvStream) record(into *value) {
	into.kind, into.members = object, into.members[:0]
	for i, name := range c.header {
		v := value{}
		if !c.blank[i] {
			v = value{kind: text, text: readable(c.cells[i])}
		}
		into.members = append(into.members, member{name, v})
	}
}
