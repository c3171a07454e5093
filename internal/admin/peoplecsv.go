package admin

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/spelling"
	"github.com/portreeve/portreeve/internal/store"
)

// peopleColumns are those of a list of people; the first is needed.
var peopleColumns = []string{"address", "displayName", "passwordHash", "groups", "aliases", "disabled", "backend"}

// maxPeople bounds the rows of one list: it is one transaction, and sign-ins
// wait for it (about a second for ten thousand).
const maxPeople = 100_000

// peopleImport says what a list changed, or would.
type peopleImport struct {
	Rows      int  `json:"rows"`
	Added     int  `json:"added"`
	Changed   int  `json:"changed"`
	Unchanged int  `json:"unchanged"`
	DryRun    bool `json:"dryRun,omitempty"`
}

// personRow is one row; what its cell leaves empty stays as it is.
type personRow struct {
	line  int
	cells map[string]string
}

// errUndone takes a transaction back that was only tried.
var errUndone = errors.New("only tried")

// importPeople adds and changes the people of a list, all of them or none.
func (a *api) importPeople(r *http.Request) (any, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	rows, err := readPeople(text)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	out := &peopleImport{Rows: len(rows), DryRun: q.Get("dryRun") == "true"}
	var faults []Error
	_, err = a.change(r, func(tx *store.Tx) error {
		*out = peopleImport{Rows: out.Rows, DryRun: out.DryRun}
		l := &peopleList{a: a, tx: tx, out: out, makeGroups: q.Get("makeGroups") == "true", seen: map[string]int{}}
		if err := l.apply(rows); err != nil {
			return err
		}
		if faults = l.faults; out.DryRun || len(faults) > 0 {
			return errUndone
		}
		return nil
	})
	if len(faults) > 0 {
		rows := "1 row"
		if len(faults) > 1 {
			rows = fmt.Sprintf("%d rows", len(faults))
		}
		e := bad(faults[0].Target, "%s cannot be taken; nothing was changed", rows)
		for i := range faults { // said once, for all of them
			if next := faults[i].Next; next != "" {
				e.Next, faults[i].Next = next, ""
			}
		}
		e.Details = faults[:min(len(faults), maxFaults)]
		return nil, e
	}
	if err != nil && !errors.Is(err, errUndone) {
		return nil, err
	}
	return out, nil
}

// readPeople reads a list in UTF-8 with a comma, semicolon or tab between its
// cells, as its first line shows.
func readPeople(text []byte) ([]personRow, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, bad("", "the list is not UTF-8: save it as \"CSV UTF-8\"")
	}
	head, _, _ := bytes.Cut(text, []byte("\n"))
	c := csv.NewReader(bytes.NewReader(text))
	c.FieldsPerRecord, c.TrimLeadingSpace = -1, true
	for _, comma := range ",;\t" {
		if bytes.ContainsRune(head, comma) {
			c.Comma = comma
			break
		}
	}
	names, err := c.Read()
	if err != nil {
		return nil, bad("line 1", "the first line must name the columns: %s", strings.Join(peopleColumns, ", "))
	}
	if err := knownColumns(names); err != nil {
		return nil, err
	}
	var rows []personRow
	for {
		cells, err := c.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		line, _ := c.FieldPos(0)
		switch {
		case err != nil:
			return nil, bad("", "%v", err) // encoding/csv names the line
		case len(cells) != len(names):
			return nil, bad(fmt.Sprintf("line %d", line), "line %d has %d cells, the first line names %d", line, len(cells), len(names))
		case len(rows) == maxPeople:
			return nil, bad("", "the list has more than %d rows: split it", maxPeople)
		}
		row := personRow{line, map[string]string{}}
		for i, cell := range cells {
			row.cells[names[i]] = strings.TrimSpace(cell)
		}
		rows = append(rows, row)
	}
}

// knownColumns turns the column names into our spelling of them.
func knownColumns(names []string) error {
	for i, n := range names {
		at := slices.IndexFunc(peopleColumns, func(c string) bool { return strings.EqualFold(c, strings.TrimSpace(n)) })
		if at < 0 {
			return bad("line 1", "there is no column %q%s; there are %s", n, spelling.DidYouMean(n, peopleColumns), strings.Join(peopleColumns, ", "))
		}
		if slices.Contains(names[:i], peopleColumns[at]) {
			return bad("line 1", "column %s stands there twice", peopleColumns[at])
		}
		names[i] = peopleColumns[at]
	}
	if !slices.Contains(names, "address") {
		return bad("line 1", "there is no column address")
	}
	return nil
}

// peopleList is a list while it is applied in a transaction.
type peopleList struct {
	a          *api
	tx         *store.Tx
	out        *peopleImport
	makeGroups bool
	seen       map[string]int // lines by address
	faults     []Error
}

// apply applies all rows, and goes on after a fault so that all are told. An
// error is the database's.
func (l *peopleList) apply(rows []personRow) error {
	for _, row := range rows {
		changed, added, err := l.row(row)
		var told *Error
		switch {
		case err == nil && added:
			l.out.Added++
		case err == nil && changed:
			l.out.Changed++
		case err == nil:
			l.out.Unchanged++
		case errors.As(err, &told), errors.Is(err, store.ErrExists), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict):
			fault := Error{Code: "BadRequest", Message: fmt.Sprintf("line %d: %v", row.line, err), Target: fmt.Sprintf("line %d", row.line)}
			if told != nil {
				fault.Next = told.Next
			}
			l.faults = append(l.faults, fault)
		default:
			return err
		}
	}
	return nil
}

func (l *peopleList) row(row personRow) (changed, added bool, err error) {
	address, err := l.a.Canonical(row.cells["address"])
	if err != nil {
		return false, false, bad("address", "%q is no address: %v", row.cells["address"], err)
	}
	if first, twice := l.seen[address]; twice {
		return false, false, bad("address", "%s stands in line %d already", address, first)
	}
	l.seen[address] = row.line
	c, err := changeOf(row)
	if err != nil {
		return false, false, err
	}
	p, err := l.tx.Person(address)
	added = errors.Is(err, store.ErrNotFound)
	switch {
	case added:
		p = store.Person{Address: address, Origin: store.OriginLocal, SecretKind: store.SecretBackend}
	case err != nil:
		return false, false, err
	case p.Address != address:
		return false, false, bad("address", "%s is another address of %s", address, p.Address)
	}
	if changed, err = l.person(&p, c, added); err != nil {
		return false, false, err
	}
	more, err := l.belongs(p, row)
	return changed || more, added, err
}

// changeOf reads a row's cells.
func changeOf(row personRow) (*personChange, error) {
	c := &personChange{}
	for name, to := range map[string]**string{"displayName": &c.DisplayName, "passwordHash": &c.Hash, "backend": &c.Backend} {
		if v := row.cells[name]; v != "" {
			*to = &v
		}
	}
	if v := strings.ToLower(row.cells["disabled"]); v != "" {
		yes := slices.Contains([]string{"true", "yes", "1"}, v)
		if !yes && !slices.Contains([]string{"false", "no", "0"}, v) {
			return nil, bad("disabled", "disabled is true or false, not %q", v)
		}
		c.Disabled = &yes
	}
	return c, nil
}

// person adds or changes the person's own row.
func (l *peopleList) person(p *store.Person, c *personChange, added bool) (changed bool, err error) {
	before := *p
	if err := l.a.applyPerson(p, c); err != nil {
		return false, err
	}
	switch {
	case added:
		return true, l.tx.AddPerson(p)
	case *p == before:
		return false, nil
	}
	return true, l.tx.PutPerson(p)
}

// belongs adds the row's aliases and memberships; those it does not name stay.
func (l *peopleList) belongs(p store.Person, row personRow) (changed bool, err error) {
	for _, typed := range listed(row.cells["aliases"]) {
		alias, err := l.a.Canonical(typed)
		if err != nil {
			return changed, bad("aliases", "%q is no address: %v", typed, err)
		}
		if has, err := l.tx.Person(alias); err == nil {
			if has.ID == p.ID {
				continue
			}
			return changed, bad("aliases", "%s is %s's already", typed, has.Address)
		}
		if err := l.tx.AddAlias(store.Alias{Address: alias, Person: p.ID}); err != nil {
			return changed, err
		}
		changed = true
	}
	for _, name := range listed(row.cells["groups"]) {
		if _, err := l.tx.Group(name); errors.Is(err, store.ErrNotFound) {
			if !l.makeGroups {
				return changed, bad("groups", "there is no group %q", name).then("--make-groups makes the groups that are not there yet")
			}
			if err := l.tx.AddGroup(&store.Group{Name: name}); err != nil {
				return changed, err
			}
		}
		in, err := l.tx.IsMember(name, p.ID)
		if err != nil {
			return changed, err
		}
		if in {
			continue
		}
		if err := l.tx.AddMember(store.Member{Group: name, Member: p.ID}); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// listed are the parts of a cell that holds several, separated by semicolons.
func listed(cell string) []string {
	var all []string
	for part := range strings.SplitSeq(cell, ";") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}
