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
// may have been disabled, or a policy changed. What holds no longer ends. It is
// asked before the code is used up, so that trouble of ours, which says nothing of
// what was agreed to, leaves the program its code to come again with.
func (s *Server) upheld(ctx context.Context, c *client.Client, g *grant.Grant) (store.Person, error) {
	p, err := s.standsStill(ctx, c, g)
	if err == nil && !c.Limit.Empty() && !g.Scope.Within(c.Limit) { // an administrator limited the program since it asked
		return p, s.ends(ctx, g, "the program was limited to "+c.Limit.String(), refuse(invalidScope, notFor))
	}
	if err == nil {
		return p, nil
	}
	told := s.wordedFault(ctx, request{c, mechanisms[g.Kind]}, err)
	if no(err) {
		told = s.ends(ctx, g, notUpheld, told)
	}
	return p, told
}

// no says that an error is a word about what was agreed to, and no trouble of ours.
func no(err error) bool {
	var stated *grant.Refusal
	var judged *refused
	return errors.As(err, &stated) || errors.As(err, &judged) && judged.out.Reply.Tone != signin.Trouble
}

// ends ends a grant whose tokens nobody was given, and returns what its program is told.
func (s *Server) ends(ctx context.Context, g *grant.Grant, reason string, told error) error {
	if err := s.Grants.End(ctx, store.System, g.ID, reason); err != nil && !errors.Is(err, grant.ErrUnknown) {
		s.Fault.Error("cannot end a grant that holds no longer", "grant", g.ID, "err", err)
		return away()
	}
	return told
}

// mechanisms are the gate's words for the kinds of grant that somebody agrees to.
var mechanisms = map[string]string{grant.KindCode: gate.AuthorizationCode, grant.KindDevice: gate.DeviceCode}

func (s *Server) standsStill(ctx context.Context, c *client.Client, g *grant.Grant) (store.Person, error) {
	no := &grant.Refusal{OAuth: grant.InvalidGrant, Grant: g.ID, Person: g.Person}
	p, err := s.People.Person(ctx, g.Person)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return p, err
	case err != nil, p.Disabled:
		no.Code, no.Detail = signin.UserDisabled, "disabled or gone since they agreed to it"
		return p, no
	}
	if !c.Public { // it comes from a server, and where that is says nothing of the person
		return p, nil
	}
	a := knock(ctx)
	q := asked(a, c, g, mechanisms[g.Kind])
	q.Since = g.Created
	if out := s.Gate.Still(ctx, a, q); !out.Allowed() {
		return p, &refused{out}
	}
	return p, nil
}
