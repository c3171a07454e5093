package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// webmailHost is where Roundcube connects from, in the tests.
const webmailHost = "127.20.0.1"

// docBlock is the n-th code block of a page of the documentation, so that what
// is tested is what people paste.
func docBlock(t testing.TB, page string, n int) string {
	t.Helper()
	raw, err := os.ReadFile("../docs/" + page)
	check(t, err)
	parts := strings.Split(string(raw), "```")
	if len(parts) < 2*n+2 {
		t.Fatalf("%s has no code block %d", page, n)
	}
	_, block, _ := strings.Cut(parts[2*n+1], "\n")
	return block
}

// startRoundcube starts Debian's Roundcube in a folder of its own, with the
// settings and, if asked for, the plugin of docs/roundcube.md, and returns its address.
func startRoundcube(t testing.TB, d *door, plugin bool) string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o755))
	const installed = "/var/lib/roundcube"
	for _, name := range []string{"SQL", "index.php", "program", "skins"} {
		check(t, os.Symlink(filepath.Join(installed, name), filepath.Join(dir, name)))
	}
	for _, name := range []string{"config", "logs", "temp", "plugins", "plugins/portreeve_address"} {
		check(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	for _, name := range []string{"filesystem_attachments", "jqueryui"} {
		check(t, os.Symlink(filepath.Join(installed, "plugins", name), filepath.Join(dir, "plugins", name)))
	}
	for _, name := range []string{"defaults.inc.php", "mimetypes.php"} {
		check(t, os.Symlink(filepath.Join("/etc/roundcube", name), filepath.Join(dir, "config", name)))
	}
	settings := strings.NewReplacer("door.example.org:993", "localhost:"+portOf(d.IMAPS), "door.example.org:465", "localhost:"+portOf(d.Submissions)).
		Replace(docBlock(t, "roundcube.md", 1))
	if !plugin {
		settings = strings.ReplaceAll(settings, "$config['plugins'][]", "// ")
	}
	write(t, dir, "config/config.inc.php", fmt.Sprintf(`<?php
$config = ['plugins' => []];
$config['db_dsnw'] = 'sqlite:///%s/roundcube.db?mode=0600';
$config['des_key'] = 'twenty-four-characters!!';
$config['log_dir'] = '%s/logs/';
$config['temp_dir'] = '%s/temp/';
foreach (['imap', 'smtp'] as $kind)
    $config[$kind . '_conn_options'] = ['ssl' => ['cafile' => '%s', 'peer_name' => 'localhost'], 'socket' => ['bindto' => '%s:0']];
%s`, dir, dir, dir, d.CA, webmailHost, settings))
	write(t, dir, "plugins/portreeve_address/portreeve_address.php", docBlock(t, "roundcube.md", 2))
	first := write(t, dir, "first.php", fmt.Sprintf("<?php define('INSTALL_PATH', '%s/');\n", dir))

	address := mailtest.FreeAddress(t)
	said, err := os.Create(filepath.Join(dir, "said"))
	check(t, err)
	defer said.Close()
	cmd := exec.Command("php", "-d", "auto_prepend_file="+first, "-d", "error_reporting=E_ALL&~E_DEPRECATED", "-S", address, "-t", dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			for _, name := range []string{"said", "logs/errors.log"} {
				raw, _ := os.ReadFile(filepath.Join(dir, name))
				t.Logf("%s:\n%s", name, tail(string(raw), 20))
			}
		}
	})
	for end := time.Now().Add(10 * time.Second); !answers(address); time.Sleep(pollTime) {
		if time.Now().After(end) {
			t.Fatal("Roundcube did not start")
		}
	}
	return "http://" + address
}

// browser is somebody's, at an address of loopback.
type browser struct {
	t    testing.TB
	http *http.Client
	at   string
}

func newBrowser(t testing.TB, from, at string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return &browser{t, &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}, at}
}

// page gets a page, or posts a form to it.
func (b *browser) page(path string, form url.Values) string {
	b.t.Helper()
	var resp *http.Response
	var err error
	if form == nil {
		resp, err = b.http.Get(b.at + path)
	} else {
		resp, err = b.http.PostForm(b.at+path, form)
	}
	check(b.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	check(b.t, err)
	return string(raw)
}

var hidden = regexp.MustCompile(`name="(_\w+)" value="([^"]*)"`)

// fields are the hidden fields of a page's forms.
func fields(page string) url.Values {
	v := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		v.Set(m[1], m[2])
	}
	return v
}

// login signs in and says whether the mailbox is shown.
func (b *browser) login(person, secret string) bool {
	b.t.Helper()
	form := fields(b.page("/?_task=login", nil))
	for name, value := range map[string]string{"_task": "login", "_action": "login", "_user": person, "_pass": secret, "_timezone": "UTC"} {
		form.Set(name, value)
	}
	return strings.Contains(b.page("/?_task=login", form), `task-mail`)
}

// send writes a mail, and says whether Roundcube says that it is sent.
func (b *browser) send(person, to string) bool {
	b.t.Helper()
	compose := b.page("/?_task=mail&_action=compose", nil)
	form := fields(compose)
	from := regexp.MustCompile(`<option value="(\d+)"[^>]*>[^<]*` + regexp.QuoteMeta(person)).FindStringSubmatch(compose)
	id := regexp.MustCompile(`"compose_id":"(\w+)"`).FindStringSubmatch(compose)
	if from == nil || id == nil {
		b.t.Fatalf("no form to compose a mail:\n%.3000s", compose)
	}
	for name, value := range map[string]string{"_task": "mail", "_action": "send", "_id": id[1], "_from": from[1], "_to": to,
		"_subject": "by webmail", "_message": "hello", "_store_target": "", "_framed": "1"} {
		form.Set(name, value)
	}
	answer := b.page("/?_task=mail&_action=send", form)
	if !strings.Contains(answer, "sent_successfully") && !strings.Contains(answer, "Message sent successfully") {
		b.t.Logf("after sending: %.3000s", answer)
		return false
	}
	return true
}

// Debian's Roundcube, set up as docs/roundcube.md says, passes the browser's
// address on when it reads mail and when it sends: it is what policy judges and
// what the log says. Without the plugin everybody has Roundcube's address, which
// `status` reports.
func TestRoundcube(t *testing.T) {
	t.Parallel()
	people := map[string]string{}
	for n := range 10 {
		people[fmt.Sprintf("web%d@example.org", n)] = password
	}
	const forwarders = "192.0.2.10"
	yaml := docBlock(t, "roundcube.md", 0)
	if !strings.Contains(yaml, forwarders) {
		t.Fatalf("docs/roundcube.md does not name %s", forwarders)
	}
	s := hastySite(t, siteOptions{People: people, Dovecot: mailtest.DovecotOptions{}, Door: doorOptions{Extra: strings.ReplaceAll(yaml, forwarders, webmailHost)}})
	with, without := startRoundcube(t, s.door, true), startRoundcube(t, s.door, false)

	mary := newBrowser(t, "127.21.0.5", with)
	if !mary.login("web0@example.org", password) {
		t.Fatalf("mary is not let in:\n%s", tail(s.log(), 10))
	}
	if e := s.signIn(t, "web0@example.org", "PR0"); e.IPAddress != "127.21.0.5" || e.Portreeve.Forwarder != "webmail" || e.Portreeve.Program.Family != "roundcube" || e.Portreeve.Protocol != "imap" {
		t.Errorf("recorded from %s: %+v", e.IPAddress, e.Portreeve)
	}
	if !mary.send("web0@example.org", "web1@example.org") {
		t.Error("mary's mail is not sent")
	}
	sent := s.signIns(t, `user eq "web0@example.org" and protocol eq "submission"`)
	if len(sent) == 0 || sent[0].IPAddress != "127.21.0.5" || sent[0].Portreeve.Forwarder != "webmail" {
		t.Errorf("sending is recorded as %+v", sent)
	}
	if newBrowser(t, "127.21.0.6", with).login("web2@example.org", s.use("Wr0ng-at-webmail")) {
		t.Error("a wrong password is let in")
	}
	if e := s.signIn(t, "web2@example.org", "PR50126"); e.IPAddress != "127.21.0.6" {
		t.Errorf("a wrong password is recorded from %s", e.IPAddress)
	}

	// Policy judges where the browser is.
	s.do(t, "location", "add", "Cellar", "--cidr", "127.21.66.0/24")
	if out, err := s.feed(`{"displayName": "Not from the cellar", "state": "enabled", "conditions": {"users": {"includeUsers": ["All"]},
  "applications": {"includeApplications": ["All"]}, "locations": {"includeLocations": ["Cellar"]}},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	if newBrowser(t, "127.21.66.1", with).login("web3@example.org", password) {
		t.Error("let in from the cellar")
	}
	s.signIn(t, "web3@example.org", "PR53003")
	if !newBrowser(t, "127.21.0.7", with).login("web3@example.org", password) {
		t.Error("not let in from elsewhere")
	}

	if !newBrowser(t, "127.21.0.8", without).login("web4@example.org", password) {
		t.Error("without the plugin: not let in")
	}
	if e := s.signIn(t, "web4@example.org", "PR0"); e.IPAddress != webmailHost {
		t.Errorf("without the plugin recorded from %s", e.IPAddress)
	}
	var status struct {
		Forwarders []struct {
			Name    string `json:"name"`
			With    int    `json:"withAddress"`
			Without int    `json:"withoutAddress"`
		} `json:"forwarders"`
	}
	if s.read(t, &status, "status"); len(status.Forwarders) != 1 || status.Forwarders[0].With < 4 || status.Forwarders[0].Without == 0 {
		t.Errorf("`status` says of the forwarder: %+v", status.Forwarders)
	}
}
