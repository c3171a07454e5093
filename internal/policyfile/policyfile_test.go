package policyfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what faults print into the golden files")

// Each testdata file holds an input and, as "want", the faults as people see
// them: of reading it, or of pointing at the places that "at" lists.
func TestFaultsAsPeopleSeeThem(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			var want *txtar.File
			var at []string
			for i := range a.Files {
				if f := &a.Files[i]; f.Name == "want" {
					want = f
				} else if f.Name == "at" {
					at = strings.Fields(string(f.Data))
				}
			}
			input := a.Files[0]
			docs, err := Parse(input.Name, input.Data)
			if err != nil {
				got += err.Error() + "\n"
			}
			for _, pointer := range at {
				got += docs[0].Fault(pointer, "the value of %s", pointer).Error() + "\n"
				got += docs[0].NameFault(pointer, "the name of %s", pointer).Error() + "\n"
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
		})
	}
}

func TestYAMLIsReadAsJSON(t *testing.T) {
	for yaml, want := range map[string]string{
		"a: 1\nb: [x, NO, yes, on, true, null, ~, 1.5, -3, 0x1F]":                                     `{"a":1,"b":["x","NO","yes","on",true,null,null,1.5,-3,31]}`,
		"a: {b: [group:board, 2001:db8:12::9, a::b, x], c: [k: v, \"q\":r, 1:2, t:u:v ], d: [{e:f}]}": `{"a":{"b":["group:board","2001:db8:12::9","a::b","x"],"c":[{"k":"v"},{"q":"r"},"1:2","t:u:v"],"d":[{"e":"f"}]}}`,
		"z: 1\na: 2":                            `{"z":1,"a":2}`,
		"- a: 1\n  b: 2\n- c":                   `[{"a":1,"b":2},"c"]`,
		"a: |\n  one\n  two\n":                  `{"a":"one\ntwo\n"}`,
		"a: >-\n  one\n  two\n":                 `{"a":"one two"}`,
		"a: !!str 0993":                         `{"a":"0993"}`,
		"a: '<b> & \"c\"'":                      `{"a":"<b> & \"c\""}`,
		"a: &x {b: 1}\nc: *x":                   `{"a":{"b":1},"c":{"b":1}}`,
		"{a: 1, \"b\": [1, 2]}":                 `{"a":1,"b":[1,2]}`,
		"1: x\ntrue: y":                         `{"1":"x","true":"y"}`,
		"a:\nb: ''":                             `{"a":null,"b":""}`,
		"a: 2024-01-02\nb: 12:30":               `{"a":"2024-01-02","b":"12:30"}`,
		"a: :993\nb: \"[::1]:993\"\nc: ::1/128": `{"a":":993","b":"[::1]:993","c":"::1/128"}`,
		"a: x # comment\n# more\nb: y#z":        `{"a":"x","b":"y#z"}`,
		"a: {}\nb: []":                          `{"a":{},"b":[]}`,
		"just text":                             `"just text"`,
		"a: 9007199254740993":                   `{"a":9007199254740993}`,
		"\ufeffa: é":                            `{"a":"é"}`,
		"a: 1\r\nb: 2\r\n":                      `{"a":1,"b":2}`,
	} {
		docs, err := Parse("x.yaml", []byte(yaml))
		if err != nil || len(docs) != 1 {
			t.Errorf("%q: %d documents, %v", yaml, len(docs), err)
			continue
		}
		if got := string(docs[0].JSON()); got != want {
			t.Errorf("%q:\n got %s\nwant %s", yaml, got, want)
		}
	}
}

func TestJSONIsPassedOnToTheByte(t *testing.T) {
	in := "\n{ \"b\" : 1.50, \"a\":\"\\u00e9\\/\", \"c\": [ 10000000000000000000001 ] }\n"
	docs, err := Parse("x.json", []byte(in))
	if err != nil || len(docs) != 1 || string(docs[0].JSON()) != strings.TrimSpace(in) {
		t.Fatalf("%v, %s", err, docs[0].JSON())
	}
	if n := docs[0].Root.Get("c").Items[0]; n.Text != "10000000000000000000001" || n.Pos != (Pos{2, 38}) {
		t.Errorf("%+v", n)
	}
}

func TestSeveralDocuments(t *testing.T) {
	docs, err := Parse("x.yaml", []byte("# first\n---\na: 1\n---\n---\nb: 2\n...\n"))
	if err != nil || len(docs) != 2 || string(docs[1].JSON()) != `{"b":2}` || docs[1].Root.Pos.Line != 6 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	for text, want := range map[string]string{
		"a: 1\n---\nb: 2\n---": "1 2", "a: 1\n...\n# x\nb: 2": "1 2", "--- {a: 1}\n--- {b: 2}": "1 2", "a: |\n  ---\n--- # x\nb: 3\n": "--- 3",
	} {
		docs, err := Parse("x.yaml", []byte(text))
		got := ""
		for _, d := range docs {
			got += " " + strings.TrimSpace(d.Root.Members[0].Value.Text)
		}
		if err != nil || got != " "+want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	docs, err = Parse("x.yaml", []byte("# nothing\n"))
	if err != nil || len(docs) != 0 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
}

func TestReadingFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(path, []byte("a: 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{path, "-"} {
		docs, err := Read(from, strings.NewReader("a: 1"))
		if err != nil || string(docs[0].JSON()) != `{"a":1}` || docs[0].Name() != from {
			t.Errorf("%s: %v", from, err)
		}
	}
	if _, err := Read(path+"no", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestGreedyInputIsRefused(t *testing.T) {
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'l'; c++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	for what, text := range map[string]string{
		"brackets":         strings.Repeat("[", 100_000),
		"dashes":           strings.Repeat("- ", 100_000),
		"questions":        strings.Repeat("? ", 100_000),
		"deep JSON":        strings.Repeat(`[`, 300) + strings.Repeat(`]`, 300),
		"deep YAML":        strings.Repeat("a: [", 300) + strings.Repeat(`]`, 300),
		"a billion laughs": laughs,
		"itself":           "a: &a [*a]",
		"no anchor":        "a: *b",
		"NUL":              "a: \x00",
		"no UTF-8":         "a: \xff",
		"twice in JSON":    `{"a":1,"a":2}`,
		"merge key":        "a: &a {b: 1}\nc:\n  <<: *a",
		"tag":              "a: !!binary aGk=",
		"infinity":         "a: .inf",
		"complex key":      "? [a]\n: b",
	} {
		if docs, err := Parse("x", []byte(text)); err == nil {
			t.Errorf("%s: read as %.80s", what, docs[0].JSON())
		} else if f := (&Fault{}); !errors.As(err, &f) || f.Pos.Line < 1 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestSecretsAreNotInExcerpts(t *testing.T) {
	text := "backends:\n  main:\n    master: {user: gate, password: hunter2}\n    \"secret\": hunter2\n    oops: 1\n"
	docs, err := Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got := docs[0].NameFault("/backends/main/oops", "unknown").Error()
	if strings.Contains(got, "hunter2") || strings.Count(got, "[redacted]") != 2 {
		t.Error(got)
	}
}

func TestPointer(t *testing.T) {
	docs, err := Parse("x.yaml", []byte("a/b:\n  c~d: [1, 2]\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := Pointer(Pointer("", "a/b"), "c~d") + "/1"
	if f := docs[0].Fault(p, "x"); f.Pos != (Pos{2, 12}) {
		t.Errorf("%s: %+v", p, f.Pos)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a: 1\nb: [x, {y: z}]\n---\nc: |\n  d\n")
	f.Add(`{"a":[1,2,{"b":null}],"c":"\u00e9"}`)
	f.Add("a: &x [1]\nb: *x\n? c\n: d\n")
	f.Add("\ta: 1\n\x00")
	f.Fuzz(func(t *testing.T, text string) {
		docs, err := Parse("x", []byte(text))
		if err != nil {
			_ = err.Error()
			return
		}
		for _, d := range docs {
			if !json.Valid(d.JSON()) {
				t.Fatalf("%q became %s", text, d.JSON())
			}
			again, err := Parse("y.json", d.JSON())
			if err != nil {
				t.Fatalf("%q became %s: %v", text, d.JSON(), err)
			}
			var a, b bytes.Buffer
			d.Root.write(&a)
			again[0].Root.write(&b)
			if a.String() != b.String() {
				t.Fatalf("%q: %s, then %s", text, &a, &b)
			}
		}
	})
}

func BenchmarkPolicies(b *testing.B) {
	var y strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&y, "---\ndisplayName: Policy %d\nstate: enabled\nconditions:\n  users: {includeUsers: [All], excludeGroups: [a, b]}\n  clientAppTypes: [other]\n  locations:\n    includeLocations: [All]\ngrantControls:\n  operator: OR\n  builtInControls:\n    - block\n", i)
	}
	text := []byte(y.String())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse("x.yaml", text); err != nil {
			b.Fatal(err)
		}
	}
}

// A secret that somebody has put into braces is as secret as any other.
func TestSecretsInBracesAreNotShown(t *testing.T) {
	for line, shows := range map[string]bool{
		"bind_password: {literal: hunter2}":                    false,
		"bind_password: {file: /x, x: hunter2}":                false,
		"bind_password: [\"hunter2\"]":                         false,
		"a: {bind_password: {text: hunter2}, b: 1}":            false,
		"client_secret: {file: /etc/hunter2}":                  true,
		"a: {client_secret: {file: /x}, base: hunter2}":        true,
		"a: {client_secret: {env: X}, password: {v: hunter2}}": false,
		"token: {mechanism: hunter2}":                          true,
	} {
		if got := (&source{}).redact(line); strings.Contains(got, "hunter2") != shows {
			t.Errorf("%q is shown as %q", line, got)
		}
	}
}
