package demo

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/qrtext"
)

// amyAt is where Amy sits.
var amyAt = at(127, 40, 8, 30)

// A mail program asks in a browser, and policy gets its second factor.
func (t *story) browserSignsIn(ctx context.Context) error {
	t.s.say("By now a password alone opens nothing, and a token needs a second factor behind it. Amy has a new mail program.")
	stolen, err := t.signInOnce(ctx, thiefAt, "amy", "K-9 Mail")
	if err != nil {
		return err
	}
	_, err = t.logged(ctx, "amy", "PR50076")
	t.s.claim(!stolen.ok && err == nil, "her password, stolen, is refused at IMAP, as Fry's was")
	app, err := t.amySetsUp(ctx)
	if err != nil {
		return err
	}
	m, err := t.newModern(ctx)
	if err != nil {
		return err
	}
	defer m.close()
	b, err := t.browse(amyAt)
	if err != nil {
		return err
	}
	defer b.close()
	if err := t.amySignsIn(ctx, m, b, app); err != nil {
		return err
	}
	p, err := t.itReadsMail(ctx, m)
	if err != nil {
		return err
	}
	defer p.close()
	if err := t.logHasTheSteps(ctx); err != nil {
		return err
	}
	return t.amyDisconnectsIt(ctx, m, b, p)
}

// amySetsUp gives Amy an app for codes, which may be anybody's who looks on.
func (t *story) amySetsUp(ctx context.Context) (*codeApp, error) {
	pass, err := t.api.issuePass(ctx, "amy")
	if err != nil {
		return nil, err
	}
	b, err := t.browse(amyAt)
	if err != nil {
		return nil, err
	}
	defer b.close()
	app, err := b.enrol(ctx, "amy", pass)
	if err != nil {
		return nil, err
	}
	picture, err := qrtext.Lines(app.uri, t.s.colour)
	if err != nil {
		return nil, err
	}
	t.s.say("With a pass from the help desk she sets up an app for codes. Point yours at this, and it shows what hers shows:")
	t.s.picture(picture)
	return app, nil
}

// amySignsIn has her mail program open the sign-in page, and answers it.
func (t *story) amySignsIn(ctx context.Context, m *modern, b *browser, app *codeApp) error {
	t.s.say("The program asks for no password. It opens a page in her browser:")
	t.s.say("%s?client_id=%s …", m.oauth.Endpoint.AuthURL, mailClient)
	if err := b.get(ctx, m.page("amy")); err != nil {
		return err
	}
	if err := b.fill(ctx, "/signin", url.Values{"address": {address("amy")}, "password": {password}}); err != nil {
		return err
	}
	t.s.claim(b.asks("/signin/factor"), "the page takes her password, and it is not enough: %q", b.heading())
	if err := t.s.offer(ctx, "The code of her app is typed for you."); err != nil {
		return err
	}
	code, err := app.code(time.Now())
	if err != nil {
		return err
	}
	if err := b.fill(ctx, "/signin/factor", url.Values{"kind": {"code"}, "code": {code}}); err != nil {
		return err
	}
	t.s.claim(b.asks("/connect/allow"), "%s %s is right, and she is asked: %q", code[:3], code[3:], b.heading())
	if err := b.fill(ctx, "/connect/allow", nil); err != nil {
		return err
	}
	if err := m.redeem(ctx); err != nil {
		return fmt.Errorf("redeeming the answer: %w", err)
	}
	life := time.Until(m.token.Expiry)
	t.s.claim(life > 0 && life <= accessLife && m.token.RefreshToken != "", "she agrees, and the program has a token for %.0f minutes, and one to renew it", life.Minutes())
	return nil
}

// accessLife is how long an access token lasts at most.
const accessLife = 10 * time.Minute

// itReadsMail shows the door the token.
func (t *story) itReadsMail(ctx context.Context, m *modern) (*program, error) {
	p, err := t.connect(ctx, amyAt, true, t.s)
	if err != nil {
		return nil, err
	}
	a, err := t.thunderbird(p, "153.0", func() (answer, error) { return p.bearer("amy", m.token.AccessToken) })
	if err != nil {
		p.close()
		return nil, err
	}
	mail, err := p.quietly("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
	if err != nil {
		p.close()
		return nil, err
	}
	var subjects []string
	for _, line := range mail.lines {
		if s, ok := strings.CutPrefix(line, "Subject: "); ok {
			subjects = append(subjects, s)
		}
	}
	t.s.claim(a.ok && len(subjects) == len(welcome), "in after %s; her inbox: %s", ms(a.took), strings.Join(subjects, ", "))
	return p, nil
}

// logHasTheSteps finds what the log has of all this.
func (t *story) logHasTheSteps(ctx context.Context) error {
	steps := []struct{ what, mechanism, code string }{
		{"her password", "portal", "PR50076"}, {"the code", "totp", "PR0"}, {"the token", "authorization_code", "PR0"}, {"IMAP", "XOAUTH2", "PR0"}}
	found := make([]entry, len(steps))
	err := t.until(ctx, func() (bool, error) {
		all, err := t.api.since(ctx, t.began, "amy")
		for i, s := range steps {
			at := slices.IndexFunc(all, func(e entry) bool { return e.Own.Mechanism == s.mechanism && e.Own.Code == s.code })
			if at < 0 {
				return false, err
			}
			found[i] = all[at]
		}
		return true, err
	})
	if err != nil {
		return err
	}
	t.command("signins list --user " + address("amy"))
	for i, s := range steps {
		t.s.say("%-13s %-8s %-8s %s", s.what, found[i].Own.Protocol, found[i].ending(), found[i].Own.Reference)
	}
	asked, shown, handed, door := &found[0], &found[1], &found[2], &found[3]
	t.s.claim(asked.Correlation == shown.Correlation && shown.Correlation == handed.Correlation, "the log has all of her sign-in under one id: interrupted, then whole")
	t.s.claim(door.Own.Grant != "" && door.Own.Grant == handed.Own.Grant, "the sign-in at IMAP hangs on what was handed out there")
	t.s.claim(door.result(secondFactor) == "success", "and the policy %q is satisfied", secondFactor)
	return nil
}

// amyDisconnectsIt takes back what she allowed.
func (t *story) amyDisconnectsIt(ctx context.Context, m *modern, b *browser, p *program) error {
	if err := b.get(ctx, "/programs"); err != nil {
		return err
	}
	type end struct {
		took time.Duration
		err  error
	}
	gone := make(chan end, 1)
	go func() {
		took, err := p.ended(t.patience(closedWithin))
		gone <- end{took, err}
	}()
	if err := b.fill(ctx, "/programs/disconnect", nil); err != nil {
		return err
	}
	open := <-gone
	t.s.claim(open.err == nil, "she disconnects it in the portal: its open connection ends after %s", ms(open.took))
	again, err := t.connect(ctx, amyAt, true, nil)
	if err != nil {
		return err
	}
	defer again.close()
	a, err := again.bearer("amy", m.token.AccessToken)
	if err != nil {
		return err
	}
	_, err = t.logged(ctx, "amy", "PR1093")
	t.s.claim(!a.ok && err == nil, "its token, good for %.0f minutes yet, opens nothing (PR1093)", time.Until(m.token.Expiry).Minutes())
	err = m.refresh(ctx)
	t.s.claim(refusal(err) == "invalid_grant", "and it gets no other: %s", refusal(err))
	return nil
}
