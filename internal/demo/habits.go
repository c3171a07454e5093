package demo

import (
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// habit is one program that somebody has used for the past month, where and when.
type habit struct {
	who       string
	protocol  protocol.Protocol
	kind      policy.CredentialKind
	mechanism string
	place     place
	host      byte // last octet of the address there
	hints     signin.Hints
	from, to  int // hours of the day, UTC
	weekends  bool
	perHour   int // sign-ins in an hour of use
	chance    int // of an hour to be one of use, percent
}

// place is a network of RFC 5737, which nobody has.
type place struct {
	network [3]byte
	country string
	owner   string
}

var (
	office = place{[3]byte{192, 0, 2}, "NL", "Planet office"}
	home   = place{[3]byte{198, 51, 100}, "NL", "Home cable"}
	here   = place{[3]byte{127, 40, 7}, "", ""} // so that the story can go on from there
	abroad = place{[3]byte{203, 0, 113}, "", "Cheap hosting"}
)

func imapID(pairs ...string) (h signin.Hints) {
	for i := 0; i+1 < len(pairs); i += 2 {
		h.IMAPID = append(h.IMAPID, signin.Pair{Key: pairs[i], Value: pairs[i+1]})
	}
	return h
}

var (
	oldThunderbird = imapID("name", "Thunderbird", "version", "60.9.1")
	newThunderbird = imapID("name", "Thunderbird", "version", "140.4.0")
	k9             = imapID("name", "K-9 Mail", "version", "6.804", "os", "Android")
	iPhone         = imapID("name", "iPhone Mail", "version", "22F76", "os", "iOS", "os-version", "18.5")
	macMail        = imapID("name", "Mac OS X Mail", "version", "16.0", "os", "Mac OS X")
	evolution      = imapID("name", "evolution-data-server", "version", "3.46.4")
)

const (
	withPassword = policy.CredentialPassword
	withToken    = policy.CredentialBearer
)

// habits make a month of sign-ins of a small house, half way out of passwords.
var habits = []habit{
	{"leela", protocol.IMAP, withPassword, "LOGIN", office, 17, oldThunderbird, 7, 17, false, 6, 95},
	{"leela", protocol.Submission, withPassword, "PLAIN", office, 17, signin.Hints{EHLO: "[192.0.2.17]"}, 8, 17, false, 2, 50},
	{"leela", protocol.IMAP, withPassword, "PLAIN", home, 40, k9, 6, 22, true, 6, 45},
	{"fry", protocol.IMAP, withPassword, "PLAIN", home, 41, macMail, 10, 24, true, 6, 60},
	{"fry", protocol.Submission, withPassword, "PLAIN", home, 41, signin.Hints{EHLO: "smtpclient.apple"}, 12, 24, true, 1, 20},
	{"fry", protocol.IMAP, withPassword, "LOGIN", here, 9, k9, 7, 23, true, 4, 50},
	{"bender", protocol.POP3, withPassword, "USER", home, 42, signin.Hints{}, 0, 24, true, 6, 80},
	{"bender", protocol.IMAP, withPassword, "LOGIN", home, 42, signin.Hints{}, 20, 24, true, 2, 40},
	{"hermes", protocol.IMAP, withToken, "XOAUTH2", office, 18, newThunderbird, 6, 18, false, 8, 100},
	{"hermes", protocol.Submission, withToken, "XOAUTH2", office, 18, signin.Hints{EHLO: "[192.0.2.18]"}, 7, 18, false, 3, 80},
	{"amy", protocol.IMAP, withToken, "XOAUTH2", home, 43, iPhone, 0, 24, true, 6, 75},
	{"amy", protocol.IMAP, withToken, "OAUTHBEARER", office, 19, evolution, 8, 17, false, 3, 90},
	{"zoidberg", protocol.IMAP, withPassword, "PLAIN", home, 44, k9, 0, 24, true, 6, 80},
	{"kif", protocol.IMAP, withToken, "XOAUTH2", office, 20, newThunderbird, 8, 16, false, 4, 95},
	{"kif", protocol.POP3, withPassword, "USER", home, 45, signin.Hints{}, 9, 21, true, 1, 30},
	{"scanner", protocol.Submission, withPassword, "LOGIN", office, 90, signin.Hints{EHLO: "BRN30055C6A1B2C"}, 7, 17, false, 2, 70},
}

// guessedAt are the names that the month's password spray tried: some of ours,
// and what guessers try everywhere.
var guessedAt = []string{"leela", "fry", "bender", "hermes", "amy", "zoidberg", "kif", "scanner", "admin", "info", "test", "office",
	"sales", "support", "backup", "postmaster", "nibbler", "farnsworth", "wernstrom", "mom"}
