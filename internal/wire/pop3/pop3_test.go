package pop3

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portreeve/portreeve/internal/wire/line"
)

func reader(in string) *Reader {
	return NewReader(line.New(strings.NewReader(in), line.Limits{BareLF: true}))
}

func TestCommands(t *testing.T) {
	long := strings.Repeat("x", line.MaxLine)
	cases := []struct {
		in, name, arg string
		ok, fatal     bool
	}{
		{"USER mary@example.com\r\n", "USER", "mary@example.com", true, false},
		{"user mary \r\n", "USER", "mary ", true, false},
		{"PASS  two  words \r\n", "PASS", " two  words ", true, false},
		{"PASS \r\n", "PASS", "", true, false},
		{"pass p\xe4ss\n", "PASS", "p\xe4ss", true, false},
		{"CAPA\r\n", "CAPA", "", true, false},
		{"STLS\r\n", "STLS", "", true, false},
		{"APOP mary c4c9334bac560ecc979e58001b3e22fb\r\n", "APOP", "mary c4c9334bac560ecc979e58001b3e22fb", true, false},
		{"XCLIENT ADDR=::1\r\n", "XCLIENT", "ADDR=::1", true, false},
		{"AUTH PLAIN " + long + "\r\n", "AUTH", "PLAIN " + long, true, false},
		{"\r\n", "", "", false, false},
		{" USER mary\r\n", "", "", false, false},
		{"US\x00ER mary\r\n", "", "", false, false},
		{"PASS a\rb\r\n", "", "", false, false},
		{"\x16\x03\x01\r\n", "", "", false, false},
		{"POST / HTTP/1.1\r\n", "", "", false, true},
		{"PASS " + long + "\r\n", "", "", false, true},
		{"AUTH PLAIN " + long + long + "\r\n", "", "", false, true},
	}
	for _, c := range cases {
		got, err := reader(c.in).Next()
		if got.Name != c.name || string(got.Arg) != c.arg || (err == nil) != c.ok || line.Fatal(err) != c.fatal {
			t.Errorf("%.40q: %.40q %.40q %v", c.in, got.Name, got.Arg, err)
		}
	}
	if got := (Command{Arg: []byte(" mary\t ")}).Word(); string(got) != "mary" {
		t.Errorf("%q", got)
	}
}

func TestAuth(t *testing.T) {
	cases := []struct {
		in, mech string
		initial  []byte
		ok       bool
	}{
		{"", "", nil, true},
		{"PLAIN", "PLAIN", nil, true},
		{"xoauth2 dXNlcg==", "XOAUTH2", []byte("user"), true},
		{"EXTERNAL =", "EXTERNAL", []byte{}, true},
		{"PLAIN  dXNlcg== ", "PLAIN", []byte("user"), true},
		{"PLAIN *", "PLAIN", nil, false},
		{"PLAIN dXNlcg== dXNlcg==", "PLAIN", nil, false},
		{strings.Repeat("M", 65), "", nil, false},
	}
	for _, c := range cases {
		cmd, err := reader("AUTH " + c.in + "\r\n").Next()
		if err != nil {
			t.Fatal(err)
		}
		mech, initial, err := cmd.Auth()
		if mech != c.mech || !bytes.Equal(initial, c.initial) || (initial == nil) != (c.initial == nil) || (err == nil) != c.ok {
			t.Errorf("%q: %q %q %v", c.in, mech, initial, err)
		}
	}
}

func TestWhateverAnswersAChallengeIsOneLine(t *testing.T) {
	for _, answer := range []string{"", "*", "STAT", "\x01", "AUTH XOAUTH2 eA==", strings.Repeat("A", line.MaxSASL-2)} {
		r := reader(answer + "\r\nQUIT\r\n")
		if got, err := r.Response(); string(got) != answer || err != nil {
			t.Errorf("%.40q: %.40q, %v", answer, got, err)
		}
		if cmd, err := r.Next(); cmd.Name != "QUIT" || err != nil {
			t.Errorf("%.40q: out of step: %v", answer, err)
		}
	}
}

func TestReplies(t *testing.T) {
	for got, want := range map[string]string{
		OK(""):                        "+OK\r\n",
		OK("ready"):                   "+OK ready\r\n",
		Err("", "no"):                 "-ERR no\r\n",
		Err("SYS/PERM", "no\r\n+OK"):  "-ERR [SYS/PERM] no??+OK\r\n",
		Err("A]B", ""):                "-ERR [AB]\r\n",
		Challenge(""):                 "+ \r\n",
		List("", "USER", ".x", "a\r"): "+OK\r\nUSER\r\n..x\r\na?\r\n.\r\n",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	for in, want := range map[string]Status{
		"+OK":                     {OK: true},
		"+OK Dovecot <a@b> ready": {OK: true, Text: "Dovecot <a@b> ready"},
		"-ERR [AUTH] wrong":       {Code: "AUTH", Text: "wrong"},
		"-ERR [SYS/TEMP]":         {Code: "SYS/TEMP"},
		"-ERR a [b] c":            {Text: "a [b] c"},
		"+ eyJ9":                  {Challenge: true, Text: "eyJ9"},
		"+":                       {Challenge: true},
	} {
		if got, err := ParseStatus([]byte(in)); got != want || err != nil {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "OK", "+OKAY", "* OK", "220 x"} {
		if got, err := ParseStatus([]byte(in)); err == nil {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestListsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringMatching(`[.]{0,2}[ -~]{1,30}[a-z]`), 0, maxListLines-1).Draw(t, "lines")
		l := line.New(strings.NewReader(List("ok", want...)), line.Limits{})
		if _, err := l.ReadLine(0); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadList(l); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q, %v", got, err)
		}
	})
	endless := line.New(strings.NewReader(strings.Repeat("x\r\n", 1000)), line.Limits{})
	if _, err := ReadList(endless); !line.Fatal(err) {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{"USER a\r\nPASS  b \r\n", "AUTH PLAIN =\r\n", "+OK [X] y\r\n.\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(line.New(bytes.NewReader(in), line.Limits{BareLF: true}))
		for {
			cmd, err := r.Next()
			if line.Fatal(err) {
				break
			}
			if err == nil && (cmd.Name == "" || line.Forbidden(cmd.Arg)) {
				t.Fatalf("%+v", cmd)
			}
			cmd.Auth()
		}
		ParseStatus(in)
		ReadList(line.New(bytes.NewReader(in), line.Limits{}))
	})
}
