package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/whatif"
)

// replayAnswer is what a change would have done to recorded sign-ins.
type replayAnswer struct {
	From     time.Time        `json:"from"`
	To       *time.Time       `json:"to,omitempty"`
	SignIns  int64            `json:"signIns"`
	People   int              `json:"people"`
	KeptOut  int              `json:"peopleKeptOut"` // newly refused, or asked for what they have not: each once
	Exact    bool             `json:"exact"`         // each sign-in was judged by its own facts
	Millis   int64            `json:"milliseconds"`
	Version  uint64           `json:"policyVersion"` // that was compared with
	Buckets  []bucketAnswer   `json:"buckets"`
	Hardest  []personAnswer   `json:"hardestHit"`
	Programs []programAnswer  `json:"programs"`
	Notes    []string         `json:"notes"`
	Warnings []policy.Warning `json:"warnings"`
}

// bucketAnswer is one of the six.
type bucketAnswer struct {
	Bucket   string      `json:"bucket"`
	SignIns  int64       `json:"signIns"`
	People   int64       `json:"people"`
	Programs int         `json:"programs"`
	Services int         `json:"serviceAccounts"`
	Rows     []hitAnswer `json:"rows"`
	More     int         `json:"more,omitempty"` // rows that are not told
}

type hitAnswer struct {
	User       string             `json:"user"`
	UserID     string             `json:"userId"`
	Service    string             `json:"serviceAccount,omitempty"` // by which rule it looks like one
	Protocol   string             `json:"protocol"`
	Credential string             `json:"credential"`
	Program    string             `json:"program"`
	Country    string             `json:"country"`
	SignIns    int64              `json:"signIns"`
	First      time.Time          `json:"first"`
	Last       time.Time          `json:"last"`
	Code       string             `json:"code"`
	By         string             `json:"by"`
	ByName     string             `json:"byName"`
	References []signin.Reference `json:"references"`
}

type personAnswer struct {
	User    string           `json:"user"`
	UserID  string           `json:"userId"`
	Service string           `json:"serviceAccount,omitempty"`
	SignIns int64            `json:"signIns"` // hit
	Of      int64            `json:"of"`
	Buckets map[string]int64 `json:"buckets"`
}

type programAnswer struct {
	Program string           `json:"program"`
	SignIns int64            `json:"signIns"`
	Buckets map[string]int64 `json:"buckets"`
}

// notes say what of today was used for sign-ins of the past.
func (a *api) notes(w *replaying) []string {
	notes := []string{}
	switch {
	case w.today:
		notes = append(notes, "Today's groups were used for yesterday's sign-ins: as if these people had signed in today.")
	case len(w.join)+len(w.leave) > 0:
		notes = append(notes, "Groups are those that each sign-in was judged with, but for the changed memberships, which are worked out from today's groups.")
	default:
		notes = append(notes, "Groups are those that each sign-in was judged with.")
	}
	return append(notes, "Second factors, and what was granted to programs, are today's.")
}

// teller turns a tally into an answer.
type teller struct {
	a      *api
	ctx    context.Context // of the request it lives for
	tally  *whatif.Tally
	w      *replaying
	people map[string]string // addresses by id
}

func (t *teller) address(id string) string {
	if id == "" {
		return ""
	}
	if known, ok := t.people[id]; ok {
		return known
	}
	address := id // of somebody who is no longer there
	if p, err := t.a.Store.Person(t.ctx, id); err == nil {
		address = p.Address
	}
	t.people[id] = address
	return address
}

func (t *teller) tell(out *replayAnswer, rows int) {
	out.KeptOut = t.tally.KeptOut()
	people := t.tally.People()
	programs := t.tally.Programs()
	harmed := map[string]bool{}
	for _, b := range whatif.Shown {
		x := bucketAnswer{Bucket: b.String(), SignIns: t.tally.SignIns[b], People: people[b], Rows: []hitAnswer{}}
		for _, c := range programs {
			if c[b] > 0 {
				x.Programs++
			}
		}
		hits := t.tally.Hits(b)
		services := map[string]bool{}
		for i, h := range hits {
			if b == whatif.Refused || b == whatif.Unable {
				harmed[h.Person] = true
			}
			if h.Person != "" && !services[h.Person] && t.service(h.Person) != "" {
				services[h.Person] = true
			}
			if i < rows {
				x.Rows = append(x.Rows, t.hit(h))
			}
		}
		x.Services, x.More = len(services), max(0, len(hits)-rows)
		out.Buckets = append(out.Buckets, x)
	}
	out.Hardest, out.Programs = t.hardest(harmed, rows), t.programs(programs)
	if t.tally.Left > 0 {
		out.Notes = append(out.Notes, "There are more rows than are kept; every sign-in is counted in its bucket.")
	}
}

func (t *teller) service(id string) string { return t.tally.Service(id, t.address(id)) }

func (t *teller) hit(h *whatif.Hit) hitAnswer {
	x := hitAnswer{User: t.address(h.Person), UserID: h.Person, Protocol: h.Protocol.String(), Credential: h.Credential.String(), Program: h.Program,
		Country: h.Country, SignIns: h.SignIns, First: h.First.UTC(), Last: h.Last.UTC(), By: h.By, ByName: t.nameOf(h.By), References: []signin.Reference{}}
	if h.Code != 0 {
		x.Code = signin.Code(h.Code).String()
	}
	if h.Person != "" {
		x.Service = t.service(h.Person)
	}
	for _, s := range h.Samples() {
		x.References = append(x.References, s.ID.Reference())
	}
	return x
}

// nameOf is the name of a policy, before or after the change; of other things, what they are called.
func (t *teller) nameOf(id string) string {
	if id == "" {
		return ""
	}
	for _, s := range []*policy.Snapshot{t.w.after, t.w.before} {
		if i := indexOfPolicy(s.Policies(), id); i >= 0 {
			return s.Policies()[i].DisplayName
		}
	}
	return t.a.naming(t.ctx).text(id)
}

// hardest are the people whom the change keeps out, those with the most sign-ins first.
func (t *teller) hardest(harmed map[string]bool, rows int) []personAnswer {
	all := []personAnswer{}
	for id := range harmed {
		if id == "" {
			continue
		}
		c, total := t.tally.Of(id)
		all = append(all, personAnswer{UserID: id, SignIns: c[whatif.Refused] + c[whatif.Unable], Of: total, Buckets: named(c)})
	}
	slices.SortFunc(all, func(x, y personAnswer) int {
		return cmp.Or(cmp.Compare(y.SignIns, x.SignIns), strings.Compare(x.UserID, y.UserID))
	})
	all = all[:min(len(all), rows)]
	for i := range all {
		all[i].User, all[i].Service = t.address(all[i].UserID), t.service(all[i].UserID)
	}
	return all
}

func (t *teller) programs(counts map[string]whatif.Counts) []programAnswer {
	all := []programAnswer{}
	for name, c := range counts {
		x := programAnswer{Program: name, Buckets: named(c)}
		for _, n := range c {
			x.SignIns += n
		}
		all = append(all, x)
	}
	slices.SortFunc(all, func(x, y programAnswer) int {
		return cmp.Or(cmp.Compare(y.SignIns, x.SignIns), strings.Compare(x.Program, y.Program))
	})
	return all
}

func named(c whatif.Counts) map[string]int64 {
	m := map[string]int64{}
	for b, n := range c {
		if n > 0 {
			m[whatif.Bucket(b).String()] = n
		}
	}
	return m
}
