package admin

import (
	"context"
	"regexp"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

// Explanations speak of ids, since that is what was judged; people read names.

var uuid = regexp.MustCompile(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// naming finds the names of ids, each once.
type naming struct {
	a     *api
	ctx   context.Context // of the request it lives for
	known map[string]string
}

func (a *api) naming(ctx context.Context) *naming {
	return &naming{a: a, ctx: ctx, known: map[string]string{policy.ExchangeOnline: exchangeOnlineName}}
}

// explain puts names into an explanation.
func (n *naming) explain(x *policy.Explanation) {
	if x.Policies == nil {
		x.Policies = []policy.PolicyExplanation{}
	}
	if x.ByName == x.By {
		x.ByName = n.text(x.By)
	}
	for i := range x.Steps {
		x.Steps[i].Text = n.text(x.Steps[i].Text)
	}
	for i := range x.Policies {
		for j := range x.Policies[i].Conditions {
			c := &x.Policies[i].Conditions[j]
			c.Needed, c.Seen = n.text(c.Needed), n.text(c.Seen)
		}
	}
}

// text replaces the ids of people, groups, locations and strengths in a sentence.
func (n *naming) text(s string) string {
	return uuid.ReplaceAllStringFunc(s, n.name)
}

func (n *naming) name(id string) string {
	if name, ok := n.known[id]; ok {
		return name
	}
	name := id
	if p, err := n.a.Store.Person(n.ctx, id); err == nil {
		name = p.Address
	} else if g, err := n.a.Store.Group(n.ctx, id); err == nil {
		name = g.Name
	} else {
		for _, kind := range []store.DocumentKind{store.Location, store.Strength, store.Policy, store.AuthenticationPolicy} {
			if d, err := n.a.Store.Document(n.ctx, kind, id); err == nil {
				name = d.Name
				break
			}
		}
	}
	n.known[id] = name
	return name
}
