package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestMostPeopleKeptOutIsSaidPlainly tells previews as enforcing a policy does.
func TestMostPeopleKeptOutIsSaidPlainly(t *testing.T) {
	for _, c := range []struct{ answer, want, not string }{
		{`{"signIns":0,"people":0,"buckets":[]}`, "No sign-ins of the last month", "WARNING"},
		{`{"signIns":9,"people":3,"peopleKeptOut":0,"buckets":[{"bucket":"newlyRefused","signIns":0},{"bucket":"unchanged","signIns":9,"people":3}]}`, "none of them would have ended otherwise", "WARNING"},
		{`{"signIns":9,"people":4,"peopleKeptOut":2,"buckets":[{"bucket":"newlyRefused","signIns":5,"people":2,"serviceAccounts":1}]}`, "Newly refused: 5 sign-ins of 2 people, of whom 1 may be service accounts", "WARNING"},
		{`{"signIns":9,"people":4,"peopleKeptOut":3,"buckets":[{"bucket":"askedUnable","signIns":1,"people":1}]}`,
			"WARNING: 3 of 4 people who signed in would have been refused. `portreeve policy report-only 'No passwords'` takes it back.", "otherwise"},
	} {
		var f map[string]any
		if err := json.Unmarshal([]byte(c.answer), &f); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(foretold(&output{}, f, []string{"No passwords"}), "\n")
		if !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("%s\nhas not %q, or has %q", got, c.want, c.not)
		}
	}
}
