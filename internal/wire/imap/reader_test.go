package imap

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/line"
)

// session reads in as a program's side of a connection and counts the
// continuations it was given.
type session struct {
	*Reader
	lines *line.Reader
	asked int
}

func open(src io.Reader) *session {
	s := &session{lines: line.New(src, line.Limits{BareLF: true})}
	s.Reader = NewReader(s.lines, func() error { s.asked++; return nil })
	return s
}

func TestLogin(t *testing.T) {
	cases := []struct {
		name, in, user, pass string
		asked                int
	}{
		{"quoted", `a LOGIN "mary" "se cret"`, "mary", "se cret", 0},
		{"atoms", "a login mary@example.com secret", "mary@example.com", "secret", 0},
		{"wide atoms", `a LOGIN mary*master a%b]\c`, "mary*master", `a%b]\c`, 0},
		{"escapes", `a LOGIN "DOM\\mary" "a\"b"`, `DOM\mary`, `a"b`, 0},
		{"8 bit in a string", "a LOGIN mary \"p\xe4ss\"", "mary", "p\xe4ss", 0},
		{"literals", "a LOGIN {4}\r\nmary {6}\r\nsecret", "mary", "secret", 2},
		{"LITERAL+", "a LOGIN {4+}\r\nmary {6+}\r\nsecret", "mary", "secret", 0},
		{"mixed", "a LOGIN {4+}\r\nmary \"secret\"", "mary", "secret", 0},
		{"empty", `a LOGIN mary ""`, "mary", "", 0},
		{"empty literal", "a LOGIN mary {0+}\r\n", "mary", "", 0},
		{"a literal that looks like one", "a LOGIN mary {4+}\r\n{9+}", "mary", "{9+}", 0},
		{"trailing space", "a LOGIN mary secret ", "mary", "secret", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, one := range []bool{false, true} {
				var src io.Reader = strings.NewReader(c.in + "\r\nb NOOP\r\n")
				if one {
					src = iotest.OneByteReader(src)
				}
				s := open(src)
				cmd, err := s.Next()
				if cmd != (Command{"a", "LOGIN"}) || err != nil || s.asked != 0 {
					t.Fatalf("%+v, %v, asked %d", cmd, err, s.asked)
				}
				user, err := s.Astring(255)
				if err != nil || string(user) != c.user {
					t.Fatalf("user %q, %v", user, err)
				}
				pass, err := s.Astring(1024)
				if err != nil || string(pass) != c.pass || s.End() != nil || s.asked != c.asked {
					t.Fatalf("password %q, %v, %v, asked %d", pass, err, s.End(), s.asked)
				}
				s.inStep(t)
			}
		})
	}
}

// inStep says that the next command is read as one.
func (s *session) inStep(t *testing.T) {
	t.Helper()
	if cmd, err := s.Next(); cmd != (Command{"b", "NOOP"}) || err != nil {
		t.Errorf("out of step: %+v, %v", cmd, err)
	}
}

func TestBadArgumentsLeaveTheNextCommandInStep(t *testing.T) {
	for name, in := range map[string]string{
		"missing":                 "a LOGIN mary",
		"no end":                  `a LOGIN mary "secret`,
		"no end before a literal": "a LOGIN mary \"secret {7+}\r\nb LOGIN",
		"bad escape":              `a LOGIN mary "a\b"`,
		"nothing between":         `a LOGIN mary "a""b"`,
		"after a literal":         "a LOGIN mary {3+}\r\nabcd {7+}\r\nb LOGIN",
		"parentheses":             "a LOGIN mary (((((((",
		"8 bit atom":              "a LOGIN mary p\xe4ss",
		"literal8":                "a LOGIN mary ~{7+}\r\nb LOGIN",
		"two literals":            "a LOGIN mary {5}{7+}\r\nb LOGIN",
		"CR in a literal":         "a LOGIN mary {3+}\r\na\rb",
		"LF in a literal":         "a LOGIN mary {3+}\r\na\nb",
		"CRLF command in literal": "a LOGIN mary {9+}\r\nx\r\nb QUIT",
		"NUL in a literal":        "a LOGIN mary {3+}\r\na\x00b",
		"too long, synchronising": "a LOGIN mary {4294967295}",
		"too long for this one":   "a LOGIN mary {1025+}\r\n" + strings.Repeat("b", 1025),
		"too long, quoted":        `a LOGIN mary "` + strings.Repeat("b", 1025) + `"`,
		"NUL in the line":         "a LOGIN mary \"a\x00b\" {7+}\r\nb LOGIN",
		"NUL behind a literal":    "a LOGIN mary {1+}\r\nx\x00 {7+}\r\nb LOGIN",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(strings.NewReader(in + "\r\nb NOOP\r\n"))
			_, err := s.Next()
			if err == nil {
				if _, err = s.Astring(255); err == nil {
					_, err = s.Astring(1024)
				}
			}
			if err == nil || line.Fatal(err) || s.asked != 0 {
				t.Errorf("%v, asked %d", err, s.asked)
			}
			s.inStep(t)
		})
	}
}

func TestAForcedLiteralOverTheLimitEndsTheConnection(t *testing.T) {
	for _, in := range []string{"a LOGIN {99999999+}\r\n", "a LOGIN {18446744073709551617+}\r\n", "a LOGIN {8193+}\r\n", "a LOGIN mary {99999999+}\r\n"} {
		s := open(strings.NewReader(in + strings.Repeat("x", 20000)))
		s.Next()
		_, err := s.Astring(255)
		if err == nil {
			_, err = s.Astring(255)
		}
		if err != ErrLiteralForced || !line.Fatal(err) {
			t.Errorf("%s: %v", in, err)
		}
	}
	for _, in := range []string{"a NOOP {99999999+}\r\n", "a FOO x {8193+}\r\n", "? ? {8193+}\r\n"} {
		s := open(strings.NewReader(in + strings.Repeat("x", 20000)))
		s.Next()
		if _, err := s.Next(); err != ErrLiteralForced {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// The caller refuses on what Next said; no octet of a secret was asked for, and
// what was sent unasked is passed over.
func TestAPasswordIsRefusedBeforeItIsAskedFor(t *testing.T) {
	for _, in := range []string{"a LOGIN {4}\r\n", "a LOGIN {4+}\r\nmary {6+}\r\nsecret\r\n", "a AUTHENTICATE PLAIN\r\n", "a LOGIN mary secret\r\n"} {
		s := open(strings.NewReader(in + "b NOOP\r\n"))
		if cmd, err := s.Next(); cmd.Tag != "a" || err != nil {
			t.Fatal(cmd, err)
		}
		s.inStep(t)
		if s.asked != 0 {
			t.Errorf("%q: asked", in)
		}
	}
}

func TestManyLiteralsMeetTheBudget(t *testing.T) {
	s := open(strings.NewReader(strings.Repeat("a NOOP {8000+}\r\n"+strings.Repeat("x", 8000)+"\r\n", 100)))
	for {
		if _, err := s.Next(); err == line.ErrBudget {
			return
		} else if line.Fatal(err) {
			t.Fatal(err)
		}
	}
}

func TestFirstLine(t *testing.T) {
	long := strings.Repeat("x", line.MaxLine)
	cases := []struct {
		in    string
		want  Command
		ok    bool
		fatal bool
	}{
		{"a1 capability", Command{"a1", "CAPABILITY"}, true, false},
		{"A.b]c&1 Noop", Command{"A.b]c&1", "NOOP"}, true, false},
		{"a1", Command{Tag: "a1"}, false, false},
		{"a1 ", Command{Tag: "a1"}, false, false},
		{"a1  NOOP", Command{Tag: "a1"}, false, false},
		{"+ NOOP", Command{}, false, false},
		{"a+ NOOP", Command{}, false, false},
		{"* NOOP", Command{}, false, false},
		{"a\x01 NOOP", Command{}, false, false},
		{"\xc3\xa4 NOOP", Command{}, false, false},
		{"", Command{}, false, false},
		{" NOOP", Command{}, false, false},
		{strings.Repeat("t", maxTag+1) + " NOOP", Command{}, false, false},
		{"a1 {5}", Command{Tag: "a1"}, false, false},
		{"a1 NO\x00OP", Command{}, false, false},
		{"GET / HTTP/1.1", Command{}, false, true},
		{"a1 LOGIN " + long, Command{Tag: "a1"}, false, true},
		{"a1 AUTHENTICATE PLAIN " + long, Command{"a1", "AUTHENTICATE"}, true, false},
		{"a1 AUTHENTICATE PLAIN " + long + long, Command{}, false, true},
	}
	for _, c := range cases {
		got, err := open(strings.NewReader(c.in + "\r\n")).Next()
		if got != c.want || (err == nil) != c.ok || line.Fatal(err) != c.fatal {
			t.Errorf("%.40q: %+v, %v", c.in, got, err)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	cases := []struct {
		in, mech string
		initial  []byte
		ok       bool
	}{
		{"PLAIN", "PLAIN", nil, true},
		{"xoauth2 dXNlcg==", "XOAUTH2", []byte("user"), true},
		{"EXTERNAL =", "EXTERNAL", []byte{}, true},
		{"PLAIN ", "PLAIN", nil, true},
		{"PLAIN *", "PLAIN", nil, false},
		{"PLAIN dXNlcg== x", "PLAIN", nil, false},
		{"PLAIN dXNlcg", "PLAIN", nil, false},
		{"", "", nil, false},
		{strings.Repeat("M", 65), "", nil, false},
		{`"PLAIN"`, "", nil, false},
	}
	for _, c := range cases {
		s := open(strings.NewReader("a authenticate " + c.in + "\r\nb NOOP\r\n"))
		if cmd, err := s.Next(); cmd.Name != "AUTHENTICATE" || err != nil {
			t.Fatal(cmd, err)
		}
		mech, initial, err := s.Authenticate()
		if mech != c.mech || !bytes.Equal(initial, c.initial) || (initial == nil) != (c.initial == nil) || (err == nil) != c.ok {
			t.Errorf("%q: %q %q %v", c.in, mech, initial, err)
		}
		s.inStep(t)
	}
}

// Seven kinds of answer to an error challenge, as programs were seen to send them.
func TestWhateverAnswersAChallengeIsOneLine(t *testing.T) {
	for _, answer := range []string{"", "AQ==", "\x01", "=", "*", "dXNlcj1tYXJ5", "2 AUTHENTICATE XOAUTH2 dXNlcj1tYXJ5", strings.Repeat("A", line.MaxSASL-2)} {
		s := open(strings.NewReader("a AUTHENTICATE XOAUTH2\r\n" + answer + "\r\nb NOOP\r\n"))
		s.Next()
		s.Authenticate()
		if got, err := s.Response(); string(got) != answer || err != nil {
			t.Errorf("%.40q: %.40q, %v", answer, got, err)
		}
		s.inStep(t)
	}
	s := open(strings.NewReader("a AUTHENTICATE XOAUTH2\r\n" + strings.Repeat("A", line.MaxSASL) + "\r\n"))
	s.Next()
	if _, err := s.Response(); err != line.ErrTooLong {
		t.Error(err)
	}
}

func TestID(t *testing.T) {
	many := strings.Repeat(`"k" "v" `, maxPairs)
	cases := []struct {
		in   string
		want []signin.Pair
		ok   bool
	}{
		{"NIL", nil, true},
		{"nil", nil, true},
		{"()", nil, true},
		{`("name" "OfflineIMAP" "version" "8.0.0")`, []signin.Pair{{Key: "name", Value: "OfflineIMAP"}, {Key: "version", Value: "8.0.0"}}, true},
		{`("NAME" NIL "os" "NIL")`, []signin.Pair{{Key: "os", Value: "NIL"}}, true},
		{"(name foo)", []signin.Pair{{Key: "name", Value: "foo"}}, true},
		{"({4+}\r\nname {3+}\r\nfoo)", []signin.Pair{{Key: "name", Value: "foo"}}, true},
		{"( \"name\"  \"a\" )", []signin.Pair{{Key: "name", Value: "a"}}, true},
		{"(" + many + ")", nil, true},
		{"(" + many + `"k" "v")`, nil, false},
		{`("name")`, nil, false},
		{`("name" "x"`, nil, false},
		{`("name" ("x"))`, nil, false},
		{"((((((((((", nil, false},
		{`("a" "` + strings.Repeat("x", maxValue+1) + `")`, nil, false},
		{`("` + strings.Repeat("x", maxKey+1) + `" "a")`, nil, false},
		{`("a" "b") x`, nil, false},
		{"NIL x", nil, false},
		{"foo", nil, false},
		{"", nil, false},
	}
	for _, c := range cases {
		s := open(strings.NewReader("a ID " + c.in + "\r\nb NOOP\r\n"))
		s.Next()
		got, err := s.ID()
		if (err == nil) != c.ok || c.want != nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%.60q: %v %v", c.in, got, err)
		}
		s.inStep(t)
	}
}

func TestEveryPairOfStringsComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.ByteRange(1, 255).Filter(func(c byte) bool { return c != '\r' && c != '\n' }), 0, 200)
		var in bytes.Buffer
		var want [2][]byte
		in.WriteString("a LOGIN")
		for i := range want {
			want[i] = text.Draw(t, "value")
			quoted, ok := Quote(string(want[i]))
			if !ok || rapid.Bool().Draw(t, "literal") {
				quoted = fmt.Sprintf("{%d+}\r\n%s", len(want[i]), want[i])
			}
			in.WriteString(" " + quoted)
		}
		s := open(&in)
		in.WriteString("\r\n")
		s.Next()
		for i := range want {
			if got, err := s.Astring(200); err != nil || !bytes.Equal(got, want[i]) {
				t.Fatalf("%q, %v", got, err)
			}
		}
		if err := s.End(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"a1 LOGIN \"mary\" {6}\r\nsecret\r\n", "a LOGIN {4+}\r\nmary {99999999+}\r\n", "a ID (\"name\" NIL)\r\n",
		"2 authenticate PLAIN AGEAYg==\r\n", "a AUTHENTICATE XOAUTH2\r\n\x01\r\n", "a LOGIN \"a\\\"b\" {0}\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		lines := line.New(bytes.NewReader(in), line.Limits{BareLF: true})
		r := NewReader(lines, func() error { return nil })
		for {
			cmd, err := r.Next()
			if line.Fatal(err) {
				return
			}
			switch cmd.Name {
			case "LOGIN":
				for range 2 {
					v, err := r.Astring(255)
					if len(v) > 255 || err == nil && line.Forbidden(v) {
						t.Fatalf("%q", v)
					}
					if line.Fatal(err) {
						return
					}
				}
			case "ID":
				if pairs, err := r.ID(); len(pairs) > maxPairs || line.Fatal(err) {
					return
				}
			case "AUTHENTICATE":
				if _, _, err := r.Authenticate(); err == nil {
					r.Response()
				}
			}
		}
	})
}
