package grant

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/store"
)

// Connection is what a program has of somebody, as people see it: a grant that a
// refresh token prolongs; or all that one session of a browser gave it without
// one, since a page that signs somebody in again and again keeps only the last.
// Each grant stays by itself: an ID token, a logout token and a code that is used
// twice are about one alone.
type Connection struct {
	Grant          // the last one; Created is the first one's, Used the latest
	IDs   []string // of all, the last one's first
}

// shared is what grants have in common that are one connection.
type shared struct {
	person, client, session string
	scope                   scope.Set
	network                 netip.Prefix
}

func (g *Grant) shared() (s shared, ok bool) {
	return shared{g.Person, g.Client, g.Session, g.Scope, g.Network}, g.Kind == KindCode && g.Session != "" && !g.Offline
}

// Connections are what grants come to, in their order: the newest come first.
func Connections(list []Grant) []Connection {
	all, at := make([]Connection, 0, len(list)), map[shared]int{}
	for _, g := range list {
		key, several := g.shared()
		i, there := at[key]
		if !several || !there {
			if several {
				at[key] = len(all)
			}
			all = append(all, Connection{g, []string{g.ID}})
			continue
		}
		c := &all[i]
		c.IDs, c.Created = append(c.IDs, g.ID), g.Created
		if g.Used.After(c.Used) {
			c.Used = g.Used
		}
	}
	return all
}

// Connection is the one that a live grant belongs to.
func (s *Service) Connection(id string) (Connection, bool) {
	g, lives := s.ByID(id)
	if !lives {
		return Connection{}, false
	}
	all := Connections(s.Of(g.Person))
	i := slices.IndexFunc(all, func(c Connection) bool { return slices.Contains(c.IDs, id) })
	if i < 0 { // it ended just now
		return Connection{}, false
	}
	return all[i], true
}

// Disconnect ends the connection that a grant belongs to, in one change: who ends
// what they see as one means all of it. ErrUnknown if the grant does not live.
func (s *Service) Disconnect(ctx context.Context, who store.Actor, id, reason string) error {
	c, lives := s.Connection(id)
	if !lives {
		return fmt.Errorf("the grant %s is %w", id, ErrUnknown)
	}
	_, err := s.end(ctx, who, reason, func(*store.Tx) ([]string, error) { return c.IDs, nil })
	return err
}
