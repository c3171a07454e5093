package portal

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// lateGrants are grants that are kept a moment after they were judged.
type lateGrants struct {
	*grant.Service
	meanwhile func()
}

func (l *lateGrants) IssueCode(ctx context.Context, q grant.Request, g grant.Grant) (string, error) {
	l.meanwhile()
	return l.Service.IssueCode(ctx, q, g)
}

func (l *lateGrants) ApproveDevice(ctx context.Context, userCode string, g grant.Grant) error {
	l.meanwhile()
	return l.Service.ApproveDevice(ctx, userCode, g)
}

// Whoever has a browser of somebody's and asks again and again for codes gets none
// that outlives their new password.
func TestAPasswordThatChangesMeanwhileLeavesNoGrant(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	must(t, w.grants.Consent(t.Context(), leela, client.Thunderbird, scopes(t, "imap smtp offline_access")))
	w.OAuth.Grants = &lateGrants{w.grants, func() {
		must(t, w.store.Change(ctx, store.System, "", func(tx *store.Tx) error {
			p, err := tx.Person(leela)
			if err != nil {
				return err
			}
			p.Hash = store.Hash(secret.Hash([]byte(right))) // another one, which is the same to sign in with
			return tx.PutPerson(&p)
		}))
	}}
	b := w.browser(t)
	b.signIn("leela", right)
	if a := b.send("GET", w.asks(t, beforeTheSignIn), nil, nil); a.status != http.StatusSeeOther || a.header.Get("Location") != "/signin" {
		t.Errorf("%d, to %q", a.status, a.header.Get("Location"))
	}
	d := w.waitingWith(t, "192.0.2.200")
	b.signIn("leela", right)
	b.get("/device")
	b.submit("/device", "user_code", d.UserCode)
	b.post("/device/allow")
	_, err := w.grants.PollDevice(t.Context(), d.DeviceCode, client.Token, netip.MustParseAddr("192.0.2.200"), nil)
	var r *grant.Refusal
	if !errors.As(err, &r) || r.OAuth != grant.AuthorizationPending {
		t.Errorf("the program on a device is told %v", err)
	}
	w.OAuth.Grants = w.grants
	b.signIn("leela", right)
	w.redeemed(t, client.Thunderbird, b.send("GET", w.asks(t, beforeTheSignIn), nil, nil).to(t), back)
}
