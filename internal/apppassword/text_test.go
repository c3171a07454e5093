package apppassword

import (
	"strings"
	"testing"
)

func TestWhatIsMintedHasTheFormHoweverItIsTyped(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		p := mint()
		text := p.shown()
		if len(p) != 32 || seen[text] {
			t.Fatalf("%q: length %d, seen before %v", text, len(p), seen[text])
		}
		seen[text] = true
		bare := strings.ReplaceAll(text, "-", "")
		for _, typed := range []string{text, bare, strings.ToUpper(text), strings.ReplaceAll(text, "-", " "), " " + bare + " ",
			strings.ReplaceAll(strings.ReplaceAll(bare, "0", "O"), "1", "l")} {
			if q, ok := read([]byte(typed)); !ok || q != p {
				t.Fatalf("%q is read as %q, %v", typed, q, ok)
			}
		}
	}
}

// One character mistyped, and two neighbours that changed places, are always noticed.
func TestMistypedTextsHaveNotTheForm(t *testing.T) {
	for range 20 {
		p := mint()
		for i := len(mark); i < textLen; i++ {
			for _, c := range []byte(alphabet) {
				q := p
				if q[i] = c; q != p && Form(q[:]) {
					t.Fatalf("%s passes for %s", q[:], p[:])
				}
			}
			if i+1 < textLen {
				q := p
				if q[i], q[i+1] = p[i+1], p[i]; q != p && Form(q[:]) {
					t.Fatalf("%s passes for %s", q[:], p[:])
				}
			}
		}
	}
}

func TestOtherSecretsHaveNotTheForm(t *testing.T) {
	p := mint()
	for _, s := range []string{"", "pr", "hunter2", strings.Repeat("pr", 16), string(p[:31]), string(p[:]) + "0", "PR-" + string(p[:]), strings.Repeat(" ", 100) + string(p[:]),
		"prü" + string(p[3:]), string(p[:30]) + "\r\n"} {
		if Form([]byte(s)) {
			t.Errorf("%q has the form", s)
		}
	}
}

func FuzzForm(f *testing.F) {
	p := mint()
	f.Add(p[:])
	f.Add([]byte(p.shown()))
	f.Add([]byte("prk7-4mzd"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := string(b)
		if got, ok := read(b); ok {
			if again, ok := read([]byte(got.shown())); !ok || again != got {
				t.Errorf("%q is read as %q, and that as %q", b, got, again)
			}
		}
		if string(b) != before {
			t.Errorf("%q was changed", before)
		}
	})
}
