package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// fewPeople is up to how many changed people are read one by one; more are
// read with everybody else.
const fewPeople = 200

// Store is what Local needs of the store.
type Store interface {
	People(ctx context.Context) ([]store.Person, error)
	Aliases(ctx context.Context) ([]store.Alias, error)
	Members(ctx context.Context) ([]store.Member, error)
	Person(ctx context.Context, idOrAddress string) (store.Person, error)
	AliasesOf(ctx context.Context, person string) ([]string, error)
	Change(ctx context.Context, who store.Actor, reason string, do func(*store.Tx) error) error
}

// Local is the people in our own store, kept in memory: a lookup is one step
// in a map. What changes in the store reaches it by Apply.
type Local struct {
	store  Store
	pool   *secret.Pool
	proven *proven

	load  sync.Mutex  // held while the store is read, so that no older reading replaces a newer one
	stale atomic.Bool // a change could not be read: the next one reads everybody
	mu    sync.RWMutex
	index *index
}

// NewLocal reads everybody from the store. Passwords are hashed in pool.
func NewLocal(ctx context.Context, s Store, pool *secret.Pool) (*Local, error) {
	l := &Local{store: s, pool: pool, proven: newProven(), index: newIndex(0)}
	_, err := l.reload(ctx)
	return l, err
}

// Lookup finds a person by canonical address or alias.
func (l *Local) Lookup(_ context.Context, address string) (Person, bool, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	e, known := l.index.byAddress[address]
	if !known {
		return Person{}, false, nil
	}
	return e.Person, true, nil
}

// ByID finds a person by id.
func (l *Local) ByID(id string) (Person, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	e, known := l.index.byID[id]
	if !known {
		return Person{}, false
	}
	return e.Person, true
}

// Alias is the alias table for package name: the person's own address for any
// of theirs.
func (l *Local) Alias(address string) (string, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	e, known := l.index.byAddress[address]
	if !known {
		return "", false
	}
	return e.Address, true
}

// Len is how many people there are.
func (l *Local) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.index.byID)
}

// CheckPassword verifies against the stored hash, which is read anew each time,
// so that a password changed a moment ago is the one that counts. Of whom the
// mail server keeps the password nothing is read: that costs more than all the
// rest of a sign-in.
func (l *Local) CheckPassword(ctx context.Context, p Person, password []byte, from secret.Source) error {
	if l.noHash(p.ID) {
		return ErrNoPassword
	}
	row, err := l.store.Person(ctx, p.ID)
	if errors.Is(err, store.ErrNotFound) {
		return ErrWrong // gone since the lookup
	}
	if err != nil {
		return fmt.Errorf("reading the password of %s: %w", p.Address, err)
	}
	if row.Hash == "" {
		return ErrNoPassword
	}
	print := l.proven.print(row.ID, string(row.Hash), password)
	if l.proven.holds(print) {
		return nil
	}
	match, err := l.pool.Verify(ctx, from, string(row.Hash), password)
	if err != nil {
		return fmt.Errorf("checking the password of %s: %w", p.Address, err)
	}
	if !match.OK {
		return ErrWrong
	}
	l.proven.add(print)
	return nil
}

func (l *Local) noHash(id string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	e, known := l.index.byID[id]
	return known && e.noHash
}

// Create makes a person whose password the mail server keeps and has just
// accepted. Somebody else may have done so a moment before.
func (l *Local) Create(ctx context.Context, address string) (Person, error) {
	p := store.Person{Address: address, SecretKind: store.SecretBackend, Origin: store.OriginBackend}
	err := l.store.Change(ctx, store.System, "first sign-in that the mail server accepted", func(tx *store.Tx) error {
		p.ID = "" // AddPerson fills it in, and a change may be tried again
		return tx.AddPerson(&p)
	})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return Person{}, fmt.Errorf("making %s a person: %w", address, err)
	}
	row, err := l.store.Person(ctx, address)
	if err != nil {
		return Person{}, fmt.Errorf("making %s a person: %w", address, err)
	}
	if _, err := l.refresh(ctx, []string{row.ID}); err != nil {
		return Person{}, err
	}
	made, known := l.ByID(row.ID)
	if !known {
		return Person{}, fmt.Errorf("making %s a person: %w", address, store.ErrNotFound)
	}
	return made, nil
}

// Apply brings the people up to a change of the store and returns the ids of
// those who are not what they were, including who is gone. After an error the
// people are what they were before, and the next Apply makes up for it.
func (l *Local) Apply(ctx context.Context, c store.Change) (changed []string, err error) {
	stale := l.stale.Swap(false)
	defer func() { l.stale.CompareAndSwap(false, err != nil) }()
	switch {
	case stale:
		return l.reload(ctx)
	case c.Families&(store.People|store.Groups) == 0:
		return nil, nil
	case c.Families&store.Groups == 0 && len(c.People) > 0 && len(c.People) <= fewPeople:
		return l.refresh(ctx, c.People)
	}
	return l.reload(ctx)
}

// refresh reads a few people anew, whose groups are what they were.
func (l *Local) refresh(ctx context.Context, ids []string) ([]string, error) {
	l.load.Lock()
	defer l.load.Unlock()
	fresh := make(map[string]*entry, len(ids))
	for _, id := range ids {
		e, err := readOne(ctx, l.store, id)
		if err != nil {
			return nil, fmt.Errorf("reading people: %w", err)
		}
		fresh[id] = e
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var changed []string
	for _, id := range slices.Sorted(maps.Keys(fresh)) {
		if l.index.replace(id, fresh[id]) {
			changed = append(changed, id)
		}
	}
	return changed, nil
}

func (l *Local) reload(ctx context.Context) ([]string, error) {
	l.load.Lock()
	defer l.load.Unlock()
	fresh, err := read(ctx, l.store)
	if err != nil {
		return nil, fmt.Errorf("reading people: %w", err)
	}
	l.mu.Lock()
	old := l.index
	l.index = fresh
	l.mu.Unlock()
	return differ(old, fresh), nil
}

// differ lists who is new, gone or changed.
func differ(old, fresh *index) []string {
	var ids []string
	for id, e := range fresh.byID {
		if before, known := old.byID[id]; !known || !same(before, e) {
			ids = append(ids, id)
		}
	}
	for id := range old.byID {
		if _, still := fresh.byID[id]; !still {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
