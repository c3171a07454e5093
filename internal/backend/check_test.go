package backend

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
)

func findings(p *Pool, o CheckOptions) map[string][]Finding {
	out := map[string][]Finding{}
	for _, f := range p.Check(context.Background(), o) {
		out[f.ID] = append(out[f.ID], f)
	}
	return out
}

func TestCheckOfBackendsAsTheyShouldBe(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Trusted: true})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	p, err := New([]Options{
		{Name: "dovecot", ID: true, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAP, TLS: TLSNone},
			protocol.POP3: {Address: d.POP3, TLS: TLSNone}, protocol.Sieve: {Address: d.Sieve, TLS: TLSStartTLS, RootCAs: d.Authority.Pool()}}},
		{Name: "postfix", Endpoints: map[protocol.Protocol]Endpoint{protocol.Submission: {Address: postfix.SubmissionProxy, TLS: TLSNone, Proxy: 2}}},
	}, Routes{})
	if err != nil {
		t.Fatal(err)
	}
	for id, list := range findings(p, CheckOptions{}) {
		t.Errorf("%s: %+v", id, list)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	deaf := startFake(t, nil, "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hello", "silence")
	for name, tt := range map[string]struct {
		options Options
		id, fix string
	}{
		"down":              {Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: "127.0.0.1:1", TLS: TLSNone}}, ID: true}, FindingAway, ""},
		"unknown authority": {Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAPS}}, ID: true}, FindingAway, "backend-ca.pem"},
		"no PLAIN":          {Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: deaf.address, TLS: TLSNone}}, ID: true}, FindingMechanism, "auth_mechanisms"},
		"IMAP without ID":   {Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAP, TLS: TLSNone}}}, FindingClient, "login_trusted_networks = 127.0.0.1"},
		"POP3 not trusted":  {Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.POP3: {Address: d.POP3, TLS: TLSNone}}, ID: true}, FindingClient, "login_trusted_networks"},
		"SMTP in the open":  {Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.Submission: {Address: postfix.Submission, TLS: TLSNone}}, XCLIENT: true}, FindingClient, "haproxy"},
	} {
		t.Run(name, func(t *testing.T) {
			got := findings(newPool(t, tt.options), CheckOptions{})[tt.id]
			if len(got) != 1 || !strings.Contains(strings.Join(got[0].Fix, "\n"), tt.fix) || got[0].Sentence == "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestCheckFindsDoorsAroundTheGate(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d, OpenAuth: true})
	closed := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	// The endpoints as the gate knows them; the machine's doors stand in for
	// those of another address by being looked at from somewhere else.
	o := Options{ID: true, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAP, TLS: TLSNone}}}
	from := netip.MustParseAddr("127.0.0.77")
	loopback := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	p := newPool(t, o)
	if got := findings(p, CheckOptions{From: from, Hosts: loopback})[FindingAround]; len(got) == 0 || !strings.Contains(got[0].Sentence, d.IMAP) || !strings.Contains(strings.Join(got[0].Fix, "\n"), "inet_listener imap {") {
		t.Errorf("got %+v", got)
	}
	if got := findings(p, CheckOptions{Hosts: loopback})[FindingAround]; len(got) != 0 {
		t.Errorf("the gate's own way in is a finding: %+v", got)
	}
	own := []netip.AddrPort{netip.MustParseAddrPort(d.IMAP)}
	if got := findings(p, CheckOptions{From: from, Hosts: loopback, Own: own})[FindingAround]; len(got) != 0 {
		t.Errorf("our own listener is a finding: %+v", got)
	}
	b := p.backends["dovecot"]
	for address, want := range map[string]bool{postfix.SMTP: true, closed.SMTP: false, closed.Submission: true} {
		if got := b.look(context.Background(), from, door{netip.MustParseAddrPort(address), protocol.Submission, TLSNone}); (got != nil) != want {
			t.Errorf("%s: %+v", address, got)
		}
	}
	if got := b.look(context.Background(), from, door{netip.MustParseAddrPort(postfix.Submissions), protocol.Submission, TLSImplicit}); got == nil {
		t.Error("implicit TLS was not looked into")
	}
}

func TestCheckLooksAtEveryAddressOfThisMachine(t *testing.T) {
	p := newPool(t, Options{ID: true, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: "127.0.0.1:10143", TLS: TLSNone}}})
	doors := p.backends["dovecot"].doors(context.Background(), CheckOptions{Own: []netip.AddrPort{netip.MustParseAddrPort("[::]:993")}})
	seen := map[netip.AddrPort]bool{}
	for _, d := range doors {
		seen[d.addr] = true
	}
	for _, a := range ownAddrs() {
		for _, port := range []uint16{25, 110, 143, 465, 587, 995, 4190, 10143} {
			if !seen[netip.AddrPortFrom(a, port)] {
				t.Errorf("%v port %d is not looked at", a, port)
			}
		}
		if seen[netip.AddrPortFrom(a, 993)] {
			t.Errorf("our own listener at %v is looked at", a)
		}
	}
	if len(ownAddrs()) == 0 {
		if _, err := net.InterfaceAddrs(); err != nil {
			t.Error(err)
		}
	}
}
