package apppassword

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"
)

// ProfileLife is how long an app password that was put into a file lives if it
// is not used: whoever finds the file later finds nothing.
const ProfileLife = 15 * time.Minute

// Server is where one protocol of mail is served.
type Server struct {
	Host     string
	Port     uint16
	STARTTLS bool // otherwise TLS from the first byte
}

// MailServers is what a program must be told of a site. A Server without a Host
// is not offered.
type MailServers struct {
	Name                          string // of the site, for people
	IMAP, POP3, Submission, Sieve Server
}

// Owner is whose mailbox a program is set up for.
type Owner struct {
	Address string
	Name    string // may be empty
}

// Signer signs profiles, so that a device shows who made them.
type Signer struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // without the root; may be empty
	Key         crypto.Signer
}

// ErrNoServers means that a profile would set up nothing.
var ErrNoServers = errors.New("a profile needs an IMAP server and a submission server")

// MobileConfig is the configuration profile with which iPhones, iPads and Macs
// set up mail by opening a file: IMAP and SMTP, with the password inside. It is
// signed (CMS, DER) if there is a signer, else plain XML, which devices call
// "not signed". The password should have been made with Scope.FirstUseBy.
//
// The keys are those of Apple's "Device Management" reference, Mail payload.
func MobileConfig(m MailServers, o Owner, password string, s *Signer) ([]byte, error) {
	if m.IMAP.Host == "" || m.Submission.Host == "" {
		return nil, ErrNoServers
	}
	id := reversed(m.IMAP.Host)
	title := m.Name
	if title == "" {
		title = m.IMAP.Host
	}
	var d dict
	d.text("EmailAccountDescription", title)
	d.text("EmailAccountName", o.Name)
	d.text("EmailAccountType", "EmailTypeIMAP")
	d.text("EmailAddress", o.Address)
	d.server("Incoming", m.IMAP, o.Address)
	d.text("IncomingPassword", password)
	d.server("Outgoing", m.Submission, o.Address)
	d.text("OutgoingPassword", password)
	d.payload("com.apple.mail.managed", id+".mail", title)
	var p dict
	p.array("PayloadContent", &d)
	p.text("PayloadOrganization", title)
	p.text("PayloadDescription", "Sets up the mailbox "+o.Address)
	p.payload("Configuration", id, title+" ("+o.Address+")")
	doc := []byte(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n" +
		`<plist version="1.0">` + "\n<dict>\n" + p.b.String() + "</dict>\n</plist>\n")
	if s == nil {
		return doc, nil
	}
	return s.sign(doc)
}

// reversed turns a host's name into the beginning of an identifier.
func reversed(host string) string {
	labels := strings.Split(host, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".") + ".portreeve"
}

// dict is a dictionary of a property list.
type dict struct{ b bytes.Buffer }

func (d *dict) key(k string) { fmt.Fprintf(&d.b, "<key>%s</key>", k) }

// text adds a string; an empty one says nothing and is left out.
func (d *dict) text(k, v string) {
	if v == "" {
		return
	}
	d.key(k)
	d.b.WriteString("<string>")
	_ = xml.EscapeText(&d.b, []byte(v)) // a bytes.Buffer takes everything
	d.b.WriteString("</string>\n")
}

func (d *dict) number(k string, n int) {
	d.key(k)
	fmt.Fprintf(&d.b, "<integer>%d</integer>\n", n)
}

func (d *dict) array(k string, of *dict) {
	d.key(k)
	fmt.Fprintf(&d.b, "\n<array>\n<dict>\n%s</dict>\n</array>\n", of.b.String())
}

// server adds one direction's. Apple's programs speak STARTTLS or TLS, as the
// port has it, where UseSSL is true.
func (d *dict) server(way string, s Server, user string) {
	d.text(way+"MailServerAuthentication", "EmailAuthPassword")
	d.text(way+"MailServerHostName", s.Host)
	d.number(way+"MailServerPortNumber", int(s.Port))
	d.key(way + "MailServerUseSSL")
	d.b.WriteString("<true/>\n")
	d.text(way+"MailServerUsername", user)
}

func (d *dict) payload(kind, id, title string) {
	d.text("PayloadDisplayName", title)
	d.text("PayloadIdentifier", id)
	d.text("PayloadType", kind)
	d.text("PayloadUUID", newUUID())
	d.number("PayloadVersion", 1)
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // ends the program rather than return an error
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Signer) sign(doc []byte) ([]byte, error) {
	data, err := pkcs7.NewSignedData(doc)
	if err != nil {
		return nil, fmt.Errorf("signing the profile: %w", err)
	}
	data.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := data.AddSignerChain(s.Certificate, s.Key, s.Chain, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("signing the profile: %w", err)
	}
	der, err := data.Finish()
	if err != nil {
		return nil, fmt.Errorf("signing the profile: %w", err)
	}
	return der, nil
}
