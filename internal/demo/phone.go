package demo

import (
	"fmt"
	"time"

	"github.com/pquerna/otp/totp"
)

// codeStep is how long an app shows one code (RFC 6238).
const codeStep = 30 * time.Second

// codeApp is the app for codes on somebody's telephone. It types no code twice:
// each is good once.
type codeApp struct {
	secret string // base32
	uri    string // for a camera
	typed  int64  // the last step whose code was typed
}

// newCodeApp names things shortly, so that the picture is small.
func newCodeApp(who, secret string) *codeApp {
	return &codeApp{secret: secret, uri: "otpauth://totp/" + who + "?secret=" + secret + "&issuer=Portreeve"}
}

// code is the one to type now. The very first is the one before that, which is
// still good unless it is about to be too old: so a second one, typed at once,
// is what other telephones with this secret show at that moment.
func (a *codeApp) code(now time.Time) (string, error) {
	const late = 25 * time.Second
	step := now.Unix() / int64(codeStep.Seconds())
	if a.typed == 0 && now.Sub(time.Unix(step*int64(codeStep.Seconds()), 0)) < late {
		step--
	}
	a.typed = max(step, a.typed+1)
	code, err := totp.GenerateCode(a.secret, time.Unix(a.typed*int64(codeStep.Seconds()), 0))
	if err != nil {
		return "", fmt.Errorf("making a code: %w", err)
	}
	return code, nil
}
