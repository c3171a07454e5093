package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// What libraries come in beside those that other tests run.
const (
	mailJars     = "/opt/portreeve-test/javamail-1.6.7/*" // of packages.sh
	bearerScript = `
import imaplib, smtplib, ssl, sys
host, port, ca, kind, user, secret = sys.argv[1:]
ctx = ssl.create_default_context(cafile=ca)
response = 'n,a=%s,\1host=%s\1port=%s\1auth=Bearer %s\1\1' % (user, host, port, secret)
if '%PROTOCOL%' == 'imap':
    m = imaplib.IMAP4_SSL(host, int(port), ssl_context=ctx)
    m.authenticate('OAUTHBEARER', lambda x: b'\1' if x else response.encode())
    print(m.select('INBOX'))
    m.logout()
else:
    s = smtplib.SMTP_SSL(host, int(port), context=ctx)
    s.ehlo()
    s.auth('OAUTHBEARER', lambda challenge=None: '\1' if challenge else response)
    print(s.sendmail(user, [user], 'Subject: from Python\r\n\r\nhello\r\n'))
    s.quit()
`
)

func imapsOf(d *door) string       { return d.IMAPS }
func pop3sOf(d *door) string       { return d.POP3S }
func submissionsOf(d *door) string { return d.Submissions }

// libraries are those that other software signs in by, with a token of ours.
var libraries = []program{
	{name: "imaplib-bearer", protocol: "imap", token: "OAUTHBEARER", run: python(strings.ReplaceAll(bearerScript, "%PROTOCOL%", "imap"), imapsOf)},
	{name: "smtplib-bearer", protocol: "submission", token: "OAUTHBEARER", run: python(strings.ReplaceAll(bearerScript, "%PROTOCOL%", "smtp"), submissionsOf)},
	{name: "javamail-imap", protocol: "imap", token: "XOAUTH2", run: javaMail("imaps", imapsOf)},
	{name: "javamail-pop3", protocol: "pop3", token: "XOAUTH2", run: javaMail("pop3s", pop3sOf)},
	{name: "javamail-smtp", protocol: "submission", token: "XOAUTH2", run: javaMail("smtps", submissionsOf)},
	{name: "imapflow", protocol: "imap", token: "OAUTHBEARER", run: nodeMail("imapflow.cjs", imapsOf)},
	{name: "nodemailer", protocol: "submission", token: "XOAUTH2", run: nodeMail("nodemailer.cjs", submissionsOf)},
}

// known are libraries that the matrix of programs runs too, with others' tokens.
var known = []string{"imaplib", "poplib", "smtplib", "go-imap", "php-net-sieve"}

// javaClasses is where JavaMail's program is compiled to, once.
var javaClasses = sync.OnceValues(func() (string, error) {
	dir := whole.TempDir()
	printed, err := exec.Command("javac", "-cp", mailJars, "-d", dir, "oauthlibs/Mail.java").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("javac: %w\n%s", err, printed)
	}
	return dir, err
})

func javaMail(protocol string, at func(*door) string) func(testing.TB, *door, login) (string, bool) {
	return func(t testing.TB, d *door, l login) (string, bool) {
		classes, err := javaClasses()
		check(t, err)
		return runProgram(t, t.TempDir(), "", "java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", classes+":"+mailJars, "Mail", protocol, portOf(at(d)), d.CA, l.person, l.secret)
	}
}

func nodeMail(script string, at func(*door) string, more ...string) func(testing.TB, *door, login) (string, bool) {
	return func(t testing.TB, d *door, l login) (string, bool) {
		path, err := filepath.Abs(filepath.Join("oauthlibs", script))
		check(t, err)
		return runProgram(t, t.TempDir(), "", "env", append([]string{"NODE_EXTRA_CA_CERTS=" + d.CA, "node", path, portOf(at(d)), l.person, l.secret}, more...)...)
	}
}

// tokens are what a mail program gets when somebody signs in by it.
func (i *issuing) tokens(t testing.TB, v *visitor) *oauth2.Token {
	t.Helper()
	c := oauth2.Config{ClientID: "portreeve-mail", RedirectURL: "http://127.0.0.1:1/", Scopes: []string{"mail", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: i.origin + "/oauth2/authorize", TokenURL: i.origin + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams}}
	verifier := oauth2.GenerateVerifier()
	back, err := url.Parse(v.follow(c.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), &i.person).URL)
	check(t, err)
	token, err := c.Exchange(context.WithValue(t.Context(), oauth2.HTTPClient, i.http(t)), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	check(t, err)
	i.use(token.AccessToken)
	i.use(token.RefreshToken)
	return token
}

// revoke is what a program does when somebody removes their account from it.
func (i *issuing) revoke(t testing.TB, token string) {
	t.Helper()
	r, err := i.http(t).PostForm(i.origin+"/oauth2/revoke", url.Values{"client_id": {"portreeve-mail"}, "token": {token}})
	check(t, err)
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("revoking: %s", r.Status)
	}
}

// Libraries that other software signs in by read and send mail with an access
// token of ours, and are told at once, and with our text, when it has ended.
func TestLibrariesWithOurTokens(t *testing.T) {
	t.Parallel()
	i := startIssuing(t, "lars@example.org", "10m")
	v := i.visitor(t, i.origin)
	all := slices.Clone(libraries)
	for _, p := range programs {
		if slices.Contains(known, p.name) {
			all = append(all, p)
		}
	}
	token := i.tokens(t, v)
	t.Run("while it holds", func(t *testing.T) {
		for _, p := range all {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				if printed, in := p.run(t, i.door, login{i.address, token.AccessToken, true}); !in {
					t.Fatalf("refused; it printed:\n%s\n%+v", printed, i.signIns(t, ""))
				}
				i.opened(t, p)
			})
		}
		t.Run("nodemailer refreshes by itself", func(t *testing.T) {
			printed, in := nodeMail("nodemailer.cjs", submissionsOf, i.origin+"/oauth2/token")(t, i.door, login{i.address, token.RefreshToken, true})
			if !in {
				t.Errorf("refused; it printed:\n%s", printed)
			}
		})
	})
	i.revoke(t, token.RefreshToken)
	t.Run("when it has ended", func(t *testing.T) {
		for _, p := range all {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				printed, in := p.run(t, i.door, login{i.address, token.AccessToken, true})
				if in {
					t.Fatalf("let in; it printed:\n%s", printed)
				}
				if took := time.Since(began); took > programTime/2 {
					t.Errorf("it took %v", took)
				}
				if !p.deaf && codeIn(printed) == "" {
					t.Errorf("it does not say why:\n%s", printed)
				}
				if p.name == "imapflow" && !(strings.Contains(printed, i.origin+"/.well-known/openid-configuration") && strings.Contains(printed, `"scope":"urn:ietf:params:oauth:scope:mail"`)) {
					t.Errorf("it is not told where tokens come from:\n%s", printed)
				}
			})
		}
	})
}

// opened waits until the log tells of a door that a library opened by a grant.
func (i *issuing) opened(t testing.TB, p program) {
	t.Helper()
	filter := fmt.Sprintf("user eq %q and code eq \"PR0\" and protocol eq %q", i.address, p.protocol)
	for end := time.Now().Add(logWait); time.Now().Before(end); time.Sleep(10 * pollTime) {
		for _, e := range i.signIns(t, filter) {
			if e.Portreeve.Mechanism == p.token && e.Portreeve.Credential == "bearer" {
				return
			}
		}
	}
	t.Errorf("no sign-in by %s over %s in the log", p.token, p.protocol)
}
