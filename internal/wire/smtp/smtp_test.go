package smtp

import (
	"bytes"
	"net/netip"
	"reflect"
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
		{"EHLO [192.0.2.1]\r\n", "EHLO", "[192.0.2.1]", true, false},
		{"ehlo x\n", "EHLO", "x", true, false},
		{"MAIL FROM:<a@b> SIZE=1\r\n", "MAIL", "FROM:<a@b> SIZE=1", true, false},
		{"QUIT\r\n", "QUIT", "", true, false},
		{"AUTH PLAIN " + long + "\r\n", "AUTH", "PLAIN " + long, true, false},
		{"\r\n", "", "", false, false},
		{" NOOP\r\n", "", "", false, false},
		{"X-EXPS GSSAPI\r\n", "", "", false, false},
		{"NOOP\x00\r\n", "", "", false, false},
		{"NOOP\rQUIT\r\n", "", "", false, false},
		{"\x16\x03\x01\r\n", "", "", false, false},
		{"POST / HTTP/1.1\r\n", "", "", false, true},
		{"NOOP " + long + "\r\n", "", "", false, true},
		{"AUTH PLAIN " + long + long + "\r\n", "", "", false, true},
	}
	for _, c := range cases {
		got, err := reader(c.in).Next()
		if got.Name != c.name || string(got.Arg) != c.arg || (err == nil) != c.ok || line.Fatal(err) != c.fatal {
			t.Errorf("%.40q: %.40q %.40q %v", c.in, got.Name, got.Arg, err)
		}
	}
	for name, want := range map[string]bool{"MAIL": true, "RCPT": true, "DATA": true, "BDAT": true, "BURL": true, "NOOP": false, "RSET": false, "AUTH": false, "EHLO": false} {
		if (Command{Name: name}).Mail() != want {
			t.Error(name)
		}
	}
}

func TestHello(t *testing.T) {
	for in, want := range map[string]string{" mail.example ": "mail.example", "a\x1b[2Jb": "a?[2Jb", "b\xc3\xbcro": "b??ro"} {
		if got, err := (Command{Arg: []byte(in)}).Hello(); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", " \t", strings.Repeat("x", maxHello+1)} {
		if got, err := (Command{Arg: []byte(in)}).Hello(); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestAuth(t *testing.T) {
	cases := []struct {
		in, mech string
		initial  []byte
		ok       bool
	}{
		{"PLAIN", "PLAIN", nil, true},
		{"xoauth2 dXNlcg==", "XOAUTH2", []byte("user"), true},
		{"EXTERNAL =", "EXTERNAL", []byte{}, true},
		{" PLAIN  dXNlcg== ", "PLAIN", []byte("user"), true},
		{"PLAIN *", "PLAIN", nil, false},
		{"PLAIN dXNlcg== dXNlcg==", "PLAIN", nil, false},
		{"", "", nil, false},
		{strings.Repeat("M", 65), "", nil, false},
	}
	for _, c := range cases {
		mech, initial, err := Command{Name: "AUTH", Arg: []byte(c.in)}.Auth()
		if mech != c.mech || !bytes.Equal(initial, c.initial) || (initial == nil) != (c.initial == nil) || (err == nil) != c.ok {
			t.Errorf("%q: %q %q %v", c.in, mech, initial, err)
		}
	}
}

func TestWhateverAnswersAChallengeIsOneLine(t *testing.T) {
	for _, answer := range []string{"", "*", "QUIT", "\x01", "AUTH XOAUTH2 eA==", strings.Repeat("A", line.MaxSASL-2)} {
		r := reader(answer + "\r\nQUIT\r\n")
		if got, err := r.Response(); string(got) != answer || err != nil {
			t.Errorf("%.40q: %.40q, %v", answer, got, err)
		}
		if cmd, err := r.Next(); cmd.Name != "QUIT" || err != nil {
			t.Errorf("%.40q: out of step: %v", answer, err)
		}
	}
}

func TestLine(t *testing.T) {
	for got, want := range map[string]string{
		Line(250, "", "mail.example", "SIZE 1", "8BITMIME"): "250-mail.example\r\n250-SIZE 1\r\n250 8BITMIME\r\n",
		Line(535, "5.7.8", "no\r\n250 ok"):                  "535 5.7.8 no??250 ok\r\n",
		Line(535, "5.7.8", "a", "b"):                        "535-5.7.8 a\r\n535 5.7.8 b\r\n",
		Line(334, ""):                                       "334 \r\n",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestReadReply(t *testing.T) {
	for in, want := range map[string]Reply{
		"220 mail ESMTP\r\n":                   {220, []string{"mail ESMTP"}},
		"250-mail\r\n250-SIZE\r\n250 DSN\r\nx": {250, []string{"mail", "SIZE", "DSN"}},
		"250\r\n":                              {250, []string{""}},
		"334 eyJ9\r\n":                         {334, []string{"eyJ9"}},
		"535-5.7.8 a\r\n535 5.7.8 b\r\n":       {535, []string{"5.7.8 a", "5.7.8 b"}},
	} {
		if got, err := ReadReply(line.New(strings.NewReader(in), line.Limits{})); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "\r\n", "25\r\n", "250x\r\n", "150 x\r\n", "650 x\r\n", "* OK x\r\n", "250-a\r\n251 b\r\n", "250-a\r\n", strings.Repeat("250-a\r\n", 1000)} {
		if got, err := ReadReply(line.New(strings.NewReader(in), line.Limits{})); !line.Fatal(err) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestRepliesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.IntRange(200, 599).Draw(t, "code")
		lines := rapid.SliceOfN(rapid.StringMatching(`[ -~]{0,60}`), 1, maxReplyLines).Draw(t, "lines")
		got, err := ReadReply(line.New(strings.NewReader(Line(code, "", lines...)), line.Limits{}))
		if err == line.ErrHTTP {
			return
		}
		if err != nil || got.Code != code || !slices.Equal(got.Lines, lines) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func TestEnhanced(t *testing.T) {
	for in, want := range map[string]string{"5.7.8 no": "5.7.8", "5.7.8": "5.7.8", "2.0.0 x": "", "5.7 x": "", "5.7.8.9 x": "", "5.x.8": "", "5..8": "", "": ""} {
		if got := (Reply{535, []string{in}}).Enhanced(); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	if (Reply{}).Enhanced() != "" || (Reply{250, []string{"a", "b"}}).Text() != "a b" {
		t.Error("Text")
	}
}

func TestExtensions(t *testing.T) {
	e := Reply{250, []string{"mail", "SIZE 100", "auth PLAIN LOGIN", "AUTH=XOAUTH2", "STARTTLS", "CHUNKING"}}.Extensions()
	if p, ok := e.Lookup("AUTH"); !ok || p != "PLAIN LOGIN XOAUTH2" {
		t.Error(p, ok)
	}
	if !e.Has("chunking") || e.Has("mail") || e.Has("CHUNK") {
		t.Error("Has")
	}
	if got := e.Without("AUTH", "starttls"); !slices.Equal(got, Extensions{"SIZE 100", "CHUNKING"}) {
		t.Error(got)
	}
	other := Extensions{"SIZE 50", "CHUNKING", "AUTH PLAIN", "DSN"}
	if got := e.Intersect(other); !slices.Equal(got, Extensions{"SIZE 50", "CHUNKING"}) {
		t.Error(got)
	}
	if got := (Extensions{"SIZE 0"}).Intersect(other); !slices.Equal(got, Extensions{"SIZE 50"}) {
		t.Error(got)
	}
	if got := (Extensions{"SIZE 7"}).Intersect(Extensions{"SIZE 0"}); !slices.Equal(got, Extensions{"SIZE 7"}) {
		t.Error(got)
	}
	if (Reply{550, []string{"a", "b"}}).Extensions() != nil {
		t.Error("extensions of a refusal")
	}
}

func TestClientAddressesComeBackThroughXCLIENT(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:143":          "XCLIENT ADDR=192.0.2.1 PORT=143",
		"[2001:db8::1]:1":        "XCLIENT ADDR=IPV6:2001:db8::1 PORT=1",
		"[::ffff:192.0.2.1]:143": "XCLIENT ADDR=192.0.2.1 PORT=143",
	} {
		client := netip.MustParseAddrPort(in)
		cmd := line.FieldLine("XCLIENT", ClientFields(client)...)
		if cmd != want {
			t.Errorf("%q", cmd)
		}
		fields, err := line.Fields([]byte(strings.TrimPrefix(cmd, "XCLIENT ")))
		got, ok := ClientAddr(fields)
		if err != nil || !ok || got != netip.AddrPortFrom(client.Addr().Unmap(), client.Port()) {
			t.Errorf("%s: %v %v %v", in, got, ok, err)
		}
	}
	if ClientFields(netip.AddrPort{}) != nil {
		t.Error("fields of nobody")
	}
	for in, want := range map[string]bool{
		"ADDR=::1": true, "ADDR=192.0.2.1 PORT=[UNAVAILABLE]": true,
		"": false, "PORT=1": false, "ADDR=[UNAVAILABLE]": false, "ADDR=x": false, "ADDR=1.1.1.1 ADDR=2.2.2.2": false, "ADDR=::1 PORT=65536": false,
	} {
		fields, err := line.Fields([]byte(in))
		if got, ok := ClientAddr(fields); err != nil || ok != want || ok != got.Addr().IsValid() {
			t.Errorf("%q: %v %v", in, got, ok)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{"EHLO x\r\nAUTH PLAIN =\r\n", "250-a\r\n250 AUTH=PLAIN\r\n", "535 5.7.8 x\r\n"} {
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
			cmd.Hello()
		}
		if reply, err := ReadReply(line.New(bytes.NewReader(in), line.Limits{})); err == nil {
			e := reply.Extensions()
			e.Without("AUTH").Intersect(e)
			reply.Enhanced()
		}
	})
}
