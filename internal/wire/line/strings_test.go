package line

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestQuoted(t *testing.T) {
	for _, c := range []struct{ in, value, rest string }{
		{`"abc" x`, "abc", " x"},
		{`""`, "", ""},
		{`"a\"b\\c"`, `a"b\c`, ""},
		{"\"p\xe4ss\"", "p\xe4ss", ""},
	} {
		v, rest, err := Quoted([]byte(c.in))
		if err != nil || string(v) != c.value || string(rest) != c.rest {
			t.Errorf("%s: %q %q %v", c.in, v, rest, err)
		}
	}
	for _, in := range []string{``, `abc`, `"abc`, `"abc\"`, `"a\bc"`, `"\`, `"`} {
		if v, _, err := Quoted([]byte(in)); err == nil || Fatal(err) {
			t.Errorf("%s: %q, %v", in, v, err)
		}
	}
}

func TestLiteralAt(t *testing.T) {
	for in, want := range map[string]Literal{
		"{0}": {0, true}, "x {12}": {12, true}, "x {12+}": {12, false}, "{007}": {7, true},
		"{4294967295}": {absurd, true}, "{99999999+}": {99999999, false}, "{18446744073709551617+}": {absurd, false},
		"~{5}": {5, true},
	} {
		if got, _, ok := LiteralAt([]byte(in)); !ok || got != want {
			t.Errorf("%s: %+v %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "}", "{}", "{+}", "{-1}", "{1 }", "{1", "1}", "{5}x", "{5-}", "{0x5}"} {
		if got, _, ok := LiteralAt([]byte(in)); ok {
			t.Errorf("%s: %+v", in, got)
		}
	}
}

func TestInitialResponse(t *testing.T) {
	for in, want := range map[string]string{"=": "", "AGEAYg==": "\x00a\x00b", "AQ==": "\x01"} {
		if got, err := InitialResponse([]byte(in)); err != nil || got == nil || string(got) != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"*", "a", "AGEAYg", "AGE AYg==", "AGEAYg==x", "\x01", "AGEA\nYg==", "AGEAYg==="} {
		if got, err := InitialResponse([]byte(in)); err != ErrBase64 {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestMechanism(t *testing.T) {
	if m, err := Mechanism([]byte("xoauth2")); m != "XOAUTH2" || err != nil {
		t.Error(m, err)
	}
	for _, in := range []string{"", "PLAIN ", "A\x00", "\"PLAIN\"", strings.Repeat("A", maxMechanism+1), "PLÄIN"} {
		if m, err := Mechanism([]byte(in)); err == nil {
			t.Errorf("%q passes as %q", in, m)
		}
	}
}

func TestVerb(t *testing.T) {
	v, rest, err := Verb([]byte("pass  two words "))
	if v != "PASS" || string(rest) != " two words " || err != nil {
		t.Errorf("%q %q %v", v, rest, err)
	}
	for _, in := range []string{"", " NOOP", "A1", "NO\tOP", "\xffOOP", strings.Repeat("A", maxVerb+1)} {
		if v, _, err := Verb([]byte(in)); err == nil {
			t.Errorf("%q passes as %q", in, v)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{"ok": "ok", "a\r\nb": "a??b", "ü": "??", "0123456789": "01234567"} {
		if got := Text(in, 8); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestXTextComesBack(t *testing.T) {
	if got := XText("a b+c=d\r\nQUIT\xff"); got != "a+20b+2Bc+3Dd+0D+0AQUIT+FF" {
		t.Error(got)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "in"))
		enc := XText(in)
		if got, err := UnXText(enc); err != nil || got != in || strings.ContainsAny(enc, " \r\n\x00=") {
			t.Fatalf("%q: %q: %q, %v", in, enc, got, err)
		}
	})
	for _, in := range []string{"+", "+4", "+4g", "+4a", "a+"} {
		if got, err := UnXText(in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestFields(t *testing.T) {
	want := []Field{{"ADDR", "192.0.2.1"}, {"LOGIN", "a b"}}
	cmd := FieldLine("XCLIENT", want[0], Field{"NAME", ""}, want[1])
	if cmd != "XCLIENT ADDR=192.0.2.1 LOGIN=a+20b" {
		t.Error(cmd)
	}
	got, err := Fields([]byte("addr=192.0.2.1  LOGIN=a+20b"))
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v %v", got, err)
	}
	for _, in := range []string{"ADDR", "=x", "A=+4", strings.Repeat("A=b ", maxFields+1)} {
		if got, err := Fields([]byte(in)); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func FuzzStrings(f *testing.F) {
	for _, s := range []string{`"a\"b" {5+}`, "{4294967295}", "AGEAYg==", "ADDR=a+20b", "AUTHENTICATE x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if v, rest, err := Quoted(in); err == nil && len(v)+len(rest)+2 > len(in) {
			t.Fatal("quoted grows")
		}
		if lit, at, ok := LiteralAt(in); ok && (lit.Size < 0 || in[at] != '{') {
			t.Fatalf("%+v", lit)
		}
		if b, err := Base64(in); err == nil && !bytes.Equal([]byte(base64.StdEncoding.EncodeToString(b))[:len(in)/2], in[:len(in)/2]) {
			t.Fatalf("%q", b)
		}
		if fs, err := Fields(in); err == nil && len(fs) > maxFields {
			t.Fatal("too many fields")
		}
		Verb(in)
		Mechanism(in)
	})
}
