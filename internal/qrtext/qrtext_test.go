package qrtext

import (
	"strings"
	"testing"
	"unicode/utf8"

	"rsc.io/qr"
)

const anURI = "otpauth://totp/amy?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Portreeve"

// The drawing is read back, module by module.
func TestACodeIsDrawnWhole(t *testing.T) {
	want, err := qr.Encode(anURI, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	halves := map[rune][2]bool{'█': {true, true}, '▀': {true, false}, '▄': {false, true}, ' ': {}}
	for _, colour := range []bool{false, true} {
		lines, err := Lines(anURI, colour)
		if err != nil {
			t.Fatal(err)
		}
		size := want.Size + 2*quietZone
		if len(lines) != (size+1)/2 {
			t.Fatalf("%d lines for %d rows", len(lines), size)
		}
		for i, line := range lines {
			bare := strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[30;107m"), "\x1b[0m")
			if (bare != line) != colour || utf8.RuneCountInString(bare) != size {
				t.Fatalf("line %d with colour %t: %q", i, colour, line)
			}
			x := 0
			for _, r := range bare {
				both, known := halves[r]
				if !known {
					t.Fatalf("line %d has %q", i, r)
				}
				for j, ink := range both {
					if y := 2*i + j; y < size && (ink == colour) != want.Black(x-quietZone, y-quietZone) {
						t.Fatalf("colour %t: module %d, %d is wrong", colour, x, y)
					}
				}
				x++
			}
		}
	}
	if _, err := Lines(strings.Repeat("x", 3000), false); err == nil {
		t.Error("more was drawn than a QR code holds")
	}
}
