// Package pop3 is what POP3 says for itself before and at sign-in (RFC 1939,
// RFC 2449, RFC 5034, RFC 2595). It translates and holds no rule.
package pop3

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/sasl"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/line"
	wire "github.com/portreeve/portreeve/internal/wire/pop3"
	"github.com/portreeve/portreeve/internal/wire/smtp"
)

type dialect struct {
	c    *proxy.Conn
	line *line.Reader
	r    *wire.Reader
	user []byte // from USER, until PASS
	mech string // of the credential shown
}

// New makes the dialect of one connection.
func New(c *proxy.Conn) proxy.Dialect {
	l := line.New(c, line.Limits{BareLF: true}) // old programs end lines so
	return &dialect{c: c, line: l, r: wire.NewReader(l)}
}

// Greet sends the banner. It has no timestamp: APOP would need the password itself.
func (d *dialect) Greet() error { return d.c.WriteString(wire.OK("Portreeve ready")) }

// ReadCredential answers commands until one shows a credential.
func (d *dialect) ReadCredential(ctx context.Context) (signin.Credential, error) {
	say := func(err error) error { return d.c.WriteString(wire.Err("", err.Error())) }
	return d.c.Listen(proxy.Talk{Bad: say, Bye: say, Next: func() (cred signin.Credential, shown bool, err error) {
		cmd, err := d.r.Next()
		if err != nil {
			return cred, false, err
		}
		return d.command(ctx, cmd)
	}})
}

func (d *dialect) bad(text string) error {
	if err := d.c.WriteString(wire.Err("", text)); err != nil {
		return err
	}
	return d.c.Bad()
}

func (d *dialect) command(ctx context.Context, cmd wire.Command) (cred signin.Credential, shown bool, err error) {
	switch cmd.Name {
	case "CAPA":
		return cred, false, d.c.WriteString(wire.List("Capabilities", d.capabilities()...))
	case "QUIT":
		_ = d.c.WriteString(wire.OK("Goodbye"))
		return cred, false, proxy.ErrClientLeft
	case "NOOP":
		return cred, false, d.c.WriteString(wire.OK("Done"))
	case "STLS":
		return cred, false, d.startTLS(ctx)
	case "XCLIENT":
		return cred, false, d.xclient(cmd)
	case "USER", "PASS", "AUTH":
		return d.secret(cmd)
	}
	return cred, false, d.bad("Sign in first")
}

// secret is every command on the way to a credential. Without TLS it is
// refused before anything secret is asked for (RFC 8314, section 4).
func (d *dialect) secret(cmd wire.Command) (cred signin.Credential, shown bool, err error) {
	if !d.c.PasswordsAllowed() {
		return cred, false, d.bad("Encryption first: use STLS or the TLS port")
	}
	switch cmd.Name {
	case "USER":
		d.user = slices.Clone(cmd.Word())
		return cred, false, d.c.WriteString(wire.OK("Go on"))
	case "PASS":
		if len(d.user) == 0 {
			return cred, false, d.bad("USER comes first")
		}
		d.mech = "USER"
		cred, err = sasl.Password(d.mech, d.user, cmd.Arg)
		d.user = nil
		return cred, err == nil, err
	}
	mech, initial, err := cmd.Auth()
	if err != nil {
		return cred, false, err
	}
	if mech == "" {
		return cred, false, d.c.WriteString(wire.List("Mechanisms", d.c.Mechanisms()...))
	}
	d.mech = mech
	cred, err = d.c.Exchange(mech, initial, d.challenge)
	return cred, err == nil, err
}

func (d *dialect) challenge(challenge []byte) ([]byte, error) {
	if err := d.c.WriteString(wire.Challenge(string(challenge))); err != nil {
		return nil, err
	}
	return d.r.Response()
}

// capabilities are the backend's, less what we replace.
func (d *dialect) capabilities() []string {
	caps := slices.DeleteFunc(slices.Clone(d.c.Capabilities()), func(c string) bool {
		word, _, _ := strings.Cut(strings.ToUpper(c), " ")
		return slices.Contains([]string{"SASL", "USER", "STLS", "APOP", "XCLIENT", "RESP-CODES", "AUTH-RESP-CODE", "IMPLEMENTATION"}, word)
	})
	caps = append(caps, "RESP-CODES", "AUTH-RESP-CODE")
	if d.c.CanStartTLS() {
		caps = append(caps, "STLS")
	}
	if mechs := d.c.Mechanisms(); len(mechs) > 0 {
		caps = append(caps, "USER", "SASL "+strings.Join(mechs, " "))
	}
	return caps
}

func (d *dialect) startTLS(ctx context.Context) error {
	if !d.c.CanStartTLS() {
		return d.bad("TLS is not to be had here, or spoken already")
	}
	if len(d.line.Buffered()) > 0 {
		return proxy.ErrInjected
	}
	if err := d.c.WriteString(wire.OK("Begin TLS")); err != nil {
		return err
	}
	d.user, d.c.Hints = nil, signin.Hints{}
	return d.c.StartTLS(ctx)
}

// xclient takes the browser's address from a forwarder that may pass it so.
func (d *dialect) xclient(cmd wire.Command) error {
	if !d.c.Forwarder().Passes(proxy.PassXCLIENT) {
		return d.bad("Sign in first")
	}
	fields, err := line.Fields(cmd.Arg)
	if err != nil {
		return err
	}
	if addr, ok := smtp.ClientAddr(fields); ok {
		d.c.Forwarded(proxy.PassXCLIENT, addr)
	}
	return d.c.WriteString(wire.OK("Noted"))
}

// Refuse tells a refusal in RFC 3206's codes.
func (d *dialect) Refuse(r signin.Reply) error {
	if err := d.c.ErrorChallenge(d.mech, r, d.challenge); err != nil {
		return err
	}
	code := "SYS/TEMP"
	switch r.Tone {
	case signin.Early:
		code = cmp.Or(d.c.Settings().POP3EarlyCode, "SYS/PERM")
	case signin.Uniform:
		code = "AUTH"
	}
	return d.c.WriteString(wire.Err(code, r.Text))
}

// Accept lets the program in.
func (d *dialect) Accept(*backend.Conn) error { return d.c.WriteString(wire.OK("Signed in")) }

// Buffered are the bytes behind the sign-in.
func (d *dialect) Buffered() []byte { return d.line.Buffered() }

// Goodbye says why we hang up.
func (d *dialect) Goodbye(why string) error { return d.c.WriteString(wire.Err("", why)) }
