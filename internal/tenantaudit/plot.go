package tenantaudit

import "fmt"

// plot is one drawing: the template turns it into SVG. Numbers stand beside the
// bars as text, so that nothing is told by colour or length alone.
type plot struct {
	ID, Title, Says string
	Width, Height   int
	Bars            []plotBar
	Words           []plotWord
	Table           [][]string // the same as a table, first row the titles
}

// plotBar is a rectangle; its class gives it a colour.
type plotBar struct {
	X, Y, Width, Height float64
	Class, Hint         string
}

type plotWord struct {
	X, Y  float64
	Class string
	Text  string
}

const (
	plotWidth = 340 // units of the drawing, about as wide as a phone; the page scales it
	rowHeight = 38
	valueRoom = 58
)

func (r *Report) plots() []plot {
	return []plot{
		horizontal("by-protocol", "Mailboxes that a password alone opens, by protocol", r.Charts.ByProtocol, labelled, "bad"),
		horizontal("coverage", "Accounts, by what stands behind their password", r.Charts.Coverage, func(s string) string { return s }, ""),
		r.perDay(),
	}
}

// labelled is a protocol as a person reads it.
func labelled(name string) string {
	for i := range waysIn {
		if waysIn[i].name == name {
			return waysIn[i].label
		}
	}
	return name
}

// classes of the bars of the coverage, the worst first.
var coverageClasses = []string{"bad", "bad", "warn", "good", "quiet"}

func horizontal(id, title string, bars []Bar, label func(string) string, class string) plot {
	p := plot{ID: id, Title: title, Width: plotWidth, Height: rowHeight*len(bars) + 8, Table: [][]string{{"", "count"}}}
	most := 1
	for _, b := range bars {
		most = max(most, b.Value)
	}
	for i, b := range bars {
		y := float64(i*rowHeight + 4)
		c := class
		if c == "" && i < len(coverageClasses) {
			c = coverageClasses[i]
		}
		wide := float64(plotWidth-valueRoom) * float64(b.Value) / float64(most)
		p.Words = append(p.Words, plotWord{0, y + 13, "", label(b.Name)}, plotWord{wide + 6, y + 29, "", thousands(b.Value)})
		p.Bars = append(p.Bars, plotBar{0, y + 18, wide, 13, c, label(b.Name) + ": " + thousands(b.Value)})
		p.Table = append(p.Table, []string{label(b.Name), thousands(b.Value)})
	}
	p.Says = title
	return p
}

// perDay draws the sign-ins of each day that went through on a password; of a long log, of as many days together as fit.
func (r *Report) perDay() plot {
	const (
		high  = 130
		below = 20
		left  = 44
		most  = 92 // columns
	)
	days := r.Charts.PerDay
	p := plot{ID: "per-day", Title: "Sign-ins to mail without a second factor, by day (UTC)", Width: plotWidth, Height: high + below + 12, Table: [][]string{{"from", "legacy", "one factor", "on two factors or not said"}}}
	each := (len(days) + most - 1) / most
	var columns []Day
	for i := range days {
		if each > 0 && i%each == 0 {
			columns = append(columns, Day{Day: days[i].Day})
		}
		c := &columns[len(columns)-1]
		c.Legacy, c.Single, c.Other = c.Legacy+days[i].Legacy, c.Single+days[i].Single, c.Other+days[i].Other
	}
	top := 1
	for _, c := range columns {
		top = max(top, c.Legacy+c.Single)
	}
	wide := float64(plotWidth-left-4) / float64(max(len(columns), 1))
	for i, c := range columns {
		x, y := left+float64(i)*wide, float64(high+8)
		for _, part := range []struct {
			n           int
			class, word string
		}{{c.Legacy, "bad", "legacy"}, {c.Single, "warn", "modern, on one factor"}} {
			h := float64(high) * float64(part.n) / float64(top)
			if part.n == 0 {
				continue
			}
			y -= h
			p.Bars = append(p.Bars, plotBar{x, y, max(wide-1.5, .5), h, part.class, fmt.Sprintf("%s: %s %s", c.Day, thousands(part.n), part.word)})
		}
		p.Table = append(p.Table, []string{c.Day, thousands(c.Legacy), thousands(c.Single), thousands(c.Other)})
	}
	p.Words = append(p.Words, plotWord{left - 8, 18, "end", thousands(top)}, plotWord{left - 8, high + 8, "end", "0"})
	if n := len(columns); n > 0 {
		p.Words = append(p.Words, plotWord{left, high + below + 4, "", columns[0].Day}, plotWord{plotWidth - 4, high + below + 4, "end", columns[n-1].Day})
	}
	p.Says = "At the bottom, red: legacy authentication. On top, amber: modern, on one factor."
	return p
}
