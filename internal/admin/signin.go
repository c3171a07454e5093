package admin

import (
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// Graph's ids and names for what all our doors lead to.
const (
	exchangeOnline     = "00000002-0000-0ff1-ce00-000000000000"
	exchangeOnlineName = "Office 365 Exchange Online"
)

// signIn is a sign-in in Graph's shape; what Graph has no place for stands in
// its member portreeve.
type signIn struct {
	ID                               string          `json:"id"`
	CreatedDateTime                  time.Time       `json:"createdDateTime"`
	UserID                           string          `json:"userId"`
	UserPrincipalName                string          `json:"userPrincipalName"`
	AppID                            string          `json:"appId"`
	AppDisplayName                   string          `json:"appDisplayName"`
	ResourceID                       string          `json:"resourceId"`
	ResourceDisplayName              string          `json:"resourceDisplayName"`
	ClientAppUsed                    string          `json:"clientAppUsed"`
	UserAgent                        string          `json:"userAgent"`
	IPAddress                        string          `json:"ipAddress"`
	AutonomousSystemNumber           uint32          `json:"autonomousSystemNumber"`
	Location                         place           `json:"location"`
	DeviceDetail                     deviceDetail    `json:"deviceDetail"`
	CorrelationID                    string          `json:"correlationId"`
	IsInteractive                    bool            `json:"isInteractive"`
	Status                           status          `json:"status"`
	ConditionalAccessStatus          string          `json:"conditionalAccessStatus"`
	AuthenticationProtocol           string          `json:"authenticationProtocol"`
	AuthenticationRequirement        string          `json:"authenticationRequirement"`
	AuthenticationDetails            []detail        `json:"authenticationDetails"`
	AppliedConditionalAccessPolicies []appliedPolicy `json:"appliedConditionalAccessPolicies"`
	Portreeve                        own             `json:"portreeve"`
}

type place struct {
	CountryOrRegion string `json:"countryOrRegion"`
}

type deviceDetail struct {
	OperatingSystem string `json:"operatingSystem"`
	Browser         string `json:"browser"`
}

type status struct {
	ErrorCode         int     `json:"errorCode"`
	FailureReason     string  `json:"failureReason"`
	AdditionalDetails *string `json:"additionalDetails"`
}

type detail struct {
	Date      time.Time `json:"authenticationStepDateTime"`
	Method    string    `json:"authenticationMethod"`
	Succeeded bool      `json:"succeeded"`
	Result    string    `json:"authenticationStepResultDetail"`
}

type appliedPolicy struct {
	ID           string   `json:"id"`
	DisplayName  string   `json:"displayName"`
	Controls     []string `json:"enforcedGrantControls"`
	Result       string   `json:"result"`
	Satisfied    string   `json:"conditionsSatisfied,omitempty"`
	NotSatisfied string   `json:"conditionsNotSatisfied,omitempty"`
}

// own is what only mail has, or only we record.
type own struct {
	Reference  signin.Reference  `json:"reference"`
	Outcome    string            `json:"outcome"`
	Code       string            `json:"code"`
	Title      string            `json:"title"`
	Detail     string            `json:"detail,omitempty"`
	Stage      string            `json:"stage"`
	By         string            `json:"by,omitempty"`
	ByName     string            `json:"byName,omitempty"` // of the policy that decided
	Count      int64             `json:"count"`
	Last       time.Time         `json:"lastDateTime"`
	Source     string            `json:"source"`
	Observed   bool              `json:"observed,omitempty"`
	WouldBlock bool              `json:"wouldBlock,omitempty"` // observed and let in, though policy says no
	IfAllOn    string            `json:"ifAllOn,omitempty"`    // how it would have ended with every report-only policy on
	Protocol   string            `json:"protocol"`
	Credential string            `json:"credential"`
	Mechanism  string            `json:"mechanism"`
	Typed      string            `json:"typed"`
	Mailbox    string            `json:"mailbox,omitempty"` // that was opened, where it is not the user's own
	MailboxID  string            `json:"mailboxId,omitempty"`
	Listener   string            `json:"listener"`
	Client     string            `json:"client"`
	Forwarder  string            `json:"forwarder,omitempty"`
	NetOwner   string            `json:"networkOwner,omitempty"`
	Known      bool              `json:"knownNetwork"`
	Program    program           `json:"program"`
	TLS        tlsOf             `json:"tls"`
	Hints      map[string]string `json:"hints,omitempty"`
	Backend    string            `json:"backend,omitempty"`
	Grant      string            `json:"grant,omitempty"` // what it hung on: an app password, a window, a token's
	Version    uint64            `json:"policyVersion"`
	Steps      []step            `json:"steps"`
}

type program struct {
	Family     string `json:"family"`
	Version    string `json:"version"`
	Confidence uint8  `json:"confidence"`
}

type tlsOf struct {
	Version string `json:"version"`
	JA4     string `json:"ja4,omitempty"`
	Name    string `json:"serverName,omitempty"`
}

type step struct {
	Name   string  `json:"name"`
	Result string  `json:"result"`
	Millis float64 `json:"milliseconds"`
}

var tlsVersions = map[uint16]string{0: "none", 1: "unknown", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3"}

// graphSignIn turns an event into Graph's shape. applied may be nil.
func graphSignIn(e *signin.Event, applied []appliedPolicy) signIn {
	f := &e.Facts
	s := signIn{ID: e.ID.String(), CreatedDateTime: e.At.UTC(), UserID: f.Person, UserPrincipalName: e.User(),
		AppID: exchangeOnline, AppDisplayName: exchangeOnlineName, ResourceID: exchangeOnline, ResourceDisplayName: exchangeOnlineName,
		ClientAppUsed: clientAppUsed(e), UserAgent: e.Hints.UserAgent, AutonomousSystemNumber: f.ASN, Location: place{f.Country},
		DeviceDetail: deviceDetail{OperatingSystem: platformOf(f)}, CorrelationID: e.Correlation.String(),
		IsInteractive: e.Interactive(), AuthenticationProtocol: "ropc", AuthenticationRequirement: requirement(e),
		AppliedConditionalAccessPolicies: applied, AuthenticationDetails: []detail{}, Portreeve: ownOf(e)}
	if f.Addr.IsValid() {
		s.IPAddress = f.Addr.String()
	}
	if f.Credential.Modern() {
		s.AuthenticationProtocol = "oAuth2"
	}
	if f.Flow&policy.DeviceCodeFlow != 0 {
		s.AuthenticationProtocol = "deviceCode" // Graph's protocolType
	}
	s.Status = status{ErrorCode: int(e.Code)}
	if e.Code != signin.OK {
		s.Status.FailureReason = e.Code.Meaning().Title
	}
	if e.Interrupted() {
		goesOn := interruptedDetails
		s.Status.AdditionalDetails = &goesOn
	}
	s.ConditionalAccessStatus = conditionalAccessStatus(e)
	if f.Proven {
		s.AuthenticationDetails = append(s.AuthenticationDetails, detail{e.At.UTC(), f.Credential.String(), true, "verified"})
	}
	if s.AppliedConditionalAccessPolicies == nil {
		s.AppliedConditionalAccessPolicies = []appliedPolicy{}
	}
	return s
}

// interruptedDetails are Graph's additionalDetails of an interruption, which has
// no member of its own there.
const interruptedDetails = "Interrupted: more was asked for, and the sign-in goes on under the same correlationId."

// requirement is Graph's word for the most that the sign-in took or, if it was
// not enough, would have taken.
func requirement(e *signin.Event) string {
	if policy.MultiFactor(e.Facts.Methods) || e.Code == signin.FactorNeeded || e.Code == signin.MFARequired {
		return "multiFactorAuthentication"
	}
	return "singleFactorAuthentication"
}

// clientAppUsed follows the credential: with a token every program is modern.
func clientAppUsed(e *signin.Event) string {
	if e.Facts.Credential.Modern() {
		return "Mobile Apps and Desktop clients"
	}
	return e.Facts.Protocol.Row().ClientAppUsed
}

func platformOf(f *policy.Facts) string {
	if f.Platform == policy.PlatformUnknown {
		return ""
	}
	return f.Platform.String()
}

// wouldBlock says that another server let somebody in whom policy would not.
func wouldBlock(e *signin.Event) bool {
	return e.Observed && e.Succeeded() && !e.Verdict.Allowed()
}

// conditionalAccessStatus is Graph's one word for all policies together.
func conditionalAccessStatus(e *signin.Event) string {
	any := false
	for _, w := range e.Applied.Applied {
		any = any || w != 0
	}
	switch {
	case e.Verdict.Stage == policy.StageEarlyBlock || e.Verdict.Stage == policy.StageConditionalAccess:
		return "failure"
	case any:
		return "success"
	}
	return "notApplied"
}

func ownOf(e *signin.Event) own {
	f := &e.Facts
	o := own{Reference: e.ID.Reference(), Outcome: e.Ending().String(), WouldBlock: wouldBlock(e), IfAllOn: e.IfAllOn(), Code: e.Code.String(), Title: e.Code.Meaning().Title, Detail: e.Detail,
		Stage: e.Verdict.Stage.String(), By: e.Verdict.By, Count: e.Count, Last: e.Last.UTC(), Source: e.Source, Observed: e.Observed,
		Protocol: f.Protocol.String(), Credential: f.Credential.String(), Mechanism: e.Mechanism, Typed: e.Typed,
		Listener: e.Listener, Client: e.Client, Forwarder: e.Forwarder, NetOwner: e.NetOwner, Known: f.KnownNetwork,
		Program: program{f.Program, f.ProgramVersion, f.ProgramConfidence}, TLS: tlsOf{tlsVersions[e.TLS.Version], e.TLS.JA4, e.TLS.ServerName},
		Backend: e.Backend, Grant: e.Grant, Version: e.Verdict.Version, Steps: []step{}}
	if e.Actor != "" {
		o.Mailbox, o.MailboxID = f.Address, f.Mailbox
	}
	for _, s := range e.Steps {
		o.Steps = append(o.Steps, step{string(s.Name), s.Result, float64(s.Took.Microseconds()) / 1000})
	}
	hints := map[string]string{}
	if e.Hints.EHLO != "" {
		hints["ehlo"] = e.Hints.EHLO
	}
	for _, p := range e.Hints.IMAPID {
		hints["id."+strings.ToLower(p.Key)] = p.Value
	}
	if len(hints) > 0 {
		o.Hints = hints
	}
	return o
}
