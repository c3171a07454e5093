package oauth

import (
	"context"
	"errors"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// notUpheld is why a grant ends whose tokens nobody was given.
const notUpheld = "it held no longer when the program came for its tokens"

// upheld says that what a person agreed to holds when its program comes for the
// tokens: a minute later with a code, up to ten with a device's. Meanwhile they
// may have been disabled, or a policy changed. What holds no longer ends.
func (s *Server) upheld(ctx context.Context, c *client.Client, g *grant.Grant) error {
	err := s.standsStill(ctx, c, g)
	if err == nil {
		return nil
	}
	told := s.wordedFault(ctx, request{c, mechanisms[g.Kind]}, err)
	if err := s.Grants.End(ctx, store.System, g.ID, notUpheld); err != nil && !errors.Is(err, grant.ErrUnknown) {
		s.Fault.Error("cannot end a grant that holds no longer", "grant", g.ID, "err", err)
		return away()
	}
	return told
}

// mechanisms are the gate's words for the kinds of grant that somebody agrees to.
var mechanisms = map[string]string{grant.KindCode: gate.AuthorizationCode, grant.KindDevice: gate.DeviceCode}

func (s *Server) standsStill(ctx context.Context, c *client.Client, g *grant.Grant) error {
	if _, stands := s.Grants.ByID(g.ID); !stands {
		return grant.ErrUnknown
	}
	no := &grant.Refusal{OAuth: grant.InvalidGrant, Grant: g.ID, Person: g.Person}
	switch p, err := s.People.Person(ctx, g.Person); {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case err != nil, p.Disabled:
		no.Code, no.Detail = signin.UserDisabled, "disabled or gone since they agreed to it"
		return no
	}
	if !c.Public { // it comes from a server, and where that is says nothing of the person
		return nil
	}
	a := knock(ctx)
	q := asked(a, c, g, mechanisms[g.Kind])
	q.Since = g.Created
	if out := s.Gate.Still(ctx, a, q); !out.Allowed() {
		return &refused{out}
	}
	return nil
}
