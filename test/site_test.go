package test

import (
	"fmt"
	"net/smtp"
	"strings"
	"sync"
	"testing"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// password is everybody's at the shared site, unless a case needs another.
const password = "pa55-Wort.of/all"

// site is a mail server with the door in front of it.
type site struct {
	*door
	dovecot *mailtest.Dovecot
	postfix *mailtest.Postfix
	issuer  *issuer
}

// shared is the site that all tests use that need nothing special: Dovecot
// answers wrong passwords at once, the door signs in there as a master user, so
// that tokens and passwords both lead in, and the client's address travels in a
// PROXY header.
var shared = sync.OnceValue(func() *site {
	s := startSite(&whole, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: everybody()})
	s.furnish(&whole)
	return s
})

// People are handed out by newPerson.
const people = 400

func everybody() map[string]string {
	all := map[string]string{}
	for n := range people {
		all[personAddress(n)] = password
	}
	return all
}

func personAddress(n int) string { return fmt.Sprintf("person%03d@example.org", n) }

var handedOut struct {
	sync.Mutex
	n int
}

// newPerson is somebody nobody else uses at the shared site.
func newPerson(t testing.TB) string {
	t.Helper()
	handedOut.Lock()
	defer handedOut.Unlock()
	if handedOut.n == people {
		t.Fatal("there are no more people: raise the constant")
	}
	handedOut.n++
	return personAddress(handedOut.n - 1)
}

// How the door signs in at the backend.
const (
	passwordLogin = "login: password"
	masterLogin   = "login: master\n    master: {user: gate, password: m4ster, separator: \"*\"}"
	tokenLogin    = "login: token"
)

// siteOptions say how a site differs from the usual one.
type siteOptions struct {
	Login   string
	Hasty   bool // Dovecot answers wrong passwords at once
	Floor   string
	People  map[string]string
	Dovecot mailtest.DovecotOptions // People and Hasty are filled in
	Postfix mailtest.PostfixOptions // Dovecot is filled in
	// Backend replaces the endpoints (YAML under backends.main).
	Backend func(*site) string
	Door    doorOptions // Backend, Issuer and Floor are filled in
	// Alone takes no tokens but those that the door issues itself.
	Alone bool
}

// endpoints are the backend's services that take a PROXY header.
func (s *site) endpoints() string {
	return fmt.Sprintf(`    imap: {address: %q, tls: none}
    pop3: {address: %q, tls: none}
    sieve: {address: %q, tls: none}
    submission: {address: %q, tls: none}
    proxy: 2
`, s.dovecot.IMAPProxy, s.dovecot.POP3Proxy, s.dovecot.SieveProxy, s.postfix.SubmissionProxy)
}

func startSite(t testing.TB, o siteOptions) *site {
	t.Helper()
	s := &site{issuer: newIssuer(t)}
	o.Dovecot.Users, o.Dovecot.Hasty = o.People, o.Hasty
	s.dovecot = mailtest.StartDovecot(t, o.Dovecot)
	o.Postfix.Dovecot = s.dovecot
	s.postfix = mailtest.StartPostfix(t, o.Postfix)
	backend := s.endpoints()
	if o.Backend != nil {
		backend = o.Backend(s)
	}
	o.Door.Backend, o.Door.Issuer, o.Door.Floor = backend+"    "+o.Login, s.issuer, o.Floor
	if o.Alone {
		o.Door.Issuer = nil
	}
	s.door = startDoor(t, o.Door)
	s.use(mailtest.MasterPassword)
	for _, p := range o.People {
		s.use(p)
	}
	return s
}

// deliver puts a mail into somebody's mailbox, past the door.
func (s *site) deliver(t testing.TB, person, subject string) {
	t.Helper()
	c, err := smtp.Dial(s.postfix.SMTP)
	check(t, err)
	defer c.Close()
	check(t, c.Mail("sender@example.org"))
	check(t, c.Rcpt(person))
	w, err := c.Data()
	check(t, err)
	_, err = fmt.Fprintf(w, "From: sender@example.org\r\nTo: %s\r\nSubject: %s\r\n\r\nhello\r\n", person, subject)
	check(t, err)
	check(t, w.Close())
}

// code finds the code in a text that a program printed: PR53003.
func codeIn(text string) string {
	at := strings.Index(text, "PR")
	for ; at >= 0; at = next(text, at) {
		end := at + 2
		for end < len(text) && text[end] >= '0' && text[end] <= '9' {
			end++
		}
		if end > at+2 {
			return text[at:end]
		}
	}
	return ""
}

func next(text string, at int) int {
	i := strings.Index(text[at+2:], "PR")
	if i < 0 {
		return -1
	}
	return at + 2 + i
}
