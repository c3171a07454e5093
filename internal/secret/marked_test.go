package secret

import (
	"regexp"
	"testing"
)

func TestMarkedSecrets(t *testing.T) {
	form, seen := regexp.MustCompile(`^prclient_[a-z2-7]{52}$`), map[string]bool{}
	for range 100 {
		s := NewMarked("prclient_")
		if !form.MatchString(s) || seen[s] {
			t.Errorf("%q, seen before: %v", s, seen[s])
		}
		seen[s] = true
	}
}
