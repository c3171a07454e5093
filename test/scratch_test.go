package test

import (
	"strings"
	"testing"
)

func TestScratch(t *testing.T) {
	s := shared()
	t.Cleanup(func() { t.Log(tail(s.log(), 20)); t.Log(tail(s.dovecot.Log(), 30)) })
	for _, p := range programs {
		if !strings.Contains("neomutt-imap neomutt-smtp fetchmail-imap fetchmail-pop3 php-net-sieve", p.name) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			who := newPerson(t)
			s.deliver(t, who, "first")
			printed, ok := p.run(t, s.door, login{person: who, secret: password})
			t.Log(ok, printed)
			if p.token != "" {
				printed, ok := p.run(t, s.door, login{person: who, secret: s.issuer.token(t, who), token: true})
				t.Log(ok, printed)
			}
			printed, ok = p.run(t, s.door, login{person: who, secret: "wrong" + p.name})
			t.Log(ok, printed)
		})
	}
}
