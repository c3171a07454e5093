package factor

// News is what people are told about their factors. Whoever tells them has the
// words, in their language.
type News struct {
	Kind NewsKind
	Name string // of the factor or of who did it; empty where the kind names none
}

// NewsKind says what happened.
type NewsKind string

// What people are told.
const (
	NewsAdded    NewsKind = "added"    // a factor, which has a name
	NewsRemoved  NewsKind = "removed"  // a factor
	NewsReset    NewsKind = "reset"    // all factors, by somebody
	NewsPass     NewsKind = "pass"     // issued, by somebody
	NewsPassUsed NewsKind = "passused" // to sign in
	NewsCodes    NewsKind = "codes"    // new recovery codes
	NewsCodeUsed NewsKind = "codeused" // a recovery code, to sign in
	NewsGuessing NewsKind = "guessing" // wrong codes behind the right password
	NewsCopy     NewsKind = "copy"     // a key, which has a name, answered like a copy of it
)

// AllNews are the kinds.
var AllNews = []NewsKind{NewsAdded, NewsRemoved, NewsReset, NewsPass, NewsPassUsed, NewsCodes, NewsCodeUsed, NewsGuessing, NewsCopy}
