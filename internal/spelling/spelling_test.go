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
	if got := DidYouMean("listner", words); got != "; did you mean listeners?" {
		t.Error(got)
	}
}
