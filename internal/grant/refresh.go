package grant

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	refreshMark = "prr_"
	// grace is for how long the token before the last gives the same successor
	// again: what a program's parallel connections and a lost answer take.
	grace = 30 * time.Second

	idSize         = 16
	generationSize = 4
	codeOfSize     = len(secret.Print{})
	refreshSize    = idSize + generationSize + codeOfSize
)

// RefreshToken is the text of the grant's valid refresh token, made anew each
// time: nothing of it is stored.
func (s *Service) RefreshToken(g Grant) (string, error) {
	if !g.Offline {
		return "", errors.New("making a refresh token: none was asked for")
	}
	return s.refreshText(&g, g.generation)
}

func (s *Service) refreshText(g *Grant, generation uint32) (string, error) {
	id, err := signin.ParseID(g.ID)
	if err != nil {
		return "", fmt.Errorf("making a refresh token: %w", err)
	}
	b := make([]byte, 0, refreshSize)
	b = binary.BigEndian.AppendUint32(append(b, id[:]...), generation)
	code := s.prints.Of(b, g.seed[:])
	return refreshMark + base64.RawURLEncoding.EncodeToString(append(b, code[:]...)), nil
}

// shown is a refresh token taken apart and not believed yet.
type shown struct {
	text       string
	id         string
	generation uint32
}

// Format prints what a refresh token says and not the token.
func (t shown) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "refresh token %d of grant %s", t.generation, t.id)
}

func parseRefresh(text string) (shown, error) {
	var none shown
	coded, marked := strings.CutPrefix(text, refreshMark)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(coded)
	if !marked || len(coded) != base64.RawURLEncoding.EncodedLen(refreshSize) || err != nil || len(raw) != refreshSize {
		return none, &Refusal{OAuth: InvalidGrant, Code: signin.TokenInvalid, Detail: "no refresh token of ours"}
	}
	return shown{text, signin.ID(raw[:idSize]).String(), binary.BigEndian.Uint32(raw[idSize:])}, nil
}

// genuine says that a refresh token was made here, for this grant.
func (s *Service) genuine(t *shown, g *Grant) bool {
	text, err := s.refreshText(g, t.generation)
	return err == nil && secret.Equal([]byte(text), []byte(t.text))
}

// recognise finds the live grant of a refresh token that was made here, of
// whatever generation.
func (s *Service) recognise(ctx context.Context, text string) (*record, shown, error) {
	t, err := parseRefresh(text)
	if err != nil {
		return nil, t, err
	}
	if r := s.find(t.id); r != nil {
		if !s.genuine(&t, &r.Grant) {
			return nil, t, &Refusal{OAuth: InvalidGrant, Code: signin.TokenInvalid, Detail: "a refresh token that was not made here"}
		}
		return r, t, nil
	}
	return nil, t, s.whatBecame(ctx, &t)
}

// whatBecame says why there is no live grant for a refresh token.
func (s *Service) whatBecame(ctx context.Context, t *shown) error {
	row, err := s.Store.Grant(ctx, t.id)
	if errors.Is(err, store.ErrNotFound) {
		return &Refusal{OAuth: InvalidGrant, Code: signin.GrantEnded, Detail: "the grant is not known, or ended long ago"}
	}
	if err != nil {
		return fmt.Errorf("looking for what became of a grant: %w", err)
	}
	g, err := grantOf(row)
	if err != nil { // nor can it be told whether the token was made here
		return &Refusal{OAuth: InvalidGrant, Code: signin.GrantEnded, Detail: err.Error(), Grant: row.ID}
	}
	if !s.genuine(t, &g) {
		return &Refusal{OAuth: InvalidGrant, Code: signin.TokenInvalid, Detail: "a refresh token that was not made here"}
	}
	return g.refuse(signin.GrantEnded, "the grant has ended: %s", row.Reason)
}

// ByRefresh finds the live grant of a refresh token, be it the valid one or one
// from before.
func (s *Service) ByRefresh(ctx context.Context, refresh string) (Grant, error) {
	r, _, err := s.recognise(ctx, refresh)
	if err != nil {
		return Grant{}, err
	}
	if s.over(r, time.Now()) {
		return Grant{}, r.refuse(signin.GrantEnded, "the grant ran out, or was not used for too long")
	}
	return r.told(), nil
}

// Refresh redeems a refresh token and returns its grant with the next token.
// judge says whether the person may be handed anything now; its error is
// returned as it is. It may take its time: nothing is held meanwhile, and what
// counts is decided after it.
//
// The token before the valid one gives the same successor again, within grace
// and to the same client in the same network: programs ask in parallel, and
// answers get lost. Any other that was valid once ends the grant, since somebody
// may hold a copy.
func (s *Service) Refresh(ctx context.Context, refresh, clientID string, from netip.Addr, judge func(Grant) error) (g Grant, next string, err error) {
	r, t, err := s.recognise(ctx, refresh)
	if err != nil {
		return Grant{}, "", err
	}
	now, in := time.Now(), network.Of(from)
	switch {
	case r.Client != clientID:
		return Grant{}, "", r.refuse(signin.TokenOfAnother, "the refresh token was given to another client")
	case s.over(r, now):
		return Grant{}, "", s.endRefused(ctx, &r.Grant, signin.GrantEnded, "the grant ran out, or was not used for too long")
	case !r.allows(from):
		return Grant{}, "", r.refuse(signin.GrantElsewhere, "it is bound to %s", r.Network)
	case t.generation != r.generation && !r.repeats(t.generation, now, in):
		return Grant{}, "", s.replayed(ctx, &r.Grant, in)
	}
	if err := judge(r.told()); err != nil {
		return Grant{}, "", err
	}
	return s.rotate(ctx, r, t.generation, in)
}

// repeats says that a token is the one before the valid one, shown again in
// time and from where it was shown first.
func (g *Grant) repeats(generation uint32, now time.Time, in netip.Prefix) bool {
	return generation+1 == g.generation && now.Sub(g.rotated) <= grace && g.rotatedIn == in
}

// rotate lets the database decide: one statement makes the next token valid.
func (s *Service) rotate(ctx context.Context, r *record, generation uint32, in netip.Prefix) (Grant, string, error) {
	var g Grant
	ended, replay := "", false
	err := s.Store.Write(ctx, func(tx *store.Tx) error {
		now := time.Now()
		g, ended, replay = r.Grant, "", false
		won, err := tx.RotateGrant(g.ID, generation, now, textOf(in))
		if err != nil {
			return err
		}
		if won {
			g.generation, g.rotated, g.rotatedIn, g.Used = generation+1, now.UTC(), in, now.UTC()
			return nil
		}
		row, err := tx.Grant(g.ID)
		if errors.Is(err, store.ErrNotFound) {
			ended = "it is gone with its person"
			return nil
		}
		if err != nil {
			return err
		}
		if !row.Ended.IsZero() {
			ended = row.Reason
			return nil
		}
		if !row.Until.IsZero() && !now.Before(row.Until) {
			ended = "it ran out"
			return nil
		}
		if g, err = grantOf(row); err != nil {
			ended = "it cannot be read"
			return nil
		}
		replay = !g.repeats(generation, now, in)
		return nil
	})
	switch {
	case err != nil:
		return Grant{}, "", fmt.Errorf("rotating a refresh token: %w", err)
	case ended != "":
		return Grant{}, "", r.refuse(signin.GrantEnded, "the grant has ended: %s", ended)
	case replay:
		return Grant{}, "", s.replayed(ctx, &r.Grant, in)
	}
	s.replace(&g)
	next, err := s.refreshText(&g, g.generation)
	return g, next, err
}

// replayed ends a grant whose used refresh token was shown again.
func (s *Service) replayed(ctx context.Context, g *Grant, in netip.Prefix) error {
	return s.endRefused(ctx, g, signin.GrantReplayed, fmt.Sprintf("a used refresh token was shown again, from %s", in))
}

// endRefused ends a grant and says why, once that is durable.
func (s *Service) endRefused(ctx context.Context, g *Grant, code signin.Code, why string) error {
	if err := s.End(ctx, store.System, g.ID, why); err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	return g.refuse(code, "%s", why)
}
