// Package protocol is the one table of mail protocols and of what each
// vocabulary calls them: our own name, Exchange's switches and authentication
// policies, the sign-in log's clientAppUsed, and the usual ports.
//
// It knows nothing of how a protocol is spoken; that is a front-end's job.
package protocol

import (
	"fmt"
	"strings"
)

// Protocol is one way into a mailbox.
type Protocol uint8

// The protocols, in the order in which they are shown.
const (
	Unknown Protocol = iota
	IMAP
	POP3
	Submission
	Sieve
	ActiveSync
	EWS
	MAPI
	Autodiscover
	CalDAV
	CardDAV
	JMAP
	Webmail
	Portal
	count
)

// Count is the number of values a Protocol can have, Unknown included.
const Count = int(count)

// Row is what the table says of one protocol.
type Row struct {
	// Name is our own word for it, in configuration, on the command line and in the log.
	Name string
	// Label is what a person reads.
	Label string
	// Aliases are accepted wherever a name is.
	Aliases []string
	// Switch is Exchange's per-mailbox switch (Set-CASMailbox).
	Switch string
	// AuthPolicy is the suffix of AllowBasicAuth…, BlockLegacyAuth… and BlockModernAuth….
	AuthPolicy string
	// ClientAppUsed is the sign-in log's word for it with a password.
	ClientAppUsed string
	// BasicIsActiveSync says that with a password its client type is
	// exchangeActiveSync; every other protocol's is other.
	BasicIsActiveSync bool
	// Line says that it is a line protocol, relayed by us after sign-in.
	Line bool
	// Port and TLSPort are the usual ports, STARTTLS and implicit TLS.
	Port, TLSPort uint16
	// AppID is its own application id: UUIDv5(URL namespace, "urn:portreeve:app:<name>").
	AppID string
}

var table = [Count]Row{
	Unknown:      {Name: "unknown", Label: "Unknown", ClientAppUsed: "Other clients"},
	IMAP:         {Name: "imap", Label: "IMAP", Switch: "ImapEnabled", AuthPolicy: "Imap", ClientAppUsed: "IMAP4", Line: true, Port: 143, TLSPort: 993, AppID: "cf42f6c7-10ec-57ee-a1cf-9130e8aead3f"},
	POP3:         {Name: "pop3", Label: "POP3", Aliases: []string{"pop"}, Switch: "PopEnabled", AuthPolicy: "Pop", ClientAppUsed: "POP3", Line: true, Port: 110, TLSPort: 995, AppID: "c4fd572b-42c3-59a4-8e63-0c0748fed529"},
	Submission:   {Name: "submission", Label: "Submission", Aliases: []string{"smtp"}, Switch: "SmtpClientAuthenticationDisabled", AuthPolicy: "Smtp", ClientAppUsed: "Authenticated SMTP", Line: true, Port: 587, TLSPort: 465, AppID: "82f8b198-8568-56e1-a9fd-8935edf82405"},
	Sieve:        {Name: "sieve", Label: "ManageSieve", Aliases: []string{"managesieve"}, Switch: "SieveEnabled", AuthPolicy: "Sieve", ClientAppUsed: "Other clients", Line: true, Port: 4190, AppID: "e8949f86-e979-5ba1-8354-eedff1b0291a"},
	ActiveSync:   {Name: "activesync", Label: "ActiveSync", Aliases: []string{"eas"}, Switch: "ActiveSyncEnabled", AuthPolicy: "ActiveSync", ClientAppUsed: "Exchange ActiveSync", BasicIsActiveSync: true, TLSPort: 443, AppID: "25c6b80f-c000-5f6e-8cd4-988c26dd5527"},
	EWS:          {Name: "ews", Label: "Exchange Web Services", Switch: "EwsEnabled", AuthPolicy: "WebServices", ClientAppUsed: "Exchange Web Services", TLSPort: 443, AppID: "c6d01ed6-899e-5cfd-ae32-39326d6d6fec"},
	MAPI:         {Name: "mapi", Label: "MAPI over HTTP", Switch: "MAPIEnabled", AuthPolicy: "Mapi", ClientAppUsed: "MAPI Over HTTP", TLSPort: 443, AppID: "0d333765-6250-5227-baae-ca33d08845db"},
	Autodiscover: {Name: "autodiscover", Label: "Autodiscover", AuthPolicy: "Autodiscover", ClientAppUsed: "AutoDiscover", TLSPort: 443, AppID: "570dc12f-2593-5478-a50d-7a7faef0cfee"},
	CalDAV:       {Name: "caldav", Label: "CalDAV", Switch: "CalDavEnabled", AuthPolicy: "CalDav", ClientAppUsed: "Other clients", TLSPort: 443, AppID: "0b4db3cb-eabf-5648-adfb-49afb349bbd8"},
	CardDAV:      {Name: "carddav", Label: "CardDAV", Switch: "CardDavEnabled", AuthPolicy: "CardDav", ClientAppUsed: "Other clients", TLSPort: 443, AppID: "65af6470-894f-5b96-9da7-681cc686ee21"},
	JMAP:         {Name: "jmap", Label: "JMAP", Switch: "JmapEnabled", AuthPolicy: "Jmap", ClientAppUsed: "Other clients", TLSPort: 443, AppID: "5c06043d-829a-5e62-b63a-4fe6906cfea4"},
	Webmail:      {Name: "webmail", Label: "Webmail", Switch: "OWAEnabled", ClientAppUsed: "Browser", TLSPort: 443, AppID: "870b1447-ed6b-590d-8a36-1430093fa013"},
	Portal:       {Name: "portal", Label: "Portal", ClientAppUsed: "Browser", TLSPort: 443, AppID: "a1460cb1-9a3d-57fb-a53d-1b194763e3d1"},
}

// Row returns what the table says of p; an out-of-range p reads as Unknown.
func (p Protocol) Row() *Row {
	if p >= count {
		p = Unknown
	}
	return &table[p]
}

// String is the protocol's own name, such as "imap".
func (p Protocol) String() string { return p.Row().Name }

// AppID is the protocol's own application id, for policies that name it.
func (p Protocol) AppID() string { return p.Row().AppID }

// MarshalText and UnmarshalText use the protocol's own name.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a name or an alias, in any case.
func (p *Protocol) UnmarshalText(b []byte) error {
	q, ok := Parse(string(b))
	if !ok {
		return fmt.Errorf("%q is no protocol: use one of %s", b, strings.Join(Names(), ", "))
	}
	*p = q
	return nil
}

// Parse finds a protocol by name or alias, in any case.
func Parse(s string) (Protocol, bool) {
	for p := IMAP; p < count; p++ {
		row := &table[p]
		if strings.EqualFold(s, row.Name) {
			return p, true
		}
		for _, a := range row.Aliases {
			if strings.EqualFold(s, a) {
				return p, true
			}
		}
	}
	return Unknown, false
}

// All lists every protocol but Unknown.
func All() []Protocol {
	all := make([]Protocol, 0, Count-1)
	for p := IMAP; p < count; p++ {
		all = append(all, p)
	}
	return all
}

// Names lists every protocol's name.
func Names() []string {
	var names []string
	for _, p := range All() {
		names = append(names, p.String())
	}
	return names
}
