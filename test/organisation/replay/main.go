// Replay puts the first of the made-up months into a state folder's log, as a
// door would have written it, and judges the second by a gate of its own, with
// the rules and windows that the folder holds. It is run by the tests while no
// server has the folder open.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/test/organisation"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("replay fill|judge STATE <SPEC")
	}
	var spec organisation.Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return fmt.Errorf("reading the spec: %w", err)
	}
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Dir: args[1]})
	if err != nil {
		return err
	}
	defer db.Close()
	world := organisation.Make(spec)
	switch args[0] {
	case "fill":
		return fill(ctx, db, &spec, world)
	case "judge":
		result, err := judge(ctx, db, &spec, world)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result)
	}
	return errors.New("replay fill or judge")
}

// batch is how many rows go into one transaction.
const batch = 5000

func fill(ctx context.Context, db *store.Store, spec *organisation.Spec, world *organisation.World) error {
	who := store.Actor{UID: -1, Name: "replay"}
	for people := range slices.Chunk(world.People, 500) {
		err := db.Change(ctx, who, "", func(tx *store.Tx) error {
			for _, p := range people {
				if err := tx.AddPerson(&store.Person{Address: p.Address, Origin: "backend", SecretKind: store.SecretBackend}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	ids, err := idsOf(ctx, db, world)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(world.First, batch) {
		err := db.Write(ctx, func(tx *store.Tx) error {
			for i := range chunk {
				if err := tx.PutEvent(event(spec, world, ids, &chunk[i])); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// idsOf are the people's ids, in the world's order.
func idsOf(ctx context.Context, db *store.Store, world *organisation.World) ([]string, error) {
	all, err := db.People(ctx)
	if err != nil {
		return nil, err
	}
	by := map[string]string{}
	for _, p := range all {
		by[p.Address] = p.ID
	}
	ids := make([]string, len(world.People))
	for i, p := range world.People {
		ids[i] = by[p.Address]
	}
	return ids, nil
}

// event is a sign-in as the gate would have written it.
func event(spec *organisation.Spec, world *organisation.World, ids []string, s *organisation.SignIn) *signin.Event {
	a := attempt(spec, s)
	e := &signin.Event{ID: a.ID, At: s.At, Last: s.At, Count: 1, Source: "gate", Typed: world.People[s.Person].Address, Mechanism: "PLAIN", Listener: "imaps",
		Client: a.Client.String(), NetOwner: s.Place.Owner, TLS: a.TLS, Hints: a.Hints, Backend: "main", Methods: policy.MethodPassword}
	e.Facts = policy.Facts{At: s.At, Person: ids[s.Person], Address: e.Typed, Domain: "example.org", Protocol: a.Protocol, Credential: policy.CredentialPassword,
		Mechanism: "PLAIN", Addr: s.Addr, Country: s.Place.Country, ASN: s.Place.ASN, Proven: true, Methods: policy.MethodPassword, AuthTime: s.At}
	gate.Recognised(&e.Facts, a.Hints, a.TLS.JA4)
	return e
}

func attempt(spec *organisation.Spec, s *organisation.SignIn) signin.Attempt {
	p, _ := protocol.Parse(s.Protocol)
	shown := organisation.ProgramOf(s.Program)
	a := signin.Attempt{ID: store.NewID(), At: s.At, Protocol: p, Listener: "imaps", Client: netip.AddrPortFrom(s.Addr, 40000),
		TLS: signin.TLS{Version: 0x0304, JA4: spec.Hellos[s.Program]}}
	switch p {
	case protocol.IMAP:
		for i := 0; i+1 < len(shown.ID); i += 2 {
			a.Hints.IMAPID = append(a.Hints.IMAPID, signin.Pair{Key: shown.ID[i], Value: shown.ID[i+1]})
		}
	case protocol.Submission:
		a.Hints.EHLO = shown.EHLO
	}
	return a
}

// Result is what the second month came to, if nobody does anything and if
// people approve what they are asked about.
type Result struct {
	SignIns, Pass int64
	Approving     int64     // that pass if people do
	Refused       []Refused // owners' sign-ins that nobody did anything about, alike ones together, most first
	Alone         []int     // those of the sampled that are refused if nothing of the month came before, by their numbers
	People        int       // with a refused sign-in
	Thieves       int       // tries that were let in
	Neighbours    int       // people who have a computer at home
	Open          int       // of them, whose window a thief with the same program next door would pass
	Twins         int       // people who have a telephone
	TwinsOpen     int       // of them, whose window a thief with the same one somewhere in the country would pass
}

// Refused is what of somebody's sign-ins was refused, and what they can do.
type Refused struct {
	Address, Program, Note, What, Do string
	Count                            int64
}

func judge(ctx context.Context, db *store.Store, spec *organisation.Spec, world *organisation.World) (*Result, error) {
	windows, err := approval.New(ctx, approval.Options{Store: db})
	if err != nil {
		return nil, err
	}
	ids, err := idsOf(ctx, db, world)
	if err != nil {
		return nil, err
	}
	g, err := newGate(ctx, db, windows, world, ids)
	if err != nil {
		return nil, err
	}
	r := &Result{Alone: g.alone(spec, world)}
	r.unattended(g, spec, world, ids, windows)
	for _, t := range world.Thefts {
		for i := range t.Tries {
			if g.admits(spec, world, &t.Tries[i]) {
				r.Thieves++
			}
		}
	}
	neighbours, twins := world.Neighbours(spec.Seed)
	r.Neighbours, r.Open = len(neighbours), g.count(spec, world, neighbours)
	r.Twins, r.TwinsOpen = len(twins), g.count(spec, world, twins)
	return r, r.attended(ctx, g, spec, world, ids, windows)
}

// unattended judges the month while nobody does anything.
func (r *Result) unattended(g *judging, spec *organisation.Spec, world *organisation.World, ids []string, windows *approval.Service) {
	refused, people := map[Refused]int64{}, map[int]bool{}
	for i := range world.Second {
		s := &world.Second[i]
		r.SignIns++
		if g.admits(spec, world, s) {
			r.Pass++
			continue
		}
		people[s.Person] = true
		what, do := windows.Advice(knock(spec, ids, s))
		refused[Refused{Address: world.People[s.Person].Address, Program: s.Program, Note: s.Note, What: what, Do: do}]++
	}
	for x, n := range refused {
		x.Count = n
		r.Refused = append(r.Refused, x)
	}
	slices.SortFunc(r.Refused, func(a, b Refused) int { return int(b.Count - a.Count) })
	r.People = len(people)
}

func knock(spec *organisation.Spec, ids []string, s *organisation.SignIn) approval.Knock {
	a := attempt(spec, s)
	var f policy.Facts
	gate.Recognised(&f, a.Hints, a.TLS.JA4)
	return approval.Knock{At: s.At, Person: ids[s.Person], Protocol: a.Protocol, Program: f.Program, JA4: a.TLS.JA4, Addr: s.Addr, Country: s.Place.Country, ASN: s.Place.ASN, Owner: s.Place.Owner}
}
