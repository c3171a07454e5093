package demo

import (
	"context"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	domain   = "planet.example" // RFC 2606: nobody's
	password = "demo"           // everybody's
)

// everybody are the people of the demo and the groups they are in.
var everybody = []struct{ name, display, group string }{
	{"leela", "Turanga Leela", "Crew"},
	{"fry", "Philip J. Fry", "Crew"},
	{"bender", "Bender Rodríguez", "Crew"},
	{"hermes", "Hermes Conrad", "Office"},
	{"amy", "Amy Wong", "Office"},
	{"zoidberg", "Dr. John Zoidberg", "Office"},
	{"kif", "Kif Kroker", "Office"},
	{"scanner", "The scanner in the corridor", "Scanners"},
	{"printer", "The printer beside it", "Printers"},
}

func address(name string) string { return name + "@" + domain }

func addresses() (list []string) {
	for _, p := range everybody {
		list = append(list, address(p.name))
	}
	return list
}

// known is a person as the history needs one.
type known struct {
	id     string
	groups []string // ids
}

// putPeople writes people and groups into an empty store. The one password is
// hashed once: eight hashes would take longer than everything else here.
func putPeople(ctx context.Context, s *store.Store) (map[string]known, error) {
	people := map[string]known{}
	hash := store.Hash(secret.Hash([]byte(password)))
	err := s.Change(ctx, store.System, "demo", func(tx *store.Tx) error {
		groups := map[string]string{}
		for _, p := range everybody {
			if groups[p.group] == "" {
				g := store.Group{Name: p.group}
				if err := tx.AddGroup(&g); err != nil {
					return err
				}
				groups[p.group] = g.ID
			}
			row := store.Person{Address: address(p.name), DisplayName: p.display, SecretKind: store.SecretArgon2id, Hash: hash}
			if err := tx.AddPerson(&row); err != nil {
				return err
			}
			if err := tx.AddMember(store.Member{Group: groups[p.group], Member: row.ID}); err != nil {
				return err
			}
			people[p.name] = known{row.ID, []string{groups[p.group]}}
		}
		return nil
	})
	return people, err
}
