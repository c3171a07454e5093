package grant

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// facts are what a row says of a grant beside its columns.
type facts struct {
	Address     string                 `json:"address"`
	Scope       scope.Set              `json:"scope"`
	Resource    []string               `json:"resource,omitempty"`
	Key         string                 `json:"key,omitempty"`
	AuthTime    time.Time              `json:"authTime,omitzero"`
	Flow        policy.TransferMethods `json:"flow,omitempty"`
	Network     netip.Prefix           `json:"network,omitzero"`
	Nonce       string                 `json:"nonce,omitempty"`
	Session     string                 `json:"session,omitempty"`
	Correlation signin.ID              `json:"correlation,omitzero"`
	Offline     bool                   `json:"offline,omitempty"`
	Kind        string                 `json:"kind"`
}

// row is a grant as it is kept.
func (g *Grant) row() (store.Grant, error) {
	raw, err := json.Marshal(facts{g.Address, g.Scope, g.Resource, g.Key, g.AuthTime, g.Flow, g.Network, g.Nonce, g.Session, g.Correlation, g.Offline, g.Kind})
	if err != nil {
		return store.Grant{}, fmt.Errorf("writing down a grant: %w", err)
	}
	return store.Grant{ID: g.ID, Person: g.Person, Client: g.Client, Facts: raw, Methods: g.Methods, Seed: g.seed[:], Generation: g.generation,
		Rotated: g.rotated, RotatedIn: textOf(g.rotatedIn), Created: g.Created, Used: g.Used, Until: g.Until}, nil
}

// grantOf reads a row. What cannot be read is over: nobody knows what was granted.
func grantOf(r store.Grant) (Grant, error) {
	var f facts
	if err := json.Unmarshal(r.Facts, &f); err != nil || len(r.Seed) != seedSize || r.Damaged {
		return Grant{}, fmt.Errorf("the grant %s cannot be read", r.ID)
	}
	g := Grant{ID: r.ID, Person: r.Person, Address: f.Address, Client: r.Client, Scope: f.Scope, Resource: f.Resource, Methods: r.Methods, Key: f.Key,
		AuthTime: f.AuthTime, Flow: f.Flow, Network: f.Network, Nonce: f.Nonce, Session: f.Session, Correlation: f.Correlation, Offline: f.Offline,
		Created: r.Created, Used: r.Used, Until: r.Until, Kind: f.Kind, seed: [seedSize]byte(r.Seed), generation: r.Generation, rotated: r.Rotated}
	if r.RotatedIn != "" {
		var err error
		if g.rotatedIn, err = netip.ParsePrefix(r.RotatedIn); err != nil {
			return Grant{}, fmt.Errorf("the grant %s cannot be read: %w", r.ID, err)
		}
	}
	return g, nil
}

func textOf(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}
