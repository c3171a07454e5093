package grant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	codeMark = "prc_"
	codeLife = 60 * time.Second // RFC 6749 section 4.1.2 allows ten minutes; the browser comes back at once
	codeSize = 32               // random bytes
	codeMost = 128              // bytes that anybody may show
)

// newSecret is a random text that begins with mark, and what is kept of it.
func newSecret(mark string) (text string, hash []byte) {
	var b [codeSize]byte
	_, _ = rand.Read(b[:])
	text = mark + base64.RawURLEncoding.EncodeToString(b[:])
	return text, hashOf(text)
}

func hashOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// IssueCode keeps a grant that waits for its code to be redeemed, and returns
// the code, once both are durable.
func (s *Service) IssueCode(ctx context.Context, q Request, g Grant) (code string, err error) {
	if q.Client == "" || q.Redirect == "" || g.Person == "" {
		return "", errors.New("issuing a code: it needs a client, a redirect address and a person")
	}
	now := time.Now()
	g.Client, g.Kind = q.Client, KindCode
	if g.Nonce == "" {
		g.Nonce = q.Nonce
	}
	s.begin(&g, now)
	code, hash := newSecret(codeMark)
	err = s.await(ctx, &g, &store.GrantCode{Hash: hash, Grant: g.ID, Client: q.Client, Redirect: q.Redirect, Challenge: q.Challenge, Until: now.Add(codeLife)})
	if err != nil {
		return "", fmt.Errorf("issuing a code: %w", err)
	}
	return code, nil
}

// await keeps a grant that comes to life when its code is redeemed.
func (s *Service) await(ctx context.Context, g *Grant, c *store.GrantCode) error {
	row, err := g.row()
	if err != nil {
		return err
	}
	return s.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.AddGrant(&row); err != nil {
			return err
		}
		return tx.AddCode(c)
	})
}

// Redeem uses a code up and returns its grant, which lives from now on. Whoever
// shows a code must be whom it was given to (client, redirect address and
// PKCE's verifier); if not, it is used up all the same. A used one that is shown
// again with all that belongs to it ends the grant: somebody else may have been
// first. Without, it could not have been redeemed then either, and whoever finds
// an old code in a browser's history could sign people out.
//
// judge says whether anything may be handed out now; its error is returned as it
// is, and leaves the code as it was: what goes wrong with us costs nobody a code.
// It may be nil.
func (s *Service) Redeem(ctx context.Context, code, clientID, redirect, verifier string, judge func(Grant) error) (Grant, error) {
	r, err := s.redeem(ctx, code, judge, func(c *store.GrantCode, g *Grant) string {
		switch {
		case g.Kind != KindCode: // which would need no network here
			return "the code was given to a device"
		case c.Client != clientID:
			return "the code was given to another client"
		case c.Redirect != redirect:
			return "the redirect address is not the one that the code was sent to"
		case !proves(c.Challenge, verifier):
			return "the code verifier does not fit"
		}
		return ""
	})
	if err != nil {
		return Grant{}, err
	}
	if !r.replayed || r.why != "" {
		return r.grant, r.refusal()
	}
	if err := s.End(ctx, store.System, r.grant.ID, "its code was used twice"); err != nil && !errors.Is(err, ErrUnknown) {
		return Grant{}, err
	}
	return Grant{}, r.grant.refuse(signin.GrantReplayed, "the code has been used before; what hung on it has ended")
}

// proves compares PKCE's verifier with its challenge (RFC 7636, section 4.6).
// A code without a challenge takes no verifier: one that comes shows that the
// challenge was taken away on the way.
func proves(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 { // section 4.1
		return false
	}
	return secret.Equal([]byte(base64.RawURLEncoding.EncodeToString(hashOf(verifier))), []byte(challenge))
}

// redemption is what came of a code.
type redemption struct {
	grant    Grant
	why      string // why not, if not
	unknown  bool   // the code was never given, or long ago
	replayed bool   // the code was used before
	started  bool   // the grant lives from now on
}

func (r *redemption) refusal() error {
	if r.why == "" {
		return nil
	}
	return r.grant.refuse(signin.TokenInvalid, "%s", r.why)
}

// neverGiven is of a code that is none of ours.
const neverGiven = "the code was never given, or long ago"

// redeem uses a code up in one transaction, and brings its grant to life unless
// check has something against it. What is good so far is judged first.
func (s *Service) redeem(ctx context.Context, code string, judge func(Grant) error, check func(*store.GrantCode, *Grant) string) (out redemption, err error) {
	if len(code) > codeMost {
		return redemption{why: "a code of that length was never given", unknown: true}, nil
	}
	hash := hashOf(code)
	g, good, err := s.foreseen(ctx, hash, check)
	if err != nil {
		return redemption{}, err
	}
	if good && judge != nil {
		if err := judge(g); err != nil {
			return redemption{}, err
		}
	}
	var crowded []string
	err = s.Store.Write(ctx, func(tx *store.Tx) (err error) {
		out, crowded, err = s.redeemIn(tx, hash, good || judge == nil, check)
		return err
	})
	if err != nil {
		if out.started {
			s.drop(out.grant.ID)
		}
		return redemption{}, fmt.Errorf("redeeming a code: %w", err)
	}
	if out.why != "" || out.replayed {
		out.grant = Grant{ID: out.grant.ID, Person: out.grant.Person}
	}
	s.drop(crowded...)
	return out, nil
}

// Waits says that a program's or a device's code is one of ours that may still be
// redeemed, by whoever it was given to. It uses nothing up.
func (s *Service) Waits(ctx context.Context, code string) bool {
	if len(code) > codeMost {
		return false
	}
	hash := hashOf(code)
	if s.devices.waits(string(hash), time.Now()) {
		return true
	}
	_, good, err := s.foreseen(ctx, hash, func(*store.GrantCode, *Grant) string { return "" })
	return err == nil && good
}

// foreseen says whether a code is good, as far as can be told without using it
// up: the transaction that does so decides.
func (s *Service) foreseen(ctx context.Context, hash []byte, check func(*store.GrantCode, *Grant) string) (g Grant, good bool, err error) {
	c, row, err := s.Store.Code(ctx, hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return g, false, nil
	case err != nil:
		return g, false, fmt.Errorf("looking for a code: %w", err)
	}
	if g, err = grantOf(row); err != nil {
		return g, false, nil // which is what the transaction says of it
	}
	return g, c.Used.IsZero() && time.Now().Before(c.Until) && row.Ended.IsZero() && check(&c, &g) == "", nil
}

// errUnjudged takes back the use of a code that came to be good after it was
// looked at: whoever shows it again has it judged.
var errUnjudged = errors.New("it was not good a moment ago, and has not been judged")

func (s *Service) redeemIn(tx *store.Tx, hash []byte, judged bool, check func(*store.GrantCode, *Grant) string) (out redemption, crowded []string, err error) {
	now := time.Now()
	c, first, err := tx.UseCode(hash, now)
	if errors.Is(err, store.ErrNotFound) {
		return redemption{why: neverGiven, unknown: true}, nil, nil
	}
	if err != nil {
		return out, nil, err
	}
	row, err := tx.Grant(c.Grant)
	if err != nil {
		return out, nil, err
	}
	if out.grant, err = grantOf(row); err != nil {
		return redemption{grant: Grant{ID: row.ID}, why: err.Error()}, nil, nil
	}
	switch out.why = check(&c, &out.grant); {
	case !first:
		out.replayed = true
		return out, nil, nil
	case !now.Before(c.Until):
		out.why = "the code has run out"
	case !row.Ended.IsZero():
		out.why = "the grant has ended: " + row.Reason
	}
	switch {
	case out.why != "":
		return out, nil, nil
	case !judged:
		return out, nil, errUnjudged
	}
	crowded, err = s.start(tx, &out.grant, now)
	out.started = err == nil
	return out, crowded, err
}

// start brings a grant to life, in the database and in memory, and ends others
// of its person's if they are too many.
func (s *Service) start(tx *store.Tx, g *Grant, now time.Time) (crowded []string, err error) {
	g.Used, g.Until = now.UTC(), s.lasts(g, now).UTC()
	started, err := tx.StartGrant(g.ID, now, g.Until)
	if err == nil && !started {
		err = fmt.Errorf("the grant %s is alive already", g.ID)
	}
	if err != nil {
		return nil, err
	}
	all, err := tx.LiveGrantsOf(g.Person)
	if err != nil {
		return nil, err
	}
	crowded = tooMany(all, g.ID)
	if _, err := tx.EndGrants(crowded, now, crowdedOut); err != nil {
		return nil, err
	}
	s.put(g)
	return crowded, nil
}

// crowdedOut is why a grant ended that made room for another of its person's.
const crowdedOut = "its person has more than there may be, and it was the longest unused"

// tooMany are those of a person's grants, the last used first, that are over the
// bound, and not the newest. Those that no refresh token prolongs go first: a page
// that has somebody signed in anew all day is not to disconnect their mail program.
func tooMany(rows []store.Grant, newest string) (crowded []string) {
	if len(rows) <= mostPerPerson {
		return nil
	}
	var brief, lasting []string
	for _, r := range rows {
		g, err := grantOf(r)
		switch {
		case err != nil:
			brief = append(brief, r.ID) // it opens nothing any more
		case g.ID == newest:
		case g.Offline:
			lasting = append(lasting, g.ID)
		default:
			brief = append(brief, g.ID)
		}
	}
	return append(lasting, brief...)[mostPerPerson-1:]
}

// Issue makes a grant that lives at once, without a code. A service account
// that asks again, in the same way, is given the same grant, prolonged.
func (s *Service) Issue(ctx context.Context, g Grant) (Grant, error) {
	if g.Person == "" || g.Client == "" {
		return Grant{}, errors.New("issuing a grant: it needs a person and a client")
	}
	if g.Kind == KindClientCredentials {
		if again, ok, err := s.renew(ctx, &g); ok || err != nil {
			return again, err
		}
	}
	s.begin(&g, time.Now())
	row, err := g.row()
	if err != nil {
		return Grant{}, err
	}
	var crowded []string
	err = s.Store.Write(ctx, func(tx *store.Tx) (err error) {
		if err := tx.AddGrant(&row); err != nil {
			return err
		}
		crowded, err = s.start(tx, &g, g.Created)
		return err
	})
	if err != nil {
		s.drop(g.ID)
		return Grant{}, fmt.Errorf("issuing a grant: %w", err)
	}
	s.drop(crowded...)
	return g, nil
}

// renew prolongs the grant that a service account has already, if it is the
// same in all that counts.
func (s *Service) renew(ctx context.Context, g *Grant) (Grant, bool, error) {
	same := s.which(func(h *Grant) bool {
		return h.Kind == g.Kind && h.Person == g.Person && h.Client == g.Client && h.Scope == g.Scope && h.Network == g.Network && h.Methods == g.Methods
	})
	if len(same) == 0 {
		return Grant{}, false, nil
	}
	now, old := time.Now(), same[0]
	renewed := old
	renewed.AuthTime, renewed.Address, renewed.Correlation, renewed.Until = g.AuthTime, g.Address, g.Correlation, g.Until
	renewed.Used, renewed.Until = now.UTC(), s.lasts(&renewed, now).UTC()
	row, err := renewed.row()
	if err != nil {
		return Grant{}, false, err
	}
	lives := false
	err = s.Store.Write(ctx, func(tx *store.Tx) (err error) {
		lives, err = tx.RenewGrant(old.ID, row.Facts, now, renewed.Until)
		return err
	})
	if err != nil {
		return Grant{}, false, fmt.Errorf("prolonging a grant: %w", err)
	}
	if lives {
		s.replace(&renewed)
	}
	return renewed, lives, nil
}
