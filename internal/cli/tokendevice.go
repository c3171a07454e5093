package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/portreeve/portreeve/internal/qrtext"
)

// deviceTime is how long a code is asked for if the server names no time.
const deviceTime = 15 * time.Minute

// signInByDevice has a person sign in on another device (RFC 8628) and gives
// the tokens.
func (t *tokenCall) signInByDevice(ctx context.Context, issuer *tokenIssuer) (*oauth2.Token, error) {
	if issuer.Device == "" {
		return nil, &failure{exit: exitFailed, what: issuer.Issuer + " offers no sign-in by another device", next: "leave --device away and sign in by a browser"}
	}
	oauth := issuer.oauth("")
	ctx, cancel := context.WithTimeout(issuer.context(ctx), deviceTime)
	defer cancel()
	d, err := oauth.DeviceAuth(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := safeURL(d.VerificationURI); err != nil || d.UserCode == "" || d.DeviceCode == "" {
		return nil, fmt.Errorf("%s gave no address and code to sign in with", issuer.Issuer)
	}
	fmt.Fprintf(t.app.err, "Sign in as %s: open this address on a device near you and type the code.\n\n%s\n%s\n\n", printable(t.user), printable(d.VerificationURI), printable(d.UserCode))
	if _, err := safeURL(d.VerificationURIComplete); err == nil {
		if lines, err := qrtext.Lines(d.VerificationURIComplete, true); err == nil { // else the code is typed
			fmt.Fprintln(t.app.err, strings.Join(lines, "\n"))
		}
	}
	for {
		token, err := oauth.DeviceAccessToken(ctx, d) // waits its interval first
		switch _, _, refused := refusal(err); {
		case err == nil || refused:
			return token, err
		case errors.Is(ctx.Err(), context.Canceled):
			return nil, ctx.Err()
		case ctx.Err() != nil || !d.Expiry.IsZero() && time.Now().After(d.Expiry):
			return nil, errors.New("nobody has typed the code in time")
		}
		// Trouble of the network: the person is still at it (RFC 8628, section 3.5).
	}
}
