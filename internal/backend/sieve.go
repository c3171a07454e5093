package backend

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
	"github.com/portreeve/portreeve/internal/wire/smtp"
)

const (
	maxSieveQuoted = 1024 // octets of a quoted string, RFC 5804 section 1.2; longer ones are literals
	maxSieveLines  = 64   // of a backend's capabilities; Dovecot's are seven
)

// sieveDialect is ManageSieve as a client speaks it before sign-in (RFC 5804).
type sieveDialect struct {
	list  []string // capability lines as they came, such as `"SIEVE" "fileinto reject"`
	known bool
}

// greet reads the greeting, which is the list of capabilities.
func (d *sieveDialect) greet(t *talk) error { return d.capabilities(t) }

func (d *sieveDialect) capabilities(t *talk) error {
	list, err := receive(t, readSieveList)
	d.list, d.known = list, err == nil
	return err
}

func (d *sieveDialect) offersTLS(*talk) (bool, error) {
	_, ok := d.lookup("STARTTLS")
	return ok, nil
}

func (d *sieveDialect) startTLS(t *talk) error {
	d.known = false
	return d.command(t, "STARTTLS")
}

// learn reads the list that the server sends by itself after STARTTLS (RFC
// 5804, section 2.2).
func (d *sieveDialect) learn(t *talk) error {
	if d.known {
		return nil
	}
	return d.capabilities(t)
}

func (d *sieveDialect) introduce(t *talk, o *Options, q *Request) error {
	if _, ok := d.lookup("XCLIENT"); !ok || !o.ID || !q.Client.IsValid() {
		return nil
	}
	return d.command(t, dovecotXCLIENT(q))
}

// lookup finds a capability and gives what is said of it.
func (d *sieveDialect) lookup(name string) (string, bool) {
	for _, l := range d.list {
		if word, rest, ok := cutQuoted(l); ok && strings.EqualFold(word, name) {
			value, _, _ := cutQuoted(strings.TrimSpace(rest))
			return value, true
		}
	}
	return "", false
}

func cutQuoted(s string) (value, rest string, ok bool) {
	v, r, err := line.Quoted([]byte(s))
	return string(v), string(r), err == nil
}

func (d *sieveDialect) mechanisms() []string {
	list, _ := d.lookup("SASL")
	return strings.Fields(strings.ToUpper(list))
}

func (d *sieveDialect) login(t *talk, mechanism string, response []byte) error {
	answers := newAnswers(response)
	command := append([]byte(`AUTHENTICATE "`+mechanism+`" `), sieveString(answers[0])...)
	if err := t.sendBytes(append(command, "\r\n"...)); err != nil {
		return err
	}
	for {
		l, err := receive(t, readSieveLine)
		if err != nil {
			return err
		}
		if l.status != "" {
			return l.verdict()
		}
		if answers = answers[1:]; len(answers) == 0 {
			return errors.New("one challenge too many")
		}
		if err = t.sendBytes(append(sieveString(answers[0]), "\r\n"...)); err != nil {
			return err
		}
	}
}

// verdict tells wrong credentials from everything else. AUTH-TOO-WEAK,
// ENCRYPT-NEEDED, TRANSITION-NEEDED and TRYLATER are the server's trouble or
// ours (RFC 5804, section 1.3).
func (l sieveLine) verdict() error {
	words := line.Text(l.status+" ("+l.code+") "+l.text, maxWords)
	switch {
	case l.status == "OK":
		return nil
	case l.status == "NO" && l.code == "":
		return fmt.Errorf("%w: %s", ErrRefused, words)
	}
	return errors.New(words)
}

// sieveString writes base64 as a string: quoted, or a literal if it is long.
func sieveString(b []byte) []byte {
	if len(b) > maxSieveQuoted {
		return append([]byte("{"+strconv.Itoa(len(b))+"+}\r\n"), b...)
	}
	return append(append([]byte{'"'}, b...), '"')
}

func (d *sieveDialect) goodbye() string { return "LOGOUT\r\n" }

func (d *sieveDialect) capability() string { return "" }

// offered are lines as they go over the wire.
func (d *sieveDialect) offered() []string {
	return smtp.Extensions(d.list).Without(`"SASL"`, `"STARTTLS"`, `"XCLIENT"`, `"IMPLEMENTATION"`)
}

// command says a command and wants OK for an answer.
func (d *sieveDialect) command(t *talk, text string) error {
	if err := t.send(text + "\r\n"); err != nil {
		return err
	}
	l, err := receive(t, readSieveLine)
	if err != nil || l.status == "OK" {
		return err
	}
	verb, _, _ := strings.Cut(text, " ")
	return fmt.Errorf("%s was answered by %s", verb, line.Text(l.status+" "+l.text, maxWords))
}

// sieveLine is one line of a server: a status, or a string with what follows it.
type sieveLine struct {
	status string // OK, NO, BYE; empty for strings
	code   string // without its parentheses
	text   string
}

// readSieveLine reads a line and the literal that may end it.
func readSieveLine(l *line.Reader) (sieveLine, error) {
	b, err := l.ReadLine(line.MaxSASL)
	if err != nil {
		return sieveLine{}, err
	}
	text := string(b)
	if lit, at, ok := line.LiteralAt(b); ok {
		body, err := l.ReadN(lit.Size)
		if err != nil {
			return sieveLine{}, err
		}
		text = text[:at] + string(body)
		if rest, err := l.ReadLine(0); err != nil || len(rest) > 0 {
			return sieveLine{}, line.Broken("text behind a literal")
		}
		if at == 0 {
			return sieveLine{text: text}, nil
		}
	}
	if strings.HasPrefix(text, `"`) {
		return sieveLine{text: text}, nil
	}
	word, rest, _ := strings.Cut(text, " ")
	s := sieveLine{status: strings.ToUpper(word), text: rest}
	switch s.status {
	case "OK", "NO", "BYE":
	default:
		return s, line.Broken("not a ManageSieve response")
	}
	if code, after, ok := strings.Cut(rest, ")"); ok && strings.HasPrefix(code, "(") {
		s.code, s.text = strings.ToUpper(code[1:]), strings.TrimPrefix(after, " ")
	}
	return s, nil
}

// readSieveList reads lines up to a status, which must be OK.
func readSieveList(l *line.Reader) ([]string, error) {
	var list []string
	for range maxSieveLines {
		s, err := readSieveLine(l)
		switch {
		case err != nil:
			return nil, err
		case s.status == "OK":
			return list, nil
		case s.status != "":
			return nil, errors.New(line.Text(s.status+" "+s.text, maxWords))
		}
		list = append(list, s.text)
	}
	return nil, line.Broken("list without an end")
}
