package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/template"
)

// setupFacts are what the lines for a program are made of. Every text in it is
// plain: none of its characters means anything to a program's settings.
type setupFacts struct {
	User             string
	IMAP, POP3, SMTP mailServer
	CA               string // empty: the system's authorities do
	Path             string // of this program
}

// Command is what programs run for a token.
func (f setupFacts) Command() string { return f.Path + " token --user " + f.User }

// UserInURL is the address in a URL.
func (f setupFacts) UserInURL() string { return url.QueryEscape(f.User) }

// Pieces is the command as Python writes a list of words.
func (f setupFacts) Pieces() string {
	return fmt.Sprintf(`"%s", "token", "--user", "%s"`, f.Path, f.User)
}

// setupProgram is a mail program and the lines that make it sign in by token.
type setupProgram struct {
	name  string
	needs []string // of imap, pop3, smtp
	lines string   // template of setupFacts
	after string   // what to know, for people
	// noSTARTTLS programs speak TLS from the first byte alone.
	noSTARTTLS bool
}

// setupPrograms: mechanisms are chosen so that a refusal's text is seen.
// XOAUTH2 is refused without a challenge that mbsync and s-nail would hang at;
// mutt answers one even where none came, and over SMTP it would show the answer
// to that instead of the refusal, so there it is OAUTHBEARER.
var setupPrograms = []setupProgram{
	{name: "mutt", needs: []string{"imap", "smtp"}, lines: strings.ReplaceAll(muttLines, "MECHANISM", "oauthbearer"),
		after: "Goes into ~/.muttrc. Over IMAP, mutt shows the text of a policy's refusal and not that of a refused token."},
	{name: "neomutt", needs: []string{"imap", "smtp"}, lines: strings.ReplaceAll(muttLines, "MECHANISM", "xoauth2"),
		after: "Goes into ~/.neomuttrc."},
	{name: "aerc", needs: []string{"imap", "smtp"}, lines: `[{{.User}}]
source = imap{{if .IMAP.TLS}}s{{end}}+xoauth2://{{.UserInURL}}@{{.IMAP}}
source-cred-cmd = {{.Command}}
outgoing = smtp{{if .SMTP.TLS}}s{{end}}+xoauth2://{{.UserInURL}}@{{.SMTP}}
outgoing-cred-cmd = {{.Command}}
{{if not .SMTP.TLS}}smtp-starttls = yes
{{end}}from = <{{.User}}>
default = INBOX
{{if .CA}}# aerc knows the system's authorities only: start it as SSL_CERT_FILE={{.CA}} aerc
{{end}}`, after: "Goes into ~/.config/aerc/accounts.conf. aerc 0.14 asks for a token once, when it starts. Its session lives on, but one that breaks after the token's time is not opened again before aerc is started anew."},
	{name: "mbsync", needs: []string{"imap"}, lines: `IMAPAccount portreeve
Host {{.IMAP.Host}}
Port {{.IMAP.Port}}
User {{.User}}
PassCmd "{{.Command}}"
AuthMechs XOAUTH2
SSLType {{if .IMAP.TLS}}IMAPS{{else}}STARTTLS{{end}}
{{if .CA}}CertificateFile {{.CA}}
{{end}}
IMAPStore portreeve
Account portreeve
`, after: "Goes into ~/.mbsyncrc; a channel of yours names it as Far :portreeve:. It needs Debian's libsasl2-modules-kdexoauth2. From isync 1.5 on, SSLType is called TLSType."},
	{name: "msmtp", needs: []string{"smtp"}, lines: `account portreeve
host {{.SMTP.Host}}
port {{.SMTP.Port}}
tls on
tls_starttls {{if .SMTP.TLS}}off{{else}}on{{end}}
{{if .CA}}tls_trust_file {{.CA}}
{{end}}auth oauthbearer
user {{.User}}
from {{.User}}
passwordeval "{{.Command}}"
account default : portreeve
`, after: "Goes into ~/.msmtprc."},
	{name: "offlineimap", needs: []string{"imap"}, lines: `[Repository portreeve]
type = IMAP
remotehost = {{.IMAP.Host}}
remoteport = {{.IMAP.Port}}
remoteuser = {{.User}}
ssl = {{if .IMAP.TLS}}yes{{else}}no
starttls = yes{{end}}
sslcacertfile = {{if .CA}}{{.CA}}{{else}}OS-DEFAULT{{end}}
auth_mechanisms = XOAUTH2
oauth2_client_id = ` + helperClient + `
oauth2_client_secret =
oauth2_access_token_eval = __import__("subprocess").check_output([{{.Pieces}}], text=True).strip()
`, after: "Goes into ~/.offlineimaprc; an account of yours names it as remoterepository = portreeve. It asks for a token once in a run: have a timer run `offlineimap -o` rather than use autorefresh."},
	{name: "getmail", needs: []string{"imap"}, noSTARTTLS: true, lines: `[retriever]
type = SimpleIMAPSSLRetriever
server = {{.IMAP.Host}}
port = {{.IMAP.Port}}
username = {{.User}}
use_xoauth2 = True
password_command = ({{.Pieces}})
{{if .CA}}ca_certs = {{.CA}}
{{end}}`, after: "Goes into ~/.config/getmail/getmailrc above your [destination]."},
	{name: "getmail-pop3", needs: []string{"pop3"}, noSTARTTLS: true, lines: `[retriever]
type = SimplePOP3SSLRetriever
server = {{.POP3.Host}}
port = {{.POP3.Port}}
username = {{.User}}
password_command = ({{.Pieces}})
{{if .CA}}ca_certs = {{.CA}}
{{end}}`, after: "getmail 6 shows a token over POP3 as a password only: the server takes that where oauth.token_as_password is on. An app password works everywhere."},
	{name: "s-nail", needs: []string{"imap", "smtp"}, lines: `set v15-compat=yes
vput ! token {{.Command}}
vput csop token trim "$token"
set user={{.User}} password="$token" from={{.User}}
set imap-auth=oauthbearer smtp-auth=oauthbearer
{{if .CA}}set tls-ca-file={{.CA}}
{{end}}{{if not (and .IMAP.TLS .SMTP.TLS)}}set imap-use-starttls smtp-use-starttls
{{end}}set mta=smtp{{if .SMTP.TLS}}s{{end}}://{{.SMTP}}
shortcut portreeve imap{{if .IMAP.TLS}}s{{end}}://{{.UserInURL}}@{{.IMAP}}/INBOX
`, after: "Goes into ~/.mailrc; `s-nail -f portreeve` reads."},
	{name: "curl", needs: []string{"imap"}, lines: `printf 'oauth2-bearer = "%s"\n' "$({{.Command}})" |
curl --config - {{if .CA}}--cacert {{.CA}} {{end}}--ssl-reqd --user '{{.User}}:' imap{{if .IMAP.TLS}}s{{end}}://{{.IMAP}}/INBOX
`, after: "The token goes in by standard input, not in the list of processes; the same for pop3s:// and smtps://. curl shows no text of a refusal."},
	{name: "git", needs: []string{"smtp"}, lines: `git config --global sendemail.sendmailCmd "msmtp --account=portreeve"
git config --global sendemail.from {{.User}}
`, after: "git send-email knows no tokens: it sends by msmtp, set up as above."},
}

// muttLines do for mutt and neomutt.
const muttLines = `set imap_user = '{{.User}}'
set folder = 'imap{{if .IMAP.TLS}}s{{end}}://{{.IMAP}}/'
set spoolfile = '+INBOX'
set imap_authenticators = 'xoauth2'
set imap_oauth_refresh_command = '{{.Command}}'
set smtp_url = 'smtp{{if .SMTP.TLS}}s{{end}}://{{.UserInURL}}@{{.SMTP}}/'
set smtp_authenticators = 'MECHANISM'
set smtp_oauth_refresh_command = '{{.Command}}'
set from = '{{.User}}'
set ssl_force_tls = yes
{{if .CA}}set ssl_ca_certificates_file = '{{.CA}}'
{{end}}`

// setupNames are the programs whose lines are known.
func setupNames() []string {
	var names []string
	for _, p := range setupPrograms {
		names = append(names, p.name)
	}
	return names
}

func findSetup(name string) (setupProgram, bool) {
	i := slices.IndexFunc(setupPrograms, func(p setupProgram) bool { return p.name == name })
	if i < 0 {
		return setupProgram{}, false
	}
	return setupPrograms[i], true
}

// text is what to paste.
func (p setupProgram) text(f setupFacts) (string, error) {
	t, err := template.New(p.name).Parse(p.lines)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, f)
	return b.String(), err
}
