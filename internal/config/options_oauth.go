package config

import "time"

// OAuth is our own issuer of tokens: people sign in to it in a browser, with a
// second factor where policy asks for one, and their mail programs get tokens
// (docs/oauth.md).
type OAuth struct {
	// Enabled switches it on. It needs public_url and public; where they are
	// missing, and without people or a mail server to check passwords, there is
	// no issuer.
	Enabled bool `yaml:"enabled"`
	// AccessToken is how long an access token lasts: 5m to 10m, or less, down to
	// 30s, for trying things out. Programs show a refused one again until it has
	// run out; only then does their sign-in window open.
	AccessToken time.Duration `yaml:"access_token"`
	// Algorithm signs access tokens: ES256, or RS256 for old verifiers. ID tokens
	// are signed with RS256 unless a program asked for ES256.
	Algorithm string `yaml:"algorithm" oneof:"ES256,RS256"`
	// RefreshIdle is after how long without use a program's grant ends.
	RefreshIdle time.Duration `yaml:"refresh_idle"`
	// RefreshMax is how long a grant lasts at most, however often it is used;
	// 0s: as long as it is used. Policies' sign-in frequency holds besides.
	RefreshMax time.Duration `yaml:"refresh_max"`
	// Registration says which programs may ask people to sign in: open (any may
	// register itself, RFC 7591; the page says that nobody has checked it),
	// verified (those that an administrator has allowed, and ours), or off (no
	// program may register itself).
	Registration string `yaml:"registration" oneof:"open,verified,off"`
	// Registrations is how many programs one network may register in an hour.
	Registrations int `yaml:"registrations"`
	// DeviceCode lets programs without a browser show a code to type into one.
	// It counts only where both are in one network or one trusted location, or
	// a policy names the flow (authenticationFlows).
	DeviceCode bool `yaml:"device_code"`
	// TokenAsPassword takes a valid access token of ours where a password is
	// expected, for programs that know no other way. The log says so.
	TokenAsPassword bool `yaml:"token_as_password"`
}
