package tenant

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/portreeve/portreeve/internal/policy/exchange"
)

// ReadJSON cuts JSON into its records, whatever holds them together (a list,
// lines, Graph's pages), and calls with each; the bytes are valid until the
// call returns.
func ReadJSON(in io.Reader, each func(raw []byte, line int) error) error {
	err := newJSONStream(utf8Text(&bounded{r: in, left: maxUnpacked})).records(each)
	var fault *jsonFault
	if errors.As(err, &fault) {
		return fmt.Errorf("line %d: %w", fault.line, err)
	}
	return err
}

// AsCSV is an export of a cmdlet in the form of Export-Csv, whatever form it
// has: what reads the one then reads all. A file that is CSV stays as it is, to
// the byte. was is what it was: "json", "clixml", or empty.
func AsCSV(file []byte) (sheet []byte, was string, err error) {
	b := utf8Text(bytes.NewReader(file))
	form := formOf(b)
	if form != formJSON && form != formCLIXML {
		return file, "", nil
	}
	rows, err := recordsOf(b, form)
	if err != nil {
		return nil, string(form), err
	}
	var columns []string
	known := map[string]bool{}
	for i := range rows {
		for _, m := range rows[i].members {
			if key := lower(m.name); !known[key] && key != "" && len(columns) < maxColumns {
				known[key] = true
				columns = append(columns, m.name)
			}
		}
	}
	if len(columns) == 0 {
		return nil, string(form), errors.New("there is no object in it")
	}
	c := exchange.NewCSV(columns)
	for i := range rows {
		r := c.Append()
		for _, name := range columns {
			if err := setCell(r, name, rows[i].get(name)); err != nil {
				return nil, string(form), err
			}
		}
	}
	return c.Bytes(), string(form), nil
}

// setCell writes a value as Export-Csv would: a collection by a class name,
// which says that it is not known.
func setCell(r *exchange.Row, name string, v *value) error {
	switch {
	case v.kind == null:
		return r.SetNull(name)
	case v.truth() != nil && v.kind == boolean:
		return r.SetSwitch(name, v.truth())
	case v.kind == list || v.kind == object && v.word() == "":
		return r.Set(name, "System.Object[]")
	}
	return r.Set(name, v.word())
}

// recordsOf reads a whole file, which is one of a cmdlet about mailboxes or
// policies and so never large.
func recordsOf(b *bufio.Reader, form form) (rows []value, err error) {
	add := func(v *value, line int) error {
		if v.kind != object {
			return &jsonFault{line, "an object is expected here"}
		}
		if len(rows) >= maxObjects {
			return &jsonFault{line, fmt.Sprintf("more than %d objects", maxObjects)}
		}
		rows = append(rows, *v)
		return nil
	}
	if form == formCLIXML {
		err = newCLIXMLStream(b).records(func(v *value, _ string, line int) error { return add(v, line) })
	} else {
		err = newJSONStream(b).records(func(raw []byte, line int) error {
			v, err := parseJSON(string(raw), nil)
			if err != nil {
				return &jsonFault{line, err.Error()}
			}
			return add(&v, line)
		})
	}
	var fault *jsonFault
	if errors.As(err, &fault) {
		return nil, &exchange.Error{Line: fault.line, Message: fault.message}
	}
	return rows, err
}
