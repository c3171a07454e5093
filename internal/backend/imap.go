package backend

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/sasl"
	"github.com/portreeve/portreeve/internal/wire/imap"
	"github.com/portreeve/portreeve/internal/wire/line"
)

// imapTag is the tag of all our commands; one is in flight at a time.
const imapTag = "p"

// imapDialect is IMAP as a client speaks it before sign-in.
type imapDialect struct {
	caps  imap.Capabilities
	after string // the capabilities that came with the answer to the sign-in
}

// greet reads the greeting. PREAUTH is refused: it is a session of whoever the
// server thinks that we are, and it cannot start TLS (RFC 9051, section 7.1.4).
func (d *imapDialect) greet(t *talk) error {
	r, err := d.response(t)
	if err != nil {
		return err
	}
	if r.Tag != imap.Untagged || r.Name != "OK" {
		return fmt.Errorf("greeting is %q", line.Text(r.Name+" "+r.Text, maxWords))
	}
	return nil
}

func (d *imapDialect) offersTLS(t *talk) (bool, error) {
	if err := d.learn(t); err != nil {
		return false, err
	}
	return d.caps.Has("STARTTLS"), nil
}

func (d *imapDialect) startTLS(t *talk) error {
	defer func() { d.caps = nil }() // what was said in clear is forgotten, RFC 9051 section 6.2.1
	_, err := d.command(t, "STARTTLS")
	return err
}

// learn asks for the capabilities unless they are known.
func (d *imapDialect) learn(t *talk) error {
	if d.caps != nil {
		return nil
	}
	if _, err := d.command(t, "CAPABILITY"); err != nil {
		return err
	}
	if d.caps == nil {
		return errors.New("no capabilities after CAPABILITY")
	}
	return nil
}

// introduce says who the client is, in the fields that Dovecot takes from
// trusted networks (login_trusted_networks) and every other server ignores.
func (d *imapDialect) introduce(t *talk, o *Options, q *Request) error {
	if !o.ID || !q.Client.IsValid() || !d.caps.Has("ID") {
		return nil
	}
	list := imap.IDList("x-session-id", sessionID(q),
		"x-originating-ip", addrText(q.Client), "x-originating-port", portText(q.Client),
		"x-connected-ip", addrText(q.Local), "x-connected-port", portText(q.Local), "x-proxy-ttl", "5")
	_, err := d.command(t, "ID "+list)
	return err
}

// mechanisms are the server's, and PLAIN's name for its LOGIN command, which is
// all that Courier has as it is installed.
func (d *imapDialect) mechanisms() []string {
	list := after(d.caps, "AUTH=")
	if !slices.Contains(list, sasl.Plain) && d.takesLogin() {
		list = append(list, sasl.Plain)
	}
	return list
}

func (d *imapDialect) takesLogin() bool { return !d.caps.Has("LOGINDISABLED") }

// loginByLiterals says LOGIN with PLAIN's name and password. In literals
// nothing in them can be taken for a command (RFC 9051, section 6.2.3).
func (d *imapDialect) loginByLiterals(t *talk, plain []byte) error {
	parts := bytes.Split(plain, []byte{0})
	if len(parts) != 3 || len(parts[0]) > 0 {
		return errors.New("LOGIN has no place for an authorization identity")
	}
	next := []byte(imapTag + " LOGIN ")
	for _, word := range parts[1:] {
		next = append(next, imap.LiteralHead(string(word))...)
		if err := t.sendBytes(next); err != nil {
			return err
		}
		r, err := d.response(t)
		for err == nil && r.Tag == imap.Untagged {
			r, err = d.response(t)
		}
		if err != nil {
			return err
		}
		if r.Tag != "+" {
			return imapVerdict(r)
		}
		next = append(append([]byte{}, word...), ' ')
	}
	next[len(next)-1] = '\r'
	return d.answer(t, append(next, '\n'), nil)
}

// errLeavable keeps people out rather than let them become others: behind
// UNAUTHENTICATE (RFC 8437) whoever signs in next on the same connection would
// be let in by the server alone, past the gate.
var errLeavable = errors.New("it lets signed-in people sign in as others, by UNAUTHENTICATE, which must be switched off there")

// login authenticates, unless the session could be left.
func (d *imapDialect) login(t *talk, mechanism string, response []byte) error {
	if d.caps.Has("UNAUTHENTICATE") {
		return errLeavable
	}
	err := d.authenticate(t, mechanism, response)
	if err == nil && d.caps.Has("UNAUTHENTICATE") {
		return errLeavable
	}
	return err
}

// authenticate does so with an initial response where the server takes one
// (RFC 4959).
func (d *imapDialect) authenticate(t *talk, mechanism string, response []byte) error {
	if mechanism == sasl.Plain && !d.caps.Has("AUTH=PLAIN") {
		return d.loginByLiterals(t, response)
	}
	answers := newAnswers(response)
	first := []byte(imapTag + " AUTHENTICATE " + mechanism)
	if d.caps.Has("SASL-IR") {
		first = slices.Concat(first, []byte{' '}, answers[0])
		answers = answers[1:]
	}
	return d.answer(t, append(first, "\r\n"...), answers)
}

// answer sends the last of a command, answers challenges, and reads up to the
// answer and no further: what comes behind it is the client's.
func (d *imapDialect) answer(t *talk, last []byte, answers [][]byte) error {
	d.caps = nil
	err := t.sendBytes(last)
	for err == nil {
		var r imap.Response
		if r, err = d.response(t); err != nil {
			break
		}
		switch {
		case r.Tag == "+" && len(answers) > 0:
			err = t.sendBytes(append(answers[0], "\r\n"...))
			answers = answers[1:]
		case r.Tag == imapTag:
			d.after = d.caps.String()
			return imapVerdict(r)
		case r.Tag != imap.Untagged:
			err = fmt.Errorf("unexpected answer %q", line.Text(r.Tag, maxWords))
		}
	}
	return err
}

// imapVerdict tells wrong credentials from everything else. A NO without a code
// is a refusal: that is what servers older than RFC 5530 say.
func imapVerdict(r imap.Response) error {
	if r.Name == "OK" {
		return nil
	}
	words := line.Text(r.Name+" ["+r.Code+"] "+r.Text, maxWords)
	if r.Name == "NO" {
		code, _, _ := strings.Cut(strings.ToUpper(r.Code), " ")
		switch code {
		case "", "ALERT", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED":
			return fmt.Errorf("%w: %s", ErrRefused, words)
		}
	}
	return errors.New(words)
}

func (d *imapDialect) goodbye() string { return imapTag + " LOGOUT\r\n" }

func (d *imapDialect) capability() string { return d.after }

// offered is what a client may be told before sign-in, less what we replace.
func (d *imapDialect) offered() []string {
	var out []string
	for _, c := range d.caps {
		switch up := strings.ToUpper(c); {
		case strings.HasPrefix(up, "AUTH="), up == "STARTTLS", up == "LOGINDISABLED", up == "LOGIN-REFERRALS", up == "SASL-IR":
		default:
			out = append(out, c)
		}
	}
	return out
}

// command sends a command and reads up to its answer, which must be OK.
func (d *imapDialect) command(t *talk, text string) (imap.Response, error) {
	if err := t.send(imapTag + " " + text + "\r\n"); err != nil {
		return imap.Response{}, err
	}
	for {
		r, err := d.response(t)
		switch {
		case err != nil:
			return r, err
		case r.Tag == imap.Untagged:
			continue
		case r.Tag != imapTag || r.Name != "OK":
			verb, _, _ := strings.Cut(text, " ")
			return r, fmt.Errorf("answer to %s: %q", verb, line.Text(r.Tag+" "+r.Name+" "+r.Text, maxWords))
		}
		return r, nil
	}
}

// response reads one response and keeps the capabilities if it brings any.
// BYE ends the conversation wherever it comes.
func (d *imapDialect) response(t *talk) (imap.Response, error) {
	b, err := t.read()
	if err != nil {
		return imap.Response{}, err
	}
	r, err := imap.ParseResponse(b)
	if err != nil {
		return r, err
	}
	if r.Tag == imap.Untagged && r.Name == "BYE" {
		return r, fmt.Errorf("it said goodbye: %s", line.Text(r.Text, maxWords))
	}
	if caps, ok := r.Capabilities(); ok {
		d.caps = caps
	}
	return r, nil
}

func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.Addr().Unmap().WithZone("").String()
}

func portText(a netip.AddrPort) string { return strconv.Itoa(int(a.Port())) }

// sessionID is what Dovecot logs as session=<…>, so that its log and ours meet.
func sessionID(q *Request) string { return string(q.ID.Reference()) }
