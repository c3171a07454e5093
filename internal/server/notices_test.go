package server

import (
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// letterbox is a mail server that keeps what it is given.
type letterbox struct {
	address string
	mu      sync.Mutex
	mails   []string // "subject\n\ntext"
}

func newLetterbox(t *testing.T) *letterbox {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	b := &letterbox{address: l.Addr().String()}
	go func() {
		_ = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return posting{b}, nil })).Serve(l)
	}()
	return b
}

type posting struct{ *letterbox }

func (posting) Mail(string, *smtp.MailOptions) error { return nil }
func (posting) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (posting) Reset()                               {}
func (posting) Logout() error                        { return nil }
func (p posting) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	subject, err := (&mime.WordDecoder{}).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return err
	}
	var body = m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(m.Body)
	}
	text, err := io.ReadAll(body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, subject+"\n\n"+strings.ReplaceAll(string(text), "\r\n", "\n"))
	return err
}

// Notices are in the language that a person reads, else in the site's, and a
// restart repeats none.
func TestNoticesSpeakThePersonsLanguageAndOutliveARestart(t *testing.T) {
	box, state := newLetterbox(t), t.TempDir()
	request := approval.Request{Protocol: protocol.IMAP, Program: "evil.example/x", Addr: netip.MustParseAddr("192.0.2.7"), Owner: "Example Telecom", Country: "DE",
		Last: time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC)}
	run := func(language string, events func(s *Server, person string), sent int64) {
		t.Helper()
		c, err := config.Parse("portreeve.yaml", t.TempDir(), fmt.Appendf(nil, "observe: {address: 127.0.0.1:0}\nstate: %s\nadmin: {socket: %s/s}\nlanguages: {default: %s}\n"+
			"notices: {address: %q, tls: none, from: gate@example.org}\n", state, t.TempDir(), language, box.address), nil)
		if err != nil || config.Broken(c.Check()) {
			t.Fatal(err, c.Check())
		}
		s, stop := serving(t, c, io.Discard)
		defer stop()
		p, known := s.people.ByID("mary")
		if !known {
			err := s.store.Change(t.Context(), store.Actor{Name: "test"}, "", func(tx *store.Tx) error {
				return tx.AddPerson(&store.Person{ID: "mary", Address: "mary@example.org", SecretKind: store.SecretBackend})
			})
			if err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(20 * time.Second); !known && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				p, known = s.people.ByID("mary")
			}
		}
		events(s, p.ID)
		for end := time.Now().Add(20 * time.Second); s.notices.State().Sent < sent && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		}
		if got := s.notices.State(); got.Sent != sent || got.Waiting > 0 {
			t.Fatalf("%s: %+v", language, got)
		}
	}
	run("de", func(s *Server, mary string) {
		s.asked(mary, request)
		s.factorNews(mary, factor.News{Kind: factor.NewsAdded, Name: "Handy evil.example"})
		s.factorNews(mary, factor.News{Kind: factor.NewsReset, Name: "root"})
		s.speaks(t.Context(), mary, "en")
		s.factorNews(mary, factor.News{Kind: factor.NewsCodes})
	}, 4)
	run("de", func(s *Server, mary string) {
		s.asked(mary, request)
		s.factorNews(mary, factor.News{Kind: factor.NewsReset, Name: "root"})
		s.factorNews(mary, factor.News{Kind: factor.NewsReset, Name: "hermes"})
		s.speaks(t.Context(), "somebody who is gone", "en")
		s.speaks(t.Context(), mary, "xx") // a language that was there once
		if got := s.speech(mary).Lang; got != "de" {
			t.Errorf("who reads a language that is gone is written to in %s", got)
		}
	}, 1)
	all := strings.Join(box.mails, "\n====\n")
	for _, want := range []string{
		"Ein Programm möchte an Ihre Mail\n\nevil example x hat Ihr Passwort gezeigt: über IMAP, von 192.0.2.7 (Example Telecom), Land DE, am 1. März 2026 um 12:05 Uhr (UTC).\n\n",
		"Bei Fragen wenden Sie sich an Ihre Verwaltung.\n",
		"Ihre Anmeldung wurde geändert\n\nEin neuer zweiter Faktor wurde eingerichtet: Handy evil example. Waren Sie das nicht",
		"Ihre zweiten Faktoren wurden von root zurückgesetzt",
		"Your sign-in was changed\n\nNew recovery codes were made",
		"Your sign-in was changed\n\nYour second factors were reset by hermes and every session was ended.\n\nIf that was you",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("missing %q in\n%s", want, all)
		}
	}
	if len(box.mails) != 5 {
		t.Errorf("%d mails:\n%s", len(box.mails), all)
	}
}

// Every language has words for everything that factors tell.
func TestFactorsNewsHasWords(t *testing.T) {
	l, err := web.LoadLanguages()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range l.All() {
		for _, k := range factor.AllNews {
			if !w.Has("notice.factor." + string(k)) {
				t.Errorf("%s has no words for %s", w.Lang, k)
			}
		}
	}
}
