package demo

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// acts is how many there are.
const acts = 11

// story is the story while it is told.
type story struct {
	*world
	s     *screen
	began time.Time // for the log

	old   *program // Leela's, which sends a password
	other *program // Hermes', with a token
	ref   string   // of the refusal of act 3
	words string   // of that refusal
	slack int      // how much longer everything may take
}

// patience is a limit of time, widened where a test must share the machine.
func (t *story) patience(limit time.Duration) time.Duration { return limit * time.Duration(t.slack) }

// tell plays all acts. An error means that an act could not be played; claims
// that do not hold are on the screen.
func tell(ctx context.Context, w *world, s *screen, ready time.Duration, slack int) error {
	t := &story{world: w, s: s, began: time.Now(), slack: max(1, slack)}
	defer t.hangUp()
	s.act = "Ready"
	s.claims = append(s.claims, claim{s.act, fmt.Sprintf("ready after %.2f s, at most %s", ready.Seconds(), readyWithin), ready <= t.patience(readyWithin)})
	for i, act := range []struct {
		title string
		ask   bool
		play  func(context.Context) error
	}{
		{"Leela's old mail program signs in with a password.", false, t.passwordSignsIn},
		{"You switch the policy on.", true, t.policyGoesOn},
		{"The old program tries again.", false, t.passwordIsRefused},
		{"Her new program signs in with a token, over TLS.", false, t.tokenSignsIn},
		{"200 wrong passwords for Zoidberg from 40 addresses.", false, t.guessersWait},
		{"A stolen password opens nothing, and no phone stops.", true, t.phonesGoOn},
		{"A new program that knows only a password is approved.", true, t.newProgramIsApproved},
		{"A printer gets a password that can only send.", true, t.printerSends},
		{"A program that asks in the browser: password, code, token.", true, t.browserSignsIn},
		{"A draft is tried on the month; made, it takes itself back.", true, t.draftTakesItselfBack},
		{"The log has all of it.", false, t.logHasIt},
	} {
		if err := s.title(ctx, i+1, act.title, act.ask); err != nil {
			return err
		}
		if err := act.play(ctx); err != nil {
			return fmt.Errorf("act %d, %s %w", i+1, act.title, err)
		}
		if err := s.pause(ctx); err != nil {
			return err
		}
	}
	s.act = "Time"
	s.print("\n")
	s.claim(s.played() <= t.patience(storyWithin), "the whole story took %.1f s", s.played().Seconds())
	return nil
}

func (t *story) hangUp() {
	for _, p := range []*program{t.old, t.other} {
		if p != nil {
			p.close()
		}
	}
}

// Act 1. A password still signs in, and report-only says what would be.
func (t *story) passwordSignsIn(ctx context.Context) (err error) {
	if t.old, err = t.connect(ctx, loopback, false, t.s); err != nil {
		return err
	}
	a, err := t.thunderbird(t.old, "60.9.1", func() (answer, error) { return t.old.login("leela", password) })
	if err != nil {
		return err
	}
	if _, err := t.old.say("IDLE"); err != nil {
		return err
	}
	e, err := t.logged(ctx, "leela", "PR0")
	if err != nil {
		return err
	}
	t.s.claim(a.ok && e.Own.Outcome == "allowed", "allowed after %s, and waiting for new mail", ms(a.took))
	t.s.claim(e.result(retirePasswords) == "reportOnlyFailure", "the policy %q only reports: it WOULD refuse this", retirePasswords)
	t.show(e.Own.Reference)
	return t.hermesIsConnected(ctx)
}

// thunderbird opens the inbox as Thunderbird does, without showing that.
func (t *story) thunderbird(p *program, version string, signIn func() (answer, error)) (answer, error) {
	if err := p.introduce("Thunderbird", version); err != nil {
		return answer{}, err
	}
	a, err := signIn()
	if err != nil || !a.ok {
		return a, err
	}
	_, err = p.quietly("SELECT INBOX")
	return a, err
}

// hermesIsConnected opens, off the stage, a connection that no change of
// policy should touch.
func (t *story) hermesIsConnected(ctx context.Context) error {
	in, err := t.hermesConnects(ctx)
	t.s.claim(err == nil && in, "Hermes is connected too: his program signed in with a token")
	return err
}

func (t *story) hermesConnects(ctx context.Context) (in bool, err error) {
	if t.other, err = t.connect(ctx, loopback, true, nil); err != nil {
		return false, err
	}
	token, err := t.issuer.token(address("hermes"))
	if err != nil {
		return false, err
	}
	a, err := t.thunderbird(t.other, "140.4.0", func() (answer, error) { return t.other.bearer("hermes", token) })
	return a.ok, err
}

// show says how to see an entry of the log.
func (t *story) show(ref string) {
	t.s.say("ref %s", ref)
	t.command("signins show " + ref)
}

// command prints a command for the demo's own server, to be copied as it is.
func (t *story) command(rest string) {
	t.s.print("%*s→ portreeve --socket %s \\\n", indent, "", t.socket())
	t.s.print("%*s    %s\n", indent, "", rest)
}

// Act 2. A change of policy is true at once, on open connections too.
func (t *story) policyGoesOn(ctx context.Context) error {
	type end struct {
		took time.Duration
		err  error
	}
	gone := make(chan end, 1)
	go func() {
		took, err := t.old.ended(t.patience(closedWithin))
		gone <- end{took, err}
	}()
	t.command(fmt.Sprintf("policy enable %q", retirePasswords))
	c, err := t.api.enable(ctx, retirePasswordsID)
	if err != nil {
		return err
	}
	leela := <-gone
	t.s.claim(leela.err == nil && leela.took <= t.patience(closedWithin), "Leela's open connection is closed after %s", ms(leela.took))
	a, err := t.other.say("NOOP")
	t.s.claim(err == nil && a.ok, "Hermes' connection is not disturbed")
	t.s.claim(c.Sessions.Judged >= 2 && c.Sessions.Closed >= 1, "%d open connections were judged again and %d closed, in %.2f ms of work",
		c.Sessions.Judged, c.Sessions.Closed, c.Sessions.Millis)
	return nil
}

// Act 3. The refusal: early, in words a person can use, the same for a wrong password.
func (t *story) passwordIsRefused(ctx context.Context) error {
	knocks := t.mail.knocks.Load()
	a, err := t.tryPassword(ctx, password, t.s)
	if err != nil {
		return err
	}
	first := t.s.played()
	b, err := t.tryPassword(ctx, "wrong", nil)
	if err != nil {
		return err
	}
	words, ref := a.refusal()
	wrongWords, _ := b.refusal()
	t.ref, t.words = ref, words
	e, err := t.logged(ctx, "leela", "PR53003")
	if err != nil {
		return err
	}
	alert := strings.HasPrefix(a.lines[0], "* NO [ALERT] PR53003 ") && strings.Contains(a.last(), " NO [UNAVAILABLE] PR53003 ")
	t.s.claim(!a.ok && alert && ref != "", "refused after %s, with the reason, the next step and a reference", ms(a.took))
	t.s.claim(e.Own.Stage == "earlyBlock" && !e.looked() && t.mail.knocks.Load() == knocks, "the password was not looked at, nor passed on to the mail server")
	t.s.claim(words == wrongWords && (b.took-a.took).Abs() < t.patience(sameTime), "a wrong password reads the same, and takes the same time: %s", ms(b.took))
	t.s.claim(first <= t.patience(refusedWithin), "this first refusal came %.1f s after the start", first.Seconds())
	t.show(ref)
	return nil
}

// sameTime is how far two refusals may lie apart; both leave half a second
// after the secret was read.
const sameTime = 50 * time.Millisecond

func (t *story) tryPassword(ctx context.Context, password string, s *screen) (answer, error) {
	p, err := t.connect(ctx, loopback, false, s)
	if err != nil {
		return answer{}, err
	}
	defer p.close()
	return t.thunderbird(p, "60.9.1", func() (answer, error) { return p.login("leela", password) })
}

// Act 4. The way out: a token, for a mail server that knows nothing of tokens.
func (t *story) tokenSignsIn(ctx context.Context) error {
	p, err := t.connect(ctx, loopback, true, t.s)
	if err != nil {
		return err
	}
	defer p.close()
	token, err := t.issuer.token(address("leela"))
	if err != nil {
		return err
	}
	a, err := t.thunderbird(p, "140.4.0", func() (answer, error) { return p.bearer("leela", token) })
	if err != nil {
		return err
	}
	mail, err := p.say("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
	if err != nil {
		return err
	}
	e, err := t.logged(ctx, "leela", "PR0")
	if err != nil {
		return err
	}
	t.s.claim(a.ok && e.Own.Credential == "bearer", "allowed after %s; the mail server itself knows nothing of tokens", ms(a.took))
	t.s.claim(e.result(secondFactor) == "success", "the policy %q is satisfied: the issuer vouches for a code from an app", secondFactor)
	t.s.claim(e.result(retirePasswords) == "", "the policy %q does not apply", retirePasswords)
	t.s.claim(mail.ok && strings.Contains(strings.Join(mail.lines, "\n"), "Subject: Welcome"), "she reads her mail")
	return nil
}
