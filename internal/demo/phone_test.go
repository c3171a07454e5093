package demo

import (
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// TestATelephoneTypesNoCodeTwice tries every second at which it may be asked
// for its first code, and how soon for the others.
func TestATelephoneTypesNoCodeTwice(t *testing.T) {
	began := time.Unix(1_800_000_000, 0)
	for second := range 30 {
		for _, later := range []time.Duration{0, time.Second, 12 * time.Second, time.Minute} {
			a, now, typed := newCodeApp("amy", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), began.Add(time.Duration(second)*time.Second), map[string]bool{}
			for i, at := range []time.Time{now, now.Add(later)} {
				code, err := a.code(at)
				if err != nil {
					t.Fatal(err)
				}
				if ok, err := totp.ValidateCustom(code, a.secret, at.Add(2*time.Second), totp.ValidateOpts{Period: 30, Skew: 1, Digits: otp.DigitsSix}); !ok || err != nil {
					t.Errorf("code %d, %d s into a step and %s later, is not taken: %v", i, second, later, err)
				}
				if typed[code] {
					t.Errorf("code %d, %d s into a step and %s later, was typed before", i, second, later)
				}
				typed[code] = true
			}
		}
	}
}

func TestACameraReadsTheSecretOfATelephone(t *testing.T) {
	a := newCodeApp("amy", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
	key, err := otp.NewKeyFromURL(a.uri)
	if err != nil {
		t.Fatal(err)
	}
	if key.Secret() != a.secret || key.AccountName() != "amy" || key.Issuer() != "Portreeve" || key.Type() != "totp" || key.Period() != 30 {
		t.Errorf("%s holds %q of %q at %q", a.uri, key.Secret(), key.AccountName(), key.Issuer())
	}
}
