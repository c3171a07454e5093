package gate

import (
	"context"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// Imported completes an event that was read from another server's past log:
// who is meant, where the address is, and what policy, as it is now, says of
// it. It was decided elsewhere, so nothing is refused, nothing is recorded
// here, and the id that came from its line stays.
func (g *Gate) Imported(ctx context.Context, e *signin.Event) error {
	f := &e.Facts
	if f.Address == "" {
		if address, err := g.Names.Canonical(e.Listener, e.Typed); err == nil {
			f.Address, f.Domain = address, domainOf(address)
		}
	}
	if f.Address != "" {
		p, known, err := g.People.Lookup(ctx, f.Address)
		if err != nil {
			return err
		}
		if known {
			f.Person, f.Groups, f.Roles, f.Guest = p.ID, p.Groups, p.Roles, p.Guest
			f.KnownNetwork = g.Log.KnownNetwork(p.ID, f.Addr)
		}
	}
	if g.Places != nil {
		place := g.Places.Lookup(f.Addr)
		f.Country, f.ASN, e.NetOwner = place.Country, place.ASN, place.Owner
	}
	e.Verdict = policy.Judge(g.snapshot.Load(), f, &e.Applied)
	return nil
}
