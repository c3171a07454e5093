package cli

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/spelling"
)

// autoconfigPath is where servers say their mail servers' names (Mozilla's
// autoconfig).
const autoconfigPath = "/.well-known/autoconfig/mail/config-v1.1.xml"

// mailServers are what was typed of them.
type mailServers struct{ IMAP, POP3, SMTP string }

// mailServer is one that a program connects to.
type mailServer struct {
	Host string
	Port int
	TLS  bool // from the first byte; else STARTTLS
}

// String is host:port, as URLs have it.
func (m mailServer) String() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

// starttlsPorts speak STARTTLS, unless a scheme or the server says otherwise.
var starttlsPorts = []int{143, 110, 25, 587}

// typedServer reads host:port; a scheme says how it speaks TLS: imaps:// from
// the first byte, imap:// by STARTTLS.
func typedServer(kind, s string) (mailServer, error) {
	scheme, address, schemed := strings.Cut(s, "://")
	if !schemed {
		address = s
	}
	host, port, err := net.SplitHostPort(strings.TrimSuffix(address, "/"))
	n, bad := strconv.ParseUint(port, 10, 16)
	m := mailServer{Host: host, Port: int(n)}
	if err != nil || bad != nil || !m.plain() || schemed && scheme != kind && scheme != kind+"s" {
		return m, usage("--%[1]s takes host:port, or %[1]s://host:port where it speaks STARTTLS, not %[2]q", kind, s)
	}
	if m.TLS = !slices.Contains(starttlsPorts, m.Port); schemed {
		m.TLS = scheme == kind+"s"
	}
	return m, nil
}

var plainHost = regexp.MustCompile(`^[A-Za-z0-9.-]{1,253}$`)

// plain says that it can stand in any program's settings.
func (m mailServer) plain() bool {
	return m.Port > 0 && m.Port <= 65535 && (plainHost.MatchString(m.Host) || net.ParseIP(m.Host) != nil)
}

// autoconfig is Mozilla's document, as far as it is read here.
type autoconfig struct {
	Provider struct {
		Incoming []autoconfigServer `xml:"incomingServer"`
		Outgoing []autoconfigServer `xml:"outgoingServer"`
	} `xml:"emailProvider"`
}

type autoconfigServer struct {
	Type   string `xml:"type,attr"`
	Host   string `xml:"hostname"`
	Port   int    `xml:"port"`
	Socket string `xml:"socketType"`
}

// find is the first server of a kind; TLS from the first byte is taken before STARTTLS.
func (a *autoconfig) find(kind string) (mailServer, bool) {
	for _, socket := range []string{"SSL", "STARTTLS"} {
		for _, s := range append(a.Provider.Incoming, a.Provider.Outgoing...) {
			m := mailServer{Host: s.Host, Port: s.Port, TLS: socket == "SSL"}
			if s.Type == kind && s.Socket == socket && m.plain() {
				return m, true
			}
		}
	}
	return mailServer{}, false
}

// setUp prints the lines for a program with this server's names.
func (t *tokenCall) setUp(ctx context.Context, name string, typed mailServers) error {
	p, ok := findSetup(name)
	if !ok {
		return usage("there are no lines for %q%s; there are some for %s", name, spelling.DidYouMean(name, setupNames()), strings.Join(setupNames(), ", "))
	}
	if !plainWord.MatchString(t.user) {
		return usage("--setup writes addresses of plain letters only, not %q: some programs would take its other characters for their own", t.user)
	}
	f := setupFacts{User: t.user, CA: t.ca, Path: ownPath()}
	k, err := t.remembered(ctx)
	if err != nil {
		return err
	}
	if k == nil {
		k = &kept{Server: t.server, CA: t.ca}
	}
	if f.CA = k.CA; f.CA != "" && !plainWord.MatchString(f.CA) {
		return usage("--ca: some programs would take characters in the name %q for their own; give the file another place", f.CA)
	}
	if err := t.servers(ctx, k, p, typed, &f); err != nil {
		return err
	}
	text, err := p.text(f)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(t.app.out, text)
	if err == nil && isTerminal(t.app.out) {
		t.app.note(p.after)
	}
	return err
}

// servers finds those that the program needs: as typed, else as the server says.
func (t *tokenCall) servers(ctx context.Context, k *kept, p setupProgram, typed mailServers, f *setupFacts) error {
	var said *autoconfig
	for _, kind := range p.needs {
		place, text := &f.IMAP, typed.IMAP
		switch kind {
		case "pop3":
			place, text = &f.POP3, typed.POP3
		case "smtp":
			place, text = &f.SMTP, typed.SMTP
		}
		var err error
		if text != "" {
			*place, err = typedServer(kind, text)
		} else if said == nil {
			said, err = k.autoconfig(ctx, t.user)
		}
		if err != nil {
			return err
		}
		if found := false; text == "" {
			if *place, found = said.find(kind); !found {
				return &failure{exit: exitNotFound, what: fmt.Sprintf("%s names no %s server", k.Server, strings.ToUpper(kind)), next: "name it with --" + kind + " host:port"}
			}
		}
		if p.noSTARTTLS && !place.TLS {
			return &failure{exit: exitFailed, what: fmt.Sprintf("%s knows no STARTTLS, which %s speaks", p.name, place), next: "name a port of TLS from the first byte with --" + kind + " host:port"}
		}
	}
	return nil
}

// autoconfig asks the server for its mail servers.
func (k *kept) autoconfig(ctx context.Context, user string) (*autoconfig, error) {
	if k.Server == "" {
		return nil, usage("the server is not known yet: name its public address, --server https://mail.example.org, or its mail servers, --imap, --pop3, --smtp host:port")
	}
	client, err := newIssuerClient(k.CA)
	if err != nil {
		return nil, err
	}
	body, err := fetchFrom(ctx, client, k.Server+autoconfigPath+"?emailaddress="+url.QueryEscape(user))
	var f *failure
	if errors.As(err, &f) && f.exit == exitFailed {
		f.next = fmt.Sprintf("is %s the whole address of a mailbox there? If it is, name the mail servers with --imap, --pop3, --smtp host:port", user)
	}
	if err != nil {
		return nil, err
	}
	a := &autoconfig{}
	if err := xml.Unmarshal(body, a); err != nil {
		return nil, fmt.Errorf("reading what %s says of its mail servers: %w", k.Server, err)
	}
	return a, nil
}

// plainWord is what no program's settings read anything into.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9._+@=/-]+$`)

// ownPath is how programs find this one: by its name, if that leads here.
func ownPath() string {
	const name = "portreeve"
	self, err := os.Executable()
	if err != nil || !plainWord.MatchString(self) {
		return name
	}
	if found, err := exec.LookPath(name); err == nil {
		a, err1 := os.Stat(found)
		b, err2 := os.Stat(self)
		if err1 == nil && err2 == nil && os.SameFile(a, b) {
			return name
		}
	}
	return self
}
