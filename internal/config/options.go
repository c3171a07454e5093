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
	// OAuth is our own issuer of tokens for mail programs.
	OAuth OAuth `yaml:"oauth"`
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
	// Admin is where administrators are heard: the socket that the command line
	// speaks to, and an HTTPS listener for scripts if it has an address.
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
	// Authority is where the PEM file of the private authority behind our
	// certificates lies on people's machines, for the policies that set up
	// Thunderbird. Without it any machine is taken to trust us as it is.
	Authority string `yaml:"authority"`
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

// Forwarder is a webmail host.
type Forwarder struct {
	// From are its networks.
	From []netip.Prefix `yaml:"from"`
	// Pass is how it passes the browser's address on: id (IMAP's ID, and XCLIENT
	// over the other protocols, as docs/roundcube.md sets up), proxy (a PROXY
	// header), xclient, or none.
	Pass string `yaml:"pass" oneof:"id,proxy,xclient,none"`
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

// Admin is where administrators are heard.
type Admin struct {
	// Socket is its path. Root and the group may use it; who they are is in the
	// audit log.
	Socket Path `yaml:"socket"`
	// Group owns it (0660).
	Group string `yaml:"group"`
	// Address is where to listen for the same interface over HTTPS, such as
	// 192.0.2.1:8443, with the certificates of tls. Who asks there shows a token
	// (`portreeve admin token new`, docs/api.md). Without an address there is none.
	Address netip.AddrPort `yaml:"address"`
	// Names are the host names that requests over HTTPS may be for; others are
	// refused. Without them any name will do.
	Names []string `yaml:"names"`
	// From are the networks that may connect there; without them all.
	From []netip.Prefix `yaml:"from"`
}
