package config

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/network"
)

// schemas are the defaults of an LDAP directory's settings by its schema.
var schemas = map[string]Directory{
	"openldap": {
		Filter: "(objectClass=inetOrgPerson)",
		Attributes: DirectoryAttributes{Address: []string{"mail"}, Login: []string{"uid"}, Name: "cn",
			Changed: []string{"pwdChangedTime", "krbLastPwdChange", "shadowLastChange"}, Disabled: []string{"pwdAccountLockedTime=000001010000Z", "nsAccountLock=TRUE"}},
		Groups: DirectoryGroups{Filter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))"},
	},
	"ad": {
		Filter: "(&(objectCategory=person)(objectClass=user))",
		Attributes: DirectoryAttributes{Address: []string{"mail", "proxyAddresses", "userPrincipalName"}, Aliases: []string{"proxyAddresses", "userPrincipalName"},
			Login: []string{"sAMAccountName"}, Name: "displayName", Changed: []string{"pwdLastSet"}},
		Groups: DirectoryGroups{Filter: "(objectClass=group)"},
	},
}

// fill sets what hangs on the kind and the schema. What is set already stays.
func (d *Directory) fill(defaultDomain string) {
	if d.Kind != "ldap" {
		*d = Directory{Kind: d.Kind}
		return
	}
	if d.Name == "" {
		d.Name = "ldap"
	}
	s := schemas[d.Schema]
	or(&d.Filter, s.Filter)
	orList(&d.Attributes.Address, s.Attributes.Address)
	orList(&d.Attributes.Aliases, s.Attributes.Aliases)
	orList(&d.Attributes.Login, s.Attributes.Login)
	or(&d.Attributes.Name, s.Attributes.Name)
	or(&d.Attributes.Domain, defaultDomain)
	orList(&d.Attributes.Changed, s.Attributes.Changed)
	orList(&d.Attributes.Disabled, s.Attributes.Disabled)
	or(&d.Groups.Base, d.Base)
	or(&d.Groups.Filter, s.Groups.Filter)
	for i := range d.Domains {
		if canonical, err := name.Domain(d.Domains[i]); err == nil {
			d.Domains[i] = canonical
		}
	}
}

func or(s *string, otherwise string) {
	if *s == "" {
		*s = otherwise
	}
}

func orList(s *[]string, otherwise []string) {
	if *s == nil {
		*s = slices.Clone(otherwise)
	}
}

func (k *checker) directories() {
	names, domains := map[string]bool{}, map[string]string{}
	for i := range k.c.Directories {
		d, at := &k.c.Directories[i], fmt.Sprintf("/directories/%d", i)
		if d.Kind == "" {
			k.wrong(at, "a directory needs its kind: local, backend or ldap")
			continue
		}
		if d.Kind != "ldap" {
			if names[d.Kind] {
				k.wrong(at, "%s stands here twice", d.Kind)
			}
			names[d.Kind] = true
			k.unused(at, d.Kind)
			continue
		}
		if names[d.Name] {
			k.wrong(at, "another directory is called %s: give each its name", d.Name)
		}
		if strings.ContainsFunc(d.Name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }) || d.Name == "local" || d.Name == "backend" {
			k.wrong(at+"/name", "a name has small letters, digits and - only, and is neither local nor backend")
		}
		names[d.Name] = true
		for n, domain := range d.Domains {
			if other := domains[domain]; other != "" {
				k.wrong(fmt.Sprintf("%s/domains/%d", at, n), "%s is routed to %s already", domain, other)
			}
			domains[domain] = d.Name
		}
		k.ldap(d, at)
	}
	if !names["local"] {
		k.warnWithoutLocal()
	}
}

// warnWithoutLocal: people are always kept in our database, and whoever has a
// password there is let in with it.
func (k *checker) warnWithoutLocal() {
	if len(k.c.Directories) > 0 && slices.ContainsFunc(k.c.Directories, func(d Directory) bool { return d.Kind == "ldap" }) {
		k.warn("/directories", "people of our own database sign in as well; say so with {kind: local}")
	}
}

// unused tells of settings that mean nothing for a kind of directory.
func (k *checker) unused(at, kind string) {
	for _, pointer := range sorted(k.c.origins) {
		rest, below := strings.CutPrefix(pointer, at+"/")
		if below && rest != "kind" && !strings.Contains(rest, "/") {
			k.warn(pointer, "not used: the directory's kind is %s", kind)
		}
	}
}

func (k *checker) ldap(d *Directory, at string) {
	if len(d.URLs) == 0 {
		k.wrong(at, "a directory needs its servers: urls: [ldaps://ldap.example.org]")
	}
	for i, address := range d.URLs {
		k.ldapURL(d, address, fmt.Sprintf("%s/urls/%d", at, i))
	}
	if d.Base == "" {
		k.wrong(at, "a directory needs base, where its people are: ou=people,dc=example,dc=org")
	}
	if d.BindDN != "" && !d.BindPassword.Set() {
		k.wrong(at+"/bind_dn", "the service account needs its bind_password")
	}
	for _, f := range []struct{ at, filter string }{{at + "/filter", d.Filter}, {at + "/groups/filter", d.Groups.Filter}} {
		if _, err := ldap.CompileFilter(f.filter); err != nil {
			k.wrong(f.at, "%q is no filter such as (objectClass=inetOrgPerson)", f.filter)
		}
	}
	for i, domain := range d.Domains {
		if _, err := name.Domain(domain); err != nil {
			k.wrong(fmt.Sprintf("%s/domains/%d", at, i), "%q is no domain", domain)
		}
	}
	for i, word := range d.Attributes.Disabled {
		if attribute, value, ok := strings.Cut(word, "="); !ok || attribute == "" || value == "" {
			k.wrong(fmt.Sprintf("%s/attributes/disabled/%d", at, i), "%q is no attribute=value", word)
		}
	}
	if d.CA != "" {
		if b, err := os.ReadFile(string(d.CA)); err != nil {
			k.wrong(at+"/ca", "%v", err)
		} else if !strings.Contains(string(b), "-----BEGIN CERTIFICATE-----") {
			k.wrong(at+"/ca", "%s holds no certificate", d.CA)
		}
	}
	k.ldapNumbers(d, at)
}

// Bounds of an LDAP directory's numbers.
const (
	minPoll    = time.Second
	maxPoll    = 25 * time.Second // changes are to reach open sessions within 30
	maxTimeout = 30 * time.Second
	maxBudget  = 20
)

func (k *checker) ldapNumbers(d *Directory, at string) {
	if d.Poll < minPoll {
		k.wrong(at+"/poll", "at least %v", minPoll)
	}
	if d.Poll > maxPoll {
		k.warn(at+"/poll", "somebody disabled there keeps what is open for as long")
	}
	if d.Timeout < time.Second || d.Timeout > maxTimeout {
		k.wrong(at+"/timeout", "from 1s to %v", maxTimeout)
	}
	if d.GuessBudget < 2 || d.GuessBudget > maxBudget {
		k.wrong(at+"/guess_budget", "from 2 to %d: the last one is kept for networks that the person is known on", maxBudget)
	}
	if d.GuessBudget > 3 {
		k.warn(at+"/guess_budget", "a directory that locks people out at %d wrong passwords or fewer will", d.GuessBudget+1)
	}
}

func (k *checker) ldapURL(d *Directory, address, at string) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
		k.wrong(at, "%q is no address such as ldaps://ldap.example.org", address)
		return
	}
	if u.Scheme == "ldaps" || d.StartTLS {
		return
	}
	if !network.Here(u.Hostname()) {
		k.wrong(at, "passwords would go to %s in clear: use ldaps://, or start_tls: true", u.Host)
	}
}
