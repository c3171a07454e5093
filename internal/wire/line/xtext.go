package line

import (
	"bytes"
	"strings"
)

const hexDigits = "0123456789ABCDEF"

// XText encodes s as XCLIENT values are (RFC 3461, section 4): every octet that
// could end a value or a line becomes +XX.
func XText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c <= '~' && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			b.WriteByte('+')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

// UnXText decodes what XText made.
func UnXText(s string) (string, error) {
	if !strings.Contains(s, "+") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", Syntax("invalid xtext")
		}
		hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
		if hi < 0 || lo < 0 {
			return "", Syntax("invalid xtext")
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), nil
}

// Field is one attribute of XCLIENT or XFORWARD, its name in upper case.
type Field struct{ Name, Value string }

// maxFields is over what Postfix (7) and Dovecot (9) know.
const maxFields = 16

// Fields reads the attributes of an XCLIENT or XFORWARD command, in SMTP, POP3
// and ManageSieve alike: NAME=xtext, separated by spaces.
func Fields(b []byte) ([]Field, error) {
	var out []Field
	for _, word := range bytes.Fields(b) {
		name, value, ok := strings.Cut(string(word), "=")
		if !ok || name == "" || len(out) == maxFields {
			return nil, Syntax("attribute=value expected")
		}
		value, err := UnXText(value)
		if err != nil {
			return nil, err
		}
		out = append(out, Field{strings.ToUpper(name), value})
	}
	return out, nil
}

// FieldLine writes attributes as a command with the given verb, without its
// line end. Empty values are left out.
func FieldLine(verb string, fields ...Field) string {
	var b strings.Builder
	b.WriteString(verb)
	for _, f := range fields {
		if f.Value != "" {
			b.WriteString(" " + f.Name + "=" + XText(f.Value))
		}
	}
	return b.String()
}
