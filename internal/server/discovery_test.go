package server

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/mailtest"
)

// TestProgramsAreToldOfTheDoorsThereAre asks the public listener as programs do,
// under the names that lead there.
func TestProgramsAreToldOfTheDoorsThereAre(t *testing.T) {
	dir := t.TempDir()
	certificate, key := pair(t, dir)
	c, err := config.Parse("portreeve.yaml", dir, fmt.Appendf(nil, `default_domain: example.org
public_url: https://door.example.org
hostname: mail.example.org
domains:
  bücher.example: {aliases: [buecher.example]}
routes: {example.net: local, "*": local}
tls: [{certificate: %s, key: %s}]
public: {address: "127.0.0.1:0", tls: none, authority: /etc/ssl/our-ca.pem}
listeners:
- {protocol: imap, address: "127.0.0.1:0"}
- {protocol: imap, address: "127.0.0.1:0", tls: none, name: inside}
- {protocol: submission, address: "127.0.0.1:0", tls: starttls}
backends:
  local:
    login: token
    imap: {address: "127.0.0.1:9", tls: none}
    submission: {address: "127.0.0.1:9", tls: none}
state: %s
admin: {socket: %s/s}
`, certificate, key, t.TempDir(), t.TempDir()), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := serving(t, c, io.Discard)
	if got := strings.Join(s.domains(), " "); got != "example.org buecher.example example.net xn--bcher-kva.example" {
		t.Errorf("the domains are %s", got)
	}
	ask := func(host, path string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.public.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		a, err := (&http.Client{Timeout: 20 * time.Second}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(b)
	}
	for _, q := range []struct {
		host, path string
		status     int
		has, not   string
	}{
		{"autoconfig.example.org", "/mail/config-v1.1.xml?emailaddress=mary@example.org", 200, "<socketType>SSL</socketType>\n      <authentication>OAuth2</authentication>\n      <authentication>password-cleartext</authentication>", `type="pop3"`},
		{"autoconfig.example.org", "/mail/config-v1.1.xml?emailaddress=mary@example.com", 404, "", "<"},
		{"autoconfig.example.org", "/signin", 404, "", "<form"},
		{"ua-auto-config.example.net", "/.well-known/user-agent-configuration.json", 404, "", "{"}, // no door is at one of its ports
		{"door.example.org", "/thunderbird-policies.json", 200, "/etc/ssl/our-ca.pem", ""},
		{"door.example.org", "/fairemail-providers.xml?domain=buecher.example", 200, `clientId="portreeve-fairemail"`, ""},
		{"door.example.org", "/signin", 200, "<form", ""},
	} {
		if status, body := ask(q.host, q.path); status != q.status || !strings.Contains(body, q.has) || q.not != "" && strings.Contains(body, q.not) {
			t.Errorf("%s%s: %d\n%s", q.host, q.path, status, body)
		}
	}
	if _, body := ask("door.example.org", "/.well-known/autoconfig/mail/config-v1.1.xml"); strings.Count(body, "<incomingServer") != 1 || strings.Count(body, "mail.example.org") != 2 {
		t.Errorf("the door without TLS is told of:\n%s", body)
	}
}

// pair writes a certificate and its key.
func pair(t *testing.T, dir string) (certificate, key string) {
	t.Helper()
	c, k := mailtest.NewAuthority(t).Issue(t, "mail.example.org", "door.example.org")
	certificate, key = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	for name, text := range map[string][]byte{certificate: c, key: k} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
