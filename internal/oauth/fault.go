package oauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/signin"
)

// Errors of OAuth that are told here; those of grants are package grant's.
const (
	invalidRequest      = "invalid_request"
	invalidClient       = "invalid_client"
	invalidScope        = "invalid_scope"
	invalidTarget       = "invalid_target" // RFC 8707
	unauthorizedClient  = "unauthorized_client"
	unsupportedGrant    = "unsupported_grant_type"
	unsupportedResponse = "unsupported_response_type"
	requestNotSupported = "request_not_supported"
	requestURINot       = "request_uri_not_supported"
	registrationNot     = "registration_not_supported"
	temporarilyAway     = "temporarily_unavailable"
	invalidToken        = "invalid_token" // RFC 6750
	insufficientScope   = "insufficient_scope"
)

// What is said with them.
const (
	notFor              = "This program may not ask for that."
	goneText            = "The code or token is not valid, or no longer." // the same whatever is wrong with it
	clientText          = "The program is not known, or its secret is wrong."
	awayText            = "This cannot be answered just now. Try again in a minute."
	forbiddenClientText = "An administrator does not allow this program."
)

// refuse is an error that the library words; code may be any of OAuth's.
func refuse(code, description string) *oidc.Error {
	e := &oidc.Error{Description: printable(description)}
	kind(&e.ErrorType, code)
	return e
}

// kind sets an error's type, whose Go type the library keeps to itself.
func kind[T ~string](to *T, code string) { *to = T(code) }

// away is trouble of ours: never invalid_grant, or programs throw their tokens away.
func away() error {
	return op.NewStatusError(refuse(temporarilyAway, awayText), http.StatusServiceUnavailable)
}

// stranger is a client that does not prove to be who it says.
func stranger() error {
	return op.NewStatusError(refuse(invalidClient, clientText), http.StatusUnauthorized)
}

// refused is a judgement of the gate that hands nothing out.
type refused struct{ out signin.Outcome }

func (r *refused) Error() string { return r.out.Code.String() }

// request is what a program asked tokens by, for the log.
type request struct {
	client    *client.Client
	mechanism string // gate's word
}

// wordedFault makes of what grants and the gate say what a program is told. Who has
// nothing but a wrong code or token learns nothing of why it is wrong; whoever
// the gate refused is proven, and reads why.
func (s *Server) wordedFault(ctx context.Context, by request, err error) error {
	var no *grant.Refusal
	var judged *refused
	var told *oidc.Error
	switch {
	case errors.As(err, &told):
		return err
	case errors.As(err, &judged):
		if judged.out.Reply.Tone == signin.Trouble {
			return away()
		}
		return refuse(grant.InvalidGrant, judged.out.Reply.Text)
	case errors.As(err, &no):
		return s.wordedRefusal(ctx, by, no)
	case errors.Is(err, grant.ErrUnknown):
		s.slow.wrong(ctx, knock(ctx).Client.Addr())
		return refuse(grant.InvalidGrant, goneText)
	}
	s.Fault.Error("tokens cannot be handed out", "by", by.mechanism, "err", err)
	return away()
}

func (s *Server) wordedRefusal(ctx context.Context, by request, no *grant.Refusal) error {
	why := s.withheld(ctx, by, no)
	switch no.OAuth {
	case grant.AuthorizationPending:
		return refuse(no.OAuth, "Nobody has typed the code yet.")
	case grant.SlowDown:
		return refuse(no.OAuth, "Ask less often.")
	}
	s.slow.wrong(ctx, knock(ctx).Client.Addr()) // each of the others has cost a look into the database
	switch {
	case no.OAuth == grant.ExpiredToken:
		why = "The code has run out."
	case why == "" && no.OAuth == grant.AccessDenied:
		why = "The person, or a policy, said no."
	case why == "":
		why = goneText
	}
	return refuse(no.OAuth, why)
}

// withheld writes down that what was shown is somebody's and yet worth nothing,
// for them to find, and returns what may be told. Only who holds what was good
// once hears that it has ended, was used twice, or belongs elsewhere; a code that
// fits its program badly reads like one that never was.
func (s *Server) withheld(ctx context.Context, by request, no *grant.Refusal) (told string) {
	if no.Person == "" {
		return ""
	}
	p, err := s.People.Person(ctx, no.Person)
	if err != nil {
		return ""
	}
	a := knock(ctx)
	q := gate.Asked{Principal: signin.Principal{Person: p.ID, Address: p.Address, Grant: grant.Prefix + no.Grant}, Mechanism: by.mechanism, Client: by.client.Name,
		Correlation: a.Correlation, From: a.Client.Addr()}
	if g, stands := s.Grants.ByID(no.Grant); stands {
		q.Protocols, q.Correlation = g.Scope.Protocols(), g.Correlation
	}
	out := s.Gate.Withhold(ctx, a, q, no.Code, no.Detail)
	switch no.Code {
	case signin.GrantEnded, signin.GrantReplayed, signin.GrantElsewhere, signin.FlowNotAllowed:
		return out.Reply.Text
	}
	return ""
}
