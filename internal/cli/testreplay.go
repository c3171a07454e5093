package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/policycheck"
	"github.com/portreeve/portreeve/internal/policyset"
)

// recorded asks the server what a folder would have done to recorded sign-ins.
type recorded struct {
	a      *app
	ctx    context.Context
	set    *policyset.Set
	groups map[string][]string // members by group, asked once
	away   error               // why no server answered
}

// mostHit is how many rows of a bucket are asked for: with more, who is in it is not known.
const mostHit = 10_000

func (r *recorded) replay(q *policycheck.Replay) (*policycheck.Replayed, error) {
	body := map[string]any{"days": q.Days, "rows": mostHit, "folder": true}
	for member, kind := range map[string]policyset.Kind{"policies": policyset.Policy, "locations": policyset.Location, "strengths": policyset.Strength} {
		texts := []json.RawMessage{}
		for _, o := range r.set.Of(kind) {
			texts = append(texts, o.JSON())
		}
		body[member] = texts
	}
	states := map[string]string{}
	for _, s := range q.Assume {
		states[r.named(s.Policy)] = s.State.String()
	}
	body["states"] = states
	switches, err := r.switches()
	if err != nil {
		return nil, err
	}
	body["switches"] = switches
	var answer struct {
		Buckets []struct {
			Bucket   string `json:"bucket"`
			SignIns  int64  `json:"signIns"`
			People   int64  `json:"people"`
			Programs int64  `json:"programs"`
			Services int64  `json:"serviceAccounts"`
			More     int    `json:"more"`
			Rows     []struct {
				User string `json:"user"`
			} `json:"rows"`
		} `json:"buckets"`
	}
	if err := r.a.client().do(r.ctx, http.MethodPost, replays, nil, body, &answer); err != nil {
		if f := (*failure)(nil); errors.As(err, &f) && f.exit == exitUnreachable {
			r.away = err
		}
		return nil, err
	}
	out := &policycheck.Replayed{Buckets: map[string]policycheck.Bucket{}, InGroup: r.inGroup}
	for _, b := range answer.Buckets {
		one := policycheck.Bucket{SignIns: b.SignIns, People: b.People, Programs: b.Programs, ServiceAccounts: b.Services}
		for _, row := range b.Rows {
			one.Who = append(one.Who, row.User)
		}
		for _, name := range q.Buckets() {
			if name == b.Bucket && b.More > 0 {
				return nil, fmt.Errorf("%s holds more than %d kinds of sign-ins, so who is in it is not known", b.Bucket, mostHit)
			}
		}
		out.Buckets[b.Bucket] = one
	}
	return out, nil
}

// named is a policy's name as the server will know it.
func (r *recorded) named(policy string) string {
	if o := r.set.Find(policyset.Policy, policy); o != nil && o.Name != "" {
		return o.Name
	}
	return policy
}

// switches are the folder's, as a replay takes them.
func (r *recorded) switches() ([]map[string]any, error) {
	list := []map[string]any{}
	for _, o := range r.set.Of(policyset.Switches) {
		s, err := o.Settings()
		if err != nil {
			return nil, err
		}
		for _, w := range s.Switches {
			list = append(list, map[string]any{"scope": w.Kind, "subject": w.Subject, "name": w.Name, "value": w.Value})
		}
	}
	return list, nil
}

// inGroup looks somebody up among a group's members, and those of groups in it.
func (r *recorded) inGroup(address, group string) (bool, error) {
	key := strings.ToLower(group)
	members, asked := r.groups[key]
	if !asked {
		var err error
		if members, err = r.members(group, map[string]bool{}); err != nil {
			return false, err
		}
		r.groups[key] = members
	}
	for _, m := range members {
		if strings.EqualFold(m, address) {
			return true, nil
		}
	}
	return false, nil
}

// members are the addresses in a group; seen ends cycles of groups.
func (r *recorded) members(group string, seen map[string]bool) (all []string, err error) {
	key := strings.ToLower(group)
	if seen[key] {
		return nil, nil
	}
	seen[key] = true
	var answer struct {
		Members []struct {
			Name    string `json:"name"`
			IsGroup bool   `json:"isGroup"`
		} `json:"members"`
	}
	if err := r.a.client().do(r.ctx, http.MethodGet, path(ours+"/groups", group), nil, nil, &answer); err != nil {
		return nil, err
	}
	for _, m := range answer.Members {
		if !m.IsGroup {
			all = append(all, m.Name)
			continue
		}
		inner, err := r.members(m.Name, seen)
		if err != nil {
			return nil, err
		}
		all = append(all, inner...)
	}
	return all, nil
}
