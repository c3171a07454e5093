package adminlog

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/signin"
)

// Why is in a word or three how a sign-in ended: what a filter acts on. A
// refusal by policy, a program with an old secret and trouble of our own are
// no attack and must not read like one.
type Why string

// The words. Only WrongSecret, UnknownName and TooManyWrong are a guesser's: a
// password can be guessed, a token or a certificate cannot.
const (
	SignedIn     Why = "signed in"
	WrongSecret  Why = "wrong secret"
	UnknownName  Why = "unknown name"
	TooManyWrong Why = "too many wrong secrets"
	Policy       Why = "refused by policy"
	Interrupted  Why = "interrupted" // more was asked for, and the sign-in goes on
	StaleClient  Why = "stale client"
	Malformed    Why = "malformed credential"
	Elsewhere    Why = "refused elsewhere"
	Trouble      Why = "trouble"
	Notice       Why = "notice"
)

// whys sorts the codes; what is not here is a policy's.
var whys = map[signin.Code]Why{
	signin.OK:               SignedIn,
	signin.WrongCredentials: WrongSecret, signin.UserUnknown: UnknownName, signin.Throttled: TooManyWrong,
	signin.TokenExpired: StaleClient, signin.TokenNotYetValid: StaleClient, signin.SignInTooOld: StaleClient,
	signin.PasswordExpired: StaleClient, signin.PasswordChangeNeeded: StaleClient, signin.CertificateRevoked: StaleClient,
	signin.TokenInvalid: StaleClient, signin.TokenAtWrongDoor: StaleClient, signin.CertificateInvalid: StaleClient,
	signin.CredentialMalformed: Malformed, signin.ObservedRefusal: Elsewhere,
	signin.BackendAway: Trouble, signin.BackendName: Trouble, signin.LogUnavailable: Trouble, signin.Busy: Trouble,
	signin.DirectoryAway: Trouble, signin.InternalFault: Trouble, signin.NoBackend: Trouble,
	signin.SessionPolicyChanged: Notice, signin.SessionEnded: Notice, signin.SessionExpired: Notice, signin.RefusalsLost: Notice,
}

// WhyOf says how a sign-in ended. A wrong secret from a network that this
// person has signed in from is a program that was not told the new one.
func WhyOf(e *signin.Event) Why {
	if e.Interrupted() {
		return Interrupted
	}
	why, ok := whys[e.Code]
	if !ok {
		return Policy
	}
	if e.Facts.KnownNetwork && (why == WrongSecret || why == TooManyWrong) {
		return StaleClient
	}
	return why
}

// What a stranger can make long is cut, in bytes: rsyslog reads 8 KiB of a
// line, and escaping makes six bytes of one.
const (
	maxName  = 256 // an address has at most 254 (RFC 5321 section 4.5.3.1)
	maxField = 64
)

// escape makes text safe for a terminal and for a line: whatever is not
// printable (line ends, control and direction characters) and the marks that
// the form itself uses are written as \u and four or more digits.
func escape(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f && !strings.ContainsRune(`<>"\`, rune(s[i]))
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strings.ContainsRune(`<>"\`, r) || !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// text is the line of a sign-in. The address stands before anything that a
// stranger wrote; an address that is a forwarder's own is not called rip.
func (w *Writer) text(e *signin.Event) string {
	if w.o.Form == JSON {
		return jsonText(e)
	}
	f := &e.Facts
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s=%s, user=<%s>", f.Protocol, WhyOf(e), addressWord(e), addr(e), escape(cut(e.User(), maxName)))
	part := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, ", %s=%s", name, escape(cut(value, maxField)))
		}
	}
	if e.Typed != f.Address {
		fmt.Fprintf(&b, ", typed=<%s>", escape(cut(e.Typed, maxName)))
	}
	if m := mailboxOf(e); m != "" {
		fmt.Fprintf(&b, ", mailbox=<%s>", escape(cut(m, maxName)))
	}
	part("method", e.Mechanism)
	part("credential", f.Credential.String())
	if e.TLS.Version == 0 {
		b.WriteString(", no TLS")
	}
	part("code", e.Code.String())
	part("ref", string(e.ID.Reference()))
	part("country", f.Country)
	if f.Program != "" {
		fmt.Fprintf(&b, ", program=<%s>", escape(cut(strings.TrimSpace(f.Program+" "+f.ProgramVersion), maxField)))
	}
	if e.Count > 1 {
		part("count", strconv.FormatInt(e.Count, 10))
	}
	if e.Observed {
		part("observed", e.Source)
	}
	return b.String()
}

// mailboxOf is the mailbox that was asked for where it is not the user's own.
func mailboxOf(e *signin.Event) string {
	if e.Actor == "" {
		return ""
	}
	return e.Facts.Address
}

func addr(e *signin.Event) string {
	if !e.Facts.Addr.IsValid() {
		return "unknown"
	}
	return e.Facts.Addr.String()
}

// addressWord is rip for a client's address, and forwarder for that of a
// webmail host which did not say whose sign-in it passed on: nobody must ban that.
func addressWord(e *signin.Event) string {
	if e.Unnamed {
		return "forwarder"
	}
	return "rip"
}

// jsonLine is the JSON form; names are stable.
type jsonLine struct {
	Time       time.Time `json:"time"`
	Event      string    `json:"event"`
	Why        Why       `json:"why"`
	Code       string    `json:"code"`
	Reference  string    `json:"reference"`
	Protocol   string    `json:"protocol"`
	Address    string    `json:"rip,omitempty"`
	Forwarder  string    `json:"forwarder,omitempty"`
	User       string    `json:"user"`
	Mailbox    string    `json:"mailbox,omitempty"` // where it is not the user's own
	Typed      string    `json:"typed,omitempty"`
	Person     string    `json:"person,omitempty"`
	Mechanism  string    `json:"method,omitempty"`
	Credential string    `json:"credential"`
	TLS        bool      `json:"tls"`
	Country    string    `json:"country,omitempty"`
	Program    string    `json:"program,omitempty"`
	Version    string    `json:"programVersion,omitempty"`
	Policy     string    `json:"by,omitempty"`
	Count      int64     `json:"count"`
	Observed   bool      `json:"observed,omitempty"`
	Source     string    `json:"source"`
}

func jsonText(e *signin.Event) string {
	f := &e.Facts
	word := func(s string) string { return cut(s, maxField) }
	l := jsonLine{Time: e.Last, Event: "signIn", Why: WhyOf(e), Code: e.Code.String(), Reference: string(e.ID.Reference()),
		Protocol: f.Protocol.String(), Forwarder: word(e.Forwarder), User: cut(e.User(), maxName), Typed: cut(e.Typed, maxName),
		Person: word(f.Person), Mechanism: word(e.Mechanism), Credential: f.Credential.String(), TLS: e.TLS.Version != 0,
		Country: word(f.Country), Program: word(f.Program), Version: word(f.ProgramVersion), Policy: word(e.Verdict.By),
		Count: e.Count, Observed: e.Observed, Source: word(e.Source)}
	if addressWord(e) == "rip" && f.Addr.IsValid() {
		l.Address = f.Addr.String()
	}
	l.Mailbox = cut(mailboxOf(e), maxName)
	b, err := json.Marshal(l)
	if err != nil { // nothing in it can fail; a line that says so is better than none
		return fmt.Sprintf(`{"event":"signIn","code":%q}`, l.Code)
	}
	return escapeJSON(string(b))
}

// cut shortens s to at most n bytes, between two characters.
func cut(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return s
}

// escapeJSON writes what is valid in JSON but not printable (U+202E, U+0085)
// as JSON's own escapes.
func escapeJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x7f || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
