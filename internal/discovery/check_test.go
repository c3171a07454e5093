package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zone answers from a zone file, as a resolver does: with the CNAMEs on the way.
type zone map[string][]dns.RR

func newZone(t testing.TB, text string) zone {
	t.Helper()
	z := zone{}
	p := dns.NewZoneParser(strings.NewReader(text), "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		n := dns.CanonicalName(rr.Header().Name)
		z[n] = append(z[n], rr)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	return z
}

func (z zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	at := dns.CanonicalName(q.Question[0].Name)
	for range 20 { // as far as it follows a circle
		next := ""
		for _, rr := range z[at] {
			if c, ok := rr.(*dns.CNAME); ok && q.Question[0].Qtype != dns.TypeCNAME {
				next = dns.CanonicalName(c.Target)
			} else if rr.Header().Rrtype != q.Question[0].Qtype {
				continue
			}
			m.Answer = append(m.Answer, rr)
		}
		if next == "" {
			break
		}
		at = next
	}
	if len(z[at]) == 0 {
		m.Rcode = dns.RcodeNameError
	}
	if w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if o := q.IsEdns0(); o != nil {
			size = int(o.UDPSize())
		}
		m.Truncate(size)
	}
	_ = w.WriteMsg(m)
}

// serveDNS is a real DNS server, over UDP and TCP on one port.
func serveDNS(t testing.TB, h dns.Handler) *Resolver {
	t.Helper()
	for range 20 {
		u, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", u.LocalAddr().String())
		if err != nil { // another has that port
			_ = u.Close()
			continue
		}
		for _, s := range []*dns.Server{{PacketConn: u, Handler: h}, {Listener: l, Handler: h}} {
			up := make(chan struct{})
			s.NotifyStartedFunc = func() { close(up) }
			go func() { _ = s.ActivateAndServe() }()
			<-up
			t.Cleanup(func() { _ = s.Shutdown() })
		}
		r, err := NewResolver(u.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		r.timeout = 10 * time.Second // of a slow machine
		return r
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil
}

func records() []Record { s := whole(); return s.Records("example.org") }

// verdicts are a check's, by the name and without the domain; ok is left out.
func verdicts(t *testing.T, r *Resolver) map[string]string {
	t.Helper()
	all, err := Check(t.Context(), r, records())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(records()) {
		t.Errorf("%d of %d were checked", len(all), len(records()))
	}
	bad := map[string]string{}
	for _, c := range all {
		if c.Verdict != OK {
			bad[strings.TrimSuffix(c.Name, ".example.org")] = fmt.Sprint(c.Verdict, c.Found, c.Note)
		}
	}
	return bad
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, not %v", what, got, want)
	}
}

func TestACheckFindsWhatIsWrong(t *testing.T) {
	right := Zone(records())
	without := func(name string) string {
		var kept []string
		for line := range strings.Lines(right) {
			if !strings.HasPrefix(line, name+".") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	instead := func(name, lines string) string { return without(name) + lines }
	digest := strings.Trim(records()[len(records())-1].Data, `"`)
	for what, c := range map[string]struct {
		zone string
		want map[string]string
	}{
		"all right":                   {right, nil},
		"letters and words":           {strings.ToUpper(right[:strings.Index(right, "_ua-auto")]) + strings.ReplaceAll(right[strings.Index(right, "_ua-auto"):], "; ", ";"), nil},
		"none of what is not offered": {without("_pop3._tcp"), nil},
		"one missing":                 {without("_imaps._tcp"), map[string]string{"_imaps._tcp": "missing[]"}},
		"no alias":                    {without("autoconfig"), map[string]string{"autoconfig": "missing[]"}},
		"no digest":                   {without("_ua-auto-config"), map[string]string{"_ua-auto-config": "missing[]"}},
		"another port":                {instead("_imaps._tcp", "_imaps._tcp.example.org. 60 IN SRV 0 1 1993 mail.example.org.\n"), map[string]string{"_imaps._tcp": "different[0 1 1993 mail.example.org.]"}},
		"another priority":            {instead("_imaps._tcp", "_imaps._tcp.example.org. 60 IN SRV 10 20 993 MAIL.example.org.\n"), nil},
		"an old server besides":       {right + "_imaps._tcp.example.org. 60 IN SRV 10 1 993 old.example.org.\n", map[string]string{"_imaps._tcp": "different[0 1 993 mail.example.org. 10 1 993 old.example.org.]"}},
		"not offered, but found":      {instead("_pop3._tcp", "_pop3._tcp.example.org. 60 IN SRV 0 1 110 old.example.org.\n"), map[string]string{"_pop3._tcp": "different[0 1 110 old.example.org.]"}},
		"offered, but denied":         {instead("_imaps._tcp", "_imaps._tcp.example.org. 60 IN SRV 0 0 0 .\n"), map[string]string{"_imaps._tcp": "different[0 0 0 .]"}},
		"by another name":             {instead("_imaps._tcp", "_imaps._tcp.example.org. 60 IN CNAME _imaps.example.net.\n_imaps.example.net. 60 IN SRV 0 1 993 mail.example.org.\n"), nil},
		"an old digest":               {instead("_ua-auto-config", `_ua-auto-config.example.org. 60 IN TXT "v=UAAC1; a=sha256; d=AAAA"`+"\n"), map[string]string{"_ua-auto-config": `different["v=UAAC1; a=sha256; d=AAAA"]`}},
		"two digests":                 {right + `_ua-auto-config.example.org. 60 IN TXT "v=UAAC1; a=sha256; d=AAAA"` + "\n", nil},
		"a digest in pieces":          {instead("_ua-auto-config", `_ua-auto-config.example.org. 60 IN TXT "`+digest[:10]+`" "`+digest[10:]+"\"\n"), nil},
		"another host":                {instead("autoconfig", "autoconfig.example.org. 60 IN CNAME www.example.com.\nwww.example.com. 60 IN A 192.0.2.1\n"), map[string]string{"autoconfig": "different[www.example.com.]"}},
		"another host that has us":    {instead("autoconfig", "autoconfig.example.org. 60 IN CNAME mail.example.com.\nmail.example.com. 60 IN CNAME door.example.org.\n"), nil},
		"our addresses":               {instead("autoconfig", "autoconfig.example.org. 60 IN A 192.0.2.7\nautoconfig.example.org. 60 IN AAAA 2001:db8::7\ndoor.example.org. 60 IN A 192.0.2.7\ndoor.example.org. 60 IN AAAA 2001:db8::7\n"), nil},
		"an address that is not ours": {instead("autoconfig", "autoconfig.example.org. 60 IN A 192.0.2.7\nautoconfig.example.org. 60 IN A 192.0.2.8\ndoor.example.org. 60 IN A 192.0.2.7\n"), map[string]string{"autoconfig": "different[192.0.2.7 192.0.2.8]"}},
		"six of the family alone":     {instead("autoconfig", "autoconfig.example.org. 60 IN AAAA 2001:db8::8\n"), map[string]string{"autoconfig": "different[2001:db8::8]"}},
		"a circle":                    {instead("autoconfig", "autoconfig.example.org. 60 IN CNAME a.example.org.\na.example.org. 60 IN CNAME autoconfig.example.org.\n"), map[string]string{"autoconfig": "different[]its CNAMEs go in a circle"}},
		"itself":                      {instead("autoconfig", "autoconfig.example.org. 60 IN CNAME autoconfig.example.org.\n"), map[string]string{"autoconfig": "different[]its CNAMEs go in a circle"}},
		"aliases on and on":           {instead("autoconfig", "autoconfig.example.org. 60 IN CNAME a0.example.com.\n"+aliases(20)), map[string]string{"autoconfig": "different[]its CNAMEs lead on and on"}},
		"as many as may be":           {instead("autoconfig", "autoconfig.example.org. 60 IN CNAME a0.example.com.\n"+aliases(maxAliases-2)+fmt.Sprintf("a%d.example.com. 60 IN CNAME door.example.org.\n", maxAliases-2)), nil},
		"more than a packet":          {right + many("_ua-auto-config.example.org.", 40), nil},
		"more than is looked at":      {right + many("_ua-auto-config.example.org.", maxAnswers), map[string]string{"_ua-auto-config": "unknown[]" + errMany.Error()}},
	} {
		same(t, what, verdicts(t, serveDNS(t, newZone(t, c.zone))), c.want)
	}
}

// The domain's own server knows its zone and refuses to speak of ours.
func TestAServerOfOneZone(t *testing.T) {
	s := whole()
	want := s.Records("xn--bcher-kva.example")
	z := newZone(t, Zone(want))
	r := serveDNS(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if !dns.IsSubDomain("xn--bcher-kva.example.", q.Question[0].Name) {
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeRefused))
			return
		}
		z.ServeDNS(w, q)
	}))
	all, err := Check(t.Context(), r, want)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Verdict != OK {
			t.Errorf("%s is %s: %v %s", c.Name, c.Verdict, c.Found, c.Note)
		}
	}
}

func aliases(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d.example.com. 60 IN CNAME a%d.example.com.\n", i, i+1)
	}
	return b.String()
}

func many(name string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s 60 IN TXT \"%d %s\"\n", name, i, strings.Repeat("x", 200))
	}
	return b.String()
}

// A resolver may lie in whatever way: nothing loops, nothing is told that would
// not fit a terminal.
func TestAResolverThatLies(t *testing.T) {
	right := newZone(t, Zone(records()))
	var asked atomic.Int64
	for what, c := range map[string]struct {
		answer func(dns.ResponseWriter, *dns.Msg)
		want   string // in what is told of _imaps._tcp
	}{
		"SERVFAIL": {func(w dns.ResponseWriter, q *dns.Msg) {
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
		}, "unknown[]the resolver answered SERVFAIL"},
		"REFUSED": {func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeRefused)) }, "unknown[]the resolver answered REFUSED"},
		"another question": {func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Question[0].Name = "other.example.org."
			_ = w.WriteMsg(m)
		}, "unknown[]the resolver answered another question"},
		"the question back": {func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(q) }, "unknown[]"},
		"no DNS":            {func(w dns.ResponseWriter, q *dns.Msg) { _, _ = w.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, "unknown[]"},
		"a message and half": {func(w dns.ResponseWriter, q *dns.Msg) {
			b, _ := new(dns.Msg).SetReply(q).Pack()
			_, _ = w.Write(b[:len(b)/2])
		}, "unknown[]"},
		"always cut short": {func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			_ = w.WriteMsg(m)
		}, "missing[]"},
		"records of others": {func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			rr, _ := dns.NewRR("elsewhere.example.net. 60 IN SRV 0 1 993 mail.example.org.")
			m.Answer = []dns.RR{rr}
			_ = w.WriteMsg(m)
		}, "missing[]"},
		"a new alias each time": {func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			rr, _ := dns.NewRR(fmt.Sprintf("%s 60 IN CNAME n%d.example.net.", q.Question[0].Name, asked.Add(1)))
			m.Answer = []dns.RR{rr}
			_ = w.WriteMsg(m)
		}, "different[]its CNAMEs lead on and on"},
		"everything at once": {func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			for i := range 1000 {
				rr, _ := dns.NewRR(fmt.Sprintf("%s 60 IN SRV 0 1 %d a.example.org.", q.Question[0].Name, i))
				m.Answer = append(m.Answer, rr)
			}
			if w.LocalAddr().Network() == "udp" {
				m.Truncate(packetSize)
			}
			_ = w.WriteMsg(m)
		}, "unknown[]" + errMany.Error()},
		"a text for terminals": {func(w dns.ResponseWriter, q *dns.Msg) {
			if q.Question[0].Qtype != dns.TypeSRV {
				right.ServeDNS(w, q)
				return
			}
			m := new(dns.Msg).SetReply(q)
			for range 20 {
				m.Answer = append(m.Answer, &dns.SRV{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET}, Target: `\027[2J.`})
			}
			_ = w.WriteMsg(m)
		}, `different[0 0 0 \027[2J. 0 0 0 \027[2J. 0 0 0 \027[2J. 0 0 0 \027[2J. and 16 more]`},
	} {
		r := serveDNS(t, dns.HandlerFunc(c.answer))
		if strings.HasSuffix(c.want, "[]") {
			r.timeout = time.Second / 2 // some of them are waited for
		}
		before := asked.Load()
		all, err := Check(t.Context(), r, records()[:1])
		if c.want == "unknown[]" && errors.Is(err, ErrSilent) {
			continue // what is no answer may be taken for none
		}
		if err != nil || len(all) != 1 || !strings.HasPrefix(fmt.Sprint(all[0].Verdict, all[0].Found, all[0].Note), c.want) {
			t.Errorf("%s: %v %v, not %s", what, all, err, c.want)
		}
		if n := asked.Load() - before; n > maxAliases+2 {
			t.Errorf("%s: it was asked %d times", what, n)
		}
	}
}

// TestSilence ends at the first question: there would be dozens.
func TestSilence(t *testing.T) {
	var asked atomic.Int64
	deaf := serveDNS(t, dns.HandlerFunc(func(dns.ResponseWriter, *dns.Msg) { asked.Add(1) }))
	deaf.timeout = 50 * time.Millisecond
	closed, err := NewResolver("127.0.0.1:9") // nobody listens to what is discarded
	if err != nil {
		t.Fatal(err)
	}
	for what, r := range map[string]*Resolver{"deaf": deaf, "closed": closed} {
		all, err := Check(t.Context(), r, records())
		if !errors.Is(err, ErrSilent) || len(all) != 0 || !strings.Contains(err.Error(), r.String()) {
			t.Errorf("%s: %v %v", what, all, err)
		}
	}
	if n := asked.Load(); n > tries {
		t.Errorf("it was asked %d times", n)
	}
	// One that drops what it does not know answers for the rest.
	right := newZone(t, Zone(records()))
	picky := serveDNS(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Qtype != dns.TypeTXT {
			right.ServeDNS(w, q)
		}
	}))
	picky.timeout = time.Second
	same(t, "picky", verdicts(t, picky), map[string]string{"_ua-auto-config": "unknown[]" + ErrSilent.Error() + " (" + picky.String() + ")"})
	asked.Store(0)
	deafAfter := serveDNS(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if asked.Add(1) <= 5 {
			right.ServeDNS(w, q)
		}
	}))
	deafAfter.timeout = 200 * time.Millisecond
	if all, err := Check(t.Context(), deafAfter, records()); !errors.Is(err, ErrSilent) || asked.Load() > 5+tries*(maxSilences+1) {
		t.Errorf("deaf after five: %v %v, asked %d times", all, err, asked.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, deaf, records()); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever goes away hears %v", err)
	}
}

func TestNewResolver(t *testing.T) {
	for typed, want := range map[string]string{"192.0.2.53": "192.0.2.53:53", "192.0.2.53:5353": "192.0.2.53:5353", "2001:db8::53": "[2001:db8::53]:53", "[2001:db8::53]": "[2001:db8::53]:53",
		"[2001:db8::53]:5353": "[2001:db8::53]:5353", "": "", "dns.example.org": "", "192.0.2.53:0": "", "192.0.2.53:domain": "", "192.0.2": "", ":53": ""} {
		r, err := NewResolver(typed)
		if got := fmt.Sprint(r); err == nil && got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %v, %v", typed, got, err)
		}
	}
}
