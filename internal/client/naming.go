package client

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxName = 64 // characters, of a client's name, version and the like
	// maxMarks is how many marks may stand on one letter; languages need two.
	maxMarks = 3
	// unnamed is what a program is called that does not say what it is.
	unnamed = "Program without a name"
)

// readName makes a name of what somebody typed: people read it on the page of
// consent, so that it is one line of what can be seen, in the order it is
// written in. fault says what is wrong.
func readName(typed string) (name, fault string) {
	if !utf8.ValidString(typed) || len(typed) > maxName*utf8.UTFMax {
		return "", "is no text, or longer than 64 characters"
	}
	name = norm.NFC.String(strings.TrimSpace(typed))
	if name == "" || utf8.RuneCountInString(name) > maxName {
		return "", "is empty or longer than 64 characters"
	}
	marks, letters := 0, 0
	for _, r := range name {
		switch {
		case r == ' ':
		case r == '<' || r == '>' || !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r), unseen(r):
			return "", "has a character that cannot be seen, or that is no part of a name"
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks {
				return "", "has too many marks on one letter"
			}
			continue
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			letters++
		}
		marks = 0
	}
	if letters == 0 {
		return "", "has no letter and no digit"
	}
	return name, ""
}

// unseen says that a letter or mark leaves nothing on the screen.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Bidi_Control) || r == '\u2800' // a Braille cell without a dot
}

// lookalikes are letters of other scripts that are drawn like Latin ones, and
// digits that are read as letters. It is no whole table of confusables: who
// finds a way past it is still shown as unverified.
var lookalikes = strings.NewReplacer(
	"а", "a", "в", "b", "с", "c", "ԁ", "d", "е", "e", "ё", "e", "ғ", "f", "ɡ", "g", "һ", "h", "н", "h", "і", "i", "ї", "i", "ј", "j", "к", "k", "ӏ", "l", "м", "m",
	"п", "n", "о", "o", "р", "p", "ԛ", "q", "г", "r", "ѕ", "s", "т", "t", "ц", "u", "ѵ", "v", "ԝ", "w", "х", "x", "у", "y",
	"α", "a", "β", "b", "ε", "e", "η", "n", "ι", "i", "κ", "k", "ν", "v", "ο", "o", "ρ", "p", "σ", "o", "τ", "t", "υ", "u", "χ", "x", "ω", "w", "γ", "y",
	"ı", "i", "ø", "o", "ł", "l", "đ", "d", "ß", "ss", "ſ", "s", "æ", "ae",
	"0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "|", "i", "l", "i", "rn", "m", "vv", "w", "$", "s", "@", "a", "!", "i",
)

// likeness is what is left of a name once all is taken out that a hurried eye
// passes over: case, marks, spaces, signs, and which script a letter is of.
func likeness(name string) string {
	folded := strings.ToLower(norm.NFKD.String(name))
	var b strings.Builder
	for _, r := range folded {
		if !unicode.Is(unicode.M, r) {
			b.WriteRune(r)
		}
	}
	replaced := lookalikes.Replace(b.String())
	b.Reset()
	for _, r := range replaced {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// shortestLikeness is from where on a name is told in the midst of another one.
const shortestLikeness = 5

// looksLike says that a name's likeness could be taken for another's.
func looksLike(a, known string) bool {
	return a == known || len(known) >= shortestLikeness && strings.Contains(a, known)
}
