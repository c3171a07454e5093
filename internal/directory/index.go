package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

// entry is one person with every address that leads to them. It is replaced,
// never changed.
type entry struct {
	Person
	aliases []string
	noHash  bool // the mail server keeps the password
}

func same(a, b *entry) bool {
	return a.ID == b.ID && a.Address == b.Address && a.DisplayName == b.DisplayName && a.Guest == b.Guest && a.Disabled == b.Disabled &&
		a.Backend == b.Backend && a.Source == b.Source && slices.Equal(a.Groups, b.Groups) && slices.Equal(a.Roles, b.Roles)
}

// index is everybody, by each of their addresses and by id.
type index struct {
	byAddress map[string]*entry
	byID      map[string]*entry
}

func newIndex(people int) *index {
	return &index{byAddress: make(map[string]*entry, people), byID: make(map[string]*entry, people)}
}

// put enters somebody. An address of their own beats an alias of another's.
func (x *index) put(e *entry) {
	x.byID[e.ID] = e
	x.byAddress[e.Address] = e
	for _, a := range e.aliases {
		if other, taken := x.byAddress[a]; !taken || other.Address != a {
			x.byAddress[a] = e
		}
	}
}

// replace puts e, or nobody, in the place of who has the id, and says whether
// that changes the person.
func (x *index) replace(id string, e *entry) bool {
	old, known := x.byID[id]
	if known {
		delete(x.byID, id)
		for _, a := range append([]string{old.Address}, old.aliases...) {
			if x.byAddress[a] == old {
				delete(x.byAddress, a)
			}
		}
	}
	if e == nil {
		return known
	}
	if known {
		e.Groups = old.Groups
	}
	x.put(e)
	return !known || !same(old, e)
}

// readOne reads one person; nil is nobody.
func readOne(ctx context.Context, s Store, id string) (*entry, error) {
	row, err := s.Person(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	aliases, err := s.AliasesOf(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	return &entry{personOf(&row, nil), aliases, row.Hash == ""}, nil
}

// read builds the index from the store.
func read(ctx context.Context, s Store) (*index, error) {
	people, err := s.People(ctx)
	if err != nil {
		return nil, err
	}
	aliases, err := s.Aliases(ctx)
	if err != nil {
		return nil, err
	}
	members, err := s.Members(ctx)
	if err != nil {
		return nil, err
	}
	other := map[string][]string{}
	for _, a := range aliases {
		other[a.Person] = append(other[a.Person], a.Address)
	}
	of, x := memberships(members), newIndex(len(people))
	for i := range people {
		id := people[i].ID
		x.put(&entry{personOf(&people[i], of[id]), other[id], people[i].Hash == ""})
	}
	return x, nil
}

func personOf(row *store.Person, groups []string) Person {
	return Person{ID: row.ID, Address: row.Address, DisplayName: row.DisplayName, Groups: groups,
		Guest: policy.GuestTypes(row.Guest), Disabled: row.Disabled, Backend: row.Backend, Source: row.Source}
}

// memberships resolves nesting: for each person the sorted ids of all groups
// they are in, directly or through other groups. Equal sets share one slice,
// since many people are in the same few groups.
func memberships(members []store.Member) map[string][]string {
	parents, direct := map[string][]string{}, map[string][]string{}
	for _, m := range members {
		if m.IsGroup {
			parents[m.Member] = append(parents[m.Member], m.Group)
		} else {
			direct[m.Member] = append(direct[m.Member], m.Group)
		}
	}
	above, shared := map[string][]string{}, map[string][]string{}
	all := make(map[string][]string, len(direct))
	for person, groups := range direct {
		var ids []string
		for _, g := range groups {
			if above[g] == nil {
				above[g] = ancestors(g, parents)
			}
			ids = append(ids, above[g]...)
		}
		slices.Sort(ids)
		ids = slices.Clip(slices.Compact(ids))
		key := strings.Join(ids, "\x00")
		if shared[key] == nil {
			shared[key] = ids
		}
		all[person] = shared[key]
	}
	return all
}

// ancestors lists a group and all groups it is in; a ring of groups is no harm.
func ancestors(group string, parents map[string][]string) []string {
	seen := map[string]bool{group: true}
	list := []string{group}
	for i := 0; i < len(list); i++ {
		for _, p := range parents[list[i]] {
			if !seen[p] {
				seen[p] = true
				list = append(list, p)
			}
		}
	}
	return list
}
