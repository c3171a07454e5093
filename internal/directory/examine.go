package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/portreeve/portreeve/internal/secret"
)

// Report is how an attempt at one server of a directory went, step by step.
type Report struct {
	Directory string `json:"directory"`
	Server    string `json:"server,omitempty"` // empty: all servers together
	Steps     []Step `json:"steps"`
}

// Step is one thing that was tried.
type Step struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// OK says that everything went well.
func (r *Report) OK() bool { return !slices.ContainsFunc(r.Steps, func(s Step) bool { return !s.OK }) }

func (r *Report) add(what string, err error, format string, args ...any) bool {
	s := Step{what, err == nil, fmt.Sprintf(format, args...)}
	if err != nil {
		s.Detail = err.Error()
	}
	r.Steps = append(r.Steps, s)
	return err == nil
}

// Test tries every server of a directory, or of all where no name is given. With
// a user it says what is found of them; with a password too, it has that checked
// as a sign-in would.
func (s *Sources) Test(ctx context.Context, name, user string, password []byte) (all []Report, err error) {
	for _, l := range s.others {
		if name != "" && name != l.Name {
			continue
		}
		for _, server := range l.servers {
			all = append(all, l.examine(ctx, server, user))
		}
		if len(password) > 0 && user != "" {
			all = append(all, s.try(ctx, l, user, password))
		}
	}
	if all == nil {
		return nil, fmt.Errorf("%q: %w", name, errNoDirectory)
	}
	return all, nil
}

// try has a password checked as a sign-in from a network that the person is
// known on would: with the budget, and from memory where that knows.
func (s *Sources) try(ctx context.Context, l *LDAP, user string, password []byte) Report {
	r := Report{Directory: l.Name}
	p, known, err := s.Lookup(ctx, user)
	if err == nil && (!known || p.Source != l.Name) {
		err = fmt.Errorf("%s is not mirrored from here", user)
	}
	if !r.add("mirrored", err, "%s is %s", user, p.Address) {
		return r
	}
	r.add("password", l.CheckPassword(ctx, p, password, secret.Source{Familiar: true}), "right")
	return r
}

func (l *LDAP) examine(ctx context.Context, s *server, user string) Report {
	ctx, cancel := context.WithTimeout(ctx, readingTime)
	defer cancel()
	r := Report{Directory: l.Name, Server: s.url}
	k, ok := l.reach(ctx, s, &r)
	if !ok {
		return r
	}
	defer k.end()
	defer context.AfterFunc(ctx, func() { _ = k.raw.Close() })()
	who := "nobody (no bind_dn)"
	var err error
	if l.BindDN != "" {
		who, err = l.BindDN, l.signedIn(k)
	}
	if !r.add("service account", err, "signed in as %s", who) {
		return r
	}
	k.SetTimeout(2 * l.Timeout)
	people, err := l.search(ctx, k, l.Base, l.Filter, []string{"1.1"})
	if err == nil && len(people) == 0 {
		err = fmt.Errorf("nobody below %s fits %s, or the service account may not see them", l.Base, l.Filter)
	}
	if !r.add("people", err, "%d below %s", len(people), l.Base) {
		return r
	}
	groups, err := l.search(ctx, k, l.GroupBase, l.GroupFilter, []string{"1.1"})
	r.add("groups", err, "%d below %s", len(groups), l.GroupBase)
	l.examineLockout(ctx, k, &r)
	if user != "" {
		l.examinePerson(ctx, k, &r, user)
	}
	return r
}

// reach connects, and says what the certificate is.
func (l *LDAP) reach(ctx context.Context, s *server, r *Report) (*link, bool) {
	short, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	began := time.Now()
	raw, err := (&net.Dialer{}).DialContext(short, "tcp", s.host)
	if !r.add("reachable", err, "in %v", time.Since(began).Round(time.Millisecond)) {
		return nil, false
	}
	k, err := s.seal(short, raw, searching)
	if err != nil {
		_ = raw.Close()
		return nil, r.add("TLS", err, "")
	}
	detail := "none: the server is on this machine"
	if st, ok := k.TLSConnectionState(); ok && len(st.PeerCertificates) > 0 {
		detail = fmt.Sprintf("%s, certificate for %s until %s", tls.VersionName(st.Version), strings.Join(st.PeerCertificates[0].DNSNames, ", "), st.PeerCertificates[0].NotAfter.Format(time.DateOnly))
	}
	return k, r.add("TLS", nil, "%s", detail)
}

// examineLockout holds the budget against what the directory says of its own
// lock-out, as far as the service account can see it.
func (l *LDAP) examineLockout(ctx context.Context, k *link, r *Report) {
	threshold, window, seen := l.readLockout(ctx, k)
	switch {
	case !seen:
		r.add("lock-out", nil, "the directory does not show its policy; make sure that it locks nobody out before %d wrong passwords within %v", l.GuessBudget+2, l.GuessWindow)
	case threshold == 0:
		r.add("lock-out", nil, "nobody is locked out there")
	case threshold < l.GuessBudget+2:
		r.add("lock-out", fmt.Errorf("it locks out at %d wrong passwords: guess_budget may be %d at most", threshold, threshold-2), "")
	case l.GuessWindow != 0 && (window == 0 || window > l.GuessWindow):
		r.add("lock-out", fmt.Errorf("it counts wrong passwords for %v (0s: until a right one): guess_window must be no shorter", window), "")
	default:
		r.add("lock-out", nil, "at %d wrong passwords within %v; guess_budget %d stays below", threshold, window, l.GuessBudget)
	}
}

// readLockout reads the strictest policy: the domain's in Active Directory, any
// pwdPolicy in OpenLDAP.
func (l *LDAP) readLockout(ctx context.Context, k *link) (threshold int, window time.Duration, seen bool) {
	filter, count, interval := "(objectClass=pwdPolicy)", "pwdMaxFailure", "pwdFailureCountInterval"
	if l.AD {
		filter, count, interval = "(objectClass=domainDNS)", "lockoutThreshold", "lockOutObservationWindow"
	}
	found, err := l.search(ctx, k, suffix(l.Base), filter, []string{count, interval})
	if err != nil {
		return 0, 0, false
	}
	for _, e := range found {
		n, err := strconv.Atoi(e.GetEqualFoldAttributeValue(count))
		if err != nil {
			continue
		}
		seen = true
		t, _ := strconv.ParseInt(e.GetEqualFoldAttributeValue(interval), 10, 64)
		every := time.Duration(t) * time.Second
		if l.AD {
			every = time.Duration(-t) * 100 // negative, in units of 100 ns (MS-ADA1)
		}
		if n > 0 && (threshold == 0 || n < threshold) {
			threshold, window = n, every
		}
	}
	return threshold, window, seen
}

// suffix is the dc= end of a DN, or all of it where there is none.
func suffix(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return dn
	}
	at := slices.IndexFunc(parsed.RDNs, func(r *ldap.RelativeDN) bool { return strings.EqualFold(r.Attributes[0].Type, "dc") })
	if at < 0 {
		return dn
	}
	return (&ldap.DN{RDNs: parsed.RDNs[at:]}).String()
}

// examinePerson says what is found of somebody, and which attribute gave what.
func (l *LDAP) examinePerson(ctx context.Context, k *link, r *Report, user string) {
	if !l.Serves(user) {
		r.add("person", fmt.Errorf("%s is in no domain that is routed to this directory (%s)", user, strings.Join(l.Domains, ", ")), "")
		return
	}
	entries, err := l.find(k, user)
	switch {
	case err == nil && len(entries) == 0:
		err = errors.New("nobody has this address")
	case err == nil && len(entries) > 1:
		err = fmt.Errorf("several have this address: %s and %s", entries[0].DN, entries[1].DN)
	}
	if !r.add("person", err, "%s", first(entries)) {
		return
	}
	e, p := entries[0], l.personOf(entries[0])
	for _, attribute := range slices.Compact(slices.Concat(l.Address, l.Aliases, l.Login, []string{l.DisplayName}, l.Changed)) {
		if v := e.GetEqualFoldAttributeValues(attribute); len(v) > 0 {
			r.add(attribute, nil, "%s", label(strings.Join(v, ", ")))
		}
	}
	r.add("addresses", nil, "%s", strings.Join(slices.Concat(p.own, p.other), ", "))
	state := "enabled"
	if p.disabled {
		state = "disabled"
	}
	if p.locked {
		state += ", locked out there by wrong passwords"
	}
	if p.stamp == "" {
		state += "; when the password was changed cannot be seen: a new one counts after a minute at most"
	}
	r.add("state", nil, "%s; %d wrong passwords count there", state, p.failures)
	l.examineGroups(ctx, k, r, &p)
}

func first(entries []*ldap.Entry) string {
	if len(entries) == 0 {
		return ""
	}
	return entries[0].DN
}

// examineGroups lists the groups that somebody is in, nesting followed.
func (l *LDAP) examineGroups(ctx context.Context, k *link, r *Report, p *record) {
	var names []string
	seen := map[string]bool{}
	for next := []string{p.dn}; len(next) > 0 && len(seen) < maxShown; next = next[1:] {
		dn := ldap.EscapeFilter(next[0])
		filter := "(&" + l.GroupFilter + "(|(member=" + dn + ")(uniqueMember=" + dn + ")"
		if next[0] == p.dn {
			for _, name := range p.logins {
				filter += "(memberUid=" + ldap.EscapeFilter(name) + ")"
			}
		}
		found, err := l.search(ctx, k, l.GroupBase, filter+"))", []string{l.GroupName})
		if err != nil {
			r.add("groups of", err, "")
			return
		}
		for _, g := range found {
			if !seen[foldDN(g.DN)] {
				seen[foldDN(g.DN)] = true
				names = append(names, label(g.GetEqualFoldAttributeValue(l.GroupName)))
				next = append(next, g.DN)
			}
		}
	}
	slices.Sort(names)
	r.add("groups of", nil, "%s", strings.Join(names, ", "))
}

const maxShown = 200 // groups of one person that a report lists
