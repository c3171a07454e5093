package test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// Two mail servers behind one door: people are sent by their domain, some by
// their own route, and nobody to a server that is not theirs. What is offered
// before sign-in is what both can do, and one that is down takes nobody of the
// other's with it.
func TestSeveralBackends(t *testing.T) {
	t.Parallel()
	const (
		mover, stays = "mover@example.org", "stays@example.org"
		far, lost    = "far@example.net", "lost@example.com"
	)
	first := mailtest.StartDovecot(t, mailtest.DovecotOptions{Hasty: true, SubmissionRelay: "127.0.0.1:9", Users: map[string]string{mover: password, stays: password, far: password}})
	second := mailtest.StartDovecot(t, mailtest.DovecotOptions{Hasty: true, Users: map[string]string{mover: password, far: password},
		Extra: "managesieve_sieve_capability = fileinto envelope\n"})
	backend := func(d *mailtest.Dovecot) string {
		return fmt.Sprintf("    imap: {address: %q, tls: none}\n    sieve: {address: %q, tls: none}\n    proxy: 2\n", d.IMAPProxy, d.SieveProxy)
	}
	only := fmt.Sprintf("    pop3: {address: %q, tls: none}\n    submission: {address: %q, tls: none, proxy: 0}\n", first.POP3Proxy, first.Submission)
	d := startDoor(t, doorOptions{Floor: "300ms", Backend: backend(first) + only + "  second:\n" + backend(second),
		Extra: "routes: {example.org: main, example.net: second}\n"})
	d.use(password)

	signIn := func(person, protocol string) bool {
		t.Helper()
		k := d.mustKnock(t, protocol, netip.Addr{})
		answer, _, err := k.signIn(person, password)
		check(t, err)
		return in(answer)
	}
	at := func(person string, here, there *mailtest.Dovecot) {
		t.Helper()
		before := strings.Count(there.Log(), "Login: user=<"+person+">")
		if !signIn(person, "imap") {
			t.Errorf("%s is not let in", person)
		}
		if !here.Logged("Login: user=<" + person + ">") {
			t.Errorf("%s is not at the right server:\n%s", person, tail(here.Log(), 5))
		}
		if strings.Count(there.Log(), "Login: user=<"+person+">") != before {
			t.Errorf("%s is at the wrong server", person)
		}
	}
	at(mover, first, second)
	at(stays, first, second)
	at(far, second, first)
	if signIn(lost, "imap") {
		t.Error("somebody whom no route leads anywhere is let in")
	}
	if log := first.Log() + second.Log(); strings.Contains(log, lost) {
		t.Error("a mail server was asked for somebody whom no route leads there")
	}

	if out, err := d.try("user", "set", mover, "--backend", "nowhere"); err == nil {
		t.Errorf("a route to nowhere is taken: %s", out)
	}
	d.do(t, "user", "set", mover, "--backend", "second")
	at(mover, second, first)
	at(stays, first, second)
	d.do(t, "user", "set", mover, "--backend", "")
	at(mover, first, second)

	k := d.mustKnock(t, "sieve", netip.Addr{})
	list, _, err := k.say("CAPABILITY")
	check(t, err)
	if !strings.Contains(list, `"SIEVE" "fileinto envelope"`) {
		t.Errorf("the door offers more than both can do: %q", list)
	}

	if signIn(far, "pop3") {
		t.Error("let in to a mail server that has no such protocol")
	}
	d.signIn(t, far, "PR1030")

	second.Stop()
	if signIn(far, "imap") {
		t.Error("let in at a server that is down")
	}
	at(stays, first, second)
	d.signIn(t, far, "PR1010")
}
