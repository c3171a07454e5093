package server

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/store"
)

// programs is a server that issues tokens, in front of a Dovecot.
type programs struct {
	t      *testing.T
	server *Server
	door   string
	admin  *http.Client
	mary   store.Person
}

// issuerBefore is the configuration of a server that issues tokens in front of a
// Dovecot, and keeps its state in a folder.
func issuerBefore(t *testing.T, dir, imap string) *config.Config {
	t.Helper()
	c, err := config.Parse("portreeve.yaml", dir, fmt.Appendf(nil, `
default_domain: example.org
public_url: https://door.example.org
public: {address: "127.0.0.1:0", tls: none}
state: %[1]s
admin: {socket: %[1]s/s}
listeners:
- {protocol: imap, address: "127.0.0.1:0", tls: none, plaintext_from: [127.0.0.0/8]}
backends:
  dovecot:
    login: master
    master: {user: %[2]s, password: %[3]s, separator: "%[4]s"}
    imap: {address: %[5]q, tls: none}
`, dir, mailtest.MasterUser, mailtest.MasterPassword, mailtest.MasterSeparator, imap), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func startPrograms(t *testing.T) *programs {
	t.Helper()
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	dir := t.TempDir()
	c := issuerBefore(t, dir, d.IMAP)
	p := &programs{t: t, mary: store.Person{Address: "mary@example.org", SecretKind: store.SecretBackend, Origin: store.OriginLocal}}
	p.server, _ = serving(t, c, io.Discard)
	p.door = p.server.doors[0].listener.Addr().String()
	p.admin = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "s"))
	}}}
	if err := p.server.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error { return tx.AddPerson(&p.mary) }); err != nil {
		t.Fatal(err)
	}
	p.ask("GET", "/status", "")
	if _, err := p.server.keeper.apply(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *programs) ask(method, path, body string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, "http://portreeve/portreeve/v1"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	a, err := p.admin.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer a.Body.Close()
	if text, err := io.ReadAll(a.Body); err != nil || a.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %s: %d %s, %v", method, path, a.StatusCode, text, err)
	}
}

// session opens a mail session with a token that Mary granted to a program.
func (p *programs) session(program, scopes string) (k *talker, g grant.Grant, line string) {
	p.t.Helper()
	asked, err := scope.Parse(scopes)
	if err != nil {
		p.t.Fatal(err)
	}
	grants := p.server.issuer.grants
	if g, err = grants.Issue(p.t.Context(), grant.Grant{Person: p.mary.ID, Address: p.mary.Address, Client: program, Scope: asked, Methods: policy.MethodPassword, AuthTime: time.Now(), Kind: grant.KindDevice}); err != nil {
		p.t.Fatal(err)
	}
	access, _, err := grants.Access(g, grant.AccessFor{ClientID: program, Scope: asked})
	if err != nil {
		p.t.Fatal(err)
	}
	line = "a1 AUTHENTICATE XOAUTH2 " + base64.StdEncoding.EncodeToString([]byte("user=mary@example.org\x01auth=Bearer "+access+"\x01\x01"))
	k = dial(p.t, p.door)
	if got := k.say(line); !strings.Contains(got, "a1 OK") {
		p.t.Fatalf("with a token of %s: %s", program, got)
	}
	return k, g, line
}

// over reads to the end of a session, which must have come.
func (k *talker) over() {
	k.t.Helper()
	if _, err := io.ReadAll(k.r); err != nil {
		k.t.Errorf("the session is open: %v", err)
	}
}

func (k *talker) open() {
	k.t.Helper()
	if got := k.say("z NOOP"); !strings.Contains(got, "z OK") {
		k.t.Errorf("the session is not open: %s", got)
	}
}

// What an administrator says of a program is so on open connections, too, and
// its tokens are worth nothing, before the answer leaves.
func TestWhatIsSaidOfAProgramHoldsAtOnce(t *testing.T) {
	p := startPrograms(t)
	helper, _, shown := p.session(client.Token, "imap")
	mail, _, _ := p.session(client.Mail, "imap smtp")
	third, g, _ := p.session(client.Thunderbird, "imap")

	p.ask("POST", "/clients/"+client.Token+"/forbid", "")
	helper.over()
	if got := dial(t, p.door).say(shown); !strings.Contains(got, "a1 NO") {
		t.Errorf("its token is taken: %s", got)
	}
	mail.open()
	p.ask("POST", "/clients/"+client.Token+"/allow", "")
	if got := dial(t, p.door).say(shown); !strings.Contains(got, "a1 NO") {
		t.Errorf("its token came back to life: %s", got)
	}

	p.ask("PATCH", "/clients/"+client.Mail, `{"limit":"imap smtp pop"}`)
	mail.open()
	p.ask("PATCH", "/clients/"+client.Mail, `{"limit":"imap"}`)
	mail.over()

	third.open()
	p.ask("DELETE", "/grants/"+g.ID, "")
	third.over()
}

// A program that registered itself is removed with what it holds.
func TestARemovedProgramIsGone(t *testing.T) {
	p := startPrograms(t)
	c, err := p.server.issuer.clients.Register(t.Context(), netip.MustParseAddr("192.0.2.1"), client.Metadata{Name: "Meadow", Redirects: []string{"http://127.0.0.1/"}})
	if err != nil {
		t.Fatal(err)
	}
	k, _, shown := p.session(c.ID, "imap")
	p.ask("DELETE", "/clients/"+c.ID, "")
	k.over()
	if got := dial(t, p.door).say(shown); !strings.Contains(got, "a1 NO") {
		t.Errorf("its token is taken: %s", got)
	}
}

// A program's person reads the sign-in page in the language that it asks for.
func TestAProgramsPersonIsSpokenToInItsLanguage(t *testing.T) {
	p := startPrograms(t)
	read := func(locales string) string {
		t.Helper()
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		at := "http://" + p.server.public.Addr().String()
		browser := &http.Client{Timeout: 20 * time.Second, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		path := "/oauth2/authorize?client_id=portreeve-mail&response_type=code&scope=imap&redirect_uri=http%3A%2F%2F127.0.0.1%2F&code_challenge_method=S256&code_challenge=" + strings.Repeat("A", 43) + locales
		for range 5 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "door.example.org"
			u, _ := url.Parse("https://127.0.0.1/") // the cookies are for TLS, which a proxy in front speaks
			for _, c := range jar.Cookies(u) {
				r.AddCookie(c)
			}
			a, err := browser.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(a.Body)
			_ = a.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			jar.SetCookies(u, a.Cookies())
			if a.StatusCode == http.StatusOK {
				return string(body)
			}
			path = strings.TrimPrefix(a.Header.Get("Location"), "https://door.example.org")
		}
		t.Fatal("the sign-in page does not come")
		return ""
	}
	for locales, want := range map[string]string{"": `<html lang="en"`, "&ui_locales=fr+de": `<html lang="de"`, "&ui_locales=tlh": `<html lang="en"`} {
		if page := read(locales); !strings.Contains(page, want) {
			t.Errorf("%q: not %s:\n%.300s", locales, want, page)
		}
	}
}
