package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/test/organisation"
)

// answerAfter is how long somebody who was refused takes to open the portal and
// approve what waits there, with a second factor.
const answerAfter = 12 * time.Hour

// attended judges the month once more, while people do what they are told to: a
// program that was refused is approved half a day later. Requests are made and
// approved by the product itself; only the time is ours, since a month is
// judged within seconds.
func (r *Result) attended(ctx context.Context, g *judging, spec *organisation.Spec, world *organisation.World, ids []string, windows *approval.Service) error {
	var due []asked
	waiting := map[string]bool{}
	for i := range world.Second {
		s := &world.Second[i]
		for len(due) > 0 && due[0].at.Before(s.At) {
			if err := approve(ctx, windows, due[0].person, due[0].knock); err != nil {
				return err
			}
			delete(waiting, due[0].key())
			due = due[1:]
		}
		if g.admits(spec, world, s) {
			r.Approving++
			continue
		}
		a := asked{s.At.Add(answerAfter), ids[s.Person], knock(spec, ids, s)}
		if !waiting[a.key()] {
			waiting[a.key()] = true
			due = append(due, a)
		}
	}
	return nil
}

// asked is a refused program that its owner will approve.
type asked struct {
	at     time.Time
	person string
	knock  approval.Knock
}

func (a *asked) key() string {
	k := &a.knock
	bits := 48
	if k.Addr.Is4() {
		bits = 24
	}
	network, _ := k.Addr.Prefix(bits)
	return fmt.Sprint(a.person, k.Protocol, k.Program, k.JA4, network)
}

func approve(ctx context.Context, windows *approval.Service, person string, k approval.Knock) error {
	k.ID = store.NewID()
	k.Reference, k.At = k.ID.Reference(), time.Now()
	windows.Ask(k)
	_, err := windows.Approve(ctx, store.Actor{UID: -1, Name: "the owner"}, person, string(k.Reference),
		approval.Approver{Addr: k.Addr, MultiFactor: true, Reference: string(k.Reference)})
	if errors.Is(err, approval.ErrRoom) {
		return nil // somebody who approved a hundred networks does not go on
	}
	return err
}
