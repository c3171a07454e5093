package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	width  = 80 // columns
	indent = 5
	// readingTime is the pause between acts where somebody sits in front.
	readingTime = 3 * time.Second
)

// screen shows the story, keeps what was claimed and whether it held, and the
// lines that went over the wire.
type screen struct {
	out    io.Writer
	colour bool
	keys   <-chan struct{} // Enter, on a terminal; nil where nobody sits in front
	fast   bool

	began  time.Time
	waited time.Duration // for Enter
	act    string
	claims []claim
	lines  []wireLine
}

// claim is something the story says, and whether it is so.
type claim struct {
	Act   string `json:"act"`
	Text  string `json:"text"`
	Holds bool   `json:"holds"`
}

// wireLine is one line of a mail program's conversation.
type wireLine struct {
	Act    string `json:"act"`
	Millis int64  `json:"ms"` // since the demo began
	From   string `json:"from"`
	Text   string `json:"text"`
}

// played is how long the story has played, without waiting for Enter.
func (s *screen) played() time.Duration { return time.Since(s.began) - s.waited }

// title begins an act. With ask it waits for Enter first.
func (s *screen) title(ctx context.Context, n int, text string, ask bool) error {
	s.act = text
	line := fmt.Sprintf("%d/%d  %s", n, acts, text)
	if ask {
		line = s.asking(line)
	}
	s.print("\n%s", s.paint("1", line))
	if !ask {
		s.print("\n")
		return ctx.Err()
	}
	return s.enter(ctx)
}

// offer waits for Enter within an act.
func (s *screen) offer(ctx context.Context, text string) error {
	s.print("%s", s.asking(strings.Repeat(" ", indent)+text))
	return s.enter(ctx)
}

// waits says whether somebody is there to press Enter.
func (s *screen) waits() bool { return s.keys != nil && !s.fast }

// asking is a line with what to press at its end, if anybody is there.
func (s *screen) asking(line string) string {
	if !s.waits() {
		return line
	}
	return line + strings.Repeat(" ", max(1, width-len("[Enter]")-utf8.RuneCountInString(line))) + "[Enter]"
}

// enter waits for Enter, which ends the line, or ends it where nobody is there.
func (s *screen) enter(ctx context.Context) error {
	if !s.waits() {
		s.print("\n")
		return ctx.Err()
	}
	began := time.Now()
	defer func() { s.waited += time.Since(began) }()
	select {
	case <-s.keys:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pause lets somebody read.
func (s *screen) pause(ctx context.Context) error {
	if s.keys == nil || s.fast {
		return ctx.Err()
	}
	select {
	case <-time.After(readingTime):
	case <-s.keys:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (s *screen) print(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format, args...) }

// say prints a paragraph under the act's title.
func (s *screen) say(format string, args ...any) {
	s.paragraph("", "", fmt.Sprintf(format, args...))
}

// picture prints what was drawn.
func (s *screen) picture(lines []string) {
	for _, line := range lines {
		s.print("%*s%s\n", indent, "", line)
	}
}

// claim prints something that is asserted.
func (s *screen) claim(holds bool, format string, args ...any) {
	c := claim{s.act, fmt.Sprintf(format, args...), holds}
	s.claims = append(s.claims, c)
	if holds {
		s.paragraph("✓ ", "32", c.Text)
		return
	}
	s.paragraph("✗ FAILED ", "31", c.Text)
}

// wire shows one line of the conversation. A refusal is shown whole; of other
// lines as much as fits.
func (s *screen) wire(who byte, line string) {
	from := map[byte]string{'C': "client", 'S': "server"}[who]
	if first, token, ok := strings.Cut(line, " XOAUTH2 "); ok {
		line = first + " XOAUTH2 " + token[:min(len(token), 16)] + "…"
	}
	s.lines = append(s.lines, wireLine{s.act, time.Since(s.began).Milliseconds(), from, line})
	head := string(who) + ": "
	if room := width - indent - len(head); utf8.RuneCountInString(line) > room && !strings.Contains(line, " NO ") {
		line = string([]rune(line)[:room-1]) + "…"
	}
	s.paragraph(head, "2", line)
}

// paragraph wraps a text at the screen's width, its head in a colour and its
// further lines under its first.
func (s *screen) paragraph(head, colour, text string) {
	inner := strings.Repeat(" ", indent+utf8.RuneCountInString(head))
	column := len(inner)
	s.print("%s%s", strings.Repeat(" ", indent), s.paint(colour, head))
	for i, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			s.print("\n%s", inner)
			column = len(inner)
		default:
			s.print(" ")
			column++
		}
		s.print("%s", word)
		column += n
	}
	s.print("\n")
}

// paint colours a text where that is wanted (ECMA-48's SGR codes).
func (s *screen) paint(code, text string) string {
	if !s.colour || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// failed lists the claims that did not hold.
func (s *screen) failed() (list []claim) {
	for _, c := range s.claims {
		if !c.Holds {
			list = append(list, c)
		}
	}
	return list
}

// ms prints a time in milliseconds, with a decimal where it is short.
func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
