package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"

	"github.com/portreeve/portreeve/internal/spelling"
)

// formats are what -o takes.
var formats = []string{"table", "json", "ndjson", "csv", "yaml"}

// output prints rows in the format asked for. JSON and YAML print the API's
// own body, member by member in its order; a table shows the columns named.
type output struct {
	w      io.Writer
	format string
	fields []string // of --fields
	tty    bool
	width  int          // of the terminal, in characters; 0: there is none
	note   func(string) // hears what people should know of it; nil: nobody
	headed bool         // a CSV's first line is written
}

// column is a column of a table: its title and how a row's cell is read.
type column struct {
	title string
	cell  func(o *output, fields map[string]any) string
}

// field is a column that shows one member, or a path of members ("status.errorCode").
func field(title, path string) column {
	return column{title, func(_ *output, fields map[string]any) string { return text(at(fields, path)) }}
}

// when is a column that shows a time.
func when(title, path string) column {
	return column{title, func(o *output, fields map[string]any) string { return o.time(text(at(fields, path))) }}
}

// of is a column worked out from the row.
func of(title string, cell func(fields map[string]any) string) column {
	return column{title, func(_ *output, fields map[string]any) string { return cell(fields) }}
}

// list prints rows.
func (o *output) list(rows []row, columns ...column) error {
	if len(o.fields) > 0 {
		columns = nil
		for _, path := range o.fields {
			columns = append(columns, column{path, func(_ *output, fields map[string]any) string { return text(at(fields, path)) }})
		}
		o.tellUnknown(rows)
		rows = o.project(rows)
	}
	switch o.format {
	case "json", "yaml":
		raws := make([]json.RawMessage, len(rows))
		for i := range rows {
			raws[i] = rows[i].raw
		}
		body, err := marshal(map[string]any{"value": raws})
		if err != nil {
			return err
		}
		return o.body(body)
	case "ndjson":
		for i := range rows {
			if err := o.line(rows[i].raw); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		return o.csv(rows, columns)
	}
	return o.table(rows, columns)
}

// project keeps the members of --fields, nested as they were.
func (o *output) project(rows []row) []row {
	out := make([]row, len(rows))
	for i, r := range rows {
		kept := map[string]any{}
		for _, path := range o.fields {
			put(kept, strings.Split(path, "."), at(r.fields, path))
		}
		raw, err := marshal(kept)
		if err != nil {
			raw = []byte("{}")
		}
		out[i] = row{raw, kept}
	}
	return out
}

func put(into map[string]any, path []string, value any) {
	if len(path) == 1 {
		into[path[0]] = value
		return
	}
	inner, ok := into[path[0]].(map[string]any)
	if !ok {
		inner = map[string]any{}
		into[path[0]] = inner
	}
	put(inner, path[1:], value)
}

// object prints one thing; show prints it for people.
func (o *output) object(r row, show func(w io.Writer)) error {
	if len(o.fields) > 0 {
		o.tellUnknown([]row{r})
		rows := o.project([]row{r})
		if o.format == "table" || o.format == "csv" {
			o.note = nil // it is told
			return o.list([]row{r})
		}
		r = rows[0]
	}
	switch o.format {
	case "json", "yaml":
		return o.body(r.raw)
	case "ndjson":
		return o.line(r.raw)
	case "csv":
		return usage("-o csv is for lists")
	}
	show(o.w)
	return nil
}

// body prints a JSON text indented, or as YAML.
func (o *output) body(raw json.RawMessage) error {
	if o.format == "yaml" {
		b, err := yaml.JSONToYAML(raw)
		if err != nil {
			return fmt.Errorf("writing YAML: %w", err)
		}
		if o.tty {
			lines := strings.Split(string(b), "\n")
			for i := range lines {
				lines[i] = printable(lines[i])
			}
			b = []byte(strings.Join(lines, "\n"))
		}
		_, err = o.w.Write(b)
		return err
	}
	raw = escaped(raw)
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(raw), "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := o.w.Write(b.Bytes())
	return err
}

// escaped is the same JSON with what could steer a terminal in the escapes of
// JSON: outside its strings a JSON text has none of it.
func escaped(raw json.RawMessage) json.RawMessage {
	within := func(r rune) bool { return r >= unicode.MaxASCII && steers(r) }
	if !bytes.ContainsFunc(raw, within) {
		return raw
	}
	var b bytes.Buffer
	for _, r := range string(raw) {
		if within(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.Bytes()
}

func (o *output) line(raw json.RawMessage) error {
	raw = escaped(raw)
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := o.w.Write(b.Bytes())
	return err
}

// marshal is json.Marshal without escaping <, > and &.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

func (o *output) csv(rows []row, columns []column) error {
	w := csv.NewWriter(o.w)
	record := make([]string, len(columns))
	for i, c := range columns {
		record[i] = strings.ReplaceAll(c.title, " ", "_")
	}
	if !o.headed {
		o.headed = true
		if err := w.Write(record); err != nil {
			return err
		}
	}
	for _, r := range rows {
		for i, c := range columns {
			record[i] = inert(printable(c.cell(o, r.fields)))
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// inert keeps a spreadsheet from taking a cell for a formula.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// table aligns columns on a terminal and separates them by tabs in a pipe.
func (o *output) table(rows []row, columns []column) error {
	if o.tty && len(rows) == 0 {
		_, err := fmt.Fprintln(o.w, "(none)")
		return err
	}
	var all [][]string
	if o.tty {
		titles := make([]string, len(columns))
		for i, c := range columns {
			titles[i] = strings.ToUpper(c.title)
		}
		all = append(all, titles)
	}
	for _, r := range rows {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = printable(c.cell(o, r.fields))
		}
		if all = append(all, cells); o.tty {
			continue
		}
		if _, err := fmt.Fprintln(o.w, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	if !o.tty {
		return nil
	}
	return grid(o.w, "", all, o.width)
}

// tellUnknown notes which of --fields no row has, and what there is.
func (o *output) tellUnknown(rows []row) {
	if o.note == nil || len(rows) == 0 {
		return
	}
	known := map[string]bool{}
	for _, r := range rows {
		members(known, "", r.fields)
	}
	names := slices.Sorted(maps.Keys(known))
	for _, f := range o.fields {
		if !known[f] {
			o.note(fmt.Sprintf("nothing that was found has the member %q%s\nthere are %s", f, spelling.DidYouMean(f, names), strings.Join(names, ", ")))
		}
	}
}

// members collects the paths of an object's members.
func members(into map[string]bool, before string, fields map[string]any) {
	for name, v := range fields {
		into[before+name] = true
		if inner, ok := v.(map[string]any); ok {
			members(into, before+name+".", inner)
		}
	}
}

// time is a moment as this output shows one: local on a terminal, else UTC.
func (o *output) time(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.IsZero() {
		return ""
	}
	if o.tty {
		return t.Local().Format("2006-01-02 15:04:05")
	}
	return t.UTC().Format(time.RFC3339)
}

// printable keeps what strangers typed from steering a terminal: controls and
// characters that turn the writing direction are shown as '?'.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if steers(r) {
			return '?'
		}
		return r
	}, s)
}

// steers says that a character may steer a terminal.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// at follows a path of members.
func at(v any, path string) any {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	if whole, ok := m[path]; ok { // a member whose name has dots
		return whole
	}
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return m[name]
	}
	return at(m[name], rest)
}

// text is a JSON value as a cell.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			parts[i] = text(one)
		}
		return strings.Join(parts, ",")
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// items are the objects of a list.
func items(v any) []map[string]any {
	list, _ := v.([]any)
	var all []map[string]any
	for _, one := range list {
		if m, ok := one.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func validFormat(f string) bool { return slices.Contains(formats, f) }
