package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/portreeve/portreeve/internal/admin"
	"github.com/portreeve/portreeve/internal/discovery"
	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/protocol"
)

// publishing serves the interface of a site, nil for none; it returns how a
// command is run there.
func publishing(t *testing.T, site func() discovery.Site) func(args ...string) (int, string, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "pr") // a socket's path has room for 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := admin.Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	api := admin.New(admin.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Names: name.Rules{DefaultDomain: "example.org"}, Site: site})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- admin.Serve(ctx, l, api) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	return func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		exit := Run(t.Context(), append([]string{"--socket", socket}, args...), strings.NewReader(""), &out, &errs)
		return exit, out.String(), errs.String()
	}
}

func exampleSite() discovery.Site {
	return discovery.Site{URL: "https://door.example.org", Domains: []string{"example.org", "example.net"}, OAuth: true, Passwords: true,
		Servers: []discovery.Server{{Protocol: protocol.IMAP, Host: "mail.example.org", Port: 993}, {Protocol: protocol.Submission, Host: "mail.example.org", Port: 465}}}
}

// zoneServer is a real DNS server over UDP for the lines of a zone file.
func zoneServer(t *testing.T, zone string) string {
	t.Helper()
	records := map[string][]dns.RR{}
	p := dns.NewZoneParser(strings.NewReader(zone), "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		n := dns.CanonicalName(rr.Header().Name)
		records[n] = append(records[n], rr)
	}
	if err := p.Err(); err != nil {
		t.Fatalf("what is printed is no zone file: %v\n%s", err, zone)
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	s := &dns.Server{PacketConn: c, NotifyStartedFunc: func() { close(up) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = records[dns.CanonicalName(q.Question[0].Name)]
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = s.Shutdown() })
	return c.LocalAddr().String()
}

// What `domain show` prints is pasted into a zone as it stands, and then
// `domain check` finds nothing to say.
func TestADomainFromShowToCheck(t *testing.T) {
	run := publishing(t, exampleSite)
	if exit, out, errs := run("domain", "list"); exit != exitOK || out != "example.org\t12\ttrue\nexample.net\t12\tfalse\n" {
		t.Errorf("domain list: %d %q %s", exit, out, errs)
	}
	exit, shown, errs := run("domain", "show", "Example.NET.")
	if exit != exitOK || !strings.Contains(shown, "; Where programs that look for SRV records find IMAP with TLS from the first byte.\n_imaps._tcp.example.net. 3600 IN SRV 0 1 993 mail.example.org.\n") ||
		!strings.Contains(shown, ";   https://door.example.org/thunderbird.xpi\n") {
		t.Errorf("domain show: %d %s %s", exit, shown, errs)
	}
	exit, zone, errs := run("domain", "show", "example.net", "--zone")
	if exit != exitOK || strings.Contains(zone, ";  ") || strings.Count(zone, "\n") != 12 {
		t.Errorf("domain show --zone: %d %s %s", exit, zone, errs)
	}
	for what, lines := range map[string]string{"shown": shown, "zone": zone} {
		exit, out, errs := run("domain", "check", "example.net", "--resolver", zoneServer(t, lines))
		if exit != exitOK || strings.Count(out, "ok\t") != 12 || strings.Contains(out, "To write") {
			t.Errorf("%s: %d %s %s", what, exit, out, errs)
		}
	}
	var story struct{ Records []discovery.Record }
	_, text, _ := run("domain", "show", "example.net", "-o", "json")
	if err := json.Unmarshal([]byte(text), &story); err != nil || discovery.Zone(story.Records) != zone {
		t.Errorf("domain show -o json: %v\n%s", err, text)
	}
}

func TestACheckSaysWhatToWrite(t *testing.T) {
	run := publishing(t, exampleSite)
	_, zone, _ := run("domain", "show", "example.org", "--zone")
	zone = strings.Replace(zone, "SRV 0 1 993 mail.example.org.", "SRV 0 1 993 old.example.org.", 1)
	zone = strings.Replace(zone, "autoconfig.example.org.", "autoconf.example.org.", 1)
	at := zoneServer(t, zone)
	exit, out, errs := run("domain", "check", "example.org", "--resolver", at)
	for _, want := range []string{"different\t_imaps._tcp.example.org\tSRV\t0 1 993 old.example.org.\t", "missing\tautoconfig.example.org\tCNAME\t\t",
		"\nTo write into the zone:\n_imaps._tcp.example.org. 3600 IN SRV 0 1 993 mail.example.org.\nautoconfig.example.org. 3600 IN CNAME door.example.org.\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if exit != exitFailed || errs != "error: 2 of 12 records not as they should be\n" {
		t.Errorf("%d %s", exit, errs)
	}
	var answer struct{ Value []discovery.Checked }
	exit, out, _ = run("domain", "check", "example.org", "--resolver", at, "-o", "json")
	if err := json.Unmarshal([]byte(out), &answer); exit != exitFailed || err != nil || len(answer.Value) != 12 || answer.Value[0].Verdict != discovery.Different || fmt.Sprint(answer.Value[0].Found) != "[0 1 993 old.example.org.]" {
		t.Errorf("-o json: %d %v\n%s", exit, err, out)
	}
}

func TestWhatADomainCannotBeAsked(t *testing.T) {
	run := publishing(t, exampleSite)
	nothing := publishing(t, func() discovery.Site { return discovery.Site{Domains: []string{"example.org"}} })
	unknown := publishing(t, nil)
	for _, c := range []struct {
		run  func(...string) (int, string, string)
		args string
		exit int
		says string
	}{
		{run, "domain show example.com", exitNotFound, `there is no domain "example.com"`},
		{run, "domain show exmple.org", exitNotFound, "did you mean"},
		{run, "domain check example.com --resolver 127.0.0.1", exitNotFound, "`portreeve domain list` lists what there is"},
		{run, "domain check example.org", exitUsage, "resolver"},
		{run, "domain check example.org --resolver dns.example.org", exitUsage, "is no address of a resolver"},
		{run, "domain check example.org --resolver 127.0.0.1:9", exitUnreachable, "does not answer (127.0.0.1:9)"},
		{nothing, "domain show example.org", exitConflict, "no listener is reached from outside with TLS"},
		{nothing, "domain list", exitOK, ""},
		{unknown, "domain show example.org", exitConflict, "set public_url"},
		{unknown, "domain list", exitOK, ""},
	} {
		if exit, out, errs := c.run(strings.Fields(c.args)...); exit != c.exit || !strings.Contains(errs, c.says) {
			t.Errorf("%s: %d %s %s", c.args, exit, out, errs)
		}
	}
}
