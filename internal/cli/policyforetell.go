package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// foretellDays is how far back sign-ins are judged before a policy is enforced.
	foretellDays = 30
	// foretellTime is how long enforcing a policy waits for that: somebody may be in a hurry.
	foretellTime = 5 * time.Second
)

// foretell says what enforcing policies would have done to the recorded
// sign-ins, before it is done. That it cannot be said keeps nobody from it.
func (a *app) foretell(ctx context.Context, names []string) {
	if a.format != "table" || a.quiet {
		return
	}
	states := map[string]string{}
	for _, n := range names {
		states[n] = "enabled"
	}
	ctx, cancel := context.WithTimeout(ctx, foretellTime)
	defer cancel()
	var raw json.RawMessage
	body := map[string]any{"days": foretellDays, "preview": true, "states": states, "rows": 1}
	if err := a.client().do(ctx, http.MethodPost, replays, nil, body, &raw); err != nil {
		if ctx.Err() != nil {
			a.remark(fmt.Sprintf("What it would have done to recorded sign-ins was not known in %s.", foretellTime))
		}
		return // the change itself says what is wrong with the name
	}
	r, err := newRow(raw)
	if err != nil {
		return
	}
	for _, line := range foretold(a.output(), r.fields, names) {
		a.remark(line)
	}
}

// foretold puts a preview into few lines: each bucket that is not empty, and a
// warning if most people are kept out.
func foretold(o *output, f map[string]any, names []string) (lines []string) {
	if number(f["signIns"]) == 0 {
		return []string{"No sign-ins of the last month are recorded to judge by."}
	}
	lines = append(lines, "Judged by "+looked(o, f)+":")
	for _, b := range items(f["buckets"]) {
		if n := number(b["signIns"]); n > 0 && text(b["bucket"]) != "unchanged" {
			line := fmt.Sprintf("  %s: %s of %s", bucketWords[text(b["bucket"])], counted(float64(n), "sign-in"), headcount(number(b["people"])))
			if s := number(b["serviceAccounts"]); s > 0 {
				line += fmt.Sprintf(", of whom %d may be service accounts", s)
			}
			lines = append(lines, line)
		}
	}
	if len(lines) == 1 {
		lines = append(lines, "  none of them would have ended otherwise")
	}
	if out, all := number(f["peopleKeptOut"]), number(f["people"]); 2*out > all {
		lines = append(lines, fmt.Sprintf("WARNING: %d of %d people who signed in would have been refused. `portreeve policy report-only %s` takes it back.", out, all, quotedAll(names)))
	}
	return lines
}

func quotedAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quotedWord(w)
	}
	return strings.Join(quoted, " ")
}

func headcount(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}
