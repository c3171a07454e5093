package sieve

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/portreeve/portreeve/internal/wire/line"
)

func reader(in string) *Reader {
	return NewReader(line.New(strings.NewReader(in), line.Limits{BareLF: true}))
}

// inStep says that the next command is read as one.
func inStep(t *testing.T, r *Reader) {
	t.Helper()
	if name, err := r.Next(); name != "NOOP" || err != nil {
		t.Errorf("out of step: %s, %v", name, err)
	}
}

func TestFirstLine(t *testing.T) {
	long := strings.Repeat("x", line.MaxLine)
	cases := []struct {
		in, name  string
		ok, fatal bool
	}{
		{"CAPABILITY", "CAPABILITY", true, false},
		{"starttls", "STARTTLS", true, false},
		{"AUTHENTICATE \"PLAIN\" \"" + long + "\"", "AUTHENTICATE", true, false},
		{"", "", false, false},
		{"\"CAPABILITY\"", "", false, false},
		{"NO\x00OP", "", false, false},
		{"NOOP\rNOOP", "", false, false},
		{"GET / HTTP/1.1", "", false, true},
		{"NOOP " + long, "NOOP", false, true},
		{long + long, "", false, true},
	}
	for _, c := range cases {
		name, err := reader(c.in + "\r\n").Next()
		if name != c.name || (err == nil) != c.ok || line.Fatal(err) != c.fatal {
			t.Errorf("%.40q: %q, %v", c.in, name, err)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	cases := []struct {
		in, mech string
		initial  []byte
		ok       bool
	}{
		{`"PLAIN"`, "PLAIN", nil, true},
		{`"xoauth2" "dXNlcg=="`, "XOAUTH2", []byte("user"), true},
		{"\"PLAIN\" {8+}\r\ndXNlcg==", "PLAIN", []byte("user"), true},
		{"\"PLAIN\" {8}\r\ndXNlcg==", "PLAIN", []byte("user"), true},
		{"{5+}\r\nPLAIN \"dXNlcg==\"", "PLAIN", []byte("user"), true},
		{`"EXTERNAL" ""`, "EXTERNAL", []byte{}, true},
		{`"EXTERNAL" "="`, "EXTERNAL", []byte{}, true},
		{`"PLAIN" "*"`, "PLAIN", nil, false},
		{`"PLAIN" "dXNlcg==" "x"`, "PLAIN", nil, false},
		{`"PLAIN""dXNlcg=="`, "", nil, false},
		{`"PLAIN`, "", nil, false},
		{"PLAIN", "", nil, false},
		{"", "", nil, false},
		{"\"PLAIN\" {8+}\r\ndXNlcg==x {9+}\r\nNOOP NOOP", "PLAIN", nil, false},
		{"\"PLAIN\" {3+}\r\na\nb", "PLAIN", nil, false},
		{"\"PLAIN\" {3+}\r\na\x00b", "PLAIN", nil, false},
		{`"` + strings.Repeat("M", 65) + `"`, "", nil, false},
		{`((((((((`, "", nil, false},
	}
	for _, c := range cases {
		for _, one := range []bool{false, true} {
			src := strings.NewReader("authenticate " + c.in + "\r\nNOOP\r\n")
			r := NewReader(line.New(src, line.Limits{}))
			if one {
				r = NewReader(line.New(iotest.OneByteReader(src), line.Limits{}))
			}
			if name, err := r.Next(); name != "AUTHENTICATE" || err != nil {
				t.Fatal(name, err)
			}
			mech, initial, err := r.Authenticate()
			if mech != c.mech || !bytes.Equal(initial, c.initial) || (initial == nil) != (c.initial == nil) || (err == nil) != c.ok || line.Fatal(err) {
				t.Errorf("%q: %q %q %v", c.in, mech, initial, err)
			}
			inStep(t, r)
		}
	}
}

func TestALiteralOverTheLimitEndsTheConnection(t *testing.T) {
	for _, in := range []string{"AUTHENTICATE \"PLAIN\" {99999999+}\r\n", "AUTHENTICATE \"PLAIN\" {4294967295}\r\n", "AUTHENTICATE {12289+}\r\n"} {
		r := reader(in + strings.Repeat("x", 20000))
		r.Next()
		if _, _, err := r.Authenticate(); err != ErrLiteralSize || !line.Fatal(err) {
			t.Errorf("%q: %v", in, err)
		}
		r = reader(in + strings.Repeat("x", 20000))
		r.Next()
		if _, err := r.Next(); err != ErrLiteralSize {
			t.Errorf("%q, not read: %v", in, err)
		}
	}
	r := reader(strings.Repeat("PUTSCRIPT \"x\" {9000+}\r\n"+strings.Repeat("x", 9000)+"\r\n", 100))
	for {
		if _, err := r.Next(); err == line.ErrBudget {
			break
		} else if line.Fatal(err) {
			t.Fatal(err)
		}
	}
}

func TestArguments(t *testing.T) {
	r := reader("NOOP \"a tag\"\r\nNOOP\r\nXCLIENT ADDR=::1 PORT=1\r\nNOOP\r\n")
	r.Next()
	if v, err := r.String(10); string(v) != "a tag" || err != nil || r.More() || r.End() != nil {
		t.Errorf("%q %v", v, err)
	}
	inStep(t, r)
	if r.Next(); string(r.Rest()) != "ADDR=::1 PORT=1" {
		t.Error("Rest")
	}
	inStep(t, r)
	r = reader("NOOP \"a tag\"\r\nNOOP\r\n")
	r.Next()
	if v, err := r.String(4); err == nil || line.Fatal(err) {
		t.Errorf("%q", v)
	}
}

func TestWhateverAnswersAChallengeIsOneLine(t *testing.T) {
	for answer, want := range map[string]string{
		`""`: "", `"*"`: "*", `"AQ=="`: "AQ==", "{4+}\r\nAQ==": "AQ==", "{4}\r\nAQ==": "AQ==",
		"": "", "*": "*", "\x01": "\x01", `AUTHENTICATE "XOAUTH2" "eA=="`: `AUTHENTICATE "XOAUTH2" "eA=="`,
	} {
		r := reader("AUTHENTICATE \"XOAUTH2\"\r\n" + answer + "\r\nNOOP\r\n")
		r.Next()
		r.Authenticate()
		if got, err := r.Response(); string(got) != want || err != nil {
			t.Errorf("%q: %q, %v", answer, got, err)
		}
		inStep(t, r)
	}
	for _, answer := range []string{`"AQ==`, `"a" "b"`, "{4+}\r\nAQ==x"} {
		r := reader(answer + "\r\nNOOP\r\n")
		if got, err := r.Response(); err == nil || line.Fatal(err) {
			t.Errorf("%q: %q, %v", answer, got, err)
		}
		inStep(t, r)
	}
}

func TestReplies(t *testing.T) {
	for got, want := range map[string]string{
		OK("", ""):                           "OK\r\n",
		OK(Code("TAG", "a\"b\r\n"), "Done"):  "OK (TAG \"a\\\"b??\") \"Done\"\r\n",
		No("TRYLATER", "a\r\nOK \"x\""):      "NO (TRYLATER) \"a??OK \\\"x\\\"\"\r\n",
		Bye("", "out"):                       "BYE \"out\"\r\n",
		Challenge(""):                        "\"\"\r\n",
		Challenge(strings.Repeat("A", 1025)): "{1025}\r\n" + strings.Repeat("A", 1025) + "\r\n",
		ClientString("a\nb"):                 "{3+}\r\na\nb",
		ClientString(`a"b\`):                 `"a\"b\\"`,
		Capabilities(Capability{"SASL", "", true}, Capability{"STARTTLS", "", false}): "\"SASL\" \"\"\r\n\"STARTTLS\"\r\n",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestReadResponse(t *testing.T) {
	for in, want := range map[string]Response{
		"OK\r\n":                                  {Status: "OK"},
		"ok (tag {3}\r\nabc) \"x\"\r\n":           {Status: "OK", Code: "TAG", Arg: "abc", Text: "x"},
		"NO (AUTH-TOO-WEAK) {3}\r\na\nb\r\n":      {Status: "NO", Code: "AUTH-TOO-WEAK", Text: "a\nb"},
		"BYE (REFERRAL \"sieve://x\") \"go\"\r\n": {Status: "BYE", Code: "REFERRAL", Arg: "sieve://x", Text: "go"},
		"\"SASL\" \"PLAIN LOGIN\"\r\n":            {Words: []string{"SASL", "PLAIN LOGIN"}},
		"{4}\r\neyJ9\r\n":                         {Words: []string{"eyJ9"}},
		"\"\"\r\n":                                {Words: []string{""}},
	} {
		got, err := ReadResponse(line.New(strings.NewReader(in), line.Limits{}))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "\r\n", "+OK\r\n", "OKAY\r\n", "OK (X\r\n", "OK (X \"a\"\r\n", "OK (X \"a\" \"b\")\r\n", "NO text\r\n", "\"a\" b\r\n",
		"\"a\" \"b\" \"c\" \"d\" \"e\"\r\n", "{99999999}\r\n", "\"a\r\n"} {
		if got, err := ReadResponse(line.New(strings.NewReader(in), line.Limits{})); !line.Fatal(err) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestCapabilitiesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Capability {
			c := Capability{Name: rapid.StringMatching(`[A-Z]{1,12}`).Draw(t, "name"), HasValue: rapid.Bool().Draw(t, "has")}
			if c.HasValue {
				c.Value = string(rapid.SliceOfN(rapid.Byte(), 0, 1100).Draw(t, "value"))
			}
			return c
		}), 0, 12).Draw(t, "list")
		in := Capabilities(want...) + OK("", "ready") + "x"
		l := line.New(strings.NewReader(in), line.Limits{})
		got, r, err := ReadCapabilities(l)
		if err != nil || r.Text != "ready" || len(got) != len(want) || string(l.Buffered()) != "x" && len(in) < 256 {
			t.Fatalf("%+v %+v %v", got, r, err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%+v, want %+v", got[i], want[i])
			}
		}
	})
	if v, ok := Find([]Capability{{"SASL", "PLAIN", true}}, "sasl"); v != "PLAIN" || !ok {
		t.Error(v, ok)
	}
	endless := line.New(strings.NewReader(strings.Repeat("\"X\"\r\n", 1000)), line.Limits{})
	if _, _, err := ReadCapabilities(endless); !line.Fatal(err) {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{"AUTHENTICATE \"PLAIN\" {8+}\r\ndXNlcg==\r\n", "NOOP \"a\"\r\n", "OK (X \"a\") \"b\"\r\n", "\"SASL\" {5}\r\nPLAIN\r\nOK\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(line.New(bytes.NewReader(in), line.Limits{BareLF: true}))
		for {
			name, err := r.Next()
			if line.Fatal(err) {
				break
			}
			switch {
			case err == nil && name == "AUTHENTICATE":
				if _, initial, err := r.Authenticate(); err == nil && initial == nil {
					r.Response()
				}
			case err == nil && name == "NOOP":
				if v, err := r.String(100); len(v) > 100 || err == nil && line.Forbidden(v) {
					t.Fatalf("%q", v)
				}
			}
		}
		ReadCapabilities(line.New(bytes.NewReader(in), line.Limits{}))
	})
}
