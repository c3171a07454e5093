package backend

import (
	"errors"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
	"github.com/portreeve/portreeve/internal/wire/pop3"
	"github.com/portreeve/portreeve/internal/wire/smtp"
)

// maxPOP3Command is the longest POP3 command, in octets (RFC 2449, section 4).
const maxPOP3Command = 255

// pop3Dialect is POP3 as a client speaks it before sign-in.
type pop3Dialect struct {
	list    []string // CAPA's
	known   bool
	xclient bool // Dovecot says so in its greeting, to trusted networks
}

func (d *pop3Dialect) greet(t *talk) error {
	s, err := d.expect(t, "")
	d.xclient = strings.EqualFold(s.Code, "XCLIENT")
	return err
}

func (d *pop3Dialect) offersTLS(t *talk) (bool, error) {
	err := d.learn(t)
	return len(after(d.list, "STLS")) > 0, err
}

func (d *pop3Dialect) startTLS(t *talk) error {
	d.known = false
	_, err := d.expect(t, "STLS")
	return err
}

func (d *pop3Dialect) learn(t *talk) error {
	if d.known {
		return nil
	}
	if _, err := d.expect(t, "CAPA"); err != nil {
		return err
	}
	list, err := receive(t, pop3.ReadList)
	d.list, d.known = list, err == nil
	return err
}

// introduce passes the client on as Dovecot takes it from trusted networks. No
// client could say it later: it is a command from before the sign-in.
func (d *pop3Dialect) introduce(t *talk, o *Options, q *Request) error {
	if !o.ID || !d.xclient || !q.Client.IsValid() {
		return nil
	}
	_, err := d.expect(t, dovecotXCLIENT(q))
	return err
}

// dovecotXCLIENT is the command as Dovecot's POP3 and ManageSieve read it: an
// IPv6 address without SMTP's prefix.
func dovecotXCLIENT(q *Request) string {
	return line.FieldLine("XCLIENT", line.Field{Name: "ADDR", Value: addrText(q.Client)},
		line.Field{Name: "PORT", Value: portText(q.Client)}, line.Field{Name: "SESSION", Value: sessionID(q)})
}

func (d *pop3Dialect) mechanisms() []string {
	return strings.Fields(strings.Join(after(d.list, "SASL"), " "))
}

func (d *pop3Dialect) login(t *talk, mechanism string, response []byte) error {
	answers := newAnswers(response)
	command := "AUTH " + mechanism
	if len(command)+1+len(answers[0])+2 <= maxPOP3Command {
		command += " " + string(answers[0])
		answers = answers[1:]
	}
	s, err := d.say(t, command)
	for ; err == nil && s.Challenge && len(answers) > 0; answers = answers[1:] {
		s, err = d.say(t, string(answers[0]))
	}
	if err != nil {
		return err
	}
	return pop3Verdict(s)
}

// pop3Verdict tells wrong credentials from everything else (RFC 3206; servers
// without response codes mean a refusal).
func pop3Verdict(s pop3.Status) error {
	words := line.Text("["+s.Code+"] "+s.Text, maxWords)
	switch {
	case s.OK:
		return nil
	case s.Challenge:
		return errors.New("one challenge too many")
	case s.Code == "" || strings.EqualFold(s.Code, "AUTH"):
		return fmt.Errorf("%w: %s", ErrRefused, words)
	}
	return errors.New(words)
}

func (d *pop3Dialect) goodbye() string    { return "QUIT\r\n" }
func (d *pop3Dialect) capability() string { return "" }

func (d *pop3Dialect) offered() []string {
	return smtp.Extensions(d.list).Without("SASL", "STLS", "USER", "XCLIENT", "IMPLEMENTATION")
}

func (d *pop3Dialect) say(t *talk, command string) (pop3.Status, error) {
	if err := t.send(command + "\r\n"); err != nil {
		return pop3.Status{}, err
	}
	return d.status(t)
}

func (d *pop3Dialect) status(t *talk) (pop3.Status, error) {
	b, err := t.read()
	if err != nil {
		return pop3.Status{}, err
	}
	return pop3.ParseStatus(b)
}

// expect says a command, if there is one, and wants +OK for an answer.
func (d *pop3Dialect) expect(t *talk, command string) (s pop3.Status, err error) {
	if command == "" {
		s, err = d.status(t)
	} else {
		s, err = d.say(t, command)
	}
	if err == nil && !s.OK {
		verb, _, _ := strings.Cut(command, " ")
		err = fmt.Errorf("%s was answered by [%s] %s", verb, s.Code, line.Text(s.Text, maxWords))
	}
	return s, err
}
