package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/protocol"
)

var update = flag.Bool("update", false, "write golden files and docs/configuration.md")

// site makes a folder with a certificate and a secret, as the examples name them.
func site(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	a, err := certs.Local("mail.example.org", "door.example.org")
	if err == nil {
		_, err = certs.Write(dir, "mail", a.Server)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "secret"), []byte("hunter2\n"), 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "ca.pem"), a.PEM(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func load1(t *testing.T, dir, text string, environ ...string) *Config {
	t.Helper()
	c, err := Parse("portreeve.yaml", dir, []byte(text), environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each testdata file is a configuration (with "env" lines) and, as "want",
// what Load or Check tells the person.
func TestFaultsAsPeopleSeeThem(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir, parts := site(t), map[string]*txtar.File{}
			for i := range a.Files {
				parts[a.Files[i].Name] = &a.Files[i]
			}
			for name, f := range parts {
				if path := filepath.Join(dir, filepath.FromSlash(name)); strings.Contains(name, "/") { // of a folder that the configuration names
					if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, f.Data, 0o600)); err != nil {
						t.Fatal(err)
					}
				}
			}
			var env []string
			if f := parts["env"]; f != nil {
				env = strings.Split(strings.TrimSpace(strings.ReplaceAll(string(f.Data), "$DIR", dir)), "\n")
			}
			got := ""
			c, err := Parse("portreeve.yaml", dir, parts["portreeve.yaml"].Data, env)
			if err != nil {
				got = err.Error() + "\n"
			} else {
				for _, p := range c.Check() {
					got += p.String() + "\n"
				}
			}
			got = strings.ReplaceAll(got, dir, "$DIR")
			want := parts["want"]
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("a secret is in it")
			}
		})
	}
}

const whole = `
public_url: https://door.example.org/
help_url: https://help.example.org
default_domain: example.org
tls: [{certificate: mail.pem, key: mail.key}]
listeners:
  - {protocol: imap, address: ":993"}
  - {name: inside, protocol: IMAP, address: "192.0.2.1:143", tls: starttls, plaintext_from: [10.0.0.0/8, 192.0.2.7], proxy_from: "::1", default_domain: example.net}
  - {protocol: smtp, address: "[::1]:587", tls: starttls, refusals: {floor: 1s, smtp_refuse_at_mail: true}}
refusals: {imap_alert: false}
backends:
  main:
    imap: {address: "127.0.0.1:10143", tls: none}
    submission: {address: "mx.example.org:465", proxy: 2, ca: ca.pem}
    login: master
    master: {user: gate, password: {file: secret}, separator: "*"}
    source_addresses: [127.0.0.2, 127.0.0.3]
    id: true
issuers:
  company:
    issuer: https://login.example.org/
    audience: mail
    jwks_url: https://login.example.org/keys
    session_max: 7d
    amr: {otp: [password, softwareOath]}
forwarders:
  roundcube: {from: [192.0.2.9], pass: id}
domains:
  example.org: {aliases: [example.com], windows: [CORP]}
log: {to: syslog, size: 512MB, days: 30}
`

func TestAWholeSite(t *testing.T) {
	dir := site(t)
	c := load1(t, dir, whole)
	if p := c.Check(); Broken(p) {
		t.Fatalf("%v", p)
	}
	for what, is := range map[string]bool{
		"url":         c.PublicURL == "https://door.example.org" && c.Hostname == "door.example.org",
		"certificate": c.TLS[0].Certificate == Path(filepath.Join(dir, "mail.pem")),
		"any address": c.Listeners[0].Address == netip.MustParseAddrPort("[::]:993") && c.Listeners[0].TLS == "implicit" && c.Listeners[0].Name == "imap-993",
		"domain":      c.Listeners[0].DefaultDomain == "example.org" && c.Listeners[1].DefaultDomain == "example.net",
		"networks":    len(c.Listeners[1].PlaintextFrom) == 2 && c.Listeners[1].PlaintextFrom[1] == netip.MustParsePrefix("192.0.2.7/32") && c.Listeners[1].ProxyFrom[0] == netip.MustParsePrefix("::1/128"),
		"alias":       c.Listeners[2].Protocol == protocol.Submission && c.Listeners[2].Name == "submission-587",
		"floor":       c.Refusals.Floor == 2600*time.Millisecond && c.Listeners[0].Refusals.Floor == 2600*time.Millisecond && c.Listeners[2].Refusals.Floor == time.Second,
		"refusals":    !c.Listeners[0].Refusals.IMAPAlert && !c.Listeners[2].Refusals.IMAPAlert && c.Listeners[2].Refusals.SMTPRefuseAtMail && c.Listeners[2].Refusals.IMAPCode == "UNAVAILABLE",
		"secret":      c.Backends["main"].Master.Password.Reveal() == "hunter2",
		"endpoint":    c.Backends["main"].Submission.TLS == "implicit" && c.Backends["main"].Submission.Proxy == 2 && c.Backends["main"].POP3 == nil,
		"backend":     c.Backends["main"].Token.Audience == "main" && c.Backends["main"].SourceAddresses[1] == netip.MustParseAddr("127.0.0.3") && c.Backends["main"].Hello == "door.example.org",
		"issuer":      c.Issuers["company"].Issuer == "https://login.example.org/" && c.Issuers["company"].SessionMax == 7*24*time.Hour && c.Issuers["company"].Audience[0] == "mail" && c.Issuers["company"].Claims.Address == "email" && len(c.Issuers["company"].AMR["otp"]) == 2,
		"log":         c.Log.To[0] == "syslog" && c.Log.Size == 512<<20 && c.Log.Days == 30 && c.Log.Format == "json",
		"directories": len(c.Directories) == 2 && c.Directories[1].Kind == "backend",
		"admin":       c.Admin.Socket == "/run/portreeve/portreeve.sock",
	} {
		if !is {
			t.Errorf("%s: %+v", what, c)
		}
	}
	rules, faults := c.NameRules("inside")
	if a, err := rules.Canonical(`CORP\Mary+x`); err != nil || len(faults) > 0 || a.Full != "mary@example.org" {
		t.Errorf("%+v, %v, %v", a, err, faults)
	}
	if a, err := rules.Canonical(`bob`); err != nil || a.Full != "bob@example.net" {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestDefaults(t *testing.T) {
	c := load1(t, t.TempDir(), "observe: {address: 127.0.0.1:8425}\n")
	if p := c.Check(); len(p) != 0 {
		t.Errorf("%v", p)
	}
	if c.Refusals.Floor != 500*time.Millisecond || c.Log.Days != 400 || c.Log.Size != 20<<30 || c.Limits.PerSource != 100 || len(c.Directories) != 1 {
		t.Errorf("%+v", c)
	}
	if d := Default(); d.State != "/var/lib/portreeve" || len(d.Check()) != 1 {
		t.Errorf("%+v", d.Check())
	}
	if c := load1(t, t.TempDir(), "# nothing\n"); !Broken(c.Check()) {
		t.Error("an empty file starts")
	}
}

// What a site's language lacks is one warning; a file of a built-in language
// lacks nothing, and a language that is there may be the default.
func TestALanguageThatIsBegunIsWarnedOfOnce(t *testing.T) {
	dir := site(t)
	for name, text := range map[string]string{"fr": `{"language": "Français", "cancel": "Annuler"}`, "de": `{"cancel": "Lass gut sein"}`} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := load1(t, dir, "observe: {address: 127.0.0.1:8425}\nlanguages: {folder: ., default: fr}\n").Check()
	if len(found) != 1 || !found[0].Warning || !strings.Contains(found[0].Text, "fr.json lacks ") || !strings.Contains(found[0].String(), "portreeve.yaml:2:13") {
		t.Errorf("%v", found)
	}
}

// A folder that everybody may write into is refused; one that is ours, and one
// that is not there yet, is not.
func TestAStateFolderThatOthersMayWriteIntoIsRefused(t *testing.T) {
	dir := site(t)
	state := filepath.Join(dir, "state")
	check := func() []Problem { return load1(t, dir, "observe: {address: 127.0.0.1:8425}\nstate: state\n").Check() }
	if p := check(); len(p) != 0 {
		t.Errorf("not there: %v", p)
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	for mode, fine := range map[os.FileMode]bool{0o700: true, 0o770: true, 0o755: true, 0o777: false, 0o702: false, 0o777 | os.ModeSticky: false} {
		if err := os.Chmod(state, mode); err != nil {
			t.Fatal(err)
		}
		p := check()
		if Broken(p) == fine {
			t.Errorf("%v: %v", mode, p)
		}
		if said := fmt.Sprint(p); !fine && (!strings.Contains(said, "portreeve.yaml:2:1") || !strings.Contains(said, "`chmod 700 "+state) || !strings.Contains(said, modeOf(mode))) {
			t.Errorf("%v: %s", mode, said)
		}
	}
}

func TestEnvironment(t *testing.T) {
	dir := site(t)
	c := load1(t, dir, whole,
		"PORTREEVE_DEFAULT_DOMAIN=example.edu", "PORTREEVE_LISTENERS_0_ADDRESS=:1993", "PORTREEVE_LISTENERS_INSIDE_PROXY_FROM=10.0.0.1, 10.0.0.2",
		"PORTREEVE_BACKENDS_MAIN_ID=false", "PORTREEVE_BACKENDS_MAIN_IMAP_PROXY=1", "PORTREEVE_LOG_DAYS=7", "PORTREEVE_ADMIN_SOCKET=/x/y",
		"PORTREEVE_MASTER_KEY_FILE="+filepath.Join(dir, "secret"), "PORTREEVE_CONFIG=/x", "PORTREEVE_LISTNERS_0_ADDRESS=:1", "HOME=/root")
	b := c.Backends["main"]
	if c.DefaultDomain != "example.edu" || c.Listeners[0].Address.Port() != 1993 || len(c.Listeners[1].ProxyFrom) != 2 || b.ID || b.IMAP.Proxy != 1 ||
		c.Log.Days != 7 || c.Admin.Socket != "/x/y" || c.MasterKey.Reveal() != "hunter2" {
		t.Errorf("%+v", c)
	}
	var warned []string
	for _, p := range c.Check() {
		if p.Warning && strings.Contains(p.Text, "environment") {
			warned = append(warned, p.Text)
		}
	}
	if got := strings.Join(warned, "\n"); strings.Count(got, "overrides this") != 5 || !strings.Contains(got, "PORTREEVE_LISTNERS_0_ADDRESS names no setting") || strings.Contains(got, "PORTREEVE_CONFIG") {
		t.Errorf("warnings:\n%s", got)
	}
}

func TestSecrets(t *testing.T) {
	dir := site(t)
	key := func(how string, environ ...string) (Secret, error) {
		c, err := Parse("portreeve.yaml", dir, []byte("observe: {address: ':1', key: "+how+"}\n"), environ)
		if err != nil {
			return Secret{}, err
		}
		return c.Observe.Key, nil
	}
	for how, environ := range map[string]string{
		"{file: secret}": "", "{env: KEY}": "KEY=hunter2", "{credential: secret}": "CREDENTIALS_DIRECTORY=" + dir, "hunter2": "",
	} {
		s, err := key(how, environ)
		if err != nil || s.Reveal() != "hunter2" {
			t.Errorf("%s: %v", how, err)
		}
		j, _ := json.Marshal(s)
		for _, printed := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %q %x %d", s, s, s, s, s), string(j), fmt.Sprintf("%+v", struct{ S Secret }{s})} {
			if strings.Contains(printed, "hunter2") || strings.Contains(printed, "68756e74") || !strings.Contains(printed, "[redacted]") {
				t.Errorf("printed: %s", printed)
			}
		}
	}
	for _, how := range []string{"{file: none}", "{env: NONE}", "{credential: secret}", "{credential: ../secret}", "{vault: x}", "{file: secret, env: X}", "[a]", "7"} {
		if _, err := key(how); err == nil {
			t.Errorf("%s: taken", how)
		}
	}
}

func TestShow(t *testing.T) {
	dir := site(t)
	c := load1(t, dir, whole, "PORTREEVE_LOG_DAYS=7")
	var b bytes.Buffer
	if err := c.Show(&b, false); err != nil {
		t.Fatal(err)
	}
	shown := b.String()
	if strings.Contains(shown, "hunter2") || !strings.Contains(shown, "password: [redacted]") {
		t.Errorf("secrets:\n%s", shown)
	}
	for _, line := range []string{"default_domain: example.org", "# portreeve.yaml:4", "days: 7", "# PORTREEVE_LOG_DAYS", "per_source: 100", "# default"} {
		if !strings.Contains(shown, line) {
			t.Errorf("%q is missing:\n%s", line, shown)
		}
	}
	// What is shown is a configuration that means the same.
	again := strings.ReplaceAll(shown, "password: [redacted]", "password: {file: secret}")
	d := load1(t, dir, again)
	var second bytes.Buffer
	if err := d.Show(&second, false); err != nil {
		t.Fatal(err)
	}
	if a, b := origins.ReplaceAllString(shown), origins.ReplaceAllString(second.String()); a != b {
		t.Errorf("first:\n%s\nthen:\n%s", a, b)
	}
	b.Reset()
	if err := c.Show(&b, true); err != nil || strings.Contains(b.String(), "# default") || !strings.Contains(b.String(), "size: 512MB") {
		t.Errorf("changed: %v\n%s", err, b.String())
	}
}

type stripper struct{}

var origins stripper

// ReplaceAllString takes the origins off each line.
func (stripper) ReplaceAllString(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		text, _, _ := strings.Cut(line, " # ")
		b.WriteString(strings.TrimSpace(text) + "\n")
	}
	return b.String()
}

func TestDescribe(t *testing.T) {
	all, err := Manual("")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if len(e.Text) < 20 || !strings.HasSuffix(e.Text, ".") || !strings.HasPrefix(e.Text, "`") {
			t.Errorf("%s: the manual says %q", e.Path, e.Text)
		}
	}
	d, err := Describe("listeners.tls")
	if err != nil || !strings.Contains(d, "listeners[].tls  (implicit | starttls | none, default implicit)") || !strings.Contains(d, "PORTREEVE_LISTENERS_NAME_TLS") {
		t.Errorf("%v\n%s", err, d)
	}
	if d, err := Describe("backends"); err != nil || !strings.Contains(d, "backends.NAME.imap.server_name") {
		t.Errorf("%v\n%s", err, d)
	}
	if _, err := Describe("listners"); err == nil || !strings.Contains(err.Error(), "did you mean listeners?") {
		t.Errorf("%v", err)
	}
}

const page = "../../docs/configuration.md"

func TestThePageIsWhatTheProgramSays(t *testing.T) {
	if *update {
		if err := os.WriteFile(page, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(page)
	if err != nil || string(b) != Reference() {
		t.Errorf("docs/configuration.md is not what the program says (go test ./internal/config -update writes it): %v", err)
	}
}

// The examples of the page are configurations, and short ones.
func TestExamplesOnThePage(t *testing.T) {
	dir := site(t)
	examples := 0
	for i, part := range strings.Split(Reference(), "```yaml\n") {
		if i == 0 {
			continue
		}
		text, _, _ := strings.Cut(part, "```")
		if n := strings.Count(text, "\n"); n > 40 {
			t.Errorf("%d lines", n)
		}
		text = strings.NewReplacer("/etc/ssl/mail/fullchain.pem", "mail.pem", "/etc/ssl/mail/privkey.pem", "mail.key", "geo:\n  country: /var/lib/GeoIP/country.mmdb\n", "").Replace(text)
		if p := load1(t, dir, text).Check(); len(p) > 0 {
			t.Errorf("%s\n%v", text, p)
		}
		examples++
	}
	if examples != 2 {
		t.Errorf("%d examples", examples)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole, "PORTREEVE_LOG_DAYS=7")
	f.Add("listeners: [{protocol: imap}, null, 7]\nbackends: {a: null, b: {imap: null}}\ntls: x\n", "PORTREEVE_BACKENDS_A_LOGIN=x")
	f.Add("observe: null\nlog: [a]\nmaster_key: {file: /dev/null}", "PORTREEVE_=")
	f.Fuzz(func(t *testing.T, text, env string) {
		if strings.Contains(text, "/") { // no files of this machine
			return
		}
		c, err := Parse("portreeve.yaml", "/nonexistent", []byte(text), []string{env})
		if err != nil {
			_ = err.Error()
			return
		}
		var b bytes.Buffer
		if err := c.Show(&b, false); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.Check() {
			_ = p.String()
		}
	})
}

func TestASecretThatEverybodyCanReadIsNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	if err := os.WriteFile(path, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, named := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		c, err := Parse("portreeve.yaml", dir, []byte(`observe: {address: "127.0.0.1:8425", key: {file: secret}}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		var told bool
		for _, p := range c.Check() {
			told = told || strings.Contains(p.String(), "everybody on this machine can read "+path)
		}
		if told != named {
			t.Errorf("mode %04o: named %v", mode, told)
		}
	}
}
