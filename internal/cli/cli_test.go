package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run runs one command line in this process.
func run(t *testing.T, socket, stdin string, args ...string) (exit int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	exit = Run(context.Background(), append([]string{"--socket", socket}, args...), strings.NewReader(stdin), &o, &e)
	return exit, o.String(), e.String()
}

func TestExitCodes(t *testing.T) {
	socket := serveForTest(t, t.Cleanup, "")
	if exit, _, errs := run(t, socket, "", "user", "add", "leela"); exit != exitOK {
		t.Fatal(errs)
	}
	missing := filepath.Join(t.TempDir(), "nothing")
	locked := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(locked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want   int
		socket string
		args   []string
	}{
		{exitOK, socket, []string{"user", "list"}},
		{exitUsage, socket, []string{"user", "add"}},
		{exitUsage, socket, []string{"user", "list", "--nonsense"}},
		{exitUsage, socket, []string{"nonsense"}},
		{exitUsage, socket, []string{"user", "set", "leela"}},
		{exitUsage, socket, []string{"user", "set", "leela", "--password"}}, // no terminal to ask on
		{exitUsage, socket, []string{"user", "set", "leela", "--password-stdin"}},
		{exitUsage, socket, []string{"user", "add", "bad\nname"}},
		{exitUsage, socket, []string{"signins", "tail", "-o", "json"}},
		{exitNotFound, socket, []string{"user", "show", "nobody"}},
		{exitNotFound, socket, []string{"signins", "show", "7K4Q-9ZMD-2XWT"}},
		{exitNotFound, socket, []string{"policy", "import", missing}},
		{exitNotFound, socket, []string{"session", "kill", "7K4Q-9ZMD-2XWT"}},
		{exitConflict, socket, []string{"user", "add", "leela"}},
		{exitUnreachable, missing, []string{"user", "list"}},
		{exitUnreachable, locked, []string{"status"}},
	} {
		if exit, out, errs := run(t, c.socket, "", c.args...); exit != c.want {
			t.Errorf("%q: exit %d, want %d: %s%s", c.args, exit, c.want, out, errs)
		} else if c.want != exitOK && !strings.HasPrefix(errs, "error: ") && c.want != exitUsage {
			t.Errorf("%q says %q", c.args, errs)
		}
	}
}

// hostile are names that strangers type.
var hostile = []row{{fields: map[string]any{"name": "a\u202eb\x1b[31m\nc\u0085\u2028d", "cell": "=HYPERLINK(\"x\")"},
	raw: json.RawMessage("{\"name\":\"a\u202eb\\u001b[31m\",\"cell\":\"=HYPERLINK(\\\"x\\\")\"}")}}

func TestNamesDoNotSteerTheTerminalNorASpreadsheet(t *testing.T) {
	columns := []column{field("name", "name"), field("cell", "cell")}
	for _, format := range []string{"table", "csv"} {
		for _, tty := range []bool{true, false} {
			var b bytes.Buffer
			o := output{w: &b, format: format, tty: tty}
			if err := o.list(hostile, columns...); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(b.String(), "\u202e\x1b\u0085\u2028") || strings.Count(b.String(), "\n") > 2 {
				t.Errorf("%s: %q", format, b.String())
			}
			if format == "csv" && !strings.Contains(b.String(), `"'=HYPERLINK`) {
				t.Errorf("a formula stands in %q", b.String())
			}
		}
	}
	raw := json.RawMessage("{\"name\":\"a\u202eb\\u001b[31m\u009b2J\u007f\"}")
	for _, format := range []string{"json", "ndjson", "yaml"} {
		var b bytes.Buffer
		if err := (&output{w: &b, format: format, tty: true}).list([]row{{raw: raw}}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(b.String(), "\u202e\x1b\u009b\x7f") {
			t.Errorf("%s: %q", format, b.String())
		}
		var x any
		if format == "ndjson" && (json.Unmarshal(b.Bytes(), &x) != nil || x.(map[string]any)["name"] != "a\u202eb\x1b[31m\u009b2J\x7f") {
			t.Errorf("%q is another text", b.String())
		}
	}
	var b bytes.Buffer
	s := sheet{w: &b}
	s.line("Name", "a\u202e\x1b[2J")
	s.head("a\x1b[2J")
	s.text("a\u202e b\rc")
	s.table("", [][]string{{"a\x1b", "b\u202e"}})
	if strings.ContainsAny(b.String(), "\u202e\x1b\r") {
		t.Errorf("%q", b.String())
	}
}

func TestATableIsAlignedOnATerminalAndTabbedInAPipe(t *testing.T) {
	rows := []row{}
	for _, raw := range []string{`{"name":"a","at":"2026-11-20T10:00:00Z"}`, `{"name":"longer","at":""}`} {
		r, err := newRow(json.RawMessage(raw))
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	columns := []column{field("name", "name"), when("time", "at")}
	var pipe, tty bytes.Buffer
	if err := (&output{w: &pipe, format: "table"}).list(rows, columns...); err != nil {
		t.Fatal(err)
	}
	if want := "a\t2026-11-20T10:00:00Z\nlonger\t\n"; pipe.String() != want {
		t.Errorf("in a pipe %q", pipe.String())
	}
	if err := (&output{w: &tty, format: "table", tty: true}).list(rows, columns...); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(tty.String(), "\n")
	if lines[0] != "NAME    TIME" || !strings.HasPrefix(lines[1], "a       2026-11-") {
		t.Errorf("on a terminal %q", lines)
	}
}

func TestJSONKeepsTheMembersInTheirOrder(t *testing.T) {
	r, err := newRow(json.RawMessage(`{"z":1.50,"a":{"y":"<&>","b":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"json":   "{\n  \"z\": 1.50,\n  \"a\": {\n    \"y\": \"<&>\",\n    \"b\": null\n  }\n}\n",
		"ndjson": "{\"z\":1.50,\"a\":{\"y\":\"<&>\",\"b\":null}}\n",
		"yaml":   "z: 1.5\na:\n  \"y\": <&>\n  b: null\n",
	} {
		var b bytes.Buffer
		if err := (&output{w: &b, format: format}).object(r, nil); err != nil || b.String() != want {
			t.Errorf("%s: %q, %v", format, b.String(), err)
		}
	}
	var b bytes.Buffer
	if err := (&output{w: &b, format: "json", fields: []string{"a.y"}}).object(r, nil); err != nil || b.String() != "{\n  \"a\": {\n    \"y\": \"<&>\"\n  }\n}\n" {
		t.Errorf("--fields: %q, %v", b.String(), err)
	}
}

func TestLiveNamesComplete(t *testing.T) {
	socket := serveForTest(t, t.Cleanup, "")
	for _, name := range []string{"leela", "lenny", "fry"} {
		if exit, _, errs := run(t, socket, "", "user", "add", name); exit != exitOK {
			t.Fatal(errs)
		}
	}
	_, out, _ := run(t, socket, "", "__complete", "user", "show", "le")
	if !strings.HasPrefix(out, "leela@example.org\nlenny@example.org\n:4") {
		t.Errorf("completes with %q", out)
	}
	_, out, _ = run(t, socket, "", "__complete", "whatif", "--user", "fr")
	if !strings.HasPrefix(out, "fry@example.org\n") {
		t.Errorf("completes with %q", out)
	}
}

func TestPasswordsComeOnStandardInput(t *testing.T) {
	socket := serveForTest(t, t.Cleanup, "")
	if exit, _, errs := run(t, socket, "correct horse\nbattery", "user", "add", "leela", "--password-stdin"); exit != exitOK {
		t.Fatal(errs)
	}
	_, out, _ := run(t, socket, "", "user", "show", "leela", "-o", "json")
	if !strings.Contains(out, `"secretKind": "argon2id"`) || strings.Contains(out, "horse") {
		t.Error(out)
	}
	_, out, _ = run(t, socket, "", "audit", "list", "-o", "json")
	if strings.Contains(out, "horse") || strings.Contains(out, "$argon2id$") {
		t.Errorf("the audit log holds a secret: %s", out)
	}
}

func TestANumberBeyondAFloatSpoilsNoList(t *testing.T) {
	r, err := newRow(json.RawMessage(`{"displayName":"p","vendor":1e999999}`))
	if err != nil || r.fields["displayName"] != "p" {
		t.Errorf("%v, %v", r.fields, err)
	}
	if _, err := newRow(json.RawMessage(`{"displayName":`)); err == nil {
		t.Error("half an object was read")
	}
}
