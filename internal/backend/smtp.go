package backend

import (
	"errors"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/sasl"
	"github.com/portreeve/portreeve/internal/wire/line"
	"github.com/portreeve/portreeve/internal/wire/smtp"
)

// maxCommand is the longest SMTP command that every server takes, in octets;
// a longer initial response waits for its challenge (RFC 5321, section 4.5.3.1.4).
const maxCommand = 512

// smtpDialect is submission as a client speaks it up to AUTH.
type smtpDialect struct {
	hello string // what we say in EHLO
	ext   smtp.Extensions
	known bool
	// xclient says that the server takes XCLIENT or XFORWARD from this
	// connection. Postfix goes on taking it after the first one, when it no
	// longer advertises it: it looks at the peer, but advertises to the client.
	xclient bool
}

func (d *smtpDialect) greet(t *talk) error {
	_, err := d.expect(t, "", 220)
	return err
}

func (d *smtpDialect) offersTLS(t *talk) (bool, error) {
	if err := d.learn(t); err != nil {
		return false, err
	}
	return d.ext.Has("STARTTLS"), nil
}

func (d *smtpDialect) startTLS(t *talk) error {
	d.known = false // what was said in clear is forgotten, RFC 3207 section 4.2
	_, err := d.expect(t, "STARTTLS", 220)
	return err
}

func (d *smtpDialect) learn(t *talk) error {
	if d.known {
		return nil
	}
	r, err := d.expect(t, "EHLO "+d.hello, 250)
	d.ext, d.known = r.Extensions(), err == nil
	d.xclient = d.xclient || d.ext.Has("XCLIENT") || d.ext.Has("XFORWARD")
	return err
}

// introduce passes the client on in XCLIENT, with those fields only that the
// server advertises. The server then greets anew and forgets what it knew
// (Postfix, XCLIENT_README), so EHLO follows in the client's name.
func (d *smtpDialect) introduce(t *talk, o *Options, q *Request) error {
	takes, offered := d.ext.Lookup("XCLIENT")
	if !o.XCLIENT || !offered || !q.Client.IsValid() {
		return nil
	}
	hello := clientHello(q.EHLO, d.hello)
	fields := append(smtp.ClientFields(q.Client), line.Field{Name: "NAME", Value: "[UNAVAILABLE]"},
		line.Field{Name: "PROTO", Value: "ESMTP"}, line.Field{Name: "HELO", Value: hello}, line.Field{Name: "SESSION", Value: sessionID(q)})
	for _, f := range smtp.ClientFields(q.Local) {
		fields = append(fields, line.Field{Name: "DEST" + f.Name, Value: f.Value})
	}
	if _, err := d.expect(t, line.FieldLine("XCLIENT", taken(fields, takes)...), 220); err != nil {
		return err
	}
	d.hello, d.known = hello, false
	return d.learn(t)
}

// taken keeps the fields that a server named.
func taken(fields []line.Field, names string) []line.Field {
	var out []line.Field
	for _, f := range fields {
		for _, n := range strings.Fields(names) {
			if strings.EqualFold(n, f.Name) {
				out = append(out, f)
			}
		}
	}
	return out
}

const maxHello = 255 // octets of a domain, RFC 5321 section 4.5.3.1.2

// clientHello is the client's name if it is one, else ours.
func clientHello(client, own string) string {
	ok := func(r rune) bool {
		return r < 0x80 && (r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_:[]", r))
	}
	if client == "" || len(client) > maxHello || strings.ContainsFunc(client, func(r rune) bool { return !ok(r) }) {
		return own
	}
	return client
}

func (d *smtpDialect) mechanisms() []string {
	list, _ := d.ext.Lookup("AUTH")
	return strings.Fields(strings.ToUpper(list))
}

func (d *smtpDialect) login(t *talk, mechanism string, response []byte) error {
	answers := newAnswers(response)
	command := "AUTH " + mechanism
	if len(command)+1+len(answers[0])+2 <= maxCommand {
		command += " " + string(answers[0])
		answers = answers[1:]
	}
	r, err := d.say(t, command)
	for ; err == nil && r.Code == 334 && len(answers) > 0; answers = answers[1:] {
		r, err = d.say(t, string(answers[0]))
	}
	if err != nil {
		return err
	}
	return smtpVerdict(r)
}

// smtpVerdict tells wrong credentials (RFC 4954 section 6: 535; RFC 7505's
// neighbour 525: account disabled) from everything else.
func smtpVerdict(r smtp.Reply) error {
	words := fmt.Sprintf("%d %s", r.Code, line.Text(r.Text(), maxWords))
	switch r.Code {
	case 235:
		return nil
	case 535, 525:
		return fmt.Errorf("%w: %s", ErrRefused, words)
	}
	return errors.New(words)
}

func (d *smtpDialect) goodbye() string    { return "QUIT\r\n" }
func (d *smtpDialect) capability() string { return "" }

// offered leaves out two of Exim's, too: PIPECONNECT speaks of the connection's
// beginning, which is ours, and PRDR answers a mail more than once, by which the
// filter of front/submission would lose its way.
func (d *smtpDialect) offered() []string {
	return d.ext.Without("AUTH", "STARTTLS", "XCLIENT", "XFORWARD", "PIPECONNECT", "PRDR")
}

func (d *smtpDialect) say(t *talk, command string) (smtp.Reply, error) {
	if err := t.send(command + "\r\n"); err != nil {
		return smtp.Reply{}, err
	}
	return receive(t, smtp.ReadReply)
}

// expect says a command, if there is one, and wants this code for an answer.
func (d *smtpDialect) expect(t *talk, command string, code int) (r smtp.Reply, err error) {
	if command == "" {
		r, err = receive(t, smtp.ReadReply)
	} else {
		r, err = d.say(t, command)
	}
	if err == nil && r.Code != code {
		verb, _, _ := strings.Cut(command, " ")
		err = fmt.Errorf("%s was answered by %d %s", verb, r.Code, line.Text(r.Text(), maxWords))
	}
	return r, err
}

// newAnswers are what we say to challenges: the response, and a dummy to the
// reason that a refused token is told (RFC 7628, section 3.2.3).
func newAnswers(response []byte) [][]byte {
	return [][]byte{sasl.Encode(response), []byte(dummyResponse)}
}
