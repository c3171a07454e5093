package importer

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/program"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/tenant"
)

// Okta reads Okta's System Log as its API gives it: JSON, a list or lines.
// Sign-ins are user.session.start, user.authentication.sso and
// …auth_via_richclient (Office 365's passwords over legacy protocols), and
// application.policy.sign_on.deny_access; all other events are counted as other
// lines. The log does not tell which mail protocol was spoken.
func Okta(r io.Reader, o Options) *Log {
	l := newLog(r, o, "okta", nil)
	l.records = func(yield func(signin.Event, error) bool) {
		stopped := false
		err := tenant.ReadJSON(r, func(raw []byte, line int) error {
			if stopped {
				return nil
			}
			l.Lines++
			e, ok, err := l.okta(raw)
			switch {
			case err != nil:
				l.unreadableAt(line, string(raw), err.Error())
			case !ok:
				l.Other++
			default:
				l.Events++
				stopped = !yield(e, nil)
			}
			return nil
		})
		if err != nil && !stopped {
			l.unreadableAt(0, "", err.Error())
		}
	}
	return l
}

// oktaEvent is what is read of a LogEvent.
type oktaEvent struct {
	UUID      string    `json:"uuid"`
	Published time.Time `json:"published"`
	Type      string    `json:"eventType"`
	Outcome   struct{ Result, Reason string }
	Actor     struct {
		Type        string
		AlternateID string `json:"alternateId"`
	}
	Client struct {
		UserAgent struct {
			RawUserAgent, OS string
		}
		IPAddress           string `json:"ipAddress"`
		GeographicalContext struct{ Country string }
	}
	SecurityContext struct {
		ASNumber uint32 `json:"asNumber"`
	}
	AuthenticationContext struct {
		ExternalSessionID, CredentialType string
	}
	DebugContext struct {
		DebugData struct {
			RequestURI string `json:"requestUri"`
		}
	}
}

func (l *Log) okta(raw []byte) (signin.Event, bool, error) {
	var o oktaEvent
	if err := json.Unmarshal(raw, &o); err != nil {
		return signin.Event{}, false, fmt.Errorf("this event of the System Log cannot be read: %w", err)
	}
	if o.Type == "" {
		return signin.Event{}, false, fmt.Errorf("this object has no eventType: it is none of the System Log")
	}
	if o.Published.IsZero() {
		return signin.Event{}, false, fmt.Errorf("this event has no time (published)")
	}
	denied := o.Type == "application.policy.sign_on.deny_access"
	legacy := o.Type == "user.authentication.auth_via_richclient" || legacyURI(o.DebugContext.DebugData.RequestURI)
	switch {
	case o.Actor.Type != "" && !strings.EqualFold(o.Actor.Type, "User"):
		return signin.Event{}, false, nil
	case !denied && !legacy && o.Type != "user.session.start" && o.Type != "user.authentication.sso":
		return signin.Event{}, false, nil
	}
	at := o.Published.UTC()
	e := l.past(o.UUID+" "+o.Type, at, o.Actor.AlternateID)
	f := &e.Facts
	switch {
	case legacy, strings.EqualFold(o.AuthenticationContext.CredentialType, "PASSWORD"), o.Type == "user.session.start":
		f.Credential = policy.CredentialPassword
	}
	if a, err := netip.ParseAddr(o.Client.IPAddress); err == nil {
		f.Addr = a.Unmap().WithZone("")
		e.Client = f.Addr.String()
	}
	f.ASN = o.SecurityContext.ASNumber
	if id := o.AuthenticationContext.ExternalSessionID; id != "" && id != "unknown" {
		e.Correlation = hashed(at, l.source, "session", id)
	}
	e.Code, e.Detail = oktaCode(&o, denied), strings.TrimSpace(o.Type+" "+clip(o.Outcome.Reason))
	if e.Code == signin.OK {
		f.Proven, f.AuthTime = true, at
		if f.Credential == policy.CredentialPassword {
			f.Methods = policy.MethodPassword
		}
		e.Methods = f.Methods
	}
	p := program.Recognise(program.Hints{UserAgent: clip(o.Client.UserAgent.RawUserAgent)})
	f.Program, f.ProgramVersion, f.ProgramConfidence = p.Family, p.Version, p.Confidence
	f.Platform, _ = policy.ParsePlatform(p.Platform)
	if f.Platform == policy.PlatformUnknown {
		f.Platform = platformOf(o.Client.UserAgent.OS)
	}
	return e, true, nil
}

// legacyURI tells Office 365's endpoints for programs that show a password:
// …/app/office365/{id}/sso/wsfed/active and …/username13.
func legacyURI(uri string) bool {
	return strings.Contains(uri, "/sso/wsfed/active") || strings.Contains(uri, "/username13")
}

func oktaCode(o *oktaEvent, denied bool) signin.Code {
	if denied {
		return signin.BlockedByPolicy
	}
	switch strings.ToUpper(o.Outcome.Result) {
	case "SUCCESS", "ALLOW":
		return signin.OK
	case "DENY":
		return signin.BlockedByPolicy
	case "CHALLENGE":
		return signin.FactorNeeded
	}
	switch strings.ToUpper(o.Outcome.Reason) {
	case "INVALID_CREDENTIALS":
		return signin.WrongCredentials
	case "LOCKED_OUT":
		return signin.Throttled
	case "PASSWORD_EXPIRED":
		return signin.PasswordExpired
	case "USER_SUSPENDED", "USER_DEACTIVATED":
		return signin.UserDisabled
	case "UNKNOWN_USER":
		return signin.UserUnknown
	}
	return signin.ObservedRefusal
}
