package approval

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// The room for requests that wait. Whoever has a stolen password can make
// requests: they take nothing from the networks that the person is known on,
// nor from other people.
const (
	perNetwork  = 3      // of one person from one network
	strangers   = 6      // of one person from all the networks that they are not known on
	perPerson   = 20     // in all
	inAll       = 50_000 // about 500 bytes each
	keptRefs    = 8      // references of one request
	noticesADay = 3      // to one person
)

// queue is the requests that wait, in memory, and what of them is not written yet.
type queue struct {
	known func(person string, addr netip.Addr) bool

	mu      sync.Mutex
	waiting map[string][]*asked // by person, oldest first
	total   int
	dirty   map[*asked]bool
	dropped []string // ids of those that were written and gave way
}

// asked is one request that waits.
type asked struct {
	Request
	known   bool // from a network that the person is known on
	written bool
}

// Ask keeps a request, for its owner to find, of a knock that was refused for
// want of a grant. It never waits.
func (s *Service) Ask(k Knock) {
	k = k.cleaned()
	if k.Person != "" && network.Of(k.Addr).IsValid() {
		s.queue.add(k)
	}
}

// known says that a person has signed in from a network before, or has a window there.
func (s *Service) known(person string, addr netip.Addr) bool {
	return s.Known != nil && s.Known(person, addr) || s.index.tightAt(person, network.Of(addr))
}

func (q *queue) add(k Knock) {
	known := q.known(k.Person, k.Addr)
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.waiting[k.Person] {
		if sameProgram(&r.Request, &k) {
			r.again(k)
			q.mark(r)
			return
		}
	}
	q.makeRoom(k, known)
	if q.total >= inAll {
		return // the program asks again by itself
	}
	r := &asked{known: known, Request: Request{ID: store.NewID().String(), Person: k.Person, Protocol: k.Protocol, Program: k.Program, JA4: k.JA4,
		First: k.At, State: store.RequestWaiting}}
	r.again(k)
	q.keep(r)
	q.mark(r)
}

// sameProgram says that a person's request was made by the same program at the same place.
func sameProgram(r *Request, k *Knock) bool {
	return r.Protocol == k.Protocol && r.Program == k.Program && r.JA4 == k.JA4 && network.Of(r.Addr) == network.Of(k.Addr)
}

func (q *queue) keep(r *asked) {
	if q.waiting == nil {
		q.waiting = map[string][]*asked{}
	}
	q.waiting[r.Person] = append(q.waiting[r.Person], r)
	q.total++
}

func (q *queue) mark(r *asked) {
	if q.dirty == nil {
		q.dirty = map[*asked]bool{}
	}
	q.dirty[r] = true
}

// again counts one more of the same.
func (r *asked) again(k Knock) {
	r.Last, r.Addr, r.Country, r.ASN, r.Owner = k.At, k.Addr, k.Country, k.ASN, k.Owner
	r.Count++
	if k.Reference == "" || slices.Contains(r.References, k.Reference) {
		return
	}
	r.References = append([]signin.Reference{k.Reference}, r.References...)
	if len(r.References) > keptRefs {
		r.References = r.References[:keptRefs]
	}
	r.Reference = k.Reference
}

// makeRoom lets the oldest give way where a room is full: first in the same
// network, then among strangers where there are most, then in all.
func (q *queue) makeRoom(k Knock, known bool) {
	site, per := network.Of(k.Addr), map[netip.Prefix]int{}
	outside := 0
	for _, r := range q.waiting[k.Person] {
		per[network.Of(r.Addr)]++
		if !r.known {
			outside++
		}
	}
	if per[site] >= perNetwork {
		q.giveWay(k.Person, func(r *asked) bool { return network.Of(r.Addr) == site })
		return
	}
	if !known && outside >= strangers {
		most := 0
		for _, r := range q.waiting[k.Person] {
			if !r.known {
				most = max(most, per[network.Of(r.Addr)])
			}
		}
		q.giveWay(k.Person, func(r *asked) bool { return !r.known && per[network.Of(r.Addr)] == most })
		return
	}
	if len(q.waiting[k.Person]) >= perPerson {
		q.giveWay(k.Person, func(r *asked) bool { return r.known })
	}
}

// giveWay drops the request that was made longest ago among those chosen.
func (q *queue) giveWay(person string, chosen func(*asked) bool) {
	var oldest *asked
	for _, r := range q.waiting[person] {
		if chosen(r) && (oldest == nil || r.Last.Before(oldest.Last)) {
			oldest = r
		}
	}
	if oldest == nil {
		return
	}
	if oldest.written {
		q.dropped = append(q.dropped, oldest.ID)
	}
	q.remove(oldest)
}

func (q *queue) remove(r *asked) {
	list := q.waiting[r.Person]
	if i := slices.Index(list, r); i >= 0 {
		q.total--
		if list = slices.Delete(list, i, i+1); len(list) == 0 {
			delete(q.waiting, r.Person)
		} else {
			q.waiting[r.Person] = list
		}
	}
	delete(q.dirty, r)
}

// learn takes up the requests of one person, or of everybody, as they are stored.
// What is not written yet stays.
func (q *queue) learn(person string, stored []Request) {
	waits := map[string]bool{}
	fresh := []*asked{}
	for _, r := range stored {
		if r.State == store.RequestWaiting {
			waits[r.ID] = true
			fresh = append(fresh, &asked{Request: r, known: q.known(r.Person, r.Addr), written: true})
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for of, list := range q.waiting {
		if person != "" && of != person {
			continue
		}
		for _, r := range slices.Clone(list) {
			if r.written && !waits[r.ID] {
				q.remove(r)
			}
			delete(waits, r.ID) // here already, and newer
		}
	}
	for _, r := range slices.Backward(fresh) { // stored newest first
		if waits[r.ID] && !slices.Contains(q.dropped, r.ID) {
			q.keep(r)
		}
	}
}

// expire forgets the requests last made before a time.
func (q *queue) expire(before time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, list := range q.waiting {
		for _, r := range slices.Clone(list) {
			if r.Last.Before(before) {
				q.remove(r)
			}
		}
	}
}

// unwritten is what is to be written now: requests, new ones first, and ids to be dropped.
func (q *queue) unwritten() (all []*asked, copies []Request, dropped []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for r := range q.dirty {
		c := r.Request
		c.References = slices.Clone(r.References)
		all, copies = append(all, r), append(copies, c)
	}
	dropped, q.dropped, q.dirty = q.dropped, nil, nil
	return all, copies, dropped
}

// failed puts back what could not be written.
func (q *queue) failed(all []*asked, dropped []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped = append(q.dropped, dropped...)
	for _, r := range all {
		if slices.Contains(q.waiting[r.Person], r) {
			q.mark(r)
		}
	}
}

// flush writes the requests that are not written yet, and tells their owners.
func (s *Service) flush(ctx context.Context) error {
	s.settling.Lock()
	defer s.settling.Unlock()
	all, copies, dropped := s.queue.unwritten()
	if len(all)+len(dropped) == 0 {
		return nil
	}
	err := s.Store.Write(ctx, func(tx *store.Tx) error {
		for _, id := range dropped {
			if err := tx.DropRequest(id); err != nil {
				return err
			}
		}
		for i := range copies {
			if err := tx.PutRequest(&copies[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.queue.failed(all, dropped)
		return fmt.Errorf("writing approval requests: %w", err)
	}
	fresh := s.queue.wrote(all)
	if s.Tell != nil {
		for _, r := range fresh {
			if s.tellable(&r, r.Last) {
				s.Tell(r.Person, r)
			}
		}
	}
	return nil
}

// wrote notes what is in the database now, and returns what is new there. What
// gave way meanwhile is dropped there too.
func (q *queue) wrote(all []*asked) (fresh []Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range all {
		if !r.written {
			fresh = append(fresh, r.Request)
		}
		r.written = true
		if !slices.Contains(q.waiting[r.Person], r) {
			q.dropped = append(q.dropped, r.ID)
		}
	}
	return fresh
}

// tellable says, once, that a person should hear of a request: at most one
// notice a day for a program, and few for all of them.
func (s *Service) tellable(r *Request, at time.Time) bool {
	s.noted.Lock()
	defer s.noted.Unlock()
	of := s.told[r.Person]
	if of == nil {
		of = map[string]time.Time{}
		s.told[r.Person] = of
	}
	today := 0
	for program, when := range of {
		if at.Sub(when) >= 24*time.Hour {
			delete(of, program)
		} else {
			today++
		}
	}
	key := r.Protocol.String() + " " + r.Program
	if _, told := of[key]; told || today >= noticesADay {
		return false
	}
	of[key] = at
	return true
}

func (s *Service) forgetTold(now time.Time) {
	s.noted.Lock()
	defer s.noted.Unlock()
	for person, of := range s.told {
		for program, when := range of {
			if now.Sub(when) >= 24*time.Hour {
				delete(of, program)
			}
		}
		if len(of) == 0 {
			delete(s.told, person)
		}
	}
}
