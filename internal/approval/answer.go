package approval

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// Why a request cannot be answered. Their texts are for people to read.
var (
	ErrNoRequest  = errors.New("there is no such request")
	ErrNoWindow   = errors.New("there is no such window")
	ErrAnswered   = errors.New("the request has been answered already")
	ErrExpired    = errors.New("the request has expired: let the program try again, and approve the new one")
	ErrFactor     = errors.New("approving needs a second factor")
	ErrElsewhere  = errors.New("the program is in another network than you are: type the reference that it shows, such as 7K4Q-9ZMD-2XWT")
	ErrReference  = errors.New("this is not the reference that the program was shown")
	ErrSource     = errors.New("this source was denied before: take that back first (`portreeve approval list --denials`, then withdraw)")
	ErrRoom       = errors.New("there are too many windows: withdraw those that are no longer needed")
	ErrOwnNetwork = errors.New("you have a window in this network: withdraw that first, or deny nothing here")
	ErrPlaceless  = errors.New("a window needs a network, or an owner and a country, and a protocol")
)

const (
	maxWindows = 200 // of one person
	maxDenials = 100 // of one person; the oldest give way
	maxDays    = 10 * 366
	day        = 24 * time.Hour
)

// Approver is who approves, from where, and how surely it is them.
type Approver struct {
	Addr        netip.Addr
	MultiFactor bool   // signed in with two factors
	Reference   string // typed, if any
	Days        int    // that the window lasts; 0 is the site's choice, and its most for anybody but an administrator
	// Administrator says that an administrator answers for somebody: the
	// command line, where neither network nor reference is asked for.
	Administrator bool
	// Spares refuses a request of a person, by id, with its error; nil: nobody's.
	Spares func(person string) error
}

// Approve makes a window of a request, once. request is its id, or a reference
// that the program was shown. The reason in the audit is the context's (store.WithReason).
func (s *Service) Approve(ctx context.Context, who store.Actor, person, request string, a Approver) (Window, error) {
	r, err := s.request(ctx, person, request)
	if err != nil {
		return Window{}, err
	}
	if a.Spares != nil {
		if err := a.Spares(r.Person); err != nil {
			return Window{}, err
		}
	}
	if err := s.answerable(ctx, &r, a); err != nil {
		return Window{}, err
	}
	w := s.windowOf(&r, who, a)
	if s.index.count(r.Person) >= maxWindows {
		return Window{}, ErrRoom
	}
	err = s.Store.Change(ctx, who, "", func(tx *store.Tx) error {
		if err := tx.SettleRequest(r.ID, store.RequestApproved); err != nil {
			return err
		}
		return tx.PutWindow(&w)
	})
	if errors.Is(err, store.ErrConflict) {
		return Window{}, ErrAnswered
	}
	if err != nil {
		return Window{}, fmt.Errorf("approving a request: %w", err)
	}
	return w, s.load(ctx, r.Person)
}

// request finds a person's request by id or reference; an empty person is
// anybody, for administrators. Somebody else's is none.
func (s *Service) request(ctx context.Context, person, name string) (Request, error) {
	if err := s.flush(ctx); err != nil {
		return Request{}, err
	}
	r, err := s.Store.Request(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return s.byReference(ctx, person, name)
	}
	if err != nil {
		return r, fmt.Errorf("finding a request: %w", err)
	}
	if person != "" && r.Person != person {
		return Request{}, ErrNoRequest
	}
	return r, nil
}

func (s *Service) byReference(ctx context.Context, person, typed string) (Request, error) {
	ref, err := signin.ParseReference(typed)
	if err != nil {
		return Request{}, ErrNoRequest
	}
	all, err := s.Store.Requests(ctx, person)
	if err != nil {
		return Request{}, fmt.Errorf("finding a request: %w", err)
	}
	for _, r := range all {
		if s.shown(ctx, &r, ref) {
			return r, nil
		}
	}
	return Request{}, ErrNoRequest
}

// shown says that a reference is one that the request's program was shown: one
// of the last, or one that leads to a right password of that program in the log.
func (s *Service) shown(ctx context.Context, r *Request, ref signin.Reference) bool {
	if slices.Contains(r.References, ref) {
		return true
	}
	e, err := s.Store.EventByReference(ctx, ref)
	if err != nil || e.Succeeded() || !e.Facts.Proven || e.Facts.Credential != policy.CredentialPassword || e.Last.Before(r.First) {
		return false
	}
	k := knockOf(&e)
	return k.Person == r.Person && sameProgram(r, &k)
}

// answerable says whether this approver may approve this request now.
func (s *Service) answerable(ctx context.Context, r *Request, a Approver) error {
	switch {
	case r.State == store.RequestExpired:
		return ErrExpired
	case r.State != store.RequestWaiting:
		return ErrAnswered
	case s.late(r, time.Now()):
		return ErrExpired
	case s.Denied(r.Person, r.Addr):
		return ErrSource
	case a.Administrator:
		return nil
	case !a.MultiFactor:
		return ErrFactor
	case s.Denied(r.Person, a.Addr):
		return ErrSource
	case a.Reference != "":
		if ref, err := signin.ParseReference(a.Reference); err != nil || !s.shown(ctx, r, ref) {
			return ErrReference
		}
		return nil
	case !a.Addr.IsValid() || network.Of(a.Addr) != network.Of(r.Addr):
		return ErrElsewhere
	}
	return nil
}

// windowOf is what a request becomes: it pins all that was seen.
func (s *Service) windowOf(r *Request, who store.Actor, a Approver) Window {
	days := s.Settings.Days
	if a.Days > 0 && (a.Days < days || a.Administrator) {
		days = min(a.Days, maxDays)
	}
	w := Window{Person: r.Person, Kind: store.ApprovalWindow, Protocols: []protocol.Protocol{r.Protocol}, Program: r.Program, JA4: r.JA4,
		Network: network.Of(r.Addr), Owner: r.Owner, Expires: time.Now().Add(time.Duration(days) * day), By: who.Name}
	s.index.widen(&w, r)
	if s.Settings.Place == PlaceOwner && r.ASN != 0 && r.Country != "" && r.Program != "" && r.JA4 != "" {
		w.Network, w.ASN, w.Country = netip.Prefix{}, r.ASN, r.Country
	}
	return w
}

// Allow makes a window as an administrator describes it.
func (s *Service) Allow(ctx context.Context, who store.Actor, w Window, days int) (Window, error) {
	w.Kind, w.Program, w.By = store.ApprovalWindow, programOf(w.Program), who.Name
	w.Network = w.Network.Masked()
	if len(w.Protocols) == 0 || !w.Network.IsValid() && (w.ASN == 0 || w.Country == "") {
		return Window{}, ErrPlaceless
	}
	if w.Network.IsValid() && s.index.deniedWhole(w.Person, w.Network) {
		return Window{}, ErrSource
	}
	if s.index.count(w.Person) >= maxWindows {
		return Window{}, ErrRoom
	}
	if days <= 0 {
		days = s.Settings.Days
	}
	w.Expires = time.Now().Add(time.Duration(min(days, maxDays)) * day)
	err := s.Store.Change(ctx, who, "", func(tx *store.Tx) error { return tx.PutWindow(&w) })
	if err != nil {
		return Window{}, fmt.Errorf("making a window: %w", err)
	}
	return w, s.load(ctx, w.Person)
}

// Deny answers a request with no, and marks the network that it came from: its
// passwords are no longer looked at for this person.
func (s *Service) Deny(ctx context.Context, who store.Actor, person, request string) error {
	r, err := s.request(ctx, person, request)
	switch {
	case err != nil:
		return err
	case r.State != store.RequestWaiting:
		return ErrAnswered
	case s.index.tightAt(r.Person, network.Of(r.Addr)):
		return ErrOwnNetwork
	}
	marked, err := s.Store.Denials(ctx, r.Person)
	if err != nil {
		return fmt.Errorf("denying a request: %w", err)
	}
	err = s.Store.Change(ctx, who, "", func(tx *store.Tx) error {
		if err := tx.SettleRequest(r.ID, store.RequestDenied); err != nil {
			return err
		}
		for i := 0; i <= len(marked)-maxDenials; i++ {
			if _, err := tx.DeleteDenial(marked[i].ID); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return tx.PutDenial(&Denial{Person: r.Person, Network: network.Of(r.Addr), Until: time.Now().Add(time.Duration(s.Settings.DenyDays) * day), By: who.Name})
	})
	if errors.Is(err, store.ErrConflict) {
		return ErrAnswered
	}
	if err != nil {
		return fmt.Errorf("denying a request: %w", err)
	}
	return s.load(ctx, r.Person)
}

// Withdraw takes back a window, with the sessions that hang on it, or the mark
// of a denied source. It is for administrators: it does not ask whose it is.
func (s *Service) Withdraw(ctx context.Context, who store.Actor, id string) error {
	return s.WithdrawOf(ctx, who, "", id)
}

// WithdrawOf is Withdraw of what is a person's own; somebody else's is none.
func (s *Service) WithdrawOf(ctx context.Context, who store.Actor, person, id string) error {
	var owner string
	foreign := func(of string) bool { owner = of; return person != "" && of != person }
	err := s.Store.Change(ctx, who, "", func(tx *store.Tx) error {
		w, err := tx.EndWindow(id)
		if errors.Is(err, store.ErrNotFound) {
			d, err := tx.DeleteDenial(id)
			if err == nil && foreign(d.Person) {
				return ErrNoWindow
			}
			return err
		}
		if err == nil && foreign(w.Person) {
			return ErrNoWindow
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, ErrNoWindow) {
		return ErrNoWindow
	}
	if err != nil {
		return fmt.Errorf("withdrawing: %w", err)
	}
	return s.load(ctx, owner)
}
