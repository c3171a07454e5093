package imap

import (
	"reflect"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/signin"
)

var thunderbird = []signin.Pair{{Key: "name", Value: "Thunderbird"}, {Key: "version", Value: "153.7.0"}}

const thunderbirdID = "2 ID (\"name\" \"Thunderbird\" \"version\" \"153.7.0\")\r\n"

func TestPeekIDFindsAnIDAtEveryChunkBorder(t *testing.T) {
	for _, before := range []string{"", "1 CAPABILITY\r\n", "1 IDLE\r\nDONE\r\n", "1 SELECT \"a {5} b\"\r\n", "1 select INBOX\n"} {
		in := before + thunderbirdID + "9 FETCH 1 BODY[]\r\n"
		for i := range len(in) {
			for _, j := range []int{i, i + 1, i + 7, len(in)} {
				if j = min(j, len(in)); j < i {
					continue
				}
				var p PeekID
				var got []signin.Pair
				for _, part := range []string{in[:i], in[i:j], in[j:]} {
					if pairs, _ := p.Feed([]byte(part)); pairs != nil {
						got = pairs
					}
				}
				if !reflect.DeepEqual(got, thunderbird) {
					t.Fatalf("%q | %q: %v", in[:i], in[i:j], got)
				}
				if _, more := p.Feed([]byte(thunderbirdID)); more || p.partial != nil {
					t.Fatal("goes on after it is done")
				}
			}
		}
	}
}

func TestPeekIDGivesUpAtAnythingOdd(t *testing.T) {
	for name, before := range map[string]string{
		"a literal":           "1 APPEND INBOX {3}\r\n",
		"a literal, unasked":  "1 APPEND INBOX {3+}\r\nabc\r\n",
		"an ID with one":      "1 ID (\"name\" {3}\r\n",
		"a compressed stream": "1 COMPRESS DEFLATE\r\n",
		"no tag":              "\r\n",
		"binary":              "\x16\x03\x01\x02\n",
		"a broken ID":         "1 ID (\"name\"\r\n",
		"too many commands":   strings.Repeat("1 NOOP\r\n", peekCommands),
		"too many octets":     "1 SEARCH " + strings.Repeat("x", peekOctets) + "\r\n",
		"an endless line":     "1 SEARCH " + strings.Repeat("x", 2*peekOctets),
	} {
		t.Run(name, func(t *testing.T) {
			for chunk := 1; chunk < 20000; chunk *= 7 {
				var p PeekID
				in, more := before+thunderbirdID, true
				for len(in) > 0 {
					n := min(chunk, len(in))
					var pairs []signin.Pair
					if pairs, more = p.Feed([]byte(in[:n])); pairs != nil {
						t.Fatalf("found %v", pairs)
					}
					in = in[n:]
				}
				if more || p.partial != nil {
					t.Errorf("chunks of %d: still looking", chunk)
				}
			}
		})
	}
}

func TestPeekIDEndsAtNIL(t *testing.T) {
	var p PeekID
	if pairs, more := p.Feed([]byte("1 ID NIL\r\n")); pairs != nil || more {
		t.Error(pairs, more)
	}
}

func FuzzPeekID(f *testing.F) {
	f.Add([]byte("1 NOOP\r\n"+thunderbirdID), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, chunk uint8) {
		var whole, parts PeekID
		want, _ := whole.Feed(in)
		var got []signin.Pair
		for rest := in; len(rest) > 0; {
			n := min(1+int(chunk), len(rest))
			pairs, more := parts.Feed(rest[:n])
			if rest = rest[n:]; pairs != nil {
				got = pairs
			}
			if len(parts.partial) > peekOctets || !more && parts.partial != nil {
				t.Fatal("holds too much")
			}
		}
		if !reflect.DeepEqual(got, want) && len(in) <= peekOctets {
			t.Fatalf("%v, in parts %v", want, got)
		}
	})
}
