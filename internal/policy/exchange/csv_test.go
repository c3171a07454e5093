package exchange

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// variants are the forms in which the same export is met.
func variants(t testing.TB) map[string][]byte {
	t.Helper()
	full := string(sample(t, "casmailbox.csv"))
	text := strings.TrimPrefix(full, bomUTF8)
	all := map[string]string{
		"bom":                 full,
		"no bom":              text,
		"line feeds":          strings.ReplaceAll(text, "\r\n", "\n"),
		"no last line end":    strings.TrimSuffix(text, "\r\n"),
		"blank lines":         text + "\r\n\r\n",
		"type line":           string(sample(t, "type-header.csv")),
		"type line and bom":   bomUTF8 + string(sample(t, "type-header.csv")),
		"type by spreadsheet": "#TYPE Selected.CASMailbox;;\r\nName;ImapEnabled;x\r\nana;True;\r\n",
		"semicolons":          string(sample(t, "semicolon.csv")),
		"tabs":                strings.ReplaceAll(string(sample(t, "semicolon.csv")), ";", "\t"),
		"unquoted":            "Name,ImapEnabled,PopEnabled\r\nana,True,\r\nbjorn,\"\",False\r\n",
		"mixed quotes":        "Name,\"ImapEnabled\"\n\"a\",True\nb,\"False\"",
		"code page":           "\"Name\",\"DisplayName\"\r\n\"bjorn\",\"Bj\xf6rn \x93Ek\x94\"\r\n",
		"mojibake":            "\"Name\",\"DisplayName\"\r\n\"bjorn\",\"BjÃ¶rn\"\r\n",
		"lines in a cell":     "\"Name\",\"Notes\"\r\n\"ana\",\"one\r\ntwo\nthree\"\r\n\"b\",\r\n",
		"ends in a delimiter": "Name,ImapEnabled\nana,",
	}
	files := map[string][]byte{}
	for name, s := range all {
		files[name] = []byte(s)
	}
	files["UTF-16LE"] = form{UTF16LE, true}.encode(text)
	files["UTF-16LE, no mark"] = form{UTF16LE, false}.encode(text)
	files["UTF-16BE"] = form{UTF16BE, true}.encode(text)
	files["UTF-16LE beyond the BMP"] = form{UTF16LE, true}.encode("Name,DisplayName\r\nana,\"Ana 🦀\"\r\n")
	return files
}

func TestReadAndWriteGivesTheSameBytes(t *testing.T) {
	for name, raw := range variants(t) {
		c, err := ReadCSV(bytes.NewReader(raw))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.Rows) == 0 {
			t.Errorf("%s: no rows", name)
		}
		if got := c.Bytes(); !bytes.Equal(got, raw) {
			t.Errorf("%s:\n%q\nbecame\n%q", name, raw, got)
		}
	}
}

func TestFormIsSeen(t *testing.T) {
	for _, c := range []struct {
		name      string
		delimiter byte
		typ       string
		columns   int
		rows      int
	}{
		{"casmailbox.csv", ',', "", 36, 5},
		{"type-header.csv", ',', "Selected.Microsoft.Exchange.Data.Directory.Management.CASMailbox", 2, 5},
		{"semicolon.csv", ';', "", 5, 5},
	} {
		f, err := ReadCSV(bytes.NewReader(sample(t, c.name)))
		if err != nil {
			t.Fatal(err)
		}
		if f.Delimiter() != c.delimiter || f.Type() != c.typ || len(f.Columns()) != c.columns || len(f.Rows) != c.rows {
			t.Errorf("%s: %q %q, %d columns, %d rows", c.name, f.Delimiter(), f.Type(), len(f.Columns()), len(f.Rows))
		}
	}
}

func TestNullIsNotTheEmptyText(t *testing.T) {
	f, err := ReadCSV(bytes.NewReader(sample(t, "casmailbox.csv")))
	if err != nil {
		t.Fatal(err)
	}
	bjorn := f.Rows[1]
	if bjorn.Line != 3 {
		t.Errorf("line %d", bjorn.Line)
	}
	if c, ok := bjorn.Cell("ActiveSyncAllowedDeviceIDs"); !ok || c.Null || c.Text != "" {
		t.Errorf("empty text: %+v", c)
	}
	if c, ok := bjorn.Cell("mapihttpenabled"); !ok || !c.Null {
		t.Errorf("null: %+v", c)
	}
	if c, ok := bjorn.Cell("NoSuchColumn"); ok || !c.Null {
		t.Errorf("absent: %+v", c)
	}
	if c, _ := f.Rows[0].Cell("DisplayName"); c.Text != `Silva, Ana "Nita"` {
		t.Errorf("quotes: %q", c.Text)
	}
}

func TestAnEditChangesOnlyTheCellEdited(t *testing.T) {
	raw := string(sample(t, "casmailbox.csv"))
	for _, edit := range []struct {
		do       func(*Row) error
		old, new string
	}{
		{func(r *Row) error { return r.Set("imapenabled", "True") }, "", ""}, // as it is
		{func(r *Row) error { return r.Set("ImapEnabled", "False") },
			`"True","False","True","True","True","True","False",,`, `"True","False","True","False","True","True","False",,`},
		{func(r *Row) error { return r.SetNull("EwsEnabled") }, "", ""},
		{func(r *Row) error { return r.Set("EwsEnabled", "") },
			`"False",,,,,,,,,,"True",,"True"`, `"False",,,"",,,,,,,"True",,"True"`},
		{func(r *Row) error { return r.Set("DisplayName", `A "B", C`) }, `"Silva, Ana ""Nita"""`, `"A ""B"", C"`},
		{func(r *Row) error { return r.SetNull("DisplayName") }, `"Silva, Ana ""Nita"""`, ``},
	} {
		f, err := ReadCSV(strings.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := edit.do(f.Rows[0]); err != nil {
			t.Fatal(err)
		}
		want := raw
		if edit.old != edit.new {
			want = strings.Replace(raw, edit.old, edit.new, 1)
		}
		if got := string(f.Bytes()); got != want {
			t.Errorf("%q -> %q:\n%s", edit.old, edit.new, got)
		}
	}
	f, _ := ReadCSV(strings.NewReader("Name,ImapEnabled\nana,True"))
	row := f.Append()
	if err := errors.Join(row.Set("Name", "b;c"), row.Set("ImapEnabled", "False")); err != nil {
		t.Fatal(err)
	}
	if got, want := string(f.Bytes()), "Name,ImapEnabled\nana,True\n\"b;c\",False\n"; got != want {
		t.Errorf("appended: %q", got)
	}
	if row.Set("Nope", "x") == nil {
		t.Error("an unknown column was set")
	}
}

func TestANewFileLooksLikeExportCsv(t *testing.T) {
	c := NewCSV([]string{"Name", "MapiHttpEnabled", "Notes"})
	if err := errors.Join(c.Append().Set("Name", `Silva, Ana "Nita"`), c.Rows[0].Set("Notes", "")); err != nil {
		t.Fatal(err)
	}
	want := bomUTF8 + "\"Name\",\"MapiHttpEnabled\",\"Notes\"\r\n\"Silva, Ana \"\"Nita\"\"\",,\"\"\r\n"
	if got := string(c.Bytes()); got != want {
		t.Errorf("%q", got)
	}
}

func TestFaultsHaveLineColumnAndField(t *testing.T) {
	for _, c := range []struct {
		text string
		want Error
	}{
		{"", Error{Line: 1}},
		{"#TYPE x\r\n", Error{Line: 2}},
		{"a,b\n1,2\n1\n", Error{Line: 3}},
		{"a,b\n\n1,2,3\n", Error{Line: 3}},
		{"a,A\n", Error{Line: 1, Column: 3, Field: "A"}},
		{"a,b\nö,\"x", Error{Line: 2, Column: 3, Field: "b"}},
		{"a,b\nö,\"x\"y\n", Error{Line: 2, Column: 3, Field: "b"}},
		{"a,b\nx\"y,z\n", Error{Line: 2, Column: 1, Field: "a"}},
		{"a,b,c\n\"1\n2\",x,y\"\n", Error{Line: 3, Column: 6, Field: "c"}},
		{strings.Repeat("a,", maxColumns+1), Error{Line: 1, Column: 2*maxColumns + 1}},
	} {
		_, err := ReadCSV(strings.NewReader(c.text))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.30q: %v", c.text, err)
			continue
		}
		if e.Line != c.want.Line || e.Column != c.want.Column || e.Field != c.want.Field {
			t.Errorf("%.30q: %v", c.text, err)
		}
	}
	for _, bad := range []string{bomUTF16LE + "a\x00b", bomUTF16LE + "\x00\xd8a\x00", bomUTF16BE + "\xd8\x00"} {
		if _, err := ReadCSV(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// Whatever can be read is written back the same, and its values survive being
// written anew.
func FuzzReadCSV(f *testing.F) {
	for _, raw := range variants(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := ReadCSV(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if got := c.Bytes(); !bytes.Equal(got, raw) {
			t.Fatalf("%q became %q", raw, got)
		}
		fresh := NewCSV(c.Columns())
		for _, r := range c.Rows {
			row := fresh.Append()
			for _, name := range c.Columns() {
				if cell, _ := r.Cell(name); !cell.Null {
					if err := row.Set(name, cell.Text); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		again, err := ReadCSV(bytes.NewReader(fresh.Bytes()))
		if err != nil {
			t.Fatalf("%q: %v", fresh.Bytes(), err)
		}
		if len(c.Columns()) > 1 && len(again.Rows) != len(c.Rows) {
			t.Fatalf("%d rows became %d", len(c.Rows), len(again.Rows))
		}
	})
}
