// Package sieve is what ManageSieve says for itself before and at sign-in
// (RFC 5804). It translates and holds no rule.
package sieve

import (
	"context"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/line"
	wire "github.com/portreeve/portreeve/internal/wire/sieve"
	"github.com/portreeve/portreeve/internal/wire/smtp"
)

type dialect struct {
	c    *proxy.Conn
	line *line.Reader
	r    *wire.Reader
	mech string // of the credential shown
}

// New makes the dialect of one connection.
func New(c *proxy.Conn) proxy.Dialect {
	l := line.New(c, line.Limits{})
	return &dialect{c: c, line: l, r: wire.NewReader(l)}
}

// Greet sends the capabilities, as the protocol's greeting is.
func (d *dialect) Greet() error { return d.list("Portreeve ready") }

func (d *dialect) list(text string) error {
	return d.c.WriteString(wire.Capabilities(d.capabilities()...) + wire.OK("", text))
}

// replaced are the backend's capabilities that we answer for.
var replaced = []string{"IMPLEMENTATION", "SASL", "STARTTLS", "UNAUTHENTICATE", "VERSION", "XCLIENT"}

// capabilities are the backend's, less what we replace. A capability travels
// here as its name and, behind a space, its value.
func (d *dialect) capabilities() []wire.Capability {
	caps := []wire.Capability{
		{Name: "IMPLEMENTATION", Value: "Portreeve", HasValue: true},
		{Name: "SASL", Value: strings.Join(d.c.Mechanisms(), " "), HasValue: true},
	}
	for _, c := range d.c.Capabilities() {
		name, value, has := strings.Cut(c, " ")
		if !slices.Contains(replaced, strings.ToUpper(name)) {
			caps = append(caps, wire.Capability{Name: name, Value: value, HasValue: has})
		}
	}
	if d.c.CanStartTLS() {
		caps = append(caps, wire.Capability{Name: "STARTTLS"})
	}
	return append(caps, wire.Capability{Name: "VERSION", Value: "1.0", HasValue: true})
}

// ReadCredential answers commands until one shows a credential.
func (d *dialect) ReadCredential(ctx context.Context) (signin.Credential, error) {
	return d.c.Listen(proxy.Talk{
		Next: func() (cred signin.Credential, shown bool, err error) {
			name, err := d.r.Next()
			if err != nil {
				return cred, false, err
			}
			return d.command(ctx, name)
		},
		Bad: func(err error) error { return d.c.WriteString(wire.No("", err.Error())) },
		Bye: func(err error) error { return d.c.WriteString(wire.Bye("", err.Error())) },
	})
}

func (d *dialect) bad(code, text string) error {
	if err := d.c.WriteString(wire.No(code, text)); err != nil {
		return err
	}
	return d.c.Bad()
}

func (d *dialect) command(ctx context.Context, name string) (cred signin.Credential, shown bool, err error) {
	switch name {
	case "CAPABILITY":
		return cred, false, d.list("Done")
	case "NOOP":
		return cred, false, d.noop()
	case "LOGOUT":
		_ = d.c.WriteString(wire.OK("", "Goodbye"))
		return cred, false, proxy.ErrClientLeft
	case "STARTTLS":
		return cred, false, d.startTLS(ctx)
	case "XCLIENT":
		return cred, false, d.xclient()
	case "AUTHENTICATE":
		if !d.c.PasswordsAllowed() {
			// Refused before a response is asked for, so that no secret crosses in the clear (RFC 8314).
			return cred, false, d.bad("ENCRYPT-NEEDED", "Encryption first: use STARTTLS")
		}
		mech, initial, err := d.r.Authenticate()
		if err != nil {
			return cred, false, err
		}
		d.mech = mech
		cred, err = d.c.Exchange(mech, initial, d.challenge)
		return cred, err == nil, err
	}
	return cred, false, d.bad("", "Sign in first")
}

// noop gives a tag back (RFC 5804, section 2.13).
func (d *dialect) noop() error {
	if !d.r.More() {
		return d.c.WriteString(wire.OK("", "Done"))
	}
	tag, err := d.r.String(line.MaxLine)
	if err != nil {
		return err
	}
	return d.c.WriteString(wire.OK(wire.Code("TAG", string(tag)), "Done"))
}

func (d *dialect) startTLS(ctx context.Context) error {
	if !d.c.CanStartTLS() {
		return d.bad("", "TLS is not to be had here, or spoken already")
	}
	if err := d.r.End(); err != nil {
		return err
	}
	if len(d.line.Buffered()) > 0 {
		return proxy.ErrInjected
	}
	if err := d.c.WriteString(wire.OK("", "Begin TLS")); err != nil {
		return err
	}
	d.c.Hints = signin.Hints{}
	if err := d.c.StartTLS(ctx); err != nil {
		return err
	}
	return d.list("TLS begun") // RFC 5804, section 2.2: the list is issued again
}

// xclient takes the browser's address from a forwarder that may pass it so.
func (d *dialect) xclient() error {
	if !d.c.Forwarder().Passes(proxy.PassXCLIENT) {
		return d.bad("", "Sign in first")
	}
	fields, err := line.Fields(d.r.Rest())
	if err != nil {
		return err
	}
	if addr, ok := smtp.ClientAddr(fields); ok {
		d.c.Forwarded(proxy.PassXCLIENT, addr)
	}
	return d.c.WriteString(wire.OK("", "Noted"))
}

// challenge sends a challenge and reads its answer.
func (d *dialect) challenge(challenge []byte) ([]byte, error) {
	if err := d.c.WriteString(wire.Challenge(string(challenge))); err != nil {
		return nil, err
	}
	return d.r.Response()
}

// Refuse tells a refusal (RFC 5804, section 1.3).
func (d *dialect) Refuse(r signin.Reply) error {
	if err := d.c.ErrorChallenge(d.mech, r, d.challenge); err != nil {
		return err
	}
	if r.Tone == signin.Trouble {
		return d.c.WriteString(wire.No("TRYLATER", r.Text))
	}
	return d.c.WriteString(wire.No("", r.Text))
}

// Accept lets the program in. Programs that want the new list ask for it.
func (d *dialect) Accept(*backend.Conn) error { return d.c.WriteString(wire.OK("", "Signed in")) }

// Buffered are the bytes behind the sign-in.
func (d *dialect) Buffered() []byte { return d.line.Buffered() }

// Goodbye says why we hang up.
func (d *dialect) Goodbye(why string) error { return d.c.WriteString(wire.Bye("", why)) }

// Filter keeps the program in the session that was judged.
func (d *dialect) Filter(*backend.Conn) (fromClient, fromBackend func([]byte)) {
	return new(wire.Filter).FromClient, nil
}
