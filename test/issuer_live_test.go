package test

import (
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"
)

// What a program was granted ends with the connections that it has opened by it,
// within a second of the answer to whoever ended it; those of others go on.
func TestTheEndOfAGrantClosesOpenConnections(t *testing.T) {
	t.Parallel()
	const bystander = "ben@example.org"
	cases := []struct {
		what, who, reason string
		own               bool // the program is nobody else's
		before            func(f *office, t testing.TB)
		end               func(f *office, t testing.TB, v *visitor, client string)
	}{
		{what: "disconnected in the portal", who: "pam@example.org", reason: "taken back", end: func(_ *office, _ testing.TB, v *visitor, _ string) {
			v.open("/programs")
			v.send("/programs/disconnect")
		}},
		{what: "person disabled", who: "dan@example.org", reason: notAllowed, end: func(f *office, t testing.TB, _ *visitor, _ string) {
			f.do(t, "user", "disable", "dan@example.org")
		}},
		{what: "policy enabled", who: "bob@example.org", reason: notAllowed, before: func(f *office, t testing.TB) { f.blocking(t, "bob@example.org") },
			end: func(f *office, t testing.TB, _ *visitor, _ string) {
				f.do(t, "policy", "enable", "Not bob@example.org")
			}},
		{what: "program forbidden", who: "fen@example.org", reason: "taken back", own: true, end: func(f *office, t testing.TB, _ *visitor, client string) {
			f.do(t, "client", "forbid", client)
		}},
	}
	people := []string{bystander}
	for _, c := range cases {
		people = append(people, c.who)
	}
	f := startOffice(t, doorOptions{}, people...)
	others := f.idleBy(t, bystander, f.connect(t, f.seat(t), bystander, anyProgram).Access)
	for _, c := range cases {
		client, v := anyProgram, f.seat(t)
		if c.own {
			client = f.party(t, "Of "+c.who, mailProgram.origin+"/")
		}
		if c.before != nil {
			c.before(f, t)
		}
		tokens := f.connect(t, v, c.who, client)
		mine := f.idleBy(t, c.who, tokens.Access)
		f.deliver(t, c.who, "still here")
		mine.until("EXISTS", 20*time.Second)

		c.end(f, t, v, client)
		answered := time.Now()
		closed := mine.until("closed", 20*time.Second)
		t.Logf("%s: closed %v after the answer", c.what, closed.Sub(answered).Round(time.Millisecond))
		if took := closed.Sub(answered); took > closeTime {
			t.Errorf("%s: closed %v after the answer", c.what, took)
		}
		if opens, answer := f.opens(t, c.who, tokens.Access); opens {
			t.Errorf("%s: the token opens the door again: %s", c.what, answer)
		}
		f.ended(t, c.who, c.reason)
		f.deliver(t, bystander, "undisturbed by: "+c.what)
		others.until("EXISTS", 20*time.Second)
	}
}

// idleBy has a program read somebody's mail with a token, and wait.
func (f *office) idleBy(t testing.TB, who, token string) *idler {
	t.Helper()
	return f.idleAfter(t, `m.authenticate('XOAUTH2', lambda _: ('user=%s\x01auth=Bearer %s\x01\x01' % (user, secret)).encode())`, who, token)
}

// A connection that is being opened in the moment that its grant ends is not left
// open, on whichever side of the end it began.
func TestNoConnectionOutlivesItsGrantUnseen(t *testing.T) {
	t.Parallel()
	const who, programs = "ora@example.org", 8
	f := startOffice(t, doorOptions{}, who)
	opened, early := 0, 0
	for range 5 {
		token := f.connect(t, f.seat(t), who, anyProgram).Access
		grant := f.grantOf(t, who)
		over := make(chan struct{})
		var mu sync.Mutex
		var all []*knock
		var wg sync.WaitGroup
		for range programs {
			wg.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
					}
					k, err := f.knock("imap", f.computer())
					if err != nil {
						t.Errorf("knocking: %v", err)
						return
					}
					answer, err := k.bearing(who, token)
					if err != nil || !in(answer) {
						_ = k.Close()
						return // it has ended
					}
					mu.Lock()
					all = append(all, k)
					mu.Unlock()
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		f.do(t, "session", "kill", grant)
		close(over)
		wg.Wait()
		opened += len(all)
		for _, k := range all {
			_ = k.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, k.r); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a connection by a grant that has ended is open")
			}
			_ = k.Close()
		}
		if len(all) > 0 {
			early++
		}
	}
	if t.Logf("%d connections were opened", opened); early == 0 {
		t.Error("none was open when its grant ended")
	}
}
