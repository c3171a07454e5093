package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	pageSize    = 500             // entries asked for at once; Active Directory gives 1000 at most
	maxEntries  = 1_000_000       // people of one directory
	overlap     = time.Minute     // read again of what was read before: replication brings old changes late
	readingTime = 5 * time.Minute // for reading everybody
	maxRange    = 100_000         // members of one group read in ranges
	retake      = 20              // reading everybody may take one part in so many of the time
)

// reading is what one look at the directory gave.
type reading struct {
	complete bool // everybody; else only who and what changed
	people   []record
	groups   []groupRecord
	since    string // where the next look at changes begins
	server   string
	took     time.Duration
}

// read looks at the directory: at everybody, or at what changed. It gives all
// that was asked for or an error: of a search that was cut short nothing is used.
func (l *LDAP) read(ctx context.Context, all bool) (r *reading, err error) {
	err = l.eachServer(ctx, func(s *server) error {
		since := l.since
		if all || s.url != l.sinceServer || since == "" { // uSNs are each server's own
			since = ""
		}
		began := time.Now()
		err := s.with(ctx, searching, func(k *link) (err error) {
			k.SetTimeout(2 * l.Timeout) // a page is more than one answer
			defer k.SetTimeout(l.Timeout)
			r, err = l.readFrom(ctx, k, since)
			return err
		})
		if err == nil {
			r.server, r.took = s.url, time.Since(began)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// readFrom reads people first and groups after: somebody new is then never seen
// without the groups that they are in.
func (l *LDAP) readFrom(ctx context.Context, k *link, since string) (*reading, error) {
	r := &reading{complete: since == ""}
	if err := l.readHigh(k, r); err != nil {
		return nil, err
	}
	people, err := l.search(ctx, k, l.Base, l.changedSince(l.Filter, since), l.personAttributes())
	if err != nil {
		return nil, fmt.Errorf("reading people: %w", err)
	}
	for _, e := range people {
		r.people = append(r.people, l.personOf(e))
	}
	if !r.complete && l.unfamiliar(r.people) {
		since = "" // their groups have not changed
	}
	groups, err := l.search(ctx, k, l.GroupBase, l.changedSince(l.GroupFilter, since), l.groupAttributes())
	if err != nil {
		return nil, fmt.Errorf("reading groups: %w", err)
	}
	for _, e := range groups {
		if err := readRanges(k, e); err != nil {
			return nil, fmt.Errorf("reading the members of %s: %w", e.DN, err)
		}
		r.groups = append(r.groups, l.groupOf(e))
	}
	if !r.complete && slices.ContainsFunc(r.groups, func(g groupRecord) bool { return len(g.uids) > 0 || l.primaries[g.sid] }) {
		return l.readFrom(ctx, k, "") // whose members cannot be told without everybody
	}
	l.mark(r)
	return r, nil
}

// readHigh asks Active Directory up to where it has counted, before anything is read.
func (l *LDAP) readHigh(k *link, r *reading) error {
	if !l.AD {
		return nil
	}
	res, err := k.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"highestCommittedUSN"}, nil))
	if err != nil {
		return fmt.Errorf("reading the root: %w", err)
	}
	if len(res.Entries) == 1 {
		if n, err := strconv.ParseInt(res.Entries[0].GetEqualFoldAttributeValue("highestCommittedUSN"), 10, 64); err == nil {
			r.since = strconv.FormatInt(n+1, 10)
		}
	}
	return nil
}

// mark says from where on changes are looked for next time.
func (l *LDAP) mark(r *reading) {
	if l.AD {
		return
	}
	latest := ""
	for i := range r.people {
		latest = max(latest, r.people[i].changed)
	}
	for i := range r.groups {
		latest = max(latest, r.groups[i].changed)
	}
	if t, ok := generalized(latest); ok {
		r.since = t.Add(-overlap).Format("20060102150405Z")
	}
}

func (l *LDAP) changedSince(filter, since string) string {
	attribute := "modifyTimestamp"
	if l.AD {
		attribute = "uSNChanged"
	}
	if since == "" {
		return filter
	}
	return "(&" + filter + "(" + attribute + ">=" + ldap.EscapeFilter(since) + "))"
}

// search reads all entries of a search, page by page. Referrals to other
// servers are not followed: whoever they name would be shown our people's
// passwords, or say who they are.
func (l *LDAP) search(ctx context.Context, k *link, base, filter string, attributes []string) ([]*ldap.Entry, error) {
	paging := ldap.NewControlPaging(pageSize)
	q := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, int(readingTime/time.Second), false, filter, attributes, []ldap.Control{paging})
	var all []*ldap.Entry
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		res, err := k.Search(q)
		if err != nil {
			return nil, err
		}
		if all = append(all, res.Entries...); len(all) > maxEntries {
			return nil, errTooLong
		}
		next, ok := ldap.FindControl(res.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			return all, nil
		}
		paging.SetCookie(next.Cookie)
	}
}

// entryAt reads one entry by its DN, nil if there is none.
func (l *LDAP) entryAt(k *link, dn string) (*ldap.Entry, error) {
	q := ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, int(l.Timeout/time.Second)+1, false, l.Filter, l.personAttributes(), nil)
	res, err := k.Search(q)
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", dn, err)
	case len(res.Entries) != 1:
		return nil, nil
	}
	return res.Entries[0], nil
}

// find looks for the people who have an address. What was typed is escaped
// (RFC 4515, section 3): it can be no part of the filter's grammar.
func (l *LDAP) find(k *link, address string) ([]*ldap.Entry, error) {
	local, domain, _ := strings.Cut(address, "@")
	var any strings.Builder
	for _, a := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(l.Address, l.Aliases)))) {
		fmt.Fprintf(&any, "(%s=%s)", a, ldap.EscapeFilter(address))
		if strings.EqualFold(a, "proxyAddresses") {
			fmt.Fprintf(&any, "(%s=smtp:%s)", a, ldap.EscapeFilter(address))
		}
	}
	for _, a := range l.Login {
		if domain == l.Domain {
			fmt.Fprintf(&any, "(%s=%s)", a, ldap.EscapeFilter(local))
		}
	}
	filter := "(&" + l.Filter + "(|" + any.String() + "))"
	q := ldap.NewSearchRequest(l.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, int(l.Timeout/time.Second)+1, false, filter, l.personAttributes(), nil)
	res, err := k.Search(q)
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return nil, fmt.Errorf("looking for a name: %w", err)
	}
	return res.Entries, nil
}

// readRanges completes a group of which Active Directory gave only the first
// members: "member;range=0-1499" (MS-ADTS 3.1.1.3.1.3.3).
func readRanges(k *link, e *ldap.Entry) error {
	for {
		part := -1
		for i, a := range e.Attributes {
			if strings.HasPrefix(strings.ToLower(a.Name), "member;range=") {
				part = i
			}
		}
		if part < 0 {
			return nil
		}
		a := e.Attributes[part]
		e.Attributes = slices.Delete(e.Attributes, part, part+1)
		whole := slices.IndexFunc(e.Attributes, func(a *ldap.EntryAttribute) bool { return strings.EqualFold(a.Name, "member") })
		if whole < 0 {
			e.Attributes = append(e.Attributes, &ldap.EntryAttribute{Name: "member"})
			whole = len(e.Attributes) - 1
		}
		all := e.Attributes[whole]
		all.Values = append(all.Values, a.Values...)
		if strings.HasSuffix(a.Name, "-*") || len(a.Values) == 0 {
			continue
		}
		if len(all.Values) > maxRange {
			return errTooLong
		}
		q := ldap.NewSearchRequest(e.DN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{fmt.Sprintf("member;range=%d-*", len(all.Values))}, nil)
		res, err := k.Search(q)
		if err != nil {
			return err
		}
		if len(res.Entries) != 1 {
			return errors.New("the rest of it is gone")
		}
		e.Attributes = append(e.Attributes, res.Entries[0].Attributes...)
	}
}
