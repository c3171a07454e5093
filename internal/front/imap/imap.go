// Package imap is what IMAP says for itself before and at sign-in (RFC 9051,
// RFC 3501). It translates: commands become a credential, an outcome becomes
// a tagged reply in the words that mail programs show. It holds no rule.
package imap

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/sasl"
	"github.com/portreeve/portreeve/internal/signin"
	wire "github.com/portreeve/portreeve/internal/wire/imap"
	"github.com/portreeve/portreeve/internal/wire/line"
)

// dialect is one connection's IMAP.
type dialect struct {
	c    *proxy.Conn
	line *line.Reader
	r    *wire.Reader
	tag  string // of the command that showed the credential
	mech string // of the credential shown
}

// New makes the dialect of one connection.
func New(c *proxy.Conn) proxy.Dialect {
	d := &dialect{c: c, line: line.New(c, line.Limits{})}
	d.r = wire.NewReader(d.line, func() error { return c.WriteString(wire.Continue("go on")) })
	return d
}

// Greet sends the greeting with what can be done before sign-in.
func (d *dialect) Greet() error {
	return d.c.WriteString(wire.OK(wire.Untagged, wire.CapabilityCode(d.capabilities()), "Portreeve ready"))
}

// capabilities is the short list before sign-in; the tagged OK carries the backend's.
func (d *dialect) capabilities() string {
	caps := []string{"IMAP4rev1", "SASL-IR", "LITERAL+", "ID"}
	if d.c.CanStartTLS() {
		caps = append(caps, "STARTTLS")
	}
	if !d.c.PasswordsAllowed() {
		return strings.Join(append(caps, "LOGINDISABLED"), " ")
	}
	for _, m := range d.c.Mechanisms() {
		caps = append(caps, "AUTH="+m)
	}
	return strings.Join(caps, " ")
}

// ReadCredential answers commands until one shows a credential.
func (d *dialect) ReadCredential(ctx context.Context) (signin.Credential, error) {
	tag := wire.Untagged
	return d.c.Listen(proxy.Talk{
		Next: func() (cred signin.Credential, shown bool, err error) {
			cmd, err := d.r.Next()
			tag = cmp.Or(cmd.Tag, wire.Untagged)
			if err != nil {
				return cred, false, err
			}
			return d.command(ctx, cmd)
		},
		Bad: func(err error) error { return d.c.WriteString(wire.Bad(tag, err.Error())) },
		Bye: func(err error) error { return d.c.WriteString(wire.Bye("", err.Error())) },
	})
}

// command answers one command; shown says that cred is a credential to judge.
func (d *dialect) command(ctx context.Context, cmd wire.Command) (cred signin.Credential, shown bool, err error) {
	switch cmd.Name {
	case "CAPABILITY":
		return cred, false, d.c.WriteString(wire.Capability(d.capabilities()) + wire.OK(cmd.Tag, "", "Done"))
	case "NOOP":
		return cred, false, d.c.WriteString(wire.OK(cmd.Tag, "", "Done"))
	case "LOGOUT":
		_ = d.c.WriteString(wire.Bye("", "Goodbye") + wire.OK(cmd.Tag, "", "Done"))
		return cred, false, proxy.ErrClientLeft
	case "ID":
		return cred, false, d.id(cmd)
	case "STARTTLS":
		return cred, false, d.startTLS(ctx, cmd)
	case "LOGIN", "AUTHENTICATE":
		if !d.c.PasswordsAllowed() {
			// Refused before a literal or continuation is asked for, so that no secret crosses in the clear (RFC 8314).
			if err := d.c.WriteString(wire.No(cmd.Tag, "PRIVACYREQUIRED", "Encryption first: use STARTTLS or the TLS port")); err != nil {
				return cred, false, err
			}
			return cred, false, d.c.Bad()
		}
		d.tag = cmd.Tag
		if cmd.Name == "LOGIN" {
			return d.login()
		}
		return d.authenticate()
	}
	if err := d.c.WriteString(wire.Bad(cmd.Tag, "Sign in first")); err != nil {
		return cred, false, err
	}
	return cred, false, d.c.Bad()
}

// startTLS answers before the handshake and takes nothing that was sent behind
// the command: it could only be an injection (RFC 9051, section 11.1).
func (d *dialect) startTLS(ctx context.Context, cmd wire.Command) error {
	if !d.c.CanStartTLS() {
		if err := d.c.WriteString(wire.Bad(cmd.Tag, "TLS is not to be had here, or spoken already")); err != nil {
			return err
		}
		return d.c.Bad()
	}
	if err := d.r.End(); err != nil {
		return err
	}
	if len(d.line.Buffered()) > 0 {
		return proxy.ErrInjected
	}
	if err := d.c.WriteString(wire.OK(cmd.Tag, "", "Begin TLS")); err != nil {
		return err
	}
	if err := d.c.StartTLS(ctx); err != nil {
		return err
	}
	d.c.Hints = signin.Hints{} // what was said in the clear may have been said by anybody
	return nil
}

// id reads what the program says of itself (RFC 2971), and from a configured
// forwarder the browser's address.
func (d *dialect) id(cmd wire.Command) error {
	pairs, err := d.r.ID()
	if err != nil {
		return err
	}
	var ip netip.Addr
	var port uint16
	d.c.Hints.IMAPID = slices.DeleteFunc(pairs, func(p signin.Pair) bool {
		switch p.Key {
		case "x-originating-ip":
			ip, _ = netip.ParseAddr(p.Value)
		case "x-originating-port":
			n, _ := strconv.ParseUint(p.Value, 10, 16)
			port = uint16(n)
		}
		return strings.HasPrefix(p.Key, "x-")
	})
	d.c.Forwarded(proxy.PassID, netip.AddrPortFrom(ip, port))
	return d.c.WriteString("* ID " + wire.IDList("name", "Portreeve") + "\r\n" + wire.OK(cmd.Tag, "", "Done"))
}

func (d *dialect) login() (cred signin.Credential, shown bool, err error) {
	name, err := d.r.Astring(wire.MaxLiteral)
	if err != nil {
		return cred, false, err
	}
	secret, err := d.r.Astring(wire.MaxLiteral)
	if err != nil {
		return cred, false, err
	}
	if err := d.r.End(); err != nil {
		return cred, false, err
	}
	d.mech = "LOGIN"
	cred, err = sasl.Password(d.mech, name, secret)
	clear(secret)
	return cred, err == nil, err
}

func (d *dialect) authenticate() (cred signin.Credential, shown bool, err error) {
	mech, initial, err := d.r.Authenticate()
	if err != nil {
		return cred, false, err
	}
	d.mech = mech
	cred, err = d.c.Exchange(mech, initial, d.challenge)
	if err == nil && cred.Kind == policy.CredentialUnknown {
		err = sasl.ErrMalformed
	}
	return cred, err == nil, err
}

// challenge sends a challenge and reads its answer.
func (d *dialect) challenge(challenge []byte) ([]byte, error) {
	if err := d.c.WriteString("+ " + string(challenge) + "\r\n"); err != nil {
		return nil, err
	}
	return d.r.Response()
}

// Refuse tells a refusal (clients.md of the reference: these are the words that programs show).
func (d *dialect) Refuse(r signin.Reply) error {
	if err := d.c.ErrorChallenge(d.mech, r, d.challenge); err != nil {
		return err
	}
	switch r.Tone {
	case signin.Early:
		text := wire.No(d.tag, d.c.Settings().IMAPEarlyCode, r.Text)
		if d.c.Settings().Alert {
			text = wire.No(wire.Untagged, "ALERT", r.Text) + text
		}
		return d.c.WriteString(text)
	case signin.Uniform:
		return d.c.WriteString(wire.No(d.tag, "AUTHENTICATIONFAILED", r.Text))
	}
	return d.c.WriteString(wire.No(d.tag, "UNAVAILABLE", r.Text))
}

// Accept lets the program in, with what the backend can do.
func (d *dialect) Accept(b *backend.Conn) error {
	code := ""
	if b.Capability != "" {
		code = wire.CapabilityCode(b.Capability)
	}
	return d.c.WriteString(wire.OK(d.tag, code, "Signed in"))
}

// Buffered are the bytes behind the sign-in.
func (d *dialect) Buffered() []byte { return d.line.Buffered() }

// Goodbye is IMAP's BYE.
func (d *dialect) Goodbye(why string) error { return d.c.WriteString(wire.Bye("", why)) }

// Peek looks for an ID among the first commands after sign-in.
func (d *dialect) Peek(l proxy.Learner) relay.Peeker { return &peek{tell: l} }

type peek struct {
	id   wire.PeekID
	tell proxy.Learner
}

func (p *peek) Peek(b []byte) (more bool) {
	pairs, more := p.id.Feed(b)
	if pairs != nil {
		p.tell.Learn(signin.Hints{IMAPID: pairs})
	}
	return more
}
