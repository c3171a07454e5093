// Package scope reads the scopes of OAuth: what a program asks for, and which
// doors that opens. Programs have their scope names built in, so that the words
// of the mail profile, of Microsoft and of Google mean the same here as our own,
// and what was granted is echoed word for word as it was asked for: Thunderbird
// keeps its refresh token under that text.
package scope

import (
	"errors"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// MaxLength bounds what is asked for, in bytes.
const MaxLength = 2048

// Kind is what one scope is about, for whoever asks a person to consent.
type Kind uint8

// The kinds. A scope that is not understood is of none and is left out of what
// is granted (OpenID Connect Core 1.0, section 3.1.2.1).
const (
	Unknown   Kind = iota
	OpenID         // who the person is
	Email          // their address
	Profile        // their name
	Offline        // for as long as it is not withdrawn
	Mail           // every way to mail
	Read           // IMAP
	POP            // POP3
	Send           // submission
	Filters        // ManageSieve
	Contacts       // CardDAV
	Calendars      // CalDAV
	Exchange       // Exchange's web services and ActiveSync
)

var mailDoors = []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.Submission, protocol.Sieve, protocol.JMAP}

// doors are what each kind opens.
var doors = map[Kind][]protocol.Protocol{
	Mail: mailDoors, Read: {protocol.IMAP}, POP: {protocol.POP3}, Send: {protocol.Submission}, Filters: {protocol.Sieve},
	Contacts: {protocol.CardDAV}, Calendars: {protocol.CalDAV}, Exchange: {protocol.EWS, protocol.ActiveSync, protocol.MAPI, protocol.Autodiscover},
}

// words are the scopes that are understood, in lower case: our own, those of the
// OAuth profile for open public clients, and those that programs have built in.
var words = map[string]Kind{
	"openid": OpenID, "email": Email, "profile": Profile, "offline_access": Offline,
	"mail": Mail, "imap": Read, "pop": POP, "pop3": POP, "smtp": Send, "submission": Send, "sieve": Filters, "managesieve": Filters,
	"contacts": Contacts, "carddav": Contacts, "calendars": Calendars, "caldav": Calendars, "ews": Exchange,
	"urn:ietf:params:oauth:scope:mail": Mail, "urn:ietf:params:oauth:scope:contacts": Contacts, "urn:ietf:params:oauth:scope:calendars": Calendars,
	"https://mail.google.com/": Mail, "https://www.googleapis.com/auth/carddav": Contacts, "https://www.googleapis.com/auth/calendar": Calendars,
	"mail-w": Mail, "mail-r": Mail,
}

// microsoft are the scopes of Exchange Online, behind the address of any of its services.
var microsoft = map[string]Kind{
	"imap.accessasuser.all": Read, "pop.accessasuser.all": POP, "smtp.send": Send, "smtp.sendasapp": Send, "imap.accessasapp": Read, "pop.accessasapp": POP,
	"ews.accessasuser.all": Exchange, "eas.accessasuser.all": Exchange, "user.read": Profile, ".default": Mail,
}

var microsoftHosts = []string{"https://outlook.office.com/", "https://outlook.office365.com/", "https://ps.outlook.com/", "https://outlook.com/", "https://graph.microsoft.com/"}

// KindOf says what one scope is about.
func KindOf(word string) Kind {
	word = strings.ToLower(word)
	if k, ok := words[word]; ok {
		return k
	}
	for _, host := range microsoftHosts {
		if rest, ok := strings.CutPrefix(word, host); ok {
			return microsoft[rest]
		}
	}
	return Unknown
}

// Set is what was asked for, or granted. Its zero value is nothing.
type Set struct {
	text  string
	kinds uint16
	doors uint32
}

// ErrMalformed says that a text is no list of scopes (RFC 6749, section 3.3).
var ErrMalformed = errors.New("a scope is made of printable ASCII without quotes and backslashes, divided by single spaces, and at most 2,048 bytes long")

// Parse reads what a program asks for. Words that are not understood are left
// out; the others keep their spelling and order.
func Parse(asked string) (Set, error) {
	var s Set
	if len(asked) > MaxLength || strings.ContainsFunc(asked, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return s, ErrMalformed
	}
	var kept []string
	for w := range strings.FieldsSeq(asked) {
		k := KindOf(w)
		if k == Unknown || slices.Contains(kept, w) {
			continue
		}
		kept = append(kept, w)
		s.kinds |= 1 << k
		for _, p := range doors[k] {
			s.doors |= 1 << p
		}
	}
	s.text = strings.Join(kept, " ")
	return s, nil
}

// String is the scopes as they were asked for.
func (s Set) String() string { return s.text }

// MarshalText writes the scopes as they were asked for.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.text), nil }

// UnmarshalText is Parse.
func (s *Set) UnmarshalText(b []byte) (err error) {
	*s, err = Parse(string(b))
	return err
}

// Words are the scopes one by one.
func (s Set) Words() []string { return strings.Fields(s.text) }

// Empty says that nothing is asked for.
func (s Set) Empty() bool { return s.text == "" }

// Has says that a scope of a kind is among them.
func (s Set) Has(k Kind) bool { return s.kinds&(1<<k) != 0 }

// Kinds are the kinds among them, each once, in the order of their constants.
func (s Set) Kinds() (list []Kind) {
	for k := OpenID; k <= Exchange; k++ {
		if s.Has(k) {
			list = append(list, k)
		}
	}
	return list
}

// Covers says that the scopes open a door.
func (s Set) Covers(p protocol.Protocol) bool { return s.doors&(1<<p) != 0 }

// Protocols are the doors that the scopes open.
func (s Set) Protocols() (list []protocol.Protocol) {
	for _, p := range protocol.All() {
		if s.Covers(p) {
			list = append(list, p)
		}
	}
	return list
}

// Within says that s asks for nothing that t does not hold, by what the scopes
// mean and not by how they are spelt.
func (s Set) Within(t Set) bool {
	identity := uint16(1<<OpenID | 1<<Email | 1<<Profile | 1<<Offline)
	return s.doors&^t.doors == 0 && s.kinds&identity&^t.kinds == 0
}

// Only is what s holds of limit; an empty limit holds everything.
func (s Set) Only(limit Set) Set {
	if limit.Empty() {
		return s
	}
	var kept []string
	for _, w := range s.Words() {
		if one, err := Parse(w); err == nil && one.Within(limit) {
			kept = append(kept, w)
		}
	}
	out, _ := Parse(strings.Join(kept, " ")) // parts of what was parsed
	return out
}
