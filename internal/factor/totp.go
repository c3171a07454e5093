package factor

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
	"rsc.io/qr"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	seedSize   = 20               // bytes; RFC 4226 section 4 recommends 160 bits
	period     = 30 * time.Second // of a step; the only one that all apps know
	digits     = otp.DigitsSix    // likewise
	drift      = 1                // steps to either side: RFC 6238 section 5.2 recommends one
	setupTime  = 10 * time.Minute // from the picture to the first code
	pictureDot = 6                // pixels of the QR code's dots
)

// Setup is an authenticator app while it is being set up. It prints as [redacted].
type Setup struct {
	ID     string // goes with the first code to ConfirmTOTP
	Secret string // for typing: base32
	URI    string // otpauth://…
	PNG    []byte // the URI as a QR code
}

// Format prints [redacted] under every verb.
func (Setup) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalText prints [redacted].
func (Setup) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

var base32NoPadding = base32.StdEncoding.WithPadding(base32.NoPadding)

// BeginTOTP makes a seed for an authenticator app. Nothing is kept before the
// first code was confirmed.
func (s *Service) BeginTOTP(_ context.Context, person, address string) (Setup, error) {
	seed := make([]byte, seedSize)
	_, _ = rand.Read(seed)
	id, err := s.begin(sealSetup, ceremony{Person: person, Seed: seed}, setupTime)
	if err != nil {
		return Setup{}, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer(s.Name), AccountName: address, Secret: seed, Digits: digits, Period: uint(period.Seconds())})
	if err != nil {
		return Setup{}, fmt.Errorf("setting up an authenticator app: %w", err)
	}
	code, err := qr.Encode(key.URL(), qr.M)
	if err != nil {
		return Setup{}, fmt.Errorf("drawing a QR code: %w", err)
	}
	code.Scale = pictureDot
	return Setup{ID: id, Secret: key.Secret(), URI: key.URL(), PNG: code.PNG()}, nil
}

// issuer is a name without the colon, which ends the issuer in such a URI.
func issuer(name string) string {
	if name = strings.TrimSpace(strings.ReplaceAll(name, ":", " ")); name == "" {
		return "Portreeve"
	}
	return name
}

// ConfirmTOTP keeps the app once it shows the right code. Errors besides
// refusals: ErrSetupOld, ErrTooMany.
func (s *Service) ConfirmTOTP(ctx context.Context, who store.Actor, person, setupID, name, code string) (Factor, error) {
	c, err := s.resume(sealSetup, setupID)
	if err != nil {
		return Factor{}, err
	}
	if c.Person != person {
		return Factor{}, wrong("the setup is of somebody else")
	}
	step, ok := matchingStep(c.Seed, code, time.Now())
	if !ok {
		return Factor{}, wrong("the app's first code is wrong")
	}
	f := store.Factor{Person: person, Kind: KindTOTP, Name: named(name, "Authenticator app"), Counter: step,
		Key: s.print(KindTOTP, "", c.Seed), Sealed: s.Box.Seal(sealFor(KindTOTP, person), c.Seed)}
	if err := s.enrol(ctx, who, &f, nil); err != nil {
		if errors.Is(err, store.ErrExists) {
			return Factor{}, wrong("this setup was confirmed before") // one seed in two rows would be good for two uses of a step
		}
		return Factor{}, err
	}
	return shown(&f), nil
}

// sealFor is the purpose that a factor's secret part is sealed for: moved to
// somebody else's row it cannot be opened.
func sealFor(kind, person string) string { return "factor: " + kind + " of " + person }

// TOTP verifies a code of one of a person's authenticator apps. Each step is
// used once: of equal codes one is right.
func (s *Service) TOTP(ctx context.Context, person, code string) (policy.Methods, error) {
	class := classOf(ctx)
	try, told := s.tries.take(person, class, time.Now())
	if try == nil {
		return 0, refuse(signin.Throttled, "too many wrong codes from %s", class)
	}
	err := s.verifyTOTP(ctx, person, code)
	var refusal *signin.Refusal
	if !errors.As(err, &refusal) {
		s.tries.giveBack(try) // right, or our own trouble
	} else if told {
		s.Tell(person, News{Kind: NewsGuessing})
	}
	if err != nil {
		return 0, err
	}
	return policy.MethodSoftwareOath, nil
}

func (s *Service) verifyTOTP(ctx context.Context, person, code string) error {
	rows, err := s.Store.Factors(ctx, person)
	if err != nil {
		return err
	}
	now := time.Now()
	for i := range rows {
		f := &rows[i]
		if f.Kind != KindTOTP {
			continue
		}
		seed, err := s.Box.Open(sealFor(KindTOTP, person), f.Sealed)
		if err != nil {
			return fmt.Errorf("opening the seed of factor %s: %w", f.ID, err)
		}
		step, ok := matchingStep(seed, code, now)
		clear(seed)
		if !ok {
			continue
		}
		first := false
		if err := s.Store.Write(ctx, func(tx *store.Tx) (err error) {
			first, err = tx.UseStep(f.ID, step, now)
			return err
		}); err != nil {
			return fmt.Errorf("using a code: %w", err)
		}
		if !first {
			return wrong("the code, or a later one, was used before")
		}
		return nil
	}
	return wrong("the code is none of the person's authenticator apps")
}

// matchingStep finds the step whose code was shown, among the few that a clock
// may be off by. Every step is looked at, whichever matches.
func matchingStep(seed []byte, shown string, now time.Time) (step int64, ok bool) {
	code := strings.Join(strings.Fields(shown), "")
	if len(code) != digits.Length() {
		return 0, false
	}
	text := base32NoPadding.EncodeToString(seed)
	at := now.Unix() / int64(period.Seconds())
	for d := int64(-drift); d <= drift; d++ {
		want, err := hotp.GenerateCodeCustom(text, uint64(at+d), hotp.ValidateOpts{Digits: digits})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = at+d, true
		}
	}
	return step, ok
}
