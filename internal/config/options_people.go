package config

import (
	"time"
)

// Directory is one source of people. Only kind ldap has further settings.
type Directory struct {
	// Kind is local (people of our database), backend (passwords are checked
	// by the mail server; the first success makes the person known), or ldap
	// (OpenLDAP, Active Directory and others; docs/ldap.md).
	Kind string `yaml:"kind" oneof:"local,backend,ldap"`
	// Name of the directory. It stands in the rows of its people: another name
	// is another directory.
	Name string `yaml:"name"`
	// Schema is openldap, which also fits 389 Directory Server and FreeIPA, or
	// ad (Active Directory, Samba). It chooses the defaults of filter,
	// attributes and groups.
	Schema string `yaml:"schema" oneof:"openldap,ad"`
	// URLs are its servers, which hold the same: ldaps://host[:port], or
	// ldap://host[:port] with start_tls. The first that answers is used. Without
	// TLS only servers on this machine are spoken to.
	URLs []string `yaml:"urls"`
	// StartTLS makes connections to ldap:// addresses private before anything
	// is sent.
	StartTLS bool `yaml:"start_tls"`
	// CA is a PEM file with the authority of the servers' certificates; by
	// default the machine's authorities.
	CA Path `yaml:"ca"`
	// ServerName is the name in the certificates; by default the host in urls.
	ServerName string `yaml:"server_name"`
	// BindDN is the service account that reads people and groups; Active
	// Directory also takes name@domain. It needs no right to read passwords.
	BindDN string `yaml:"bind_dn"`
	// BindPassword is the service account's password.
	BindPassword Secret `yaml:"bind_password"`
	// Base is where people are: ou=people,dc=example,dc=org.
	Base string `yaml:"base"`
	// Filter chooses people among the entries below base. By default
	// (objectClass=inetOrgPerson), or with schema ad
	// (&(objectCategory=person)(objectClass=user)).
	Filter string `yaml:"filter"`
	// Attributes are where things stand in a person's entry.
	Attributes DirectoryAttributes `yaml:"attributes"`
	// Groups are the directory's groups.
	Groups DirectoryGroups `yaml:"groups"`
	// Domains are routed to this directory: whoever has an address in one must
	// be in it, and other addresses in it are ignored. Without any, every
	// address is taken.
	Domains []string `yaml:"domains"`
	// Poll is how often changes are looked for.
	Poll time.Duration `yaml:"poll"`
	// Timeout is how long one answer may take.
	Timeout time.Duration `yaml:"timeout"`
	// GuessBudget is how many wrong passwords of one person are sent up within
	// guess_window; the last is kept for networks that the person is known on.
	// A password that was right before may be sent up beyond it, once. So it
	// must be at least two below the number at which the directory locks people
	// out (pwdMaxFailure, lockoutThreshold).
	GuessBudget int `yaml:"guess_budget"`
	// GuessWindow is how long the directory counts a wrong password
	// (pwdFailureCountInterval, lockOutObservationWindow). 0s: until the next
	// right one, as OpenLDAP does where no interval is set.
	GuessWindow time.Duration `yaml:"guess_window"`
}

// DirectoryAttributes are where things stand in a person's entry.
type DirectoryAttributes struct {
	// Address lists attributes with the person's address; the first value is
	// their own, the others are aliases. By default [mail], with schema ad
	// [mail, proxyAddresses, userPrincipalName].
	Address []string `yaml:"address"`
	// Aliases lists attributes with further addresses. By default none, with
	// schema ad [proxyAddresses, userPrincipalName].
	Aliases []string `yaml:"aliases"`
	// Login lists attributes with names without a domain. By default [uid],
	// with schema ad [sAMAccountName].
	Login []string `yaml:"login"`
	// Domain is added to the names of login; by default default_domain.
	Domain string `yaml:"domain"`
	// Name is the attribute with the name for people to read. By default cn,
	// with schema ad displayName.
	Name string `yaml:"name"`
	// Changed lists attributes that move when the password does. By default
	// [pwdChangedTime, krbLastPwdChange, shadowLastChange], with schema ad
	// [pwdLastSet].
	Changed []string `yaml:"changed"`
	// Disabled lists attribute=value that shut a person out, besides Active
	// Directory's userAccountControl and accountExpires. By default
	// [pwdAccountLockedTime=000001010000Z, nsAccountLock=TRUE], with schema ad
	// none.
	Disabled []string `yaml:"disabled"`
}

// DirectoryGroups are the directory's groups, which become groups here, nesting
// included. Policies name them as any others.
type DirectoryGroups struct {
	// Base is where groups are; by default the directory's base.
	Base string `yaml:"base"`
	// Filter chooses groups. By default
	// (|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)),
	// with schema ad (objectClass=group).
	Filter string `yaml:"filter"`
	// Name is the attribute with the group's name.
	Name string `yaml:"name"`
	// By says who knows the members: the group (members), or the members
	// (member_of), as with groups that a server works out. The latter reads
	// everybody at each poll.
	By string `yaml:"by" oneof:"members,member_of"`
}

// Issuer is an OpenID provider.
type Issuer struct {
	// Issuer is its iss, to the letter: a slash at the end counts.
	Issuer string `yaml:"issuer"`
	// JWKSURL is where its keys are: jwks_uri in what
	// /.well-known/openid-configuration says there.
	JWKSURL URL `yaml:"jwks_url"`
	// JWKSFile is a file with its keys, in place of an address.
	JWKSFile Path `yaml:"jwks_file"`
	// Audience lists the aud values of tokens that are meant for us; one of
	// them must be in the token. Without it, mail programs' tokens are not
	// taken: only browsers sign in there, as sign_in says.
	Audience []string `yaml:"audience"`
	// Algorithms are the signatures taken from it; by default every asymmetric
	// one that is known.
	Algorithms []string `yaml:"algorithms" oneof:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA"`
	// Clients, if given, are the only programs (azp or client_id) whose tokens are taken.
	Clients []string `yaml:"clients"`
	// Scopes must all be among the token's.
	Scopes []string `yaml:"scopes"`
	// SessionMax ends a connection that was opened with a token; the program
	// then shows a new one. The token's own expiry does not end it.
	SessionMax time.Duration `yaml:"session_max"`
	// Claims says where in the token the person stands.
	Claims Claims `yaml:"claims"`
	// Domain is added to an address without one, as upn and preferred_username
	// may be.
	Domain string `yaml:"domain"`
	// AMR says which of its amr values (RFC 8176) are facts, and which methods
	// they prove (Graph's authenticationMethodModes), such as
	// {otp: [password, softwareOath]}. A value not named here proves nothing.
	AMR map[string][]string `yaml:"amr"`
	// ACR is the same for its acr value.
	ACR map[string][]string `yaml:"acr"`
	// Proves lists the methods that any token of this issuer proves.
	Proves []string `yaml:"proves"`
	// AuthTime takes its auth_time for the time of the proof, which sign-in
	// frequency needs.
	AuthTime bool `yaml:"auth_time"`
	// SignIn lets people sign in to our pages at this provider, with a browser
	// (docs/openid.md).
	SignIn *SignIn `yaml:"sign_in"`
}

// SignIn is what a provider knows us by, and whom it speaks for. Its keys and
// addresses are asked of the provider itself.
type SignIn struct {
	// ClientID is what the provider knows us by. It must not be an audience for
	// mail programs' tokens.
	ClientID string `yaml:"client_id"`
	// ClientSecret is what we show to fetch ID tokens. Without one we are a
	// public client, which PKCE protects.
	ClientSecret Secret `yaml:"client_secret"`
	// Domains are those whose people it speaks for. A name in any other is
	// refused, whatever the provider says.
	Domains []string `yaml:"domains"`
	// People are single persons whom it speaks for, and no other provider.
	People []string `yaml:"people"`
	// Label is what people call it; by default its name.
	Label string `yaml:"label"`
	// Scopes are asked for besides openid.
	Scopes []string `yaml:"scopes"`
	// TrustAddresses takes its addresses although it does not say that it has
	// verified them (email_verified: true). Only where the provider's
	// administrators give addresses out, and people cannot choose them.
	TrustAddresses bool `yaml:"trust_addresses"`
	// GroupsClaim is the claim with the person's groups. They become ours at
	// each sign-in, as far as we have them.
	GroupsClaim string `yaml:"groups_claim"`
	// Groups says which of its groups are ours, such as {/staff: staff}; others
	// are passed over. Without it, its groups are names of ours.
	Groups map[string]string `yaml:"groups"`
	// ACRValues are asked for, the best first, where somebody who signed in
	// there is to prove once more who they are: the classes of authentication
	// that the provider's manual names for two factors, say. What it then says
	// counts as acr maps it.
	ACRValues []string `yaml:"acr_values"`
	// CA is a PEM file with the authority of the provider's certificate; by
	// default the machine's authorities.
	CA Path `yaml:"ca"`
}

// Claims says which claims of a token are read.
type Claims struct {
	// Address is the claim with the person's address.
	Address string `yaml:"address"`
}

// Domain is a domain whose people are ours.
type Domain struct {
	// Aliases are domains that mean this one.
	Aliases []string `yaml:"aliases"`
	// Windows are its names before a backslash: CORP\mary.
	Windows []string `yaml:"windows"`
}

// Names says how names may be spelt.
type Names struct {
	// Detail starts a detail that names nobody: mary+lists. Empty: such an
	// address is another person.
	Detail string `yaml:"detail"`
	// Separators are characters that the mail server splits names at, besides
	// "*" and "%". A name that holds one is nobody's.
	Separators string `yaml:"separators"`
}
