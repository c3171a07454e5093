package tenants

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// table is what a cmdlet printed. A cell is nil, a bool, an int, a string, or a
// list of strings.
type table struct {
	noun, class string
	columns     []string
	rows        iter.Seq[[]any]
	lists       bool // lists matter: no CSV, which loses them
	single      bool // one object, not a list
}

// The encodings of PowerShell.
const (
	ascii = iota // umlauts become ?
	utf8BOM
	utf8Bare
	utf16LE
)

// export writes a table in one of the forms there are.
func (b *builder) export(l layout, t table) error {
	forms := []string{"csv", "csv", "json", "xml"}
	if t.lists {
		forms = forms[2:]
	}
	form := pick(b, forms...)
	name := t.noun
	if l.style == 1 {
		name = "Get-" + t.noun + pick(b, "", " 2026-10-01", "_export")
	}
	file, err := os.Create(filepath.Join(l.exchange, name+"."+form))
	if err != nil {
		return err
	}
	defer file.Close()
	encoding := pick(b, utf8BOM, utf8BOM, utf8Bare, utf16LE)
	if form == "csv" && b.chance(0.3) {
		encoding = ascii
	}
	if form == "xml" {
		encoding = utf16LE
	}
	w := &encoder{out: bufio.NewWriterSize(file, 1<<16), encoding: encoding}
	w.mark()
	switch form {
	case "csv":
		b.csv(w, t)
	case "json":
		err = asJSON(w, t)
	default:
		asCLIXML(w, t)
	}
	if err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	return file.Close()
}

// encoder writes text in an encoding.
type encoder struct {
	out      *bufio.Writer
	encoding int
}

func (w *encoder) mark() {
	switch w.encoding {
	case utf8BOM:
		w.out.WriteString("\ufeff")
	case utf16LE:
		w.out.WriteString("\xff\xfe")
	}
}

func (w *encoder) text(s string) {
	switch w.encoding {
	case utf16LE:
		for _, u := range utf16.Encode([]rune(s)) {
			w.out.WriteByte(byte(u))
			w.out.WriteByte(byte(u >> 8))
		}
	case ascii:
		for _, r := range s {
			if r > 126 {
				r = '?'
			}
			w.out.WriteByte(byte(r))
		}
	default:
		w.out.WriteString(s)
	}
}

// csv writes as Export-Csv does: every cell that is not null in quotes.
func (b *builder) csv(w *encoder, t table) {
	delimiter := pick(b, ",", ",", ";")
	if b.chance(0.4) {
		w.text("#TYPE " + pick(b, "", "Selected.", "Deserialized.") + t.class + "\r\n")
	}
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	var head []string
	for _, c := range t.columns {
		head = append(head, quote(c))
	}
	w.text(strings.Join(head, delimiter) + "\r\n")
	for row := range t.rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			switch v := cell.(type) {
			case nil:
			case bool:
				cells[i] = map[bool]string{true: `"True"`, false: `"False"`}[v]
			case []string:
				cells[i] = quote("Microsoft.Exchange.Data.MultiValuedProperty`1[System.String]")
			default:
				cells[i] = quote(fmt.Sprint(v))
			}
		}
		w.text(strings.Join(cells, delimiter) + "\r\n")
	}
}

// asJSON writes as ConvertTo-Json does: a single object is no list.
func asJSON(w *encoder, t table) error {
	first := true
	if !t.single {
		w.text("[\r\n")
	}
	for row := range t.rows {
		if !first {
			w.text(",\r\n")
		}
		first = false
		w.text("    {")
		for i, cell := range row {
			var text strings.Builder
			encode := json.NewEncoder(&text)
			encode.SetEscapeHTML(true)
			if err := encode.Encode(cell); err != nil {
				return err
			}
			if i > 0 {
				w.text(",")
			}
			w.text(fmt.Sprintf("\r\n        %q:  %s", t.columns[i], strings.TrimSpace(text.String())))
		}
		w.text("\r\n    }")
	}
	if !t.single {
		w.text("\r\n]")
	}
	w.text("\r\n")
	return nil
}

// asCLIXML writes as Export-Clixml does.
func asCLIXML(w *encoder, t table) {
	escape := func(s string) string {
		var text strings.Builder
		_ = xml.EscapeText(&text, []byte(s)) // a Builder takes everything
		return text.String()
	}
	w.text("<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\r\n")
	n := 0
	listed := false
	for row := range t.rows {
		w.text(fmt.Sprintf("  <Obj RefId=\"%d\">\r\n", n))
		if n == 0 {
			w.text("    <TN RefId=\"0\">\r\n      <T>Deserialized." + escape(t.class) + "</T>\r\n      <T>Deserialized.System.Object</T>\r\n    </TN>\r\n")
		} else {
			w.text("    <TNRef RefId=\"0\" />\r\n")
		}
		n++
		w.text("    <ToString>" + escape(t.class) + "</ToString>\r\n    <Props>\r\n")
		for i, cell := range row {
			name := escape(t.columns[i])
			switch v := cell.(type) {
			case nil:
				w.text("      <Nil N=\"" + name + "\" />\r\n")
			case bool:
				w.text(fmt.Sprintf("      <B N=%q>%v</B>\r\n", name, v))
			case int:
				w.text(fmt.Sprintf("      <I32 N=%q>%d</I32>\r\n", name, v))
			case []string:
				w.text(fmt.Sprintf("      <Obj N=%q RefId=\"%d\">\r\n", name, n))
				n++
				if listed {
					w.text("        <TNRef RefId=\"1\" />\r\n")
				} else {
					w.text("        <TN RefId=\"1\">\r\n          <T>Deserialized.Microsoft.Exchange.Data.MultiValuedProperty`1[[System.String]]</T>\r\n          <T>Deserialized.System.Object</T>\r\n        </TN>\r\n")
					listed = true
				}
				w.text("        <LST>\r\n")
				for _, s := range v {
					w.text("          <S>" + escape(s) + "</S>\r\n")
				}
				w.text("        </LST>\r\n      </Obj>\r\n")
			default:
				w.text("      <S N=\"" + name + "\">" + escape(fmt.Sprint(v)) + "</S>\r\n")
			}
		}
		w.text("    </Props>\r\n  </Obj>\r\n")
	}
	w.text("</Objs>")
}
