package importer

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// postfix reads smtpd's lines. Postfix tells of a successful sign-in only with
// the mails sent after it, once for each; the first on a connection counts.
type postfix struct {
	processes map[string]process
}

// process is what is known of the connection that an smtpd process serves.
type process struct {
	signed string // the sign-in already told of
	tls    uint16
}

func (p *postfix) parse(l line) (*record, error) {
	if l.program != "smtpd" && !strings.HasSuffix(l.program, "/smtpd") || l.pid == "" {
		return nil, nil
	}
	key := l.program + "[" + l.pid + "]"
	message := l.message
	switch {
	case strings.HasPrefix(message, "connect from "), strings.HasPrefix(message, "disconnect from "):
		delete(p.processes, key)
		return nil, nil
	}
	if _, rest, ok := strings.Cut(message, " TLS connection established from "); ok {
		now := p.processes[key]
		if _, version, ok := strings.Cut(rest, "]: "); ok {
			now.tls = tlsVersion(version)
			p.keep(key, now)
		}
		return nil, nil
	}
	if rest, ok := strings.CutPrefix(message, "warning: "); ok {
		return p.failure(key, rest)
	}
	return p.success(key, message)
}

func (p *postfix) keep(key string, now process) {
	if len(p.processes) >= maxNotes {
		clear(p.processes)
	}
	p.processes[key] = now
}

// failure reads "host[192.0.2.1]: SASL PLAIN authentication failed: reason, sasl_username=mary".
func (p *postfix) failure(key, message string) (*record, error) {
	client, rest, ok := strings.Cut(message, ": SASL ")
	if !ok {
		return nil, nil
	}
	mechanism, reason, ok := strings.Cut(rest, " authentication failed")
	if !ok || strings.ContainsRune(mechanism, ' ') {
		return nil, nil // "authentication aborted" showed nothing
	}
	r := &record{protocol: protocol.Submission, mechanism: strings.ToUpper(mechanism), code: signin.ObservedRefusal, tls: p.processes[key].tls}
	reason = strings.TrimPrefix(reason, ": ")
	reason, r.typed, _ = strings.Cut(reason, ", sasl_username=")
	if !challenge(reason) {
		r.detail = excerpt(reason)
	}
	return r, r.from(client)
}

// challenge says that the reason is only the last challenge in base64, which
// Postfix prints when the client gave up ("UGFzc3dvcmQ6" is "Password:").
func challenge(reason string) bool {
	return reason != "" && !strings.ContainsAny(reason, " ()")
}

// success reads "4F1: client=host[192.0.2.1], sasl_method=PLAIN, sasl_username=mary".
func (p *postfix) success(key, message string) (*record, error) {
	_, rest, ok := strings.Cut(message, ": client=")
	if !ok {
		return nil, nil
	}
	client, rest, ok := strings.Cut(rest, ", sasl_method=")
	if !ok {
		return nil, nil
	}
	mechanism, user, ok := strings.Cut(rest, ", sasl_username=")
	if !ok {
		return nil, nil
	}
	if i := strings.LastIndex(user, ", sasl_sender="); i >= 0 {
		user = user[:i]
	}
	now := p.processes[key]
	told := client + " " + mechanism + " " + user
	if now.signed == told {
		return nil, nil
	}
	now.signed = told
	p.keep(key, now)
	r := &record{protocol: protocol.Submission, mechanism: strings.ToUpper(mechanism), typed: user, success: true, tls: now.tls}
	return r, r.from(client)
}

// from reads name[address], with smtpd_client_port_logging name[address]:port.
func (r *record) from(client string) error {
	open, end := strings.LastIndexByte(client, '['), strings.LastIndexByte(client, ']')
	if open < 0 || end < open {
		return errors.New("the line has no client address in brackets")
	}
	addr, err := netip.ParseAddr(client[open+1 : end])
	if err != nil {
		return errors.New("the client's address is unknown")
	}
	r.addr = addr.Unmap()
	if port, ok := strings.CutPrefix(client[end+1:], ":"); ok {
		n, _ := strconv.ParseUint(port, 10, 16)
		r.port = uint16(n)
	}
	return nil
}
