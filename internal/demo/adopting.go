package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
)

// phoneAt is where Fry's phone has signed in for a month, and thiefAt where
// nobody of the house was ever seen.
var (
	phoneAt = at(127, 40, 7, 9)
	thiefAt = at(127, 66, 99, 1)
)

func at(a, b, c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{a, b, c, d}) }

// aloneTemplate makes the policy under which a password alone opens nothing.
const aloneTemplate = "password-alone-opens-nothing"

// adopted is what the house has in use.
type adopted struct {
	Windows int     `json:"windowCount"`
	SignIns int     `json:"signIns"`
	Share   float64 `json:"share"`
}

func (a *api) adopt(ctx context.Context) (out adopted, err error) {
	return out, a.do(ctx, http.MethodPost, "/portreeve/v1/approvals/adopt", nil, `{"seen": "720h"}`, &out)
}

// policyFrom makes a template's policy and returns its id.
func (a *api) policyFrom(ctx context.Context, template string) (string, error) {
	var made struct {
		Policy struct {
			ID string `json:"id"`
		} `json:"policy"`
	}
	err := a.do(ctx, http.MethodPost, "/portreeve/v1/templates/"+url.PathEscape(template), nil, `{}`, &made)
	return made.Policy.ID, err
}

// set gives a policy a state.
func (a *api) set(ctx context.Context, policy, state string) error {
	body, err := json.Marshal(map[string]string{"state": state})
	if err != nil {
		return err
	}
	var c change
	return a.do(ctx, http.MethodPatch, "/v1.0/identity/conditionalAccess/policies/"+policy, nil, string(body), &c)
}

// A password alone opens nothing any more, and what has been in use goes on.
func (t *story) phonesGoOn(ctx context.Context) error {
	t.s.say("Blocking passwords stops old phones too. So the finer policy takes its place: a password opens what has been in use for a month, and nothing else by itself.")
	t.command("approval adopt --seen 30d")
	a, err := t.api.adopt(ctx)
	if err != nil {
		return err
	}
	t.s.claim(a.Windows > 0 && a.Share > 0.9, "%d programs at their places are adopted; %.1f %% of the month's %d password sign-ins would still pass", a.Windows, 100*a.Share, a.SignIns)
	t.command("policy new --template " + aloneTemplate)
	alone, err := t.api.policyFrom(ctx, aloneTemplate)
	if err != nil {
		return err
	}
	if err := t.api.set(ctx, alone, "enabled"); err != nil {
		return err
	}
	if err := t.api.set(ctx, retirePasswordsID, "disabled"); err != nil {
		return err
	}
	phone, err := t.signInOnce(ctx, phoneAt, "fry", "K-9 Mail")
	if err != nil {
		return err
	}
	_, err = t.logged(ctx, "fry", "PR0")
	t.s.claim(phone.ok && err == nil, "Fry's old phone goes on as it was: nothing was set up, nobody was asked")
	thief, err := t.signInOnce(ctx, thiefAt, "fry", "K-9 Mail")
	if err != nil {
		return err
	}
	wrong, err := t.signInOnce(ctx, thiefAt, "nibbler", "K-9 Mail")
	if err != nil {
		return err
	}
	_, err = t.logged(ctx, "fry", "PR50076")
	theirs, _ := thief.refusal()
	nobodys, _ := wrong.refusal()
	t.s.claim(!thief.ok && err == nil, "his password, stolen, opens nothing from a new place: it was right, and not enough")
	t.s.claim(theirs == nobodys && (thief.took-wrong.took).Abs() < t.patience(sameTime), "the thief hears what a wrong name hears, after the same %s", ms(thief.took))
	return nil
}

// signInOnce is a program that signs in with the house's password and goes.
func (t *story) signInOnce(ctx context.Context, from netip.Addr, who, program string) (answer, error) {
	p, err := t.connect(ctx, from, false, nil)
	if err != nil {
		return answer{}, err
	}
	defer p.close()
	if err := p.introduce(program, "6.804"); err != nil {
		return answer{}, err
	}
	return p.login(who, password)
}
