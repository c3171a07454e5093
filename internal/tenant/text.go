package tenant

import (
	"bufio"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// form is how a file is written.
type form string

const (
	formJSON   form = "json"
	formCSV    form = "csv"
	formCLIXML form = "clixml"
	formZip    form = "zip"
	formNone   form = ""
)

// utf8Text takes the byte order mark off and turns UTF-16 into UTF-8. Without
// a mark, a zero byte beside an ASCII character tells UTF-16.
func utf8Text(r io.Reader) *bufio.Reader {
	const window = 64 << 10
	b := bufio.NewReaderSize(r, window)
	head, _ := b.Peek(3)
	wide := func(e unicode.Endianness) *bufio.Reader {
		return bufio.NewReaderSize(transform.NewReader(b, unicode.UTF16(e, unicode.UseBOM).NewDecoder()), window)
	}
	bare := func(e unicode.Endianness) *bufio.Reader {
		return bufio.NewReaderSize(transform.NewReader(b, unicode.UTF16(e, unicode.IgnoreBOM).NewDecoder()), window)
	}
	switch {
	case len(head) == 3 && head[0] == 0xef && head[1] == 0xbb && head[2] == 0xbf:
		b.Discard(3) // was peeked: cannot fail
	case len(head) >= 2 && head[0] == 0xff && head[1] == 0xfe:
		return wide(unicode.LittleEndian)
	case len(head) >= 2 && head[0] == 0xfe && head[1] == 0xff:
		return wide(unicode.BigEndian)
	case len(head) >= 2 && head[0] != 0 && head[1] == 0:
		return bare(unicode.LittleEndian)
	case len(head) >= 2 && head[0] == 0 && head[1] != 0:
		return bare(unicode.BigEndian)
	}
	return b
}

// formOf looks at a text's beginning.
func formOf(b *bufio.Reader) form {
	head, _ := b.Peek(512)
	for i, c := range head {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c == '{' || c == '[':
			return formJSON
		case c == '<':
			return formCLIXML
		case i == 0 && len(head) > 3 && string(head[:2]) == "PK" && head[2] < 8:
			return formZip
		case c < ' ' || c == 0x7f:
			return formNone
		}
		return formCSV
	}
	return formNone
}

// readable gives a cell's text as UTF-8: what is not comes from an old code
// page of Windows, of which 1252 is by far the most frequent.
func readable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	if decoded, err := charmap.Windows1252.NewDecoder().String(s); err == nil {
		return decoded
	}
	return s
}
