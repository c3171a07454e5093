package directory

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

func readerOf(ad bool) *LDAP {
	return &LDAP{LDAPOptions: LDAPOptions{AD: ad, Address: []string{"mail", "proxyAddresses"}, Aliases: []string{"userPrincipalName"}, Login: []string{"uid"}, Domain: "example.org",
		DisplayName: "cn", Changed: []string{"pwdChangedTime", "pwdLastSet"}, Disabled: []string{"nsAccountLock=TRUE"}, Domains: []string{"example.org"},
		GuessWindow: 30 * time.Minute, Canonical: canonical}}
}

func TestWhatAnEntrySaysOfAPerson(t *testing.T) {
	now := time.Now().UTC()
	for _, c := range []struct {
		what       string
		attributes map[string][]string
		ad         bool
		own, other []string
		disabled   bool
		failures   int
		locked     bool
	}{
		{what: "addresses in their order", attributes: map[string][]string{"mail": {"Mary@Example.ORG", "m.shaw@example.org"}, "uid": {"mary", "ms"}},
			own: []string{"mary@example.org", "m.shaw@example.org"}, other: []string{"ms@example.org"}},
		{what: "attributes in any case", attributes: map[string][]string{"MAIL": {"mary@example.org"}}, own: []string{"mary@example.org"}},
		{what: "the primary of several", attributes: map[string][]string{"proxyAddresses": {"smtp:b@example.org", "SMTP:a@example.org", "X400:c=US;", "sip:a@example.org", "smtp:a@elsewhere.example"}},
			own: []string{"a@example.org", "b@example.org"}},
		{what: "no mailbox, but a name", attributes: map[string][]string{"uid": {"mary"}}, own: []string{"mary@example.org"}},
		{what: "nobody of ours", attributes: map[string][]string{"mail": {"x@elsewhere.example", "", "@", "a@b@c", "two words@example.org", "x*y@example.org", "nul\x00@example.org"}}},
		{what: "disabled by a word", attributes: map[string][]string{"nsAccountLock": {"true"}}, disabled: true},
		{what: "disabled by a bit", ad: true, attributes: map[string][]string{"userAccountControl": {"66050"}}, disabled: true},
		{what: "that bit elsewhere", attributes: map[string][]string{"userAccountControl": {"66050"}}},
		{what: "expired", ad: true, attributes: map[string][]string{"accountExpires": {"116444736000000001"}}, disabled: true},
		{what: "never expires", ad: true, attributes: map[string][]string{"accountExpires": {"9223372036854775807"}}},
		{what: "never expires either", ad: true, attributes: map[string][]string{"accountExpires": {"0"}}},
		{what: "wrong binds within the window", attributes: map[string][]string{"pwdFailureTime": {now.Add(-time.Minute).Format("20060102150405.000000Z"), now.Add(-time.Hour).Format("20060102150405Z"), "nonsense"}}, failures: 1},
		{what: "locked out for a while", attributes: map[string][]string{"pwdAccountLockedTime": {now.Format("20060102150405Z")}}, locked: true},
		{what: "locked out there", ad: true, attributes: map[string][]string{"lockoutTime": {"132000000000000000"}}, locked: true},
	} {
		p := readerOf(c.ad).personOf(ldap.NewEntry("uid=x", c.attributes))
		if !slices.Equal(p.own, c.own) || !slices.Equal(p.other, c.other) || p.disabled != c.disabled || p.failures != c.failures || p.locked != c.locked {
			t.Errorf("%s: %+v", c.what, p)
		}
	}
}

func TestAnEntryIsTheSameByItsLastingID(t *testing.T) {
	for want, attributes := range map[string]map[string][]string{
		"0102ff":              {"objectGUID": {"\x01\x02\xff"}},
		"06bb6864-7a0b-1041":  {"entryUUID": {"06BB6864-7a0b-1041"}},
		"uid=mary,dc=example": {},
	} {
		if got := entryID(ldap.NewEntry("UID=Mary, dc=example", attributes)); got != want {
			t.Errorf("%v gives %q", attributes, got)
		}
	}
}

func TestTheAnswerToABind(t *testing.T) {
	said := func(code uint16, text string) error { return &ldap.Error{ResultCode: code, Err: errors.New(text)} }
	const ad = "80090308: LdapErr: DSID-0C09042F, comment: AcceptSecurityContext error, data "
	for _, c := range []struct {
		err    error
		locked bool
		want   answer
		is     error // nil: right; errAway: trouble
	}{
		{nil, false, isRight, nil},
		{said(49, ""), false, isWrong, ErrWrong},
		{said(49, ""), true, isBarred, ErrWrong},
		{said(49, ad+"52e, v4563"), false, isWrong, ErrWrong},
		{said(49, ad+"775, v4563"), false, isBarred, ErrWrong},
		{said(49, ad+"533, v4563"), false, isBarred, ErrWrong},
		{said(49, ad+"773, v4563"), false, isBarred, ErrExpired},
		{said(49, ad+"532, v4563"), false, isBarred, ErrExpired},
		{said(48, ""), false, notAsked, ErrWrong},
		{said(53, ""), false, isBarred, ErrWrong},
		{said(10, "ldap://stranger"), false, notAsked, errAway},
		{said(51, "busy"), false, notAsked, errAway},
		{said(8, "stronger"), false, notAsked, errAway},
		{said(ldap.ErrorNetwork, "gone"), false, notAsked, errAway},
		{errors.Join(errSent, said(ldap.ErrorNetwork, "timed out")), false, notAnswered, errAway},
	} {
		got, err := judged(c.err, c.locked)
		trouble := err != nil && !errors.Is(err, ErrWrong) && !errors.Is(err, ErrExpired)
		if got != c.want || c.is == errAway && !trouble || c.is != errAway && !errors.Is(err, c.is) {
			t.Errorf("%v (locked %v): %d, %v", c.err, c.locked, got, err)
		}
		if trouble && !broken(err) {
			t.Errorf("%v would end the search for a server that answers", err)
		}
	}
}

func TestRangesOfMembersAreTold(t *testing.T) {
	e := ldap.NewEntry("cn=all", map[string][]string{"member;range=0-*": {"cn=a", "cn=b"}})
	if err := readRanges(nil, e); err != nil || !reflect.DeepEqual(e.GetEqualFoldAttributeValues("member"), []string{"cn=a", "cn=b"}) {
		t.Errorf("%v, %+v", err, e.Attributes)
	}
}

// Whatever a directory states, the person made of it has canonical addresses of
// its own domains and names that steer no terminal.
func FuzzAnEntry(f *testing.F) {
	for _, s := range []string{"mary@example.org", "SMTP:mary@example.org", "mary", "x400:a", "*@example.org", "\x00", "a@b@c", "20260101000000Z", "132000000000000000", "cn=a\\,b,dc=x"} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, mail, uid, other string) {
		for _, ad := range []bool{false, true} {
			l := readerOf(ad)
			e := ldap.NewEntry(other, map[string][]string{"mail": {mail}, "uid": {uid}, "proxyAddresses": {other}, "cn": {other}, "pwdFailureTime": {other}, "accountExpires": {other},
				"userAccountControl": {other}, "memberOf": {other}, "objectSid": {other}, "member": {other}, "lockoutTime": {mail}, "badPwdCount": {uid}, "badPasswordTime": {mail}})
			p := l.personOf(e)
			for _, a := range slices.Concat(p.own, p.other) {
				if again, err := canonical(a); err != nil || again != a || !strings.HasSuffix(a, "@example.org") {
					t.Errorf("%q, %q, %q gave the address %q (%v)", mail, uid, other, a, err)
				}
			}
			if strings.ContainsAny(p.name, "\x00\x1b\r\n") {
				t.Errorf("the name %q", p.name)
			}
			l.groupOf(e)
			if _, err := ldap.CompileFilter("(mail=" + ldap.EscapeFilter(mail) + ")"); err != nil {
				t.Errorf("%q escapes into no filter: %v", mail, err)
			}
		}
	})
}
