package approval

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/store"
)

// AdoptOptions say what of the past is taken over, and of whom.
type AdoptOptions struct {
	Seen   time.Duration // how far back the log is read; 30 days
	Group  string        // id or name; empty: everybody
	Days   int           // on which something must have been used; 3
	DryRun bool
	// Exclude leaves out people (id or address), programs and networks.
	Exclude []string
	// Include names suspicious habits, by their ids, that are adopted all the same.
	Include []string
	// Widen is how far a window may reach for who is seen in many networks:
	// WidenCountry, WidenOwner, WidenPool or WidenNothing.
	Widen string
}

// How far adoption widens a place.
const (
	WidenCountry = "country" // at most to the networks in one country in which the organisation's people are
	WidenOwner   = "owner"   // at most to the owner's networks in one country
	WidenPool    = "pool"    // at most to a /16 or /40 of one owner
	WidenNothing = "no"      // never beyond a /24 or /48
)

// Report is what adoption found and, unless it was a dry run, made.
type Report struct {
	DryRun     bool      `json:"dryRun"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	People     int       `json:"people"`
	SignIns    int64     `json:"signIns"`
	Pass       int64     `json:"pass"`    // of SignIns, with the windows there are then
	Windows    []Window  `json:"windows"` // to be made, or made
	Reach      Reach     `json:"reach"`   // of those windows
	Suspicious []Suspect `json:"suspicious"`
	Left       []Left    `json:"left"` // who would be refused, most first
}

// Reach counts windows by how far they hold. The further, the more people a
// thief with the same program can pass for.
type Reach struct {
	Network int `json:"network"` // a /24 or /48
	Part    int `json:"part"`    // of an owner's networks, a /16 or /40
	Owner   int `json:"owner"`   // all of an owner's networks in a country
	Country int `json:"country"` // those in a country in which the organisation's people are
}

func reachOf(windows []Window) (r Reach) {
	for _, w := range windows {
		switch {
		case tight(w.Network):
			r.Network++
		case w.Network.IsValid():
			r.Part++
		case w.ASN != 0:
			r.Owner++
		default:
			r.Country++
		}
	}
	return r
}

// Left is what of one person's sign-ins would no longer pass, by reason.
type Left struct {
	Person    string              `json:"person"`
	Address   string              `json:"address"`
	Protocols []protocol.Protocol `json:"protocols"`
	Program   string              `json:"program"`
	Network   netip.Prefix        `json:"network"` // the last one
	Country   string              `json:"country"`
	SignIns   int64               `json:"signIns"`
	Of        int64               `json:"of"` // the person's sign-ins in all
	Last      time.Time           `json:"last"`
	Why       string              `json:"why"`
	Do        string              `json:"do"`
}

// ErrOptions says that an option of adoption has no such value.
var ErrOptions = errors.New("cannot adopt so")

func (o *AdoptOptions) defaults() error {
	if o.Seen == 0 {
		o.Seen = 30 * day
	}
	if o.Days == 0 {
		o.Days = 3
	}
	if o.Widen == "" {
		o.Widen = WidenCountry
	}
	switch {
	case o.Seen < day || o.Seen > maxSeen*day:
		return fmt.Errorf("%w: between 1 and %d days of the log are read", ErrOptions, maxSeen)
	case o.Days < 1 || time.Duration(o.Days)*day > o.Seen:
		return fmt.Errorf("%w: nothing is used on %d of %d days", ErrOptions, o.Days, int(o.Seen/day))
	case !slices.Contains([]string{WidenCountry, WidenOwner, WidenPool, WidenNothing}, o.Widen):
		return fmt.Errorf("%w: a place is widened to %s, %s or %s, or %s", ErrOptions, WidenCountry, WidenOwner, WidenPool, WidenNothing)
	}
	return nil
}

// Adopt makes windows of what the log shows to be in use. What looks like
// somebody else's use is named and left out.
func (s *Service) Adopt(ctx context.Context, who store.Actor, o AdoptOptions) (Report, error) {
	if err := o.defaults(); err != nil {
		return Report{}, err
	}
	whom, err := s.chosen(ctx, o.Group)
	if err != nil {
		return Report{}, err
	}
	to := time.Now()
	seen, err := s.read(ctx, to.Add(-o.Seen), to, whom)
	if err != nil {
		return Report{}, err
	}
	plan := &plan{AdoptOptions: o, suspects: seen.suspects(), churn: seen.pools, trial: &index{idle: s.index.idle}}
	rep := Report{DryRun: o.DryRun, From: seen.from, To: seen.to, People: len(seen.people), SignIns: seen.signIns, Suspicious: plan.named()}
	for _, id := range o.Include {
		if !slices.ContainsFunc(rep.Suspicious, func(x Suspect) bool { return x.ID == id }) {
			return rep, fmt.Errorf("%w: nothing suspicious has the id %q; a dry run lists what is", ErrOptions, id)
		}
	}
	if rep.Windows, err = s.proposed(ctx, plan, seen); err != nil {
		return rep, err
	}
	rep.Reach = reachOf(rep.Windows)
	if err := s.foresee(ctx, plan, seen, whom, &rep); err != nil || o.DryRun {
		return rep, err
	}
	return rep, s.keep(ctx, who, rep.Windows)
}

// chosen says who is in a group; everybody without one.
func (s *Service) chosen(ctx context.Context, group string) (func(string) bool, error) {
	if group == "" {
		return func(string) bool { return true }, nil
	}
	g, err := s.Store.Group(ctx, group)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: there is no group %q", ErrOptions, group)
	}
	if err != nil {
		return nil, fmt.Errorf("group %q: %w", group, err)
	}
	in := map[string]bool{}
	return func(person string) bool {
		is, asked := in[person]
		if !asked {
			of, err := s.Store.GroupsOf(ctx, person)
			is = err == nil && slices.Contains(of, g.ID)
			in[person] = is
		}
		return is
	}, nil
}

// plan is what is to be adopted.
type plan struct {
	AdoptOptions
	suspects map[*habit]*Suspect
	churn    map[netip.Prefix]*churn
	trial    *index // the windows there will be
}

// named lists the suspects, those with most against them first.
func (p *plan) named() []Suspect {
	list := []Suspect{}
	for _, s := range p.suspects {
		s.Included = slices.Contains(p.Include, s.ID)
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Suspect) int {
		if n := len(b.Reasons) - len(a.Reasons); n != 0 {
			return n
		}
		return strings.Compare(a.Address+a.ID, b.Address+b.ID)
	})
	return list
}

// proposed are the windows that are not there yet.
func (s *Service) proposed(ctx context.Context, p *plan, seen *past) ([]Window, error) {
	have, err := s.Store.Windows(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("reading windows: %w", err)
	}
	of := map[string][]Window{}
	for _, w := range have {
		of[w.Person] = append(of[w.Person], w)
	}
	fresh := []Window{}
	for _, id := range slices.Sorted(maps.Keys(seen.people)) {
		who := seen.people[id]
		for _, w := range p.windows(who) {
			if !seen.to.Before(w.LastUsed.Add(s.index.idle)) {
				continue // it would have ended by now
			}
			if len(of[id]) < maxWindows && !slices.ContainsFunc(of[id], func(o Window) bool { return covers(&o, &w) }) {
				of[id] = append(of[id], w)
				fresh = append(fresh, w)
			}
		}
	}
	all := []Window{}
	for _, list := range of {
		all = append(all, list...)
	}
	p.trial.learn("", all, nil)
	return fresh, nil
}

// covers says that whatever a window admits another one admits as well.
func covers(w, o *Window) bool {
	k := Knock{Program: o.Program, JA4: o.JA4, Addr: o.Network.Addr(), ASN: o.ASN, Country: o.Country, common: o.ASN == 0 && !o.Network.IsValid()}
	if w.Kind != o.Kind && w.Kind != store.AdoptedWindow || !w.Expires.IsZero() || w.Network.IsValid() && (!o.Network.IsValid() || w.Network.Bits() > o.Network.Bits()) {
		return false
	}
	for _, p := range o.Protocols {
		if k.Protocol = p; !admits(w, &k) {
			return false
		}
	}
	return true
}

// keep writes the windows, a few people at a time so that sign-ins do not wait.
func (s *Service) keep(ctx context.Context, who store.Actor, all []Window) error {
	for len(all) > 0 {
		n := 0
		err := s.Store.Change(ctx, who, "", func(tx *store.Tx) error {
			for n = 0; n < len(all) && n < adoptBatch; {
				end := n + 1
				for end < len(all) && all[end].Person == all[n].Person {
					all[end].By = who.Name
					end++
				}
				all[n].By = who.Name
				if err := tx.PutWindows(all[n].Person, all[n:end]); err != nil {
					return err
				}
				n = end
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("keeping adopted windows: %w", err)
		}
		all = all[n:]
	}
	return s.load(ctx, "")
}

// adoptBatch is how many windows are written in one transaction: some 10 ms.
const adoptBatch = 200
