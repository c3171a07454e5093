package admin

import (
	"net/http"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

// consequences are what a plan would have done to the recorded sign-ins, and
// what those whom it keeps out can do.
type consequences struct {
	replayAnswer
	Hit hit `json:"hit"`
}

// hit are the people whom a change keeps out, each counted once, by what is
// known of their way in.
type hit struct {
	People int `json:"people"`
	// CanSwitch signed in with a token too in that time: their program can do it.
	CanSwitch int `json:"canSwitch"`
	// Services look like service accounts: they need an app password, or an exclusion.
	Services int `json:"serviceAccounts"`
	// Unknown use only programs that gave no name.
	Unknown int `json:"unknownProgram"`
	// Others have a program with a name, and no token yet.
	Others int `json:"others"`
}

// consequencesOf judges the recorded sign-ins by a plan.
func (a *api) consequencesOf(r *http.Request, x *outlook, f *folder) (*consequences, error) {
	began := time.Now()
	w := &replaying{proposal: &proposal{before: x.before, after: x.after}, window: store.ReplayWindow{From: time.Now().AddDate(0, 0, -f.Days)}}
	w.change = a.known(r, w.proposal, false)
	var progress store.Progress
	tally, notes, exact, err := a.count(r.Context(), &replayed{Preview: f.Preview}, w, &progress)
	if err != nil {
		return nil, err
	}
	out := &consequences{replayAnswer: replayAnswer{From: w.window.From.UTC(), Exact: exact, Version: w.before.Version(), People: tally.Everybody(),
		Notes: append(a.notes(w), notes...), Warnings: []policy.Warning{}}}
	for _, n := range tally.SignIns {
		out.SignIns += n
	}
	t := &teller{a: a, ctx: r.Context(), tally: tally, w: w, people: map[string]string{}}
	t.tell(&out.replayAnswer, planRows)
	out.Hit = t.hitPeople()
	out.Millis = time.Since(began).Milliseconds()
	return out, nil
}

// planRows is how many rows a plan tells of each bucket; the replay tells all.
const planRows = 20

// hitPeople counts those who are kept out.
func (t *teller) hitPeople() (out hit) {
	named := map[string]bool{} // a program of theirs gave a name
	for _, b := range []whatif.Bucket{whatif.Refused, whatif.Unable} {
		for _, h := range t.tally.Hits(b) {
			if h.Person != "" {
				named[h.Person] = named[h.Person] || h.Program != ""
			}
		}
	}
	for person, hasName := range named {
		out.People++
		switch {
		case t.tally.Used(person, policy.CredentialBearer):
			out.CanSwitch++
		case t.service(person) != "":
			out.Services++
		case !hasName:
			out.Unknown++
		default:
			out.Others++
		}
	}
	return out
}
