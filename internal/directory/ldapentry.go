package directory

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// record is one person as a directory describes them.
type record struct {
	entry    string   // the directory's own lasting id
	dn       string   // as it came
	own      []string // canonical addresses that can be the person's own, the preferred first
	other    []string // further canonical addresses and names to sign in with
	name     string
	disabled bool
	stamp    string   // moves when the password does; empty: it cannot be seen here
	memberOf []string // folded DNs
	logins   []string // names without a domain, in lower case, by which a posixGroup lists them
	primary  string   // AD: the last part of the SID of the primary group
	changed  string   // modifyTimestamp or uSNChanged
	failures int      // wrong binds that the directory counts against them now
	locked   bool     // by their number
}

// groupRecord is one group as a directory describes it.
type groupRecord struct {
	entry, dn, name string
	members         []string // folded DNs
	uids            []string // of posixGroup
	memberOf        []string // folded DNs
	sid             string   // AD: the last part of its SID
	changed         string
}

// Bounds of what is read of one entry; a directory is trusted to say who
// somebody is, not to fill our memory.
const (
	maxAddresses = 200 // of one person
	maxName      = 256 // characters of a display or group name
)

// foldDN is a DN in one spelling: two that mean the same compare equal.
func foldDN(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return strings.ToLower(strings.TrimSpace(dn))
	}
	return strings.ToLower(parsed.String())
}

func foldDNs(dns []string) []string {
	all := make([]string, 0, len(dns))
	for _, dn := range dns {
		all = append(all, foldDN(dn))
	}
	return all
}

// The attributes that are read besides the configured ones.
var (
	entryIDs    = []string{"entryUUID", "objectGUID", "nsUniqueId", "ipaUniqueID"}
	always      = append([]string{"modifyTimestamp", "uSNChanged"}, entryIDs...)
	lockState   = []string{"pwdAccountLockedTime", "nsAccountLock", "userAccountControl", "accountExpires", "lockoutTime"}
	wrongCounts = []string{"pwdFailureTime", "badPwdCount", "badPasswordTime"}
)

// personAttributes are what is asked for of a person.
func (l *LDAP) personAttributes() []string {
	all := slices.Concat(always, lockState, wrongCounts, l.Address, l.Aliases, l.Login, l.Changed, []string{l.DisplayName, "memberOf", "primaryGroupID"})
	for _, d := range l.Disabled {
		name, _, _ := strings.Cut(d, "=")
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(a string) bool { return a == "" })
}

func (l *LDAP) groupAttributes() []string {
	return slices.Concat(always, []string{l.GroupName, "member", "uniqueMember", "memberUid", "memberOf", "objectSid"})
}

// entryID is an entry's lasting id, its DN where there is none.
func entryID(e *ldap.Entry) string {
	for _, a := range entryIDs {
		v := e.GetEqualFoldRawAttributeValue(a)
		switch {
		case len(v) == 0:
		case a == "objectGUID":
			return hex.EncodeToString(v)
		default:
			return strings.ToLower(string(v))
		}
	}
	return foldDN(e.DN)
}

func changedOf(e *ldap.Entry) string {
	if v := e.GetEqualFoldAttributeValue("uSNChanged"); v != "" {
		return v
	}
	return e.GetEqualFoldAttributeValue("modifyTimestamp")
}

// personOf reads a person's entry.
func (l *LDAP) personOf(e *ldap.Entry) record {
	r := record{entry: entryID(e), dn: e.DN, name: label(e.GetEqualFoldAttributeValue(l.DisplayName)), memberOf: foldDNs(e.GetEqualFoldAttributeValues("memberOf")),
		primary: e.GetEqualFoldAttributeValue("primaryGroupID"), changed: changedOf(e), disabled: l.isDisabled(e, time.Now())}
	add := func(to *[]string, value, domain string) {
		if a, ok := l.address(value, domain); ok && !slices.Contains(r.own, a) && !slices.Contains(r.other, a) && len(r.own)+len(r.other) < maxAddresses {
			*to = append(*to, a)
		}
	}
	for _, a := range l.Address {
		for _, v := range preferred(e.GetEqualFoldAttributeValues(a)) {
			add(&r.own, v, "")
		}
	}
	for _, a := range l.Aliases {
		for _, v := range e.GetEqualFoldAttributeValues(a) {
			add(&r.other, v, "")
		}
	}
	for _, a := range l.Login {
		for _, v := range e.GetEqualFoldAttributeValues(a) {
			add(&r.other, v, l.Domain)
			r.logins = append(r.logins, strings.ToLower(v))
		}
	}
	if len(r.own) == 0 && len(r.other) > 0 {
		r.own, r.other = r.other[:1], r.other[1:]
	}
	for _, a := range l.Changed {
		if v := e.GetEqualFoldAttributeValue(a); v != "" {
			r.stamp += v + ";"
		}
	}
	r.failures, r.locked = l.failuresOf(e, time.Now())
	return r
}

// preferred puts Exchange's primary address (SMTP: in capitals) first.
func preferred(values []string) []string {
	sorted := slices.Clone(values)
	slices.SortStableFunc(sorted, func(a, b string) int {
		return map[bool]int{true: 1}[strings.HasPrefix(b, "SMTP:")] - map[bool]int{true: 1}[strings.HasPrefix(a, "SMTP:")]
	})
	return sorted
}

// address makes a canonical address of a value; a name without a domain gets
// the given one. Addresses of other kinds (X400:, sip:) and of domains that are
// not routed to this directory are none.
func (l *LDAP) address(value, domain string) (string, bool) {
	if kind, rest, typed := strings.Cut(value, ":"); typed {
		if !strings.EqualFold(kind, "smtp") {
			return "", false
		}
		value = rest
	}
	if !strings.Contains(value, "@") {
		if domain == "" || value == "" {
			return "", false
		}
		value += "@" + domain
	}
	a, err := l.Canonical(value)
	if err != nil || !l.Serves(a) {
		return "", false
	}
	return a, true
}

// label is a name for people to read, without what steers a terminal.
func label(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxName {
		s = string(r[:maxName])
	}
	return strings.TrimSpace(s)
}

const (
	accountDisabled = 0x2                // ADS_UF_ACCOUNTDISABLE in userAccountControl
	neverExpires    = 0x7FFFFFFFFFFFFFFF // in accountExpires, as is 0
	lockedForGood   = "000001010000Z"    // in pwdAccountLockedTime: by an administrator (draft-behera-ldap-password-policy, 5.3.3)
	from1601        = 11_644_473_600_000 // milliseconds to 1970; Windows counts from 1601
)

// filetime is a time as Active Directory writes it: 100 ns since 1601.
func filetime(s string) (time.Time, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n == neverExpires {
		return time.Time{}, false
	}
	return time.UnixMilli(n/10_000 - from1601), true
}

// isDisabled says whether the directory has shut somebody out. That too many
// wrong passwords locked them for a while is not that: whoever guesses would
// close the owner's connections.
func (l *LDAP) isDisabled(e *ldap.Entry, now time.Time) bool {
	if l.AD {
		flags, _ := strconv.ParseInt(e.GetEqualFoldAttributeValue("userAccountControl"), 10, 64)
		expires, ends := filetime(e.GetEqualFoldAttributeValue("accountExpires"))
		if flags&accountDisabled != 0 || ends && !now.Before(expires) {
			return true
		}
	}
	for _, d := range l.Disabled {
		name, want, _ := strings.Cut(d, "=")
		if slices.ContainsFunc(e.GetEqualFoldAttributeValues(name), func(v string) bool { return strings.EqualFold(v, want) }) {
			return true
		}
	}
	return false
}

// failuresOf is how many wrong binds the directory holds against somebody now,
// as far as it shows, and whether it has locked them for it.
func (l *LDAP) failuresOf(e *ldap.Entry, now time.Time) (n int, locked bool) {
	current := func(at time.Time, ok bool) bool { return ok && (l.GuessWindow == 0 || now.Sub(at) < l.GuessWindow) }
	for _, v := range e.GetEqualFoldAttributeValues("pwdFailureTime") {
		if current(generalized(v)) {
			n++
		}
	}
	if count, err := strconv.Atoi(e.GetEqualFoldAttributeValue("badPwdCount")); err == nil && current(filetime(e.GetEqualFoldAttributeValue("badPasswordTime"))) {
		n = max(n, count)
	}
	_, since := filetime(e.GetEqualFoldAttributeValue("lockoutTime"))
	return n, since || e.GetEqualFoldAttributeValue("pwdAccountLockedTime") != ""
}

// generalized reads a GeneralizedTime (RFC 4517, 3.3.13) as servers write it:
// 20260101120000Z, with or without a fraction.
func generalized(s string) (time.Time, bool) {
	bare, found := strings.CutSuffix(s, "Z")
	if !found {
		return time.Time{}, false
	}
	t, err := time.Parse("20060102150405", bare[:min(len(bare), 14)])
	return t, err == nil
}

// groupOf reads a group's entry.
func (l *LDAP) groupOf(e *ldap.Entry) groupRecord {
	g := groupRecord{entry: entryID(e), dn: e.DN, name: label(e.GetEqualFoldAttributeValue(l.GroupName)), memberOf: foldDNs(e.GetEqualFoldAttributeValues("memberOf")),
		uids: e.GetEqualFoldAttributeValues("memberUid"), changed: changedOf(e)}
	g.members = append(foldDNs(e.GetEqualFoldAttributeValues("member")), foldDNs(e.GetEqualFoldAttributeValues("uniqueMember"))...)
	if sid := e.GetEqualFoldRawAttributeValue("objectSid"); len(sid) >= 12 {
		g.sid = strconv.FormatUint(uint64(binary.LittleEndian.Uint32(sid[len(sid)-4:])), 10)
	}
	return g
}
