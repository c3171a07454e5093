package imap

import (
	"strings"
	"testing"
)

func TestReplies(t *testing.T) {
	for got, want := range map[string]string{
		OK("a", "", "done"):                         "a OK done\r\n",
		No("a", "UNAVAILABLE", "later"):             "a NO [UNAVAILABLE] later\r\n",
		No(Untagged, "ALERT", "no"):                 "* NO [ALERT] no\r\n",
		Bad("", "what"):                             "* BAD what\r\n",
		Bye("", "bye\r\na OK injected"):             "* BYE bye??a OK injected\r\n",
		OK("a", CapabilityCode("X] Y"), ""):         "a OK [CAPABILITY X Y] .\r\n",
		Continue(""):                                "+ \r\n",
		Continue("eyJ9"):                            "+ eyJ9\r\n",
		Capability("IMAP4rev1", "AUTH=PLAIN"):       "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
		LiteralHead("pässword"):                     "{9}\r\n",
		IDList("x-originating-ip", "::1", "n", "ä"): `("x-originating-ip" "::1")`,
		IDList(): "NIL",
		No("a", "", strings.Repeat("x", 2*maxText)): "a NO " + strings.Repeat("x", maxText) + "\r\n",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestParseResponse(t *testing.T) {
	for in, want := range map[string]Response{
		"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready": {"*", "OK", "CAPABILITY IMAP4rev1 AUTH=PLAIN", "ready"},
		"* PREAUTH hello":                    {"*", "PREAUTH", "", "hello"},
		"a1 no [AUTHENTICATIONFAILED] wrong": {"a1", "NO", "AUTHENTICATIONFAILED", "wrong"},
		"a1 OK":                              {"a1", "OK", "", ""},
		"+ ":                                 {Tag: "+"},
		"+":                                  {Tag: "+"},
		"+ eyJ9":                             {Tag: "+", Text: "eyJ9"},
		"* CAPABILITY A B":                   {"*", "CAPABILITY", "", "A B"},
		"* ID (\"name\" \"[x\")":             {"*", "ID", "", "(\"name\" \"[x\")"},
	} {
		if got, err := ParseResponse([]byte(in)); got != want || err != nil {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "OK", " OK x", "* OK [CAPABILITY x", "* 1 FETCH {5}", "* 1 FETCH {5+}", strings.Repeat("t", 200) + " OK"} {
		if got, err := ParseResponse([]byte(in)); err == nil {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestCapabilities(t *testing.T) {
	for in, want := range map[string]string{
		"* OK [CAPABILITY IMAP4rev1 sasl-ir] ready": "IMAP4rev1 sasl-ir",
		"a OK [capability IMAP4rev1] in":            "IMAP4rev1",
		"* CAPABILITY IMAP4rev1 IDLE":               "IMAP4rev1 IDLE",
	} {
		r, err := ParseResponse([]byte(in))
		caps, ok := r.Capabilities()
		if err != nil || !ok || caps.String() != want || !caps.Has("imap4REV1") || caps.Has("IMAP4") {
			t.Errorf("%q: %v %v %v", in, caps, ok, err)
		}
	}
	for _, in := range []string{"* OK ready", "a NO [CAPABILITYX A] x", "a CAPABILITY x"} {
		r, _ := ParseResponse([]byte(in))
		if caps, ok := r.Capabilities(); ok {
			t.Errorf("%q: %v", in, caps)
		}
	}
}

func TestQuote(t *testing.T) {
	if q, ok := Quote(`a"b\c`); q != `"a\"b\\c"` || !ok {
		t.Error(q, ok)
	}
	for _, in := range []string{"a\r\nb", "ä", "\x00", "\x7f"} {
		if q, ok := Quote(in); ok {
			t.Errorf("%q: %s", in, q)
		}
	}
}

func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{"* OK [CAPABILITY IMAP4rev1] x", "+ eyJ9", "a NO [X", "* 1 FETCH {5}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if r, err := ParseResponse(in); err == nil {
			r.Capabilities()
			if len(r.Code)+len(r.Text) > len(in) {
				t.Fatal("grows")
			}
		}
	})
}
