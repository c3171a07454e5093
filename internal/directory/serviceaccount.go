package directory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// signedIn signs the service account in on a connection. Its refusal is said in
// words with the next step, and is never taken for an answer about a person: the
// chain of errors ends here.
func (l *LDAP) signedIn(k *link) error {
	err := k.Bind(l.BindDN, l.BindPassword())
	if err == nil {
		return nil
	}
	var said *ldap.Error
	if !errors.As(err, &said) {
		return fmt.Errorf("signing in at %s as %s: %v", k.of.url, l.BindDN, err)
	}
	return fmt.Errorf("signing in at %s as %s: %s", k.of.url, l.BindDN, l.refusedAs(said, k.of.url))
}

// adAccount is what Active Directory says of a service account behind "data".
var adAccount = map[string]string{
	"530": "the account may not sign in at this hour", "531": "the account may not sign in from this machine", "532": "its password has run out",
	"533": "the account is disabled", "701": "the account has run out", "773": "its password must be changed", "775": "the account is locked out",
}

// refusedAs says what a directory's refusal of the service account means, and
// what to do.
func (l *LDAP) refusedAs(said *ldap.Error, url string) string {
	try := fmt.Sprintf("`ldapwhoami -x -H %s -D %s -W` tells whether they are right; correct them in the configuration of the directory %s, then start the server again", url, inQuotes(l.BindDN), l.Name)
	switch said.ResultCode {
	case ldap.LDAPResultInvalidCredentials:
		if why := adAccount[adData(said)]; why != "" {
			return "the directory refuses it: " + why + ". Mend that there"
		}
		return "the directory does not take bind_dn with bind_password: one of the two is wrong. " + try
	case ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax:
		return "the directory has no such account: bind_dn is wrong. " + try
	case ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultUnwillingToPerform:
		return "the directory takes no password of this account (" + words(said) + "): it has none, or bind_password is empty. " + try
	case ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultStrongAuthRequired:
		return "the directory wants TLS before a password: use ldaps:// or start_tls in the configuration of the directory " + l.Name
	}
	return "the directory said: " + words(said)
}

// words are a result code's, as RFC 4511 names it, and its number.
func words(said *ldap.Error) string {
	return fmt.Sprintf("%s, result %d", ldap.LDAPResultCodeMap[said.ResultCode], said.ResultCode)
}

// inQuotes is a name as one word of a shell.
func inQuotes(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
