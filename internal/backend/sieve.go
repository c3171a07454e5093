package backend

import (
	"errors"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
	"github.com/portreeve/portreeve/internal/wire/sieve"
)

// sieveDialect is ManageSieve as a client speaks it before sign-in (RFC 5804).
type sieveDialect struct {
	list  []sieve.Capability
	known bool
}

// greet reads the greeting, which is the list of capabilities.
func (d *sieveDialect) greet(t *talk) error { return d.learn(t) }

// learn reads the list that the server sends by itself, as its greeting and
// after STARTTLS (RFC 5804, section 2.2).
func (d *sieveDialect) learn(t *talk) error {
	if d.known {
		return nil
	}
	type greeting struct {
		list []sieve.Capability
		sieve.Response
	}
	g, err := receive(t, func(l *line.Reader) (g greeting, err error) {
		g.list, g.Response, err = sieve.ReadCapabilities(l)
		return g, err
	})
	if err == nil && g.Status != "OK" {
		err = errors.New(sieveWords(g.Response))
	}
	d.list, d.known = g.list, err == nil
	return err
}

func sieveWords(r sieve.Response) string {
	return line.Text(r.Status+" ("+r.Code+") "+r.Text, maxWords)
}

func (d *sieveDialect) offersTLS(*talk) (bool, error) {
	_, ok := sieve.Find(d.list, "STARTTLS")
	return ok, nil
}

func (d *sieveDialect) startTLS(t *talk) error {
	d.known = false
	return d.command(t, "STARTTLS")
}

// introduce passes the client on as Dovecot takes it from trusted networks.
func (d *sieveDialect) introduce(t *talk, o *Options, q *Request) error {
	if !o.ID || !d.trusts() || !q.Client.IsValid() {
		return nil
	}
	return d.command(t, dovecotXCLIENT(q))
}

// trusts says that the server would take the client's address from us.
func (d *sieveDialect) trusts() bool {
	_, ok := sieve.Find(d.list, "XCLIENT")
	return ok
}

func (d *sieveDialect) mechanisms() []string {
	list, _ := sieve.Find(d.list, "SASL")
	return strings.Fields(strings.ToUpper(list))
}

func (d *sieveDialect) login(t *talk, mechanism string, response []byte) error {
	answers := newAnswers(response)
	command := "AUTHENTICATE " + sieve.String(mechanism) + " "
	for ; len(answers) > 0; answers = answers[1:] {
		if err := t.send(command + sieve.ClientString(string(answers[0])) + "\r\n"); err != nil {
			return err
		}
		r, err := receive(t, sieve.ReadResponse)
		if err != nil {
			return err
		}
		if r.Status != "" {
			return sieveVerdict(r)
		}
		command = "" // it was a challenge: the reason of a refused token
	}
	return errors.New("one challenge too many")
}

// sieveVerdict tells wrong credentials from everything else: AUTH-TOO-WEAK,
// ENCRYPT-NEEDED, TRANSITION-NEEDED and TRYLATER are the server's trouble or
// ours (RFC 5804, section 1.3).
func sieveVerdict(r sieve.Response) error {
	switch {
	case r.Status == "OK":
		return nil
	case r.Status == "NO" && r.Code == "":
		return fmt.Errorf("%w: %s", ErrRefused, sieveWords(r))
	}
	return errors.New(sieveWords(r))
}

func (d *sieveDialect) goodbye() string    { return "LOGOUT\r\n" }
func (d *sieveDialect) capability() string { return "" }

// offered are names, each with its value behind a space.
func (d *sieveDialect) offered() []string {
	var out []string
	for _, c := range d.list {
		switch c.Name {
		case "SASL", "STARTTLS", "UNAUTHENTICATE", "XCLIENT", "IMPLEMENTATION":
			continue
		}
		if c.HasValue {
			c.Name += " " + c.Value
		}
		out = append(out, c.Name)
	}
	return out
}

// command says a command and wants OK for an answer.
func (d *sieveDialect) command(t *talk, text string) error {
	if err := t.send(text + "\r\n"); err != nil {
		return err
	}
	r, err := receive(t, sieve.ReadResponse)
	if err != nil || r.Status == "OK" {
		return err
	}
	verb, _, _ := strings.Cut(text, " ")
	return fmt.Errorf("%s was answered by %s", verb, sieveWords(r))
}
