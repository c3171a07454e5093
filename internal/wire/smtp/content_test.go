package smtp

import (
	"errors"
	"strings"
	"testing"
)

func TestSenderReadsOneFormOnly(t *testing.T) {
	for arg, want := range map[string]string{
		"FROM:<a@b>": "a@b", "from:<a@b> SIZE=12 BODY=8BITMIME": "a@b", "FROM: <a@b>": "a@b", "FROM:<>": "", "FROM:<a@b> AUTH=<>": "a@b", "FROM:<ü@b> SMTPUTF8": "ü@b",
	} {
		if got, _, ok := Sender([]byte(arg)); !ok || got != want {
			t.Errorf("%q: %q, %v", arg, got, ok)
		}
	}
	for _, arg := range []string{"", "FROM:", "FROM:a@b", "FROM:<a@b", "FROM:<a@b> <c@d>", "FROM:<a@b>SIZE=1", "FROM:<@x:a@b>", "FROM:<@x,@y:a@b>", `FROM:<"a"@b>`, `FROM:<a\@b>`,
		"FROM:<<a@b>>", "TO:<a@b>", "FROM:<a@b> =x", "FROM:<a@b c@d>", "FROM:x<a@b>", "FROM:<a@b,c@d>"} {
		if got, params, ok := Sender([]byte(arg)); ok {
			t.Errorf("%q is read as %q with %q", arg, got, params)
		}
	}
}

func TestChunkReadsTheStrictForm(t *testing.T) {
	for arg, want := range map[string]struct {
		size uint64
		last bool
	}{"0": {0, false}, "12": {12, false}, "12 LAST": {12, true}, "9999999999 last": {9999999999, true}} {
		if size, last, ok := Chunk([]byte(arg)); !ok || size != want.size || last != want.last {
			t.Errorf("%q: %d, %v, %v", arg, size, last, ok)
		}
	}
	for _, arg := range []string{"", "-1", "+1", "1 ", " 1", "1  LAST", "1 LAST ", "1 LAS", "0x10", "99999999999", "1\t", strings.Repeat("0", 40)} {
		if _, _, ok := Chunk([]byte(arg)); ok {
			t.Errorf("%q is read", arg)
		}
	}
}

// However a message is cut, it ends at the same octet or is doubtful.
func FuzzContent(f *testing.F) {
	f.Add([]byte("a\r\n.\r\nNOOP\r\n"), uint8(1))
	f.Add([]byte(".\r\n"), uint8(2))
	f.Add([]byte("a\n.\r\n\r\n.\r\n"), uint8(3))
	f.Add([]byte("..\r\n.\r\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		whole := NewContent()
		n, ended, err := whole.Next(b)
		if err != nil && !errors.Is(err, ErrDoubtful) || n > len(b) {
			t.Fatalf("%d of %d, %v", n, len(b), err)
		}
		if ended && !strings.HasSuffix("\r\n"+string(b[:n]), "\r\n.\r\n") {
			t.Errorf("%q ends a message", b[:n])
		}
		cut, at := NewContent(), 0
		for at < len(b) {
			k, e, err2 := cut.Next(b[at:min(len(b), at+int(piece)%7+1)])
			at += k
			if e != (ended && at == n) || (err2 != nil) != (err != nil && at == n) {
				t.Fatalf("%q, cut: at %d ended %v, %v; whole: %d, %v, %v", b, at, e, err2, n, ended, err)
			}
			if e || err2 != nil {
				return
			}
		}
		if ended || err != nil {
			t.Errorf("%q, cut, does not end", b)
		}
	})
}
