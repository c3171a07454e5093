// Package submission is what SMTP submission says for itself before and at
// sign-in (RFC 6409, RFC 5321, RFC 4954, RFC 3207). It translates and holds no
// rule. Nothing that carries mail is taken before sign-in.
package submission

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/line"
	wire "github.com/portreeve/portreeve/internal/wire/smtp"
)

type dialect struct {
	c       *proxy.Conn
	line    *line.Reader
	r       *wire.Reader
	greeted bool   // EHLO or HELO was said since the connection, TLS or XCLIENT began
	mech    string // of the credential shown
	// refusal, if set, is an early refusal that is told at MAIL FROM: AUTH
	// seemed to succeed, because that is the only place where some programs
	// show their user a text.
	refusal string
}

// New makes the dialect of one connection.
func New(c *proxy.Conn) proxy.Dialect {
	l := line.New(c, line.Limits{})
	return &dialect{c: c, line: l, r: wire.NewReader(l)}
}

// errChunk ends a connection that sends mail without asking.
var errChunk = errors.New("BDAT before sign-in")

// Greet sends the banner.
func (d *dialect) Greet() error {
	return d.c.WriteString(wire.Line(220, "", d.c.Settings().Hostname+" ESMTP Portreeve"))
}

// ReadCredential answers commands until one shows a credential.
func (d *dialect) ReadCredential(ctx context.Context) (signin.Credential, error) {
	return d.c.Listen(proxy.Talk{
		Next: func() (cred signin.Credential, shown bool, err error) {
			cmd, err := d.r.Next()
			if err != nil {
				return cred, false, err
			}
			return d.command(ctx, cmd)
		},
		Bad: func(err error) error {
			code := 500
			if proxy.SASLFault(err) {
				code = 501 // a parameter, RFC 4954 section 4
			}
			return d.c.WriteString(wire.Line(code, "5.5.2", err.Error()))
		},
		Bye: func(err error) error { return d.c.WriteString(wire.Line(421, "4.7.0", err.Error())) },
	})
}

func (d *dialect) bad(code int, enhanced, text string) error {
	if err := d.c.WriteString(wire.Line(code, enhanced, text)); err != nil {
		return err
	}
	return d.c.Bad()
}

func (d *dialect) command(ctx context.Context, cmd wire.Command) (cred signin.Credential, shown bool, err error) {
	switch cmd.Name {
	case "EHLO", "LHLO", "HELO":
		return cred, false, d.hello(cmd)
	case "NOOP", "RSET":
		return cred, false, d.c.WriteString(wire.Line(250, "2.0.0", "Done"))
	case "QUIT":
		_ = d.c.WriteString(wire.Line(221, "2.0.0", "Goodbye"))
		return cred, false, proxy.ErrClientLeft
	case "STARTTLS":
		return cred, false, d.startTLS(ctx, cmd)
	case "AUTH":
		return d.auth(cmd)
	case "XCLIENT":
		return cred, false, d.xclient(cmd)
	}
	return cred, false, d.other(cmd)
}

// other refuses what has no place before sign-in.
func (d *dialect) other(cmd wire.Command) error {
	switch {
	case cmd.Name == "MAIL" && d.refusal != "":
		return d.bad(550, "5.7.1", d.refusal)
	case cmd.Name == "BDAT": // its chunk follows unasked
		_ = d.c.WriteString(wire.Line(530, "5.7.0", "Sign in first"))
		return errChunk
	case cmd.Mail():
		return d.bad(530, "5.7.0", "Sign in first")
	case cmd.Name == "VRFY" || cmd.Name == "EXPN" || cmd.Name == "HELP":
		return d.bad(502, "5.5.1", "Not here")
	}
	return d.bad(502, "5.5.2", "Unknown command")
}

func (d *dialect) hello(cmd wire.Command) error {
	name, err := cmd.Hello()
	if err != nil {
		return d.bad(501, "5.5.4", "Say who you are: EHLO name")
	}
	d.c.Hints.EHLO = name
	if cmd.Name == "LHLO" {
		return d.bad(502, "5.5.1", "This is no LMTP")
	}
	d.greeted = true // HELO too: Roundcube says it behind XCLIENT, and scanners do
	if cmd.Name == "HELO" {
		return d.c.WriteString(wire.Line(250, "", d.c.Settings().Hostname))
	}
	return d.c.WriteString(wire.Line(250, "", append([]string{d.c.Settings().Hostname}, d.extensions()...)...))
}

// extensions are the backend's, less what we replace.
func (d *dialect) extensions() []string {
	ext := []string(wire.Extensions(d.c.Capabilities()).Without("AUTH", "STARTTLS", "XCLIENT", "XFORWARD"))
	if d.c.CanStartTLS() {
		ext = append(ext, "STARTTLS")
	}
	if mechs := d.c.Mechanisms(); len(mechs) > 0 {
		ext = append(ext, "AUTH "+strings.Join(mechs, " "))
	}
	if d.c.Forwarder().Passes(proxy.PassXCLIENT) {
		ext = append(ext, "XCLIENT ADDR PORT")
	}
	return ext
}

func (d *dialect) startTLS(ctx context.Context, cmd wire.Command) error {
	switch {
	case !d.c.CanStartTLS():
		return d.bad(503, "5.5.1", "TLS is not to be had here, or spoken already")
	case len(cmd.Arg) > 0:
		return d.bad(501, "5.5.4", "STARTTLS takes no parameters")
	case len(d.line.Buffered()) > 0:
		return proxy.ErrInjected
	}
	if err := d.c.WriteString(wire.Line(220, "2.0.0", "Begin TLS")); err != nil {
		return err
	}
	d.greeted, d.c.Hints = false, signin.Hints{} // RFC 3207, section 4.2: nothing said before counts
	return d.c.StartTLS(ctx)
}

func (d *dialect) auth(cmd wire.Command) (cred signin.Credential, shown bool, err error) {
	switch {
	case d.refusal != "":
		return cred, false, d.bad(503, "5.5.1", "Signed in already")
	case !d.c.PasswordsAllowed():
		// Refused before a response is asked for, so that no secret crosses in the clear (RFC 8314).
		return cred, false, d.bad(538, "5.7.11", "Encryption first: use STARTTLS or the TLS port")
	case !d.greeted:
		return cred, false, d.bad(503, "5.5.1", "EHLO first")
	}
	mech, initial, err := cmd.Auth()
	if err != nil {
		return cred, false, err
	}
	if !slices.Contains(d.c.Mechanisms(), mech) {
		return cred, false, d.bad(504, "5.5.4", "Unknown mechanism")
	}
	d.mech = mech
	cred, err = d.c.Exchange(mech, initial, d.challenge)
	return cred, err == nil, err
}

func (d *dialect) challenge(challenge []byte) ([]byte, error) {
	if err := d.c.WriteString("334 " + string(challenge) + "\r\n"); err != nil {
		return nil, err
	}
	return d.r.Response()
}

// xclient takes the browser's address from a forwarder that may pass it so,
// and begins the session anew (Postfix's XCLIENT_README).
func (d *dialect) xclient(cmd wire.Command) error {
	if !d.c.Forwarder().Passes(proxy.PassXCLIENT) {
		return d.bad(550, "5.7.0", "Not for you")
	}
	fields, err := line.Fields(cmd.Arg)
	if err != nil {
		return d.bad(501, "5.5.4", err.Error())
	}
	if addr, ok := wire.ClientAddr(fields); ok {
		d.c.Forwarded(proxy.PassXCLIENT, addr)
	}
	d.greeted = false
	return d.Greet()
}

// Refuse tells a refusal (RFC 4954, section 6).
func (d *dialect) Refuse(r signin.Reply) error {
	if err := d.c.ErrorChallenge(d.mech, r, d.challenge); err != nil {
		return err
	}
	switch {
	case r.Tone == signin.Trouble:
		return d.c.WriteString(wire.Line(454, "4.7.0", r.Text))
	case r.Tone == signin.Early && d.c.Settings().RefuseAtMail:
		d.refusal = r.Text
		return d.c.WriteString(wire.Line(235, "2.7.0", "Go on"))
	}
	return d.c.WriteString(wire.Line(535, cmp.Or(d.c.Settings().SMTPCode, "5.7.8"), r.Text))
}

// Accept lets the program in.
func (d *dialect) Accept(*backend.Conn) error {
	return d.c.WriteString(wire.Line(235, "2.7.0", "Signed in"))
}

// Buffered are the bytes behind the sign-in.
func (d *dialect) Buffered() []byte { return d.line.Buffered() }

// Goodbye says why we hang up.
func (d *dialect) Goodbye(why string) error {
	return d.c.WriteString(wire.Line(421, "4.7.0", why))
}

// Filter keeps XCLIENT from the client's hands where the backend would take it
// from this connection: relayed, it would make everyone anyone. And STARTTLS,
// where the connection to the backend has no TLS yet: a server forgets the
// sign-in with it (RFC 3207, section 4.2; Postfix and Exim do, whether or not
// they offered it), so that somebody whom nobody judged could sign in behind it,
// unseen.
func (d *dialect) Filter(b *backend.Conn) (fromClient, fromBackend func([]byte)) {
	if !b.XCLIENT && b.TLS != nil {
		return nil, nil
	}
	f := wire.NewCommandFilter(b.Chunking)
	return f.FromClient, f.FromServer
}
