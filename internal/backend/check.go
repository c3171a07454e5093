package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/sasl"
)

// Finding is something about a backend that ought to be otherwise.
type Finding struct {
	ID       string   `json:"id"` // stable, for scripts
	Backend  string   `json:"backend"`
	Address  string   `json:"address"`
	Sentence string   `json:"sentence"`
	Fix      []string `json:"fix"` // lines to paste
}

// The findings' ids.
const (
	FindingAway      = "backend-away"
	FindingMechanism = "backend-mechanism"
	FindingClient    = "backend-client-address"
	FindingAround    = "around-the-gate"
	FindingSMTPAuth  = "around-the-gate-smtp-auth"
)

// CheckOptions say what Check looks at beside the backends' own endpoints.
type CheckOptions struct {
	// From is the address that doors around the gate are tried from; a backend's
	// own endpoint that can be reached from it is a finding too. Zero: the one
	// the kernel chooses, from where endpoints must be reachable.
	From netip.Addr
	// Hosts are further addresses of the backends' machines.
	Hosts []netip.Addr
	// Own are our own listeners, which are no findings. An unspecified address
	// stands for all of this machine's.
	Own []netip.AddrPort
}

const (
	lookTime  = 3 * time.Second // for one door; a firewall that drops answers nothing
	lookCount = 16              // doors tried at once
)

// Check tries every endpoint, and every door around the gate: the usual mail
// ports on every address of the backends' machines, IPv4 and IPv6. Where a
// backend is on loopback, that is this machine, with all its addresses. No
// secret is said to anybody.
func (p *Pool) Check(ctx context.Context, o CheckOptions) []Finding {
	var out []Finding
	for _, name := range p.names {
		b := p.backends[name]
		for _, proto := range protocol.All() {
			if s := b.servers[proto]; s != nil {
				out = append(out, s.check(ctx)...)
			}
		}
		out = append(out, b.around(ctx, o)...)
	}
	return out
}

// check tries one endpoint up to where credentials would be sent.
func (s *server) check(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, s.options.LoginTimeout)
	defer cancel()
	found := func(id, sentence string, fix ...string) Finding {
		return Finding{ID: id, Backend: s.options.Name, Address: s.endpoint.Address, Sentence: sentence, Fix: fix}
	}
	t, d, err := s.open(ctx, &Request{Protocol: s.protocol})
	if err != nil {
		return []Finding{found(FindingAway, fmt.Sprintf("%s at %s does not answer as it should: %v.", s.protocol.Row().Label, s.endpoint.Address, err), fixAway(err)...)}
	}
	_ = t.send(d.goodbye())
	t.abandon()
	var out []Finding
	mechanism := sasl.Plain
	if s.options.Login == LoginToken {
		mechanism = s.options.TokenMechanism
	}
	if !slices.Contains(d.mechanisms(), mechanism) {
		out = append(out, found(FindingMechanism, fmt.Sprintf("%s at %s does not offer %s, so nobody can be signed in there.", s.protocol.Row().Label, s.endpoint.Address, mechanism),
			"# Dovecot, conf.d/10-auth.conf:", "auth_mechanisms = plain login oauthbearer xoauth2", "disable_plaintext_auth = no   # only if this door is on loopback"))
	}
	if !s.passesClient(d) {
		out = append(out, found(FindingClient, fmt.Sprintf("%s at %s is not told where clients come from: its limits per address, its penalties and fail2ban would act on the gate.", s.protocol.Row().Label, s.endpoint.Address), s.fixClient()...))
	}
	return out
}

// passesClient says whether the server learns the client's address, as far as
// it can be seen from outside: Dovecot does not show in IMAP whom it trusts.
func (s *server) passesClient(d dialect) bool {
	switch d := d.(type) {
	case *imapDialect:
		return s.endpoint.Proxy > 0 || s.options.ID && d.caps.Has("ID")
	case *pop3Dialect:
		return s.endpoint.Proxy > 0 || s.options.ID && d.xclient
	case *sieveDialect:
		return s.endpoint.Proxy > 0 || s.options.ID && d.trusts()
	case *smtpDialect:
		return s.endpoint.Proxy > 0 || s.options.XCLIENT && d.xclient
	}
	return false
}

func (s *server) fixClient() []string {
	from := "127.0.0.1"
	if len(s.sources.addrs) > 0 {
		from = s.sources.addrs[0].String()
	}
	if s.protocol == protocol.Submission {
		return []string{"# Postfix, master.cf, at the submission service behind the gate:", "  -o smtpd_upstream_proxy_protocol=haproxy",
			"# Exim, main section, the gate's address:", "hosts_proxy = " + from, "# and proxy: 2 for this backend"}
	}
	return []string{"# Dovecot, the gate's address:", "login_trusted_networks = " + from, "# and id: true for this backend",
		"# Cyrus can only log it, for IMAP, with id: true: keep fail2ban from its log"}
}

func fixAway(err error) []string {
	var unknown *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		return []string{"# give the authority that signed the server's certificate, or the name that stands in it:", "tls: {ca: /etc/ssl/certs/backend-ca.pem, server_name: mail.example.org}"}
	case errors.Is(err, errNoTLS):
		return []string{"# Dovecot:", "ssl = required", "# Postfix:", "smtpd_tls_security_level = may"}
	}
	return nil
}

// door is a place where a mail server might let people in around the gate.
type door struct {
	addr     netip.AddrPort
	protocol protocol.Protocol
	tls      TLSKind
}

// usualDoors are the ports that mail servers listen on as installed.
var usualDoors = []door{
	{netip.AddrPortFrom(netip.Addr{}, 25), protocol.Submission, TLSNone}, {netip.AddrPortFrom(netip.Addr{}, 587), protocol.Submission, TLSNone},
	{netip.AddrPortFrom(netip.Addr{}, 465), protocol.Submission, TLSImplicit}, {netip.AddrPortFrom(netip.Addr{}, 143), protocol.IMAP, TLSNone},
	{netip.AddrPortFrom(netip.Addr{}, 993), protocol.IMAP, TLSImplicit}, {netip.AddrPortFrom(netip.Addr{}, 110), protocol.POP3, TLSNone},
	{netip.AddrPortFrom(netip.Addr{}, 995), protocol.POP3, TLSImplicit}, {netip.AddrPortFrom(netip.Addr{}, 4190), protocol.Sieve, TLSNone},
}

// around tries the doors and tells which let people in.
func (b *backend) around(ctx context.Context, o CheckOptions) []Finding {
	doors := b.doors(ctx, o)
	findings := make([]*Finding, len(doors))
	limit := make(chan struct{}, lookCount)
	var all sync.WaitGroup
	for i, d := range doors {
		limit <- struct{}{}
		all.Go(func() {
			defer func() { <-limit }()
			findings[i] = b.look(ctx, o.From, d)
		})
	}
	all.Wait()
	var out []Finding
	for _, f := range findings {
		if f != nil {
			out = append(out, *f)
		}
	}
	return out
}

// doors lists every door once, less our own and less the endpoints themselves,
// which must be open to us.
func (b *backend) doors(ctx context.Context, o CheckOptions) []door {
	hosts := slices.Clone(o.Hosts)
	endpoints := map[netip.AddrPort]door{}
	for proto, s := range b.servers {
		for _, a := range resolve(ctx, s.endpoint.Address) {
			endpoints[a] = door{a, proto, s.endpoint.TLS}
			if a.Addr().IsLoopback() {
				hosts = append(hosts, ownAddrs()...)
			} else {
				hosts = append(hosts, a.Addr())
			}
		}
	}
	slices.SortFunc(hosts, netip.Addr.Compare)
	var out []door
	for _, h := range slices.Compact(hosts) {
		for _, d := range b.doorsOf(h) {
			if _, ours := endpoints[d.addr]; (!ours || o.From.IsValid()) && !owned(o.Own, d.addr) && !(o.From.IsValid() && o.From.Is4() != h.Is4()) {
				out = append(out, d)
			}
		}
	}
	return out
}

// doorsOf are the usual ports of one address, and the endpoints' own ports,
// which may be open on more addresses than they should.
func (b *backend) doorsOf(h netip.Addr) []door {
	var out []door
	seen := map[uint16]bool{}
	for proto, s := range b.servers {
		_, service, _ := net.SplitHostPort(s.endpoint.Address)
		port, err := strconv.ParseUint(service, 10, 16)
		if err == nil && s.endpoint.Proxy == 0 && !seen[uint16(port)] { // a door that wants a PROXY header lets nobody else in
			seen[uint16(port)] = true
			out = append(out, door{netip.AddrPortFrom(h, uint16(port)), proto, s.endpoint.TLS})
		}
	}
	for _, d := range usualDoors {
		if !seen[d.addr.Port()] {
			out = append(out, door{netip.AddrPortFrom(h, d.addr.Port()), d.protocol, d.tls})
		}
	}
	return out
}

func owned(own []netip.AddrPort, a netip.AddrPort) bool {
	return slices.ContainsFunc(own, func(o netip.AddrPort) bool {
		return o == a || o.Port() == a.Port() && o.Addr().IsUnspecified()
	})
}

// ownAddrs are this machine's addresses, less those that nobody else can reach.
func ownAddrs() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(n.IP); ok && !ip.Unmap().IsLoopback() && !ip.IsLinkLocalUnicast() {
			out = append(out, ip.Unmap())
		}
	}
	return out
}

// look knocks at a door. Its certificate is not verified, since nothing secret
// is said and a door with a bad one lets people in all the same.
func (b *backend) look(ctx context.Context, from netip.Addr, d door) *Finding {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	options := &Options{Name: b.options.Name, DialTimeout: lookTime, Hello: b.options.Hello}
	s := &server{options: options, protocol: d.protocol, endpoint: Endpoint{Address: d.addr.String(), TLS: d.tls}, sources: &sources{},
		tls: &tls.Config{InsecureSkipVerify: true}}
	if d.tls == TLSStartTLS {
		s.endpoint.TLS = TLSNone
	}
	if from.IsValid() {
		s.sources.addrs = []netip.Addr{from}
	}
	t, talking, err := s.open(ctx, &Request{Protocol: d.protocol})
	if err != nil {
		return nil
	}
	defer t.abandon()
	if d.protocol == protocol.Submission && !offersAuth(t, talking, s.tls) {
		return nil // mail from outside comes in here
	}
	return b.aroundFinding(d)
}

// offersAuth looks in clear and, as many offer AUTH only there, in TLS.
func offersAuth(t *talk, d dialect, conf *tls.Config) bool {
	if len(d.mechanisms()) > 0 {
		return true
	}
	offers, err := d.offersTLS(t)
	if err != nil || !offers || t.tls != nil || d.startTLS(t) != nil || t.startTLS(conf) != nil || d.learn(t) != nil {
		return false
	}
	return len(d.mechanisms()) > 0
}

func (b *backend) aroundFinding(d door) *Finding {
	f := &Finding{ID: FindingAround, Backend: b.options.Name, Address: d.addr.String(),
		Sentence: fmt.Sprintf("%s can be reached at %s around the gate: whoever signs in there is judged by nobody.", d.protocol.Row().Label, d.addr), Fix: fixAround(d)}
	if d.protocol == protocol.Submission && d.addr.Port() == 25 {
		f.ID = FindingSMTPAuth
		f.Sentence = fmt.Sprintf("AUTH is offered at %s, the port for mail from outside: whoever signs in there is judged by nobody.", d.addr)
	}
	return f
}

// dovecotServices are the names of login services and their listeners.
var dovecotServices = map[protocol.Protocol][3]string{
	protocol.IMAP: {"imap-login", "imap", "imaps"}, protocol.POP3: {"pop3-login", "pop3", "pop3s"}, protocol.Sieve: {"managesieve-login", "sieve", "sieve_deprecated"},
}

func fixAround(d door) []string {
	if d.protocol == protocol.Submission {
		return []string{"# Postfix: AUTH nowhere but at the service behind the gate", "postconf -e smtpd_sasl_auth_enable=no", "# master.cf: delete the submission and submissions services, or bind them to the gate only:",
			"127.0.0.1:10587 inet n - y - - smtpd", "  -o smtpd_sasl_auth_enable=yes", "  -o smtpd_upstream_proxy_protocol=haproxy"}
	}
	n := dovecotServices[d.protocol]
	return []string{"# Dovecot, conf.d/10-master.conf: the gate's door only", "service " + n[0] + " {", "  inet_listener " + n[1] + " {", "    address = 127.0.0.1", "    port = 1" + fmt.Sprintf("%04d", d.protocol.Row().Port),
		"  }", "  inet_listener " + n[2] + " {", "    port = 0", "  }", "}"}
}
