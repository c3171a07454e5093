package exchange

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is how a file's characters are written.
type Encoding uint8

// The encodings. Bytes is ASCII, UTF-8 or an old code page: bytes beyond ASCII
// pass through untouched, so even what an earlier program garbled comes out as
// it came in.
const (
	Bytes Encoding = iota
	UTF16LE
	UTF16BE
)

func (e Encoding) String() string {
	return [...]string{"bytes", "UTF-16LE", "UTF-16BE"}[min(e, UTF16BE)]
}

const (
	bomUTF8    = "\xef\xbb\xbf"
	bomUTF16LE = "\xff\xfe"
	bomUTF16BE = "\xfe\xff"
)

// form is what surrounds the text of a file.
type form struct {
	encoding Encoding
	bom      bool
}

// decode takes the byte order mark off and makes Go text of the rest. Without
// a mark, a zero byte beside an ASCII character tells UTF-16.
func decode(raw []byte) (string, form, error) {
	s := string(raw)
	if rest, ok := strings.CutPrefix(s, bomUTF8); ok {
		return rest, form{Bytes, true}, nil
	}
	f := form{}
	switch {
	case strings.HasPrefix(s, bomUTF16LE):
		f, s = form{UTF16LE, true}, s[2:]
	case strings.HasPrefix(s, bomUTF16BE):
		f, s = form{UTF16BE, true}, s[2:]
	case len(s) >= 2 && s[0] != 0 && s[1] == 0:
		f.encoding = UTF16LE
	case len(s) >= 2 && s[0] == 0 && s[1] != 0:
		f.encoding = UTF16BE
	default:
		return s, f, nil
	}
	text, err := decode16(s, f.order())
	return text, f, err
}

func (f form) order() byteOrder {
	if f.encoding == UTF16BE {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func decode16(s string, order byteOrder) (string, error) {
	if len(s)%2 != 0 {
		return "", errors.New("the file is UTF-16 but has an odd number of bytes")
	}
	units := make([]uint16, len(s)/2)
	for i := range units {
		units[i] = order.Uint16([]byte(s[2*i : 2*i+2]))
	}
	var b strings.Builder
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) {
			if i+1 == len(units) {
				return "", errors.New("the file is UTF-16 but ends within a character")
			}
			i++
			if r = utf16.DecodeRune(r, rune(units[i])); r == utf8.RuneError {
				return "", errors.New("the file is UTF-16 but has half a surrogate pair")
			}
		}
		b.WriteRune(r)
	}
	return b.String(), nil
}

// encode is decode's inverse.
func (f form) encode(text string) []byte {
	if f.encoding == Bytes {
		if f.bom {
			text = bomUTF8 + text
		}
		return []byte(text)
	}
	var b []byte
	if f.bom {
		b = append(b, map[Encoding]string{UTF16LE: bomUTF16LE, UTF16BE: bomUTF16BE}[f.encoding]...)
	}
	for _, u := range utf16.Encode([]rune(text)) {
		b = f.order().AppendUint16(b, u)
	}
	return b
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}
