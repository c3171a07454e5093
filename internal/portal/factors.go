package portal

import (
	"context"
	"encoding/json"
	"time"

	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

// Factors are people's second factors.
type Factors interface {
	Has(person string) bool
	List(ctx context.Context, person string) ([]factor.Factor, error)
	enrolling
	proving
	remembering
}

// enrolling sets up, counts and removes factors.
type enrolling interface {
	BeginTOTP(ctx context.Context, person, address string) (factor.Setup, error)
	ConfirmTOTP(ctx context.Context, who store.Actor, person, setup, name, code string) (factor.Factor, error)
	BeginPasskey(ctx context.Context, person, address, displayName string) (state string, options json.RawMessage, err error)
	FinishPasskey(ctx context.Context, who store.Actor, person, state, name string, response []byte) (factor.Factor, error)
	NewRecoveryCodes(ctx context.Context, who store.Actor, person string) ([]string, error)
	Remove(ctx context.Context, who store.Actor, person, id string) error
}

// proving verifies what is shown as a second factor.
type proving interface {
	BeginAssertion(ctx context.Context, person string) (state string, options json.RawMessage, err error)
	Owner(state string, response []byte) (person string, err error)
	Passkey(ctx context.Context, person string, stateAndResponse []byte) (policy.Methods, error)
	TOTP(ctx context.Context, person, code string) (policy.Methods, error)
	Recovery(ctx context.Context, person, code string) (policy.Methods, error)
}

// remembering knows browsers in which a second factor was shown lately.
type remembering interface {
	Remember(ctx context.Context, person string, until time.Time) (cookie string, err error)
	Remembered(ctx context.Context, person, cookie string) bool
	ForgetBrowsers(ctx context.Context, person string) error
}
