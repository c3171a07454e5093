package apppassword

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"rsc.io/qr"
)

// Program is one for which there is a text to paste.
type Program struct {
	ID    string
	Label string
	// Sends and Reads say what the text sets up.
	Sends, Reads bool
	text         func(b *strings.Builder, m *MailServers, o *Owner, password string)
}

// Programs are those for which there is a text, in the order to show them.
func Programs() []Program {
	return []Program{
		{"any", "Any program or device", true, true, anyText},
		{"printer", "Printer or scanner", true, false, printerText},
		{"msmtp", "msmtp", true, false, msmtpText},
		{"swaks", "swaks", true, false, swaksText},
		{"git", "git send-email", true, false, gitText},
		{"mbsync", "mbsync (isync)", false, true, mbsyncText},
		{"fetchmail", "fetchmail", false, true, fetchmailText},
		{"mutt", "mutt and neomutt", true, true, muttText},
		{"python", "Python", true, true, pythonText},
	}
}

// Paste is the text for a program; false if it is not one of Programs.
func Paste(program string, m MailServers, o Owner, password string) (string, bool) {
	for _, p := range Programs() {
		if p.ID == program {
			var b strings.Builder
			p.text(&b, &m, &o, password)
			return b.String(), true
		}
	}
	return "", false
}

// QR is a PNG of the settings, for a device with a camera and no keyboard.
func QR(m MailServers, o Owner, password string) ([]byte, error) {
	text, _ := Paste("any", m, o, password)
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return nil, fmt.Errorf("drawing the settings: %w", err)
	}
	return code.PNG(), nil
}

// security is what programs call the way to TLS.
func (s Server) security() string {
	if s.STARTTLS {
		return "STARTTLS"
	}
	return "SSL/TLS"
}

func (s Server) address() string { return net.JoinHostPort(s.Host, strconv.Itoa(int(s.Port))) }

func anyText(b *strings.Builder, m *MailServers, o *Owner, password string) {
	for _, s := range []struct {
		label string
		Server
	}{{"IMAP", m.IMAP}, {"POP3", m.POP3}, {"SMTP", m.Submission}, {"ManageSieve", m.Sieve}} {
		if s.Host != "" {
			fmt.Fprintf(b, "%s: %s port %d, %s\n", s.label, s.Host, s.Port, s.security())
		}
	}
	fmt.Fprintf(b, "User name: %s\nPassword: %s\nAuthentication: normal password\n", o.Address, password)
}

func printerText(b *strings.Builder, m *MailServers, o *Owner, password string) {
	fmt.Fprintf(b, "SMTP server: %s\nPort: %d\nEncryption: %s\nSMTP authentication: on (PLAIN or LOGIN)\nUser name: %s\nPassword: %s\nSender (From): %s\n",
		m.Submission.Host, m.Submission.Port, m.Submission.security(), o.Address, bare(password), o.Address)
}

// bare is a password without its hyphens, for those who take few characters.
func bare(password string) string { return strings.ReplaceAll(password, "-", "") }

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func msmtpText(b *strings.Builder, m *MailServers, o *Owner, password string) {
	fmt.Fprintf(b, "account default\nhost %s\nport %d\ntls on\ntls_starttls %s\nauth plain\nuser %s\npassword %s\nfrom %s\n",
		m.Submission.Host, m.Submission.Port, onOff(m.Submission.STARTTLS), o.Address, bare(password), o.Address)
}

func swaksText(b *strings.Builder, m *MailServers, o *Owner, password string) {
	tls := "--tls-on-connect"
	if m.Submission.STARTTLS {
		tls = "--tls"
	}
	fmt.Fprintf(b, "swaks --server %s --port %d %s --auth PLAIN --auth-user %s --auth-password %s --from %s --to %s\n",
		m.Submission.Host, m.Submission.Port, tls, o.Address, bare(password), o.Address, o.Address)
}

func gitText(b *strings.Builder, m *MailServers, o *Owner, password string) {
	encryption := "ssl"
	if m.Submission.STARTTLS {
		encryption = "tls"
	}
	fmt.Fprintf(b, "[sendemail]\n\tsmtpServer = %s\n\tsmtpServerPort = %d\n\tsmtpEncryption = %s\n\tsmtpUser = %s\n\tsmtpPass = %s\n\tfrom = %s\n",
		m.Submission.Host, m.Submission.Port, encryption, o.Address, bare(password), o.Address)
}

func mbsyncText(b *strings.Builder, m *MailServers, o *Owner, password string) {
	kind := "IMAPS"
	if m.IMAP.STARTTLS {
		kind = "STARTTLS"
	}
	fmt.Fprintf(b, "IMAPAccount mail\nHost %s\nPort %d\nSSLType %s\nAuthMechs PLAIN\nUser %s\nPass %s\n",
		m.IMAP.Host, m.IMAP.Port, kind, o.Address, bare(password))
}

func fetchmailText(b *strings.Builder, m *MailServers, o *Owner, password string) {
	s, name, tls := m.IMAP, "imap", "ssl"
	if s.Host == "" {
		s, name = m.POP3, "pop3"
	}
	if s.STARTTLS {
		tls = "sslproto TLS1.2+"
	}
	fmt.Fprintf(b, "poll %s protocol %s port %d\n  user %q password %q\n  %s sslcertck\n", s.Host, name, s.Port, o.Address, bare(password), tls)
}

func muttText(b *strings.Builder, m *MailServers, o *Owner, password string) {
	scheme := func(s Server, plain string) string {
		if s.STARTTLS {
			return plain
		}
		return plain + "s"
	}
	fmt.Fprintf(b, "set from = %q\nset ssl_force_tls = yes\n", o.Address)
	if m.IMAP.Host != "" {
		fmt.Fprintf(b, "set folder = \"%s://%s/\"\nset spoolfile = \"+INBOX\"\nset imap_user = %q\nset imap_pass = %q\n", scheme(m.IMAP, "imap"), m.IMAP.address(), o.Address, bare(password))
	}
	if m.Submission.Host != "" {
		user, domain, _ := strings.Cut(o.Address, "@")
		fmt.Fprintf(b, "set smtp_url = \"%s://%s%%40%s@%s/\"\nset smtp_pass = %q\nset smtp_authenticators = \"plain\"\n", scheme(m.Submission, "smtp"), user, domain, m.Submission.address(), bare(password))
	}
}

func pythonText(b *strings.Builder, m *MailServers, o *Owner, password string) {
	b.WriteString("import imaplib, smtplib, ssl\ncontext = ssl.create_default_context()\n")
	if s := m.IMAP; s.Host != "" {
		if s.STARTTLS {
			fmt.Fprintf(b, "imap = imaplib.IMAP4(%q, %d)\nimap.starttls(context)\n", s.Host, s.Port)
		} else {
			fmt.Fprintf(b, "imap = imaplib.IMAP4_SSL(%q, %d, ssl_context=context)\n", s.Host, s.Port)
		}
		fmt.Fprintf(b, "imap.login(%q, %q)\n", o.Address, bare(password))
	}
	if s := m.Submission; s.Host != "" {
		if s.STARTTLS {
			fmt.Fprintf(b, "smtp = smtplib.SMTP(%q, %d)\nsmtp.starttls(context=context)\n", s.Host, s.Port)
		} else {
			fmt.Fprintf(b, "smtp = smtplib.SMTP_SSL(%q, %d, context=context)\n", s.Host, s.Port)
		}
		fmt.Fprintf(b, "smtp.login(%q, %q)\n", o.Address, bare(password))
	}
}
