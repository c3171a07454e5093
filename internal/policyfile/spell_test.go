package policyfile

import (
	"strings"
	"testing"
)

// How long a token lasts is shown; anything else behind a key of secrets is not.
func TestALengthOfTimeIsNoToken(t *testing.T) {
	for line, shown := range map[string]bool{
		"access_token: 30s": true, "oauth: {access_token: 10m}": true, "access_token: 2.5h ": true, "oauth: {token_as_password: true}": true, "token_as_password: false": true, "password: true": false, "token: truer": false,
		"access_token: 30seconds": false, "token: abc": false, "password: 10m": false, "api_key: 1234567s": false, `token: "10m"`: false,
	} {
		if got := new(source).redact(line); (got == line) != shown || !shown && !strings.Contains(got, redacted) {
			t.Errorf("%q became %q", line, got)
		}
	}
}
