package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// program is a real mail program and how it signs in.
type program struct {
	name     string
	protocol string
	family   string // what the log calls it
	token    string // the mechanism by which it shows tokens; empty: it knows none
	silent   bool   // it prints nothing of a refusal's text
	deaf     bool   // likewise of a refused token's
	// run signs in, does some little thing, and tells whether that went well and
	// all that the program printed.
	run func(t testing.TB, d *door, l login) (printed string, in bool)
}

// login is what a program is told.
type login struct {
	person, secret string
	token          bool // secret is a bearer token
}

// programTime is how long one run of a program may take.
const programTime = 60 * time.Second

var programs = []program{
	{name: "curl-imap", protocol: "imap", family: "openssl", token: "OAUTHBEARER", silent: true, run: curl("imaps", func(d *door) string { return d.IMAPS }, "/")},
	{name: "curl-pop3", protocol: "pop3", family: "openssl", token: "OAUTHBEARER", silent: true, run: curl("pop3s", func(d *door) string { return d.POP3S }, "/")},
	{name: "curl-smtp", protocol: "submission", family: "openssl", token: "OAUTHBEARER", silent: true, run: curl("smtps", func(d *door) string { return d.Submissions }, "/me.test")},
	{name: "curl-imap-starttls", protocol: "imap", family: "openssl", token: "OAUTHBEARER", silent: true, run: curl("imap", func(d *door) string { return d.IMAP }, "/")},
	{name: "curl-pop3-starttls", protocol: "pop3", family: "openssl", token: "OAUTHBEARER", silent: true, run: curl("pop3", func(d *door) string { return d.POP3 }, "/")},
	{name: "curl-smtp-starttls", protocol: "submission", family: "openssl", token: "OAUTHBEARER", silent: true, run: curl("smtp", func(d *door) string { return d.Submission }, "/me.test")},
	{name: "mbsync", protocol: "imap", family: "openssl", token: "XOAUTH2", run: mbsync},
	{name: "fetchmail-imap", protocol: "imap", family: "openssl", run: fetchmail("IMAP", func(d *door) string { return d.IMAPS })},
	{name: "fetchmail-pop3", protocol: "pop3", family: "openssl", run: fetchmail("POP3", func(d *door) string { return d.POP3S })},
	{name: "msmtp", protocol: "submission", family: "gnutls", token: "XOAUTH2", run: msmtp("xoauth2")},
	{name: "msmtp-oauthbearer", protocol: "submission", family: "gnutls", token: "OAUTHBEARER", run: msmtp("oauthbearer")},
	{name: "swaks", protocol: "submission", family: "openssl", run: swaks},
	{name: "neomutt-imap", protocol: "imap", family: "gnutls", token: "XOAUTH2", run: neomuttIMAP},
	{name: "neomutt-smtp", protocol: "submission", family: "gnutls", token: "OAUTHBEARER", silent: true, run: neomuttSMTP},
	{name: "evolution-imap", protocol: "imap", family: "gnutls", token: "XOAUTH2", run: evolutionReads},
	{name: "evolution-smtp", protocol: "submission", family: "gnutls", token: "XOAUTH2", silent: true, run: evolutionSends},
	{name: "imaplib", protocol: "imap", family: "openssl", token: "XOAUTH2", run: python(imaplibScript, func(d *door) string { return d.IMAPS })},
	{name: "poplib", protocol: "pop3", family: "openssl", token: "XOAUTH2", run: python(poplibScript, func(d *door) string { return d.POP3S })},
	{name: "smtplib", protocol: "submission", family: "openssl", token: "XOAUTH2", run: python(smtplibScript, func(d *door) string { return d.Submission })},
	{name: "go-imap", protocol: "imap", family: "go", token: "OAUTHBEARER", deaf: true, run: goIMAP},
	{name: "sieve-connect", protocol: "sieve", family: "openssl", run: sieveConnect},
	{name: "php-net-sieve", protocol: "sieve", family: "openssl", token: "XOAUTH2", run: phpSieve},
}

// runProgram runs one with its own home and without terminal.
func runProgram(t testing.TB, home, in, name string, args ...string) (printed string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin = home, strings.NewReader(in)
	cmd.Env = append(os.Environ(), "HOME="+home, "FETCHMAILHOME="+home, "LC_ALL=C", "TERM=xterm")
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Errorf("%s hung for %v; it printed:\n%s", name, programTime, both.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", name, err)
	}
	return both.String(), err == nil
}

// write puts a file into a folder and returns its path.
func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	check(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func curl(scheme string, at func(*door) string, path string) func(testing.TB, *door, login) (string, bool) {
	return func(t testing.TB, d *door, l login) (string, bool) {
		args := append(curlArgs(d, l), scheme+"://localhost:"+portOf(at(d))+path)
		if strings.HasPrefix(scheme, "smtp") {
			args = append(args, "--mail-from", l.person, "--mail-rcpt", l.person, "--upload-file", "-")
		}
		return runProgram(t, t.TempDir(), "Subject: from curl\r\n\r\nhello\r\n", "curl", args...)
	}
}

func curlArgs(d *door, l login) []string {
	args := []string{"-sS", "--max-time", "50", "--ssl-reqd", "--cacert", d.CA}
	if l.token {
		return append(args, "--user", l.person+":", "--oauth2-bearer", l.secret)
	}
	return append(args, "--user", l.person+":"+l.secret)
}

func mbsync(t testing.TB, d *door, l login) (string, bool) {
	home, mechanism := t.TempDir(), "PLAIN"
	if l.token {
		mechanism = "XOAUTH2"
	}
	check(t, os.Mkdir(filepath.Join(home, "mail"), 0o700))
	rc := write(t, home, "mbsyncrc", fmt.Sprintf(`IMAPStore far
Host localhost
Port %s
User %s
Pass "%s"
SSLType IMAPS
CertificateFile %s
AuthMechs %s

MaildirStore near
Path %s/mail/
Inbox %s/mail/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
`, portOf(d.IMAPS), l.person, l.secret, d.CA, mechanism, home, home))
	return runProgram(t, home, "", "mbsync", "-c", rc, "all")
}

func fetchmail(protocol string, at func(*door) string) func(testing.TB, *door, login) (string, bool) {
	return func(t testing.TB, d *door, l login) (string, bool) {
		home := t.TempDir()
		rc := write(t, home, "rc", fmt.Sprintf("poll localhost protocol %s port %s user %q password %q ssl sslcertck sslcertfile %q keep mda \"cat >/dev/null\"\n",
			protocol, portOf(at(d)), l.person, l.secret, d.CA))
		printed, ok := runProgram(t, home, "", "fetchmail", "-f", rc, "--pidfile", filepath.Join(home, "pid"), "--nosyslog", "-v")
		return printed, ok || strings.Contains(printed, "normal termination, status 1\n") // no mail that is new
	}
}

const letter = "From: me@example.org\nTo: you@example.org\nSubject: a letter\n\nhello\n"

func msmtp(tokenMechanism string) func(testing.TB, *door, login) (string, bool) {
	return func(t testing.TB, d *door, l login) (string, bool) {
		home, mechanism := t.TempDir(), "plain"
		if l.token {
			mechanism = tokenMechanism
		}
		secret := write(t, home, "secret", l.secret)
		return runProgram(t, home, letter, "msmtp", "--file=/dev/null", "--host=localhost", "--port="+portOf(d.Submissions), "--tls=on", "--tls-starttls=off",
			"--tls-trust-file="+d.CA, "--auth="+mechanism, "--user="+l.person, "--passwordeval=cat "+secret, "--from="+l.person, l.person)
	}
}

func swaks(t testing.TB, d *door, l login) (string, bool) {
	return runProgram(t, t.TempDir(), "", "swaks", "--server", "localhost", "--port", portOf(d.Submissions), "--tls-on-connect", "--auth", "PLAIN",
		"--auth-user", l.person, "--auth-password", l.secret, "--from", l.person, "--to", l.person, "--hide-send")
}

// neomuttIMAP opens the inbox on a terminal; what it says is on the screen,
// where a message stands for sleep_time seconds.
func neomuttIMAP(t testing.TB, d *door, l login) (string, bool) {
	home := t.TempDir()
	check(t, os.Mkdir(filepath.Join(home, "Mail"), 0o700)) // else it asks
	rc := write(t, home, "rc", neomuttRC(t, home, d, l)+fmt.Sprintf("set spoolfile=imaps://%s@localhost:%s/INBOX\nset sleep_time=1 quit=yes\n",
		strings.ReplaceAll(l.person, "@", "%40"), portOf(d.IMAPS)))
	screen := onTerminal(t, home, "neomutt -n -F "+rc, "q", func(screen string) bool {
		return strings.Contains(screen, "/INBOX [Msgs:") || strings.Contains(screen, "Unable to open mailbox")
	})
	return screen, strings.Contains(screen, "/INBOX [Msgs:")
}

// onTerminal runs a command on a terminal, types keys once the screen is as
// wanted, again each second (a program that is drawing throws away what was typed
// ahead), and returns all that was drawn.
func onTerminal(t testing.TB, home, command, keys string, wanted func(screen string) bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "script", "-qec", "stty rows 24 cols 240; exec "+command, "/dev/null")
	cmd.Dir, cmd.Env = home, append(os.Environ(), "HOME="+home, "LC_ALL=C", "TERM=xterm")
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	// What script leaves behind when it is killed must not keep its output open.
	defer context.AfterFunc(ctx, func() { time.Sleep(time.Second); _ = out.Close() })()

	drawn := make(chan []byte)
	go func() {
		defer close(drawn)
		for {
			buf := make([]byte, 4096)
			n, err := out.Read(buf)
			if drawn <- buf[:n]; err != nil {
				return
			}
		}
	}()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	var screen []byte
	for more := true; more; {
		var part []byte
		select {
		case part, more = <-drawn:
			before := wanted(string(screen))
			screen = append(screen, part...)
			if before {
				continue
			}
		case <-again.C:
		}
		if wanted(string(screen)) {
			_, _ = in.Write([]byte(keys))
		}
	}
	_ = cmd.Wait()
	if ctx.Err() != nil {
		t.Errorf("%s hung for %v; it drew:\n%s", command, programTime, screen)
	}
	return string(screen)
}

func neomuttSMTP(t testing.TB, d *door, l login) (string, bool) {
	home := t.TempDir()
	rc := write(t, home, "rc", neomuttRC(t, home, d, l)+fmt.Sprintf("set smtp_url=smtps://%s@localhost:%s\nset from=%s copy=no\n",
		strings.ReplaceAll(l.person, "@", "%40"), portOf(d.Submissions), l.person))
	return runProgram(t, home, "hello\n", "neomutt", "-n", "-F", rc, "-s", "a letter", l.person)
}

func neomuttRC(t testing.TB, home string, d *door, l login) string {
	rc := fmt.Sprintf("set ssl_ca_certificates_file=%s\nset certificate_file=%s\n", d.CA, d.CA)
	if !l.token {
		return rc + fmt.Sprintf("set imap_pass=%q smtp_pass=%q\n", l.secret, l.secret)
	}
	secret := write(t, home, "token", l.secret)
	return rc + fmt.Sprintf("set imap_authenticators=xoauth2 smtp_authenticators=oauthbearer\nset imap_oauth_refresh_command='cat %s' smtp_oauth_refresh_command='cat %s'\n", secret, secret)
}

// python runs a script with host, port, authority, person and secret.
func python(script string, at func(*door) string) func(testing.TB, *door, login) (string, bool) {
	return func(t testing.TB, d *door, l login) (string, bool) {
		kind := "password"
		if l.token {
			kind = "token"
		}
		return runProgram(t, t.TempDir(), script, "/usr/bin/python3", "-", "localhost", portOf(at(d)), d.CA, kind, l.person, l.secret)
	}
}

const imaplibScript = `
import imaplib, ssl, sys
host, port, ca, kind, user, secret = sys.argv[1:]
m = imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context(cafile=ca))
if kind == 'token':
    m.authenticate('XOAUTH2', lambda x: ('user=%s\1auth=Bearer %s\1\1' % (user, secret)).encode())
else:
    m.login(user, secret)
print(m.select('INBOX'))
m.logout()
`

const poplibScript = `
import base64, poplib, ssl, sys
host, port, ca, kind, user, secret = sys.argv[1:]
p = poplib.POP3_SSL(host, int(port), context=ssl.create_default_context(cafile=ca))
if kind == 'token':
    p._shortcmd('AUTH XOAUTH2 ' + base64.b64encode(('user=%s\1auth=Bearer %s\1\1' % (user, secret)).encode()).decode())
else:
    p.user(user); p.pass_(secret)
print(p.stat())
p.quit()
`

const smtplibScript = `
import smtplib, ssl, sys
host, port, ca, kind, user, secret = sys.argv[1:]
s = smtplib.SMTP(host, int(port))
s.starttls(context=ssl.create_default_context(cafile=ca))
s.ehlo()
if kind == 'token':
    s.auth('XOAUTH2', lambda challenge=None: '' if challenge else 'user=%s\1auth=Bearer %s\1\1' % (user, secret))
else:
    s.login(user, secret)
print(s.sendmail(user, [user], 'Subject: from Python\r\n\r\nhello\r\n'))
s.quit()
`

func goIMAP(t testing.TB, d *door, l login) (string, bool) {
	c, err := imapclient.DialTLS(d.IMAPS, &imapclient.Options{TLSConfig: d.tls()})
	check(t, err)
	defer c.Close()
	if l.token {
		err = c.Authenticate(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: l.person, Token: l.secret}))
	} else {
		err = c.Login(l.person, l.secret).Wait()
	}
	if err == nil {
		_, err = c.Select("INBOX", nil).Wait()
	}
	return fmt.Sprint(err), err == nil
}

// tls is what a program of ours trusts.
func (d *door) tls() *tls.Config {
	return &tls.Config{RootCAs: d.authority.Pool(), ServerName: "localhost"}
}

func sieveConnect(t testing.TB, d *door, l login) (string, bool) {
	return runProgram(t, t.TempDir(), l.secret+"\n", "sieve-connect", "--server", "localhost", "--port", portOf(d.Sieve), "--tlscafile", d.CA,
		"--user", l.person, "--authmech", "PLAIN", "--passwordfd", "0", "--list")
}

const sieveScript = `<?php
require 'Net/Sieve.php';
[, $port, $ca, $kind, $user, $secret] = $argv;
$s = new Net_Sieve();
$r = $s->connect('localhost', (int)$port, ['ssl' => ['cafile' => $ca, 'peer_name' => 'localhost']], true);
if ($r === true) $r = $kind == 'token' ? $s->login($user, "Bearer $secret", 'XOAUTH2') : $s->login($user, $secret, 'PLAIN');
if ($r === true) $r = $s->installScript('hello', "keep;\n");
if ($r !== true) { echo $r->getMessage(), "\n"; exit(1); }
echo implode(' ', $s->listScripts()), "\n";
$s->disconnect();
`

func phpSieve(t testing.TB, d *door, l login) (string, bool) {
	home, kind := t.TempDir(), "password"
	if l.token {
		kind = "token"
	}
	script := write(t, home, "sieve.php", sieveScript)
	return runProgram(t, home, "", "php", "-d", "error_reporting=E_ALL&~E_DEPRECATED", script, portOf(d.Sieve), d.CA, kind, l.person, l.secret)
}
