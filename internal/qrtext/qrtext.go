// Package qrtext draws QR codes in the lines of a terminal, for the camera of a
// telephone beside it: what somebody would otherwise type off the screen.
package qrtext

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quietZone is the margin of a code, in modules: ISO/IEC 18004 asks for four,
// and readers take two.
const quietZone = 2

// Black on white, whatever the colours of the terminal are.
const (
	blackOnWhite = "\x1b[30;107m"
	plain        = "\x1b[0m"
)

// Lines draws a code, two rows of it in a line. Without colours the light modules
// are drawn: most terminals are dark, and some readers take dark on light only.
// What is longer than a code holds is an error.
func Lines(text string, colour bool) ([]string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return nil, fmt.Errorf("drawing a QR code: %w", err)
	}
	ink := func(x, y int) bool { return code.Black(x, y) == colour }
	var lines []string
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		var b strings.Builder
		for x := -quietZone; x < code.Size+quietZone; x++ {
			b.WriteRune(block(ink(x, y), ink(x, y+1)))
		}
		line := b.String()
		if colour {
			line = blackOnWhite + line + plain
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// block is the character of two modules, one above the other.
func block(upper, lower bool) rune {
	switch {
	case upper && lower:
		return '█'
	case upper:
		return '▀'
	case lower:
		return '▄'
	}
	return ' '
}
