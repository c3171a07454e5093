package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestALabelNeverTouchesItsValue(t *testing.T) {
	var b bytes.Buffer
	s := sheet{w: &b}
	s.line("Who", "leela")
	s.line("Would still pass", "0 of 4")
	s.line("Fourteen chars", "x")
	s.line("Nothing", "")
	if want := "Who           leela\nWould still pass  0 of 4\nFourteen chars  x\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func TestATableKeepsWithinTheTerminal(t *testing.T) {
	rows := [][]string{{"ID", "WHY", "PERSON"}, {"0190c0de-0004-7a00-9b00-000000000001", "this program was never seen in this network", "leela@example.org"}, {"x", "short", ""}}
	for width, want := range map[int]string{
		0: "ID                                    WHY                                          PERSON\n" +
			"0190c0de-0004-7a00-9b00-000000000001  this program was never seen in this network  leela@example.org\nx                                     short\n",
		80: "ID                                    WHY                      PERSON\n" +
			"0190c0de-0004-7a00-9b00-000000000001  this program was never   leela@example.org\n" +
			"                                      seen in this network\n" +
			"x                                     short\n",
	} {
		var b bytes.Buffer
		if err := grid(&b, "", rows, width); err != nil || b.String() != want {
			t.Errorf("in %d:\n%s\nwant\n%s\n%v", width, b.String(), want, err)
		}
	}
	var b bytes.Buffer // there is no room for the ids: nothing is made worse
	_ = grid(&b, "  ", rows, leastWidth)
	if !strings.Contains(b.String(), "0190c0de-0004-7a00-9b00-000000000001") || !strings.Contains(b.String(), "leela@example.org") {
		t.Errorf("an id was broken:\n%s", b.String())
	}
	for _, word := range strings.Fields(strings.Join(rows[1], " ")) {
		if !strings.Contains(b.String(), word) {
			t.Errorf("%q is lost:\n%s", word, b.String())
		}
	}
}

func TestATimeIsOneWord(t *testing.T) {
	var b bytes.Buffer
	_ = grid(&b, "", [][]string{{"2026-11-20 10:00:58", "refused by the mail server itself, which only told us"}}, 50)
	if want := "2026-11-20 10:00:58  refused by the mail server\n                     itself, which only told us\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func TestProseIsWrapped(t *testing.T) {
	var b bytes.Buffer
	s := sheet{w: &b}
	s.text(strings.Repeat("words and ", 30))
	for _, line := range strings.Split(b.String(), "\n") {
		if len(line) > plainWidth {
			t.Errorf("%d characters: %q", len(line), line)
		}
	}
}

func TestAnEmptyTableOnATerminalSaysSo(t *testing.T) {
	var b bytes.Buffer
	o := output{w: &b, format: "table", tty: true, width: 80}
	if err := o.list(nil, field("name", "name")); err != nil || b.String() != "(none)\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestOperands(t *testing.T) {
	for use, want := range map[string]string{
		"show ADDRESS": "ADDRESS 1", "list": " 0", "list [TEXT]": " 1", "remove ADDRESS ID|NAME": "ADDRESS ID|NAME 2", "add [SHARED] --to PERSON": " 1",
		"import --from dovecot|postfix FILE…": "FILE 1", "set [ADDRESS] [SWITCH=true|false|inherit…]": " 2", "export --dovecot DIR": " 0",
	} {
		needed, most := operands(use)
		if got := strings.Join(needed, " ") + " " + string(rune('0'+most)); got != want {
			t.Errorf("%q: %q, want %q", use, got, want)
		}
	}
}
