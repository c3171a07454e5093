package admin

import (
	"net/http"
	"time"

	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

// replayed says over what a change is judged, and what is asked about it.
type replayed struct {
	proposed
	From   *time.Time `json:"from"`
	To     *time.Time `json:"to"`
	Days   int        `json:"days"`
	Groups string     `json:"groups"` // recorded, or today
	// Preview counts classes of equal sign-ins instead of judging each.
	Preview bool `json:"preview"`
	// Rows bounds what is told of each bucket.
	Rows int `json:"rows"`
	// Bucket, User and Top are for the sign-ins behind a number.
	Bucket string `json:"bucket"`
	User   string `json:"user"`
	Top    int    `json:"top"`
}

const (
	replayDays = 30
	replayMost = 3660 // days
	replayRows = 100
	mostRows   = 10_000
	groupsThen = "recorded"
	groupsNow  = "today"
)

// replaying is a replay made ready.
type replaying struct {
	*proposal
	change whatif.Change
	window store.ReplayWindow
	today  bool // today's groups are used
}

// replaying reads what is asked.
func (a *api) replaying(r *http.Request, q *replayed) (*replaying, error) {
	if q.empty() {
		return nil, bad("", "say what is to change: policies, locations, strengths, states, remove, switches, join or leave")
	}
	p, err := a.propose(r, &q.proposed)
	if err != nil {
		return nil, err
	}
	out := &replaying{proposal: p, today: q.Groups == groupsNow}
	if q.Groups != "" && q.Groups != groupsThen && q.Groups != groupsNow {
		return nil, bad("groups", "groups are %s or %s", groupsThen, groupsNow)
	}
	if q.Days < 0 || q.Days > replayMost || q.Rows < 0 || q.Rows > mostRows || q.Top < 0 || q.Top > mostListed {
		return nil, bad("", "days go up to %d, rows up to %d and top up to %d", replayMost, mostRows, mostListed)
	}
	if q.Days == 0 {
		q.Days = replayDays
	}
	if q.Rows == 0 {
		q.Rows = replayRows
	}
	out.window.From = time.Now().AddDate(0, 0, -q.Days)
	if q.From != nil {
		out.window.From = *q.From
	}
	if q.To != nil {
		out.window.To = *q.To
	}
	out.change = a.known(r, out.proposal, out.today)
	return out, nil
}

// known completes a change with what is known of people today.
func (a *api) known(r *http.Request, p *proposal, today bool) whatif.Change {
	c := whatif.Change{Before: whatif.Side{Rules: p.before}, After: whatif.Side{Rules: p.after, Join: p.join, Leave: p.leave}}
	c.Able, c.Granted = a.able(r), a.grantedNow()
	if today {
		c.Groups = a.groupsNow(r)
	}
	return c
}
