package token

import (
	"context"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/portreeve/portreeve/internal/signin"
)

// ID is a verified ID token with what only who asked for it can judge.
type ID struct {
	Claims
	Nonce string
	// Party is azp; empty if the token does not say.
	Party string
	// Audiences is how many parties the token is for.
	Audiences int
	// Signed is auth_time whether or not the configuration takes it for a fact; zero is unknown.
	Signed time.Time
}

// VerifyID verifies an ID token as Verify does. It is not remembered: its
// holder shows it once.
func (v *Verifier) VerifyID(ctx context.Context, raw []byte) (ID, error) {
	if len(raw) > maxToken {
		return ID{}, refuse(signin.TokenInvalid, "an ID token of %d bytes", len(raw))
	}
	t, i, err := v.signed(ctx, raw, plainType)
	if err != nil {
		return ID{}, err
	}
	var id ID
	if id.Claims, err = i.judge(&t.claims, time.Now()); err != nil {
		return ID{}, err
	}
	if id.Nonce, err = t.claims.text("nonce"); err != nil {
		return ID{}, err
	}
	if id.Party, err = t.claims.optional("azp"); err != nil {
		return ID{}, err
	}
	audience, err := t.claims.list("aud")
	if err != nil {
		return ID{}, err
	}
	id.Audiences = len(audience)
	if t.claims.has("auth_time") {
		id.Signed, err = t.claims.moment("auth_time")
	}
	return id, err
}

// Logout is what a verified logout token says (OpenID Connect Back-Channel
// Logout 1.0, section 2.4).
type Logout struct {
	Issuer  string // the issuer's name in the configuration
	Subject string // empty: only this session
	Session string // sid; empty: all of the subject's
	ID      string // jti
	Issued  time.Time
	Expires time.Time
}

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutAge is how old a logout token may be, whatever its exp says: it is
	// sent at once, so an older one is being played again.
	logoutAge = 5 * time.Minute
)

// logoutType is typ of a logout token (section 2.4): providers older than the
// final text send JWT or none.
func logoutType(t string) bool {
	t = strings.TrimPrefix(strings.ToLower(t), "application/")
	return t == "logout+jwt" || t == "jwt"
}

// VerifyLogout verifies a logout token (section 2.6), but for whether it has
// been seen before.
func (v *Verifier) VerifyLogout(ctx context.Context, raw []byte) (Logout, error) {
	if len(raw) > maxToken {
		return Logout{}, refuse(signin.TokenInvalid, "a logout token of %d bytes", len(raw))
	}
	t, i, err := v.signed(ctx, raw, logoutType)
	if err != nil {
		return Logout{}, err
	}
	now := time.Now()
	out := Logout{Issuer: i.Name}
	if out.Issued, out.Expires, err = t.claims.times(now); err != nil {
		return Logout{}, err
	}
	if !t.claims.has("iat") || now.Sub(out.Issued) > logoutAge {
		return Logout{}, refuse(signin.TokenExpired, "a logout token must be fresh; this one is of %s", out.Issued.UTC().Format(time.RFC3339))
	}
	if err := i.meant(&t.claims, &Claims{}); err != nil {
		return Logout{}, err
	}
	return out, t.claims.logout(&out)
}

// logout reads what only a logout token has, and refuses what it must not.
func (c *claimSet) logout(out *Logout) (err error) {
	var events map[string]json.RawMessage
	if !c.has("events") || json.Unmarshal((*c)["events"], &events) != nil {
		return refuse(signin.TokenInvalid, "no logout token: it has no events")
	}
	var event map[string]json.RawMessage
	if json.Unmarshal(events[logoutEvent], &event) != nil || event == nil {
		return refuse(signin.TokenInvalid, "no logout token: it lacks the event of back-channel logout")
	}
	if _, ok := (*c)["nonce"]; ok { // even null: so that no ID token is ever taken for one
		return refuse(signin.TokenInvalid, "a logout token with a nonce")
	}
	if out.ID, err = c.text("jti"); err != nil {
		return err
	}
	if out.Subject, err = c.optional("sub"); err != nil {
		return err
	}
	if out.Session, err = c.optional("sid"); err != nil {
		return err
	}
	if out.Subject == "" && out.Session == "" {
		return refuse(signin.TokenInvalid, "a logout token that names neither a person nor a session")
	}
	return nil
}
