package apppassword

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const day = 24 * time.Hour

// knock is one use of an app password while it is being checked.
type knock struct {
	attempt signin.Attempt
	addr    netip.Addr
	place   geoip.Place
	program sign
	owner   sign
}

// Check says whether a secret of our form is the person's and may be used here.
// A *signin.Refusal says why not.
func (s *Service) Check(ctx context.Context, a signin.Attempt, p directory.Person, secret []byte) (signin.Principal, error) {
	text, ok := read(secret)
	defer clear(text[:])
	if !ok {
		return signin.Principal{}, signin.Refuse(signin.AppPasswordUnknown, "it has not the form of one")
	}
	e, known := s.find(text.id())
	print := s.Prints.Of([]byte(text.id()), []byte(e.row.Person), text.secret())
	if subtle.ConstantTimeCompare(print[:], e.print[:]) != 1 || !known {
		return signin.Principal{}, signin.Refuse(signin.AppPasswordUnknown, "nobody has it")
	}
	k := s.knockOf(a)
	if err := e.permits(k, p); err != nil {
		return signin.Principal{}, err
	}
	if err := s.reaches(p); err != nil {
		return signin.Principal{}, err
	}
	if e.row.Used.IsZero() {
		if err := s.firstUse(ctx, &e, k); err != nil {
			return signin.Principal{}, err
		}
	}
	if !holds(e.bound.Programs, k.program, k.addr) || !holds(e.bound.Owners, k.owner, k.addr) {
		s.wait(e.row.ID, k)
		return signin.Principal{}, signin.Refuse(signin.AppPasswordProgram, "%s belongs to %s at %s; this is %s at %s", &e,
			orAny(e.bound.programs(), "any program"), orAny(e.bound.owners(), "any network"), k.program.Label, k.owner.Label)
	}
	s.used(e.row.ID, k)
	return s.principal(&e, &k.attempt), nil
}

func orAny(label, any string) string {
	if label == "" {
		return any
	}
	return label
}

func (s *Service) knockOf(a signin.Attempt) *knock {
	k := &knock{attempt: a, addr: a.Client.Addr().Unmap().WithZone("")}
	if s.Places != nil {
		k.place = s.Places.Lookup(k.addr)
	}
	k.program, k.owner = programOf(&a), ownerOf(k.addr, k.place)
	return k
}

// permits refuses what is not within the scope, the first violation counting.
func (e *entry) permits(k *knock, p directory.Person) error {
	at, sc := k.attempt.At, &e.scope
	switch {
	case e.row.Person != p.ID || p.ID == "":
		return signin.Refuse(signin.AppPasswordOfAnother, "%v is not %s's", e, p.Address)
	case !e.row.Revoked.IsZero():
		return signin.Refuse(signin.AppPasswordRevoked, "%v was revoked", e)
	case e.expired(at):
		return signin.Refuse(signin.AppPasswordExpired, "%v has expired", e)
	case e.idle(at):
		return signin.Refuse(signin.AppPasswordIdle, "%v was not used for %d days", e, sc.IdleDays)
	case !sc.speaks(k.attempt.Protocol):
		return signin.Refuse(signin.AppPasswordProtocol, "%v is not for %s", e, k.attempt.Protocol)
	case len(sc.Networks) > 0 && !slices.ContainsFunc(sc.Networks, func(n netip.Prefix) bool { return n.Contains(k.addr) }):
		return signin.Refuse(signin.AppPasswordNetwork, "%v is not for %s", e, k.addr)
	case len(sc.Countries) > 0 && (k.place.Country == "" || !slices.Contains(sc.Countries, k.place.Country)):
		return signin.Refuse(signin.AppPasswordCountry, "%v is not for the country %q of %s", e, k.place.Country, k.addr)
	}
	return nil
}

// speaks says whether the scope lets a protocol be used. The portal and webmail
// have pages to sign in on, and what was made for one program opens neither.
func (sc *Scope) speaks(p protocol.Protocol) bool {
	switch {
	case p == protocol.Portal || p == protocol.Webmail || p == protocol.Unknown:
		return false
	case sc.SendOnly:
		return p == protocol.Submission
	}
	return len(sc.Protocols) == 0 || slices.Contains(sc.Protocols, p)
}

func (e *entry) expired(at time.Time) bool {
	over := func(t time.Time) bool { return !t.IsZero() && !at.Before(t) }
	return over(e.scope.Expires) || e.row.Used.IsZero() && over(e.scope.FirstUseBy)
}

func (e *entry) idle(at time.Time) bool {
	last := e.row.Created
	for _, t := range []time.Time{e.row.Used, e.row.Last} {
		if t.After(last) {
			last = t
		}
	}
	return e.scope.IdleDays > 0 && at.Sub(last) >= time.Duration(e.scope.IdleDays)*day
}

// reaches refuses where the mail server would have to be shown the person's own
// password, which nobody has here.
func (s *Service) reaches(p directory.Person) error {
	if s.Backends == nil {
		return nil
	}
	if name, only := s.Backends.OwnPasswordOnly(p.Address, p.Backend); only {
		return signin.Refuse(signin.AppPasswordBackend, "backends.%s.login is password: there is nothing to sign in there with", name)
	}
	return nil
}

// principal is what a right app password proves.
func (s *Service) principal(e *entry, a *signin.Attempt) signin.Principal {
	p := signin.Principal{Methods: policy.MethodBoundAppPassword, Grant: store.AppPasswordGrant(e.row.ID), Until: e.scope.Expires}
	if !readsOnly(a.Protocol) && (len(e.scope.Senders) > 0 || e.scope.PerHour > 0) {
		p.Sending = &signin.Sending{Senders: e.scope.Senders, PerHour: e.scope.PerHour}
		if n := e.scope.PerHour; n > 0 {
			id := e.row.ID
			p.Sending.Take = func(now time.Time) bool { return s.rates.take(id, n, now) }
		}
	}
	return p
}

// readsOnly says that nothing can be sent over a protocol. Of one that is not
// known here it is not so.
func readsOnly(p protocol.Protocol) bool {
	switch p {
	case protocol.IMAP, protocol.POP3, protocol.Sieve, protocol.CalDAV, protocol.CardDAV:
		return true
	}
	return false
}

// firstUse binds the password, durably and once: of several that come together
// one is the first, and the others find it bound.
func (s *Service) firstUse(ctx context.Context, e *entry, k *knock) error {
	b, err := json.Marshal(e.scope.first(k.program, k.owner))
	if err != nil {
		return fmt.Errorf("binding %v: %w", e, err)
	}
	var row store.AppPassword
	err = s.Store.Write(ctx, func(tx *store.Tx) (err error) {
		_, row, err = tx.FirstUse(e.row.ID, k.attempt.At, b)
		return err
	})
	if err != nil {
		return fmt.Errorf("binding %v: %w", e, err)
	}
	if !row.Revoked.IsZero() {
		return signin.Refuse(signin.AppPasswordRevoked, "%v was revoked", e)
	}
	fresh, err := entryOf(row)
	if err != nil {
		return err
	}
	s.amend(e.row.ID, func(now *entry) {
		if now.row.Used.IsZero() {
			now.row.Used, now.row.Bound, now.bound = fresh.row.Used, fresh.row.Bound, fresh.bound
		}
	})
	e.row.Used, e.bound = fresh.row.Used, fresh.bound
	return nil
}
