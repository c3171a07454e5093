package demo

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quietZone is the margin of a QR code, in modules: readers ask for four and
// take two.
const quietZone = 2

// drawQR draws a QR code for a telephone's camera, two rows of it in a line of
// the terminal. Without colours the light modules are drawn: most terminals are
// dark, and some readers take dark on light only.
func drawQR(text string, colour bool) ([]string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return nil, fmt.Errorf("drawing a QR code: %w", err)
	}
	ink := func(x, y int) bool { return code.Black(x, y) == colour }
	var lines []string
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		var b strings.Builder
		for x := -quietZone; x < code.Size+quietZone; x++ {
			switch upper, lower := ink(x, y), ink(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		line := b.String()
		if colour {
			line = "\x1b[30;107m" + line + "\x1b[0m" // black on white
		}
		lines = append(lines, line)
	}
	return lines, nil
}
