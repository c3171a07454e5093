package portal

import (
	"slices"
	"testing"
)

// People choose from the site's own number of days, and fewer.
func TestDaysOfferedFollowTheSite(t *testing.T) {
	for site, want := range map[int][]int{0: {30, 7, 1}, 90: {90, 7, 1}, 7: {7, 1}, 3: {3, 1}, 1: {1}} {
		p := &Portal{Options: Options{WindowDays: site}}
		if got := p.daysOffered(); !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", site, got, want)
		}
	}
}
