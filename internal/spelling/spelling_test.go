package spelling

import "testing"

func TestSuggest(t *testing.T) {
	words := []string{"listeners", "backends", "public_url", "default_domain", "enabled", "disabled"}
	for typed, want := range map[string]string{
		"listner": "listeners", "Listeners": "listeners", "backend": "backends", "public-url": "public_url", "publicurl": "public_url",
		"enabeld": "enabled", "default": "default_domain", "domain": "default_domain", "x": "", "colour": "", "": "",
	} {
		if got, ok := Suggest(typed, words); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	people := []string{"leela@example.org", "fry@example.org", "sales@example.org", "amy@example.org", "zoidberg@example.org", "a", "bob"}
	for typed, want := range map[string]string{
		"sals@example.org": "sales@example.org", "Lela@example.org": "leela@example.org", "leela@exmaple.org": "leela@example.org", "zoidbreg@exampel.org": "zoidberg@example.org",
		"bender@example.org": "", "ann@example.org": "", "kif@example.org": "", "leela@other.net": "", "nobody": "", "alice": "", "rob": "bob", "ab": "", "joe": "", "bobby": "bob",
	} {
		if got, ok := Suggest(typed, people); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	if got := DidYouMean("listner", words); got != "; did you mean listeners?" {
		t.Error(got)
	}
}
