package client

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	// secretMark begins a client's secret.
	secretMark = "prclient_"
	// maxShown bounds a secret that is looked at, in bytes; ours have 61.
	maxShown = 512
	// MaxOverlap is how long an old secret may be good beside the new one. Two
	// secrets for ever are one that is never changed.
	MaxOverlap = 30 * 24 * time.Hour
)

// printOf is what is kept of a client's secret.
func (r *Registry) printOf(id, shown string) []byte {
	print := r.prints.Of([]byte(id), []byte(shown))
	return print[:]
}

// Authenticate says whether a confidential client's secret is right, the one
// before it for as long as it is good, in the same time whether there is such a
// client or not and whichever of the two was shown.
func (r *Registry) Authenticate(id, shown string) bool {
	if len(shown) > maxShown || len(id) > maxShown {
		return false
	}
	var kept, old secret.Print
	e := r.entry(id)
	if e != nil {
		kept = e.print
		if e.OldSecretGood(time.Now()) {
			old = e.old
		}
	}
	print := r.prints.Of([]byte(id), []byte(shown))
	return same(print, kept)|same(print, old) == 1 && e != nil && !e.Public
}

// same is 1 where a fingerprint is another that there is.
func same(print, kept secret.Print) int {
	var none secret.Print
	return subtle.ConstantTimeCompare(print[:], kept[:]) & (1 - subtle.ConstantTimeCompare(kept[:], none[:]))
}

// OldSecretGood says that the secret before the present one is good still.
func (c *Client) OldSecretGood(now time.Time) bool { return now.Before(c.OldSecretUntil) }

// NewSecret gives a confidential client another secret, which is shown here and
// nowhere else. The one it had is good for an overlap more; with none, every
// secret but the new one is wrong from now on.
//
// While an older one is good beside the present one, none is made with an
// overlap: it would end a secret that somebody was promised, or keep three.
func (r *Registry) NewSecret(ctx context.Context, who store.Actor, reason, id string, overlap time.Duration) (c Client, shown string, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return c, "", &Fault{"overlap", fmt.Sprintf("an old secret is good for %d days more at most", MaxOverlap/(24*time.Hour))}
	}
	shown = secret.NewMarked(secretMark)
	c, err = r.secret(ctx, who, reason, id, "rotate secret", func(row *store.Client, c *Client, now time.Time) error {
		if overlap > 0 && c.OldSecretGood(now) {
			return &Fault{"", fmt.Sprintf("the secret before the present one is good until %s: end it first, or give the new one without an overlap, which ends both", c.OldSecretUntil.UTC().Format(time.RFC3339))}
		}
		row.OldPrint, row.OldMade, row.OldUntil = nil, time.Time{}, time.Time{}
		if overlap > 0 {
			row.OldPrint, row.OldMade, row.OldUntil = row.Print, row.SecretMade, now.Add(overlap)
		}
		row.Print, row.SecretMade = r.printOf(id, shown), now
		return nil
	})
	if err != nil {
		return c, "", err
	}
	return c, shown, nil
}

// EndOldSecret makes the secret before the present one wrong from now on.
func (r *Registry) EndOldSecret(ctx context.Context, who store.Actor, reason, id string) (Client, error) {
	return r.secret(ctx, who, reason, id, "end old secret", func(row *store.Client, c *Client, now time.Time) error {
		if !c.OldSecretGood(now) {
			return &Fault{"", c.Name + " has one secret, and no old one that is good still"}
		}
		row.OldPrint, row.OldMade, row.OldUntil = nil, time.Time{}, time.Time{}
		return nil
	})
}

// secret changes the secrets of a confidential client.
func (r *Registry) secret(ctx context.Context, who store.Actor, reason, id, action string, do func(*store.Client, *Client, time.Time) error) (Client, error) {
	return r.change(ctx, who, reason, id, func(tx *store.Tx, c *Client) error {
		switch {
		case c.ID == "":
			return store.ErrNotFound
		case c.Public:
			return &Fault{"", c.Name + " is public: it has no secret, and proves by PKCE that it asked"}
		}
		row, err := tx.Client(id)
		if err != nil {
			return err
		}
		if err := do(&row, c, time.Now().UTC()); err != nil {
			return err
		}
		return tx.ChangeClientSecret(action, &row)
	})
}
