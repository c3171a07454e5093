package config

import (
	"net/netip"
)

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
