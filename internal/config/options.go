package config

import (
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Config is the whole configuration. A site that only observes needs
// observe; a site that stands in front of its mail server needs tls,
// listeners and backends. Everything else has a default.
type Config struct {
	// PublicURL is where the pages of the public listener are reached from
	// outside, such as https://door.example.org. Tokens minted for backends
	// name it as their issuer.
	PublicURL URL `yaml:"public_url"`
	// HelpURL is put into refusals, followed by /r/REFERENCE. Keep it short:
	// no mail program makes it a link, so people type it. Without it refusals
	// carry the reference alone.
	HelpURL URL `yaml:"help_url"`
	// DefaultDomain is added to names typed without a domain; a listener may
	// have its own.
	DefaultDomain string `yaml:"default_domain"`
	// Hostname is our name in SMTP's banner and in EHLO. Without it the host of
	// public_url, else the machine's name.
	Hostname string `yaml:"hostname"`

	// Listeners are the doors for mail programs.
	Listeners []Listener `yaml:"listeners"`
	// Public is the HTTPS listener of the public pages: /r/REFERENCE, /codes/N
	// and the keys of the tokens that we mint; with public_url, of the portal,
	// where people look after their own mail. Without an address there is none.
	Public Public `yaml:"public"`
	// TLS lists the certificates. The name a program asks for chooses among
	// them; a program that asks for none gets the first. Files are read again
	// when they change.
	TLS []Certificate `yaml:"tls"`

	// Backends are the mail servers behind us, by a name of your choice.
	Backends map[string]Backend `yaml:"backends"`
	// Routes send a domain's people to a backend; "*" is every other domain.
	// With one backend no route is needed. Routes of single persons are set
	// with `portreeve user set`.
	Routes map[string]string `yaml:"routes"`

	// Tokens says how the tokens minted for backends are signed.
	Tokens Tokens `yaml:"tokens"`

	// Directories are asked who somebody is and whether a password is right,
	// in this order. By default the people of our own database, then, where a
	// backend exists, the backend's own passwords.
	Directories []Directory `yaml:"directories"`
	// Issuers are the OpenID providers whose tokens are accepted, by a name of
	// your choice.
	Issuers map[string]Issuer `yaml:"issuers"`
	// Forwarders are webmail hosts that sign people in from their own address
	// and pass the browser's on. They are never slowed as a source.
	Forwarders map[string]Forwarder `yaml:"forwarders"`

	// Domains says which domains are the same, and what Windows calls them.
	Domains map[string]Domain `yaml:"domains"`
	// Names says how names may be spelt.
	Names Names `yaml:"names"`

	// Refusals says how refusals are told; a listener may differ.
	Refusals Refusals `yaml:"refusals"`
	// Limits bound what strangers can take up before they have signed in.
	Limits Limits `yaml:"limits"`

	// Observe takes the reports of a Dovecot that signs people in by itself.
	Observe Observe `yaml:"observe"`

	// Approval says how programs that know only a password are let in, where a
	// policy asks for an approval window (docs/approval.md).
	Approval Approval `yaml:"approval"`
	// Languages says in which languages people are spoken to, on pages and in
	// mails. English and German are built in (docs/portal.md).
	Languages Languages `yaml:"languages"`
	// Notices are mails that tell people of requests and changes. Without an
	// address none are sent, and the portal alone tells.
	Notices Notices `yaml:"notices"`

	// Geo names the files that say where addresses are.
	Geo Geo `yaml:"geo"`
	// Log says where sign-ins are told besides the database, and how long they are kept.
	Log Log `yaml:"log"`

	// Database is what holds policies, people and the sign-in log. It lies in
	// the state folder.
	Database string `yaml:"database" oneof:"sqlite"`
	// State is the folder of the database, the journal and the keys (0700).
	State Path `yaml:"state"`
	// MasterKey seals what is kept secret in the state folder. Without it a key
	// is made there at the first start (0600), which protects backups of the
	// database, but nothing from whoever reads the folder.
	MasterKey Secret `yaml:"master_key"`
	// Admin is the socket that the command line speaks to.
	Admin Admin `yaml:"admin"`

	doc      *policyfile.Document
	origins  map[string]string // where each value came from, by JSON pointer
	problems []Problem         // seen while reading
}

// Listener is one door: an address where one protocol is spoken.
type Listener struct {
	// Name stands in the log. By default protocol and port: imap-993.
	Name string `yaml:"name"`
	// Protocol is imap, pop3, submission or sieve.
	Protocol protocol.Protocol `yaml:"protocol"`
	// Address is where to listen: ":993" for all addresses, "192.0.2.1:993" for one.
	Address netip.AddrPort `yaml:"address"`
	// TLS is implicit (from the first byte), starttls, or none.
	TLS string `yaml:"tls" oneof:"implicit,starttls,none"`
	// ProxyFrom are the networks of load balancers, which send a PROXY header
	// (version 1 or 2) first. One that is missing from there closes the
	// connection; one from anywhere else is nonsense and never believed.
	ProxyFrom []netip.Prefix `yaml:"proxy_from"`
	// PlaintextFrom are the networks from which a password is taken without
	// TLS. From elsewhere it is refused before it is read.
	PlaintextFrom []netip.Prefix `yaml:"plaintext_from"`
	// DefaultDomain is added here to names typed without a domain.
	DefaultDomain string `yaml:"default_domain"`
	// ClientCA is a PEM file with the authority of client certificates, by
	// which people may sign in here (EXTERNAL).
	ClientCA Path `yaml:"client_ca"`
	// TwoFactorCA is a PEM file with those issuers of client certificates whose
	// certificates prove two factors (x509CertificateMultiFactor), since their
	// keys lie on a card with a PIN. It must name the issuer itself, not what
	// stands above it. Without it a certificate proves one.
	TwoFactorCA Path `yaml:"two_factor_ca"`
	// CRL are the authority's revocation lists (PEM or DER), read again when
	// they change. One that has run out stops sign-ins by certificate.
	CRL []Path `yaml:"crl"`
	// LegacyTLSFrom are the networks of old devices that cannot speak TLS 1.2.
	// The listener then takes TLS 1.0 and up, from these networks only, and
	// nobody else may connect to it.
	LegacyTLSFrom []netip.Prefix `yaml:"legacy_tls_from"`
	// Refusals says how refusals are told here, where it differs.
	Refusals Refusals `yaml:"refusals"`
}

// Public is the HTTPS listener of the public pages.
type Public struct {
	// Address is where to listen, such as ":443".
	Address netip.AddrPort `yaml:"address"`
	// TLS is implicit, or none behind a reverse proxy on the same machine.
	TLS string `yaml:"tls" oneof:"implicit,none"`
	// ProxyFrom are the networks of load balancers that send a PROXY header.
	ProxyFrom []netip.Prefix `yaml:"proxy_from"`
	// ForwardedFrom are the networks of reverse proxies whose X-Forwarded-For
	// says who a browser is. From anybody else it is not believed.
	ForwardedFrom []netip.Prefix `yaml:"forwarded_from"`
	// PasswordURL is where people change their password, for the portal to lead
	// to. Without it the portal says whom to ask.
	PasswordURL URL `yaml:"password_url"`
	// ProfileSigner signs the profiles that set up Apple's devices, so that they
	// show who made them.
	ProfileSigner Certificate `yaml:"profile_signer"`
}

// Certificate is one certificate.
type Certificate struct {
	// Certificate is a PEM file with the certificate and its chain.
	Certificate Path `yaml:"certificate"`
	// Key is a PEM file with the private key.
	Key Path `yaml:"key"`
}

// Backend is one mail server, which may be several hosts.
type Backend struct {
	// IMAP is where it speaks IMAP.
	IMAP *Endpoint `yaml:"imap"`
	// POP3 is where it speaks POP3.
	POP3 *Endpoint `yaml:"pop3"`
	// Submission is where it takes mail from people who signed in.
	Submission *Endpoint `yaml:"submission"`
	// Sieve is where it speaks ManageSieve.
	Sieve *Endpoint `yaml:"sieve"`

	// Login is how we sign in there. password passes the person's own password
	// on; master signs in as a user who may act for all; token shows a token
	// minted for this backend, one person, one protocol and 60 seconds.
	Login string `yaml:"login" oneof:"password,master,token"`
	// Master is the user who may act for all.
	Master Master `yaml:"master"`
	// Token says how tokens for this backend look.
	Token Token `yaml:"token"`

	// Proxy is the version of the PROXY header that tells the backend the
	// client's address: 0 (none), 1 or 2. An endpoint may have its own.
	Proxy int `yaml:"proxy" oneof:"0,1,2"`
	// ID tells it in IMAP's ID and, for POP3 and ManageSieve, in XCLIENT, as
	// Dovecot takes it from login_trusted_networks.
	ID bool `yaml:"id"`
	// XCLIENT tells it to Postfix in XCLIENT. Prefer proxy: an address that
	// Postfix takes XCLIENT from can become anybody, so that every signed-in
	// person's commands must then be read and defused.
	XCLIENT bool `yaml:"xclient"`
	// AuthSocket is Dovecot's auth client socket, a path or host:port. Where it
	// is given, passwords are checked there, without a login at the mail server.
	AuthSocket string `yaml:"auth_socket"`
	// SourceAddresses are used in turn for connections to the backend. One
	// address has about 28,000 ports; `portreeve status` shows how many are left.
	SourceAddresses []netip.Addr `yaml:"source_addresses"`
	// Hello is our name in EHLO towards this backend; by default hostname.
	Hello string `yaml:"hello"`
}

// Endpoint is where one protocol of a backend is served.
type Endpoint struct {
	// Address is host and port: "127.0.0.1:10143".
	Address Address `yaml:"address"`
	// TLS is implicit, starttls, or none. Without it passwords and mail travel
	// in clear, which is refused to addresses that are not this machine's,
	// unless plaintext says so.
	TLS string `yaml:"tls" oneof:"implicit,starttls,none"`
	// CA is a PEM file with the authority of the backend's certificate; by
	// default the machine's authorities.
	CA Path `yaml:"ca"`
	// ServerName is the name in the certificate; by default the host of address.
	ServerName string `yaml:"server_name"`
	// Plaintext allows tls: none on a network that is as safe as a cable.
	Plaintext bool `yaml:"plaintext"`
	// Proxy is the version of the PROXY header sent here; 0: the backend's.
	Proxy int `yaml:"proxy" oneof:"0,1,2"`
}

// Master is a user who may act for all.
type Master struct {
	// User is the master user's name.
	User string `yaml:"user"`
	// Password is the master user's password.
	Password Secret `yaml:"password"`
	// Separator stands between the person and the master user, as in Dovecot's
	// auth_master_user_separator: "*". Empty: the person is given as SASL
	// authorization identity.
	Separator string `yaml:"separator"`
}

// Tokens says how minted tokens are signed.
type Tokens struct {
	// Algorithm is ES256, which costs least, or RS256, which every mail server reads.
	Algorithm string `yaml:"algorithm" oneof:"ES256,RS256"`
}

// Token says how the tokens minted for a backend look.
type Token struct {
	// Audience is whom the token is for; by default the backend's name.
	Audience string `yaml:"audience"`
	// Mechanism shows it: OAUTHBEARER or XOAUTH2.
	Mechanism string `yaml:"mechanism" oneof:"OAUTHBEARER,XOAUTH2"`
}

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

// Forwarder is a webmail host.
type Forwarder struct {
	// From are its networks.
	From []netip.Prefix `yaml:"from"`
	// Pass is how it passes the browser's address on: id (IMAP's ID, and XCLIENT
	// over the other protocols, as docs/roundcube.md sets up), proxy (a PROXY
	// header), xclient, or none.
	Pass string `yaml:"pass" oneof:"id,proxy,xclient,none"`
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

// Refusals says how refusals are told. The defaults are what most mail
// programs show to the person.
type Refusals struct {
	// Floor is how long after its credential was read a refusal leaves, so that
	// its time tells nothing. It must be no shorter than a wrong password takes.
	// 0s: 2.6s where a backend checks passwords (Dovecot delays wrong ones by
	// up to 2.2s), else 0.5s.
	Floor time.Duration `yaml:"floor"`
	// IMAPCode is the response code of a refusal decided before the secret.
	IMAPCode string `yaml:"imap_code" oneof:"UNAVAILABLE,AUTHENTICATIONFAILED,AUTHORIZATIONFAILED,CONTACTADMIN,ALERT"`
	// IMAPAlert sends the text in an untagged NO [ALERT] too, which mutt shows.
	IMAPAlert bool `yaml:"imap_alert"`
	// POP3Code is the response code of a refusal decided before the secret.
	POP3Code string `yaml:"pop3_code" oneof:"SYS/PERM,SYS/TEMP,AUTH"`
	// SMTPCode is the enhanced status code behind 535.
	SMTPCode string `yaml:"smtp_code" oneof:"5.7.8,5.7.0,5.7.1,5.7.9"`
	// XOAUTH2Challenge sends the error challenge before an XOAUTH2 refusal.
	// Several programs hang on it.
	XOAUTH2Challenge bool `yaml:"xoauth2_challenge"`
	// SMTPRefuseAtMail lets AUTH succeed and refuses MAIL FROM with 550 5.7.1,
	// for refusals decided before the secret only: the one text that
	// Thunderbird shows when sending.
	SMTPRefuseAtMail bool `yaml:"smtp_refuse_at_mail"`
}

// Limits bound what strangers can take up.
type Limits struct {
	// PerSource is how many connections that have not signed in one IPv4
	// address, or one IPv6 /64, may hold; the oldest is closed for a new one.
	PerSource int `yaml:"per_source"`
	// Unauthenticated is how many there may be in all.
	Unauthenticated int `yaml:"unauthenticated"`
	// SignInTime is how long a program may take to sign in. Programs hold idle
	// connections while their user answers a second factor.
	SignInTime time.Duration `yaml:"sign_in_time"`
}

// Observe takes the reports of a Dovecot that signs people in by itself
// (auth_policy_server_url); docs/dovecot.md has the lines to paste there.
type Observe struct {
	// Address is where to listen, such as 127.0.0.1:8425.
	Address netip.AddrPort `yaml:"address"`
	// Key must come with each report, as X-API-Key or as the password of Basic
	// authentication. Needed where others can reach the address.
	Key Secret `yaml:"key"`
	// DefaultDomain is added here to names reported without a domain.
	DefaultDomain string `yaml:"default_domain"`
}

// Approval says how long approval windows are open, and for where.
type Approval struct {
	// Days is for how many days a person approves a program; they may choose
	// fewer, an administrator more.
	Days int `yaml:"days"`
	// IdleDays is after how many days without use a window ends, also one that
	// was adopted from the log. It should outlast a summer's absence.
	IdleDays int `yaml:"idle_days"`
	// Waiting is how long after its last try a program can be approved.
	Waiting time.Duration `yaml:"waiting"`
	// DenyDays is for how many days a person's password is not looked at from a
	// network of which they said that it is not them.
	DenyDays int `yaml:"deny_days"`
	// Place is what an approved window is open for: network (the /24 or /48 that
	// the program was in), or owner (all networks of its provider in its
	// country, for a program that is recognised; easier to carry about, and
	// easier for a thief nearby).
	Place string `yaml:"place" oneof:"network,owner"`
}

// Languages says in which languages people are spoken to.
type Languages struct {
	// Default is the language of pages for a browser that asks for none that
	// there is, and of mails to people who have not read the portal in another:
	// the name of a language's file, such as de.
	Default string `yaml:"default"`
	// Folder holds further languages: fr.json, pt-BR.json, as `portreeve config
	// language` begins one. A de.json there says some German sentences otherwise.
	// They are read again when they change.
	Folder Path `yaml:"folder"`
}

// Notices are the mails that tell people what concerns their sign-in.
type Notices struct {
	// Address is host and port of a mail server that takes mail for our people
	// from here without a password: "127.0.0.1:25".
	Address Address `yaml:"address"`
	// TLS is implicit, starttls, or none, which is for this machine only.
	TLS string `yaml:"tls" oneof:"implicit,starttls,none"`
	// CA is a PEM file with the authority of its certificate; by default the
	// machine's authorities.
	CA Path `yaml:"ca"`
	// ServerName is the name in the certificate; by default the host of address.
	ServerName string `yaml:"server_name"`
	// From is the address that notices come from.
	From string `yaml:"from"`
	// Name is the name that people read beside it; by default hostname.
	Name string `yaml:"name"`
}

// Geo names MMDB files (MaxMind, DB-IP, IPinfo and others), which are read
// again when they change. Private addresses have no country.
type Geo struct {
	// Country is a file that says which country an address is in.
	Country Path `yaml:"country"`
	// ASN is a file that says whose network it is.
	ASN Path `yaml:"asn"`
}

// Log says where sign-ins go and how long they stay.
type Log struct {
	// To lists where each sign-in is told in one line: syslog, journald.
	To []string `yaml:"to" oneof:"syslog,journald"`
	// Format of the line is json, or line, the form that fail2ban reads.
	Format string `yaml:"format" oneof:"json,line"`
	// Syslog is the socket of syslog.
	Syslog Path `yaml:"syslog"`
	// Level of the operator's log on standard error.
	Level string `yaml:"level" oneof:"debug,info,warn,error"`
	// Days is how long sign-ins are kept.
	Days int `yaml:"days"`
	// Size is how large the database may become; the oldest sign-ins go first.
	Size Size `yaml:"size"`
	// AddressDays is how long clients' addresses are kept; 0: as long as the rest.
	AddressDays int `yaml:"address_days"`
	// Unrecorded is refuse, or allow: let people in, counted, when not even the
	// journal can take the record of it.
	Unrecorded string `yaml:"unrecorded" oneof:"refuse,allow"`
}

// Admin is the socket that the command line speaks to.
type Admin struct {
	// Socket is its path. Root and the group may use it; who they are is in the
	// audit log.
	Socket Path `yaml:"socket"`
	// Group owns it (0660).
	Group string `yaml:"group"`
}
