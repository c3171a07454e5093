package policyfile

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestFormat holds every file in testdata/format to the layout that stands
// beside it; -update writes it anew.
func TestFormat(t *testing.T) {
	files, err := filepath.Glob("testdata/format/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Format("x.yaml", a.Files[0].Data)
		if err != nil {
			out = []byte(strings.TrimRight(err.Error(), "\n") + "\n")
		}
		if flag.Lookup("update").Value.String() == "true" {
			a.Files = append(a.Files[:1], txtar.File{Name: "out", Data: out})
			if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if len(a.Files) != 2 || !bytes.Equal(a.Files[1].Data, out) {
			t.Errorf("%s:\n%s", file, out)
		}
	}
}

// TestAnyTextIsWrittenAsItReads writes texts that YAML readers take for
// something else and reads them again.
func TestAnyTextIsWrittenAsItReads(t *testing.T) {
	for _, text := range []string{"", " ", "true", "True", "no", "on", "null", "~", "1", "1.5", "0x10", "1e5", "12:30:45", "2026-11-20", "2026-11-20T09:00:00Z", "192.0.2.0/24",
		"2001:db8::/32", "::1", "a: b", "a #b", "#x", "- a", "-", "--- a", "...", "?", "!x", "&x", "*x", "@odata.type", "%", "`x`", "'", "\"", "\\", "a\nb", "a\nb\n", "\na", " a\nb", "a \nb",
		"a\n\nb\n\n", "a\tb", "\ta\nb", "é", "日本", "\u0085", "\u2028", "a,b", "[a]", "{a}", "a]", "a: ", "a:", "x  y", "=", "<<", "7d", "22f7c0de-0002-4a00-9b00-000000000001", "/sign in/i", "🙂", ".inf", "infinity",
		"a\n---\nb", "a\n#b", "\ufeff", "0o7", "+1", "1_000", "a\r\nb"} {
		n := &Node{Kind: Object, Members: []Member{{Name: "k", Value: &Node{Kind: String, Text: text}},
			{Name: "l", Value: &Node{Kind: List, Flow: true, Items: []*Node{{Kind: String, Text: text}}}},
			{Name: text, Value: &Node{Kind: List, Items: []*Node{{Kind: String, Text: text}}}}}}
		out := YAML(n)
		docs, err := Parse("x.yaml", out)
		if err != nil || len(docs) != 1 || !bytes.Equal(docs[0].JSON(), JSON(n)) {
			t.Errorf("%q is written as\n%s%v", text, out, err)
		}
	}
}

func FuzzFormat(f *testing.F) {
	files, _ := filepath.Glob("testdata/format/*.txtar")
	for _, file := range files {
		if a, err := txtar.ParseFile(file); err == nil {
			f.Add(string(a.Files[0].Data))
		}
	}
	f.Add(`{"a": [1, {"b": "c"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		out, err := Format("x", []byte(text))
		if err != nil {
			return
		}
		again, err := Format("x", out)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("%q\nis laid out as\n%s\nand then as\n%s%v", text, out, again, err)
		}
	})
}

func BenchmarkFormat(b *testing.B) {
	var y strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&y, "---\n# policy %d\ndisplayName: Policy %d\nstate: enabled\nconditions:\n  users: {includeUsers: [All]}\n", i, i)
	}
	text := []byte(y.String())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Format("x.yaml", text); err != nil {
			b.Fatal(err)
		}
	}
}
