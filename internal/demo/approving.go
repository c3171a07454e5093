package demo

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// browserAt is in the same network as Fry's programs.
var browserAt = at(127, 40, 7, 20)

// issuePass makes a temporary access pass, as `pass issue` does.
func (a *api) issuePass(ctx context.Context, who string) (text string, err error) {
	var made struct {
		Text string `json:"temporaryAccessPass"`
	}
	return made.Text, a.do(ctx, http.MethodPost, "/portreeve/v1/people/"+url.PathEscape(address(who))+"/pass", nil, `{}`, &made)
}

// A new old-style program is refused, approved in the portal, and works.
func (t *story) newProgramIsApproved(ctx context.Context) error {
	t.command("pass issue " + address("fry"))
	pass, err := t.api.issuePass(ctx, "fry")
	if err != nil {
		return err
	}
	b, err := t.browse(browserAt)
	if err != nil {
		return err
	}
	defer b.close()
	if _, err := b.enrol(ctx, "fry", pass); err != nil {
		return err
	}
	t.s.claim(strings.Contains(b.page, "phone"), "with a pass from the help desk Fry signs in at %s and sets up codes", b.base)
	first, err := t.signInOnce(ctx, phoneAt, "fry", "Evolution")
	if err != nil {
		return err
	}
	t.s.claim(!first.ok, "his new program knows only his password: refused")
	if err := b.get(ctx, "/approvals"); err != nil {
		return err
	}
	t.s.claim(b.asks("/approvals/allow") && strings.Contains(b.page, "Evolution"), "the portal asks him: was that you?")
	if err := b.fill(ctx, "/approvals/allow", url.Values{"days": {"30"}}); err != nil {
		return err
	}
	second, err := t.signInOnce(ctx, phoneAt, "fry", "Evolution")
	if err != nil {
		return err
	}
	elsewhere, err := t.signInOnce(ctx, thiefAt, "fry", "Evolution")
	if err != nil {
		return err
	}
	t.s.claim(second.ok, "he says yes, and the program is in: after %s", ms(second.took))
	t.s.claim(!elsewhere.ok, "the same program with the same password is not, from where the thief sits")
	return nil
}
