package importer

import (
	"fmt"
	"io"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/program"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/tenant"
)

// Entra reads the sign-in log of Microsoft Entra: Graph's JSON, v1.0 or beta,
// or the portal's CSV. Sign-ins to something else than mail, of services, and
// steps on the way to a sign-in (a page that asks something) are counted as
// other lines. What the log does not tell is unknown, above all what a modern
// program spoke: IMAP with a token and Outlook look the same in it.
func Entra(r io.Reader, o Options) *Log {
	l := newLog(r, o, "entra", nil)
	l.records = func(yield func(signin.Event, error) bool) {
		stopped := false
		notes, err := tenant.ReadSignIns(r, func(s *tenant.SignIn) {
			l.Lines++
			e, ok := l.entra(s)
			switch {
			case stopped:
			case !ok:
				l.Other++
			default:
				l.Events++
				stopped = !yield(e, nil)
			}
		})
		for _, n := range notes {
			l.unreadableAt(n.Line, "", n.Text)
		}
		if err != nil && !stopped {
			yield(signin.Event{}, fmt.Errorf("reading the log: %w", err))
		}
	}
	return l
}

// exchangeOnline is the resource's id in a sign-in to mail.
const exchangeOnline = "00000002-0000-0ff1-ce00-000000000000"

// legacyClients are clientAppUsed's words for programs that show a password,
// today's and those of older rows, in lower case.
var legacyClients = map[string]protocol.Protocol{
	"imap4": protocol.IMAP, "imap": protocol.IMAP, "pop3": protocol.POP3, "pop": protocol.POP3,
	"authenticated smtp": protocol.Submission, "smtp": protocol.Submission,
	"exchange activesync": protocol.ActiveSync, "exchange web services": protocol.EWS,
	"mapi over http": protocol.MAPI, "mapi": protocol.MAPI, "autodiscover": protocol.Autodiscover,
	"outlook anywhere (rpc over http)": protocol.Unknown, "offline address book": protocol.Unknown, "outlook service": protocol.Unknown,
	"exchange online powershell": protocol.Unknown, "reporting web services": protocol.Unknown, "universal outlook": protocol.Unknown, "other clients": protocol.Unknown,
}

// modernDoor is what programs speak that speak one protocol only; the others
// stay unknown.
func modernDoor(s *tenant.SignIn) protocol.Protocol {
	switch {
	case s.AppID == "f8d98a96-0999-43f5-8af3-69971c7bb423", strings.EqualFold(s.App, "Apple Internet Accounts"), strings.EqualFold(s.App, "Samsung Email"):
		return protocol.ActiveSync
	case s.AppID == "d3590ed6-52b3-4102-aeff-aad2292ab01c": // Office on a desktop: Outlook
		return protocol.MAPI
	}
	return protocol.Unknown
}

// onTheWay are codes of steps that are no end of a sign-in: a page asks
// something, or a silent attempt finds no session.
var onTheWay = map[int]bool{16000: true, 50058: true, 50072: true, 50079: true, 50097: true, 50125: true, 50140: true, 50199: true, 65001: true, 70016: true, 70018: true}

func (l *Log) entra(s *tenant.SignIn) (signin.Event, bool) {
	client := strings.ToLower(strings.TrimSpace(s.ClientApp))
	door, legacy := legacyClients[client]
	mail := legacy || s.ResourceID == exchangeOnline || s.AppID == exchangeOnline || strings.Contains(strings.ToLower(s.Resource), "exchange")
	if !mail || s.ServicePrincipal || s.Outcome == tenant.Interrupted || onTheWay[s.ErrorCode] || s.Outcome == tenant.OutcomeUnknown {
		return signin.Event{}, false
	}
	e := l.past(s.ID+" "+s.UPN+" "+s.ClientApp, s.Time, s.UPN)
	if s.CorrelationID != "" {
		e.Correlation = hashed(s.Time, l.source, "session", s.CorrelationID)
	}
	f := &e.Facts
	f.Protocol, f.Addr, f.Country, f.ASN = door, s.Address, s.Country, s.ASN
	switch {
	case legacy:
		f.Credential = policy.CredentialPassword
	case client == "browser":
		f.Protocol = protocol.Webmail // what was shown to the page is not told
	case client != "" && client != "unknown":
		f.Credential, f.Protocol = policy.CredentialBearer, modernDoor(s)
	}
	e.Code, e.Detail = entraCode(s)
	if e.Code == signin.OK {
		f.Proven, f.AuthTime = true, s.Time
		switch {
		case strings.EqualFold(s.Requirement, "multiFactorAuthentication"):
			f.Methods = policy.MethodFederatedMultiFactor
		case legacy:
			f.Methods = policy.MethodPassword
		}
		e.Methods = f.Methods
	}
	if s.Address.IsValid() {
		e.Client = s.Address.String()
	}
	p := program.Recognise(program.Hints{UserAgent: clip(s.UserAgent)})
	f.Program, f.ProgramVersion, f.ProgramConfidence = p.Family, p.Version, p.Confidence
	f.Platform, _ = policy.ParsePlatform(p.Platform)
	if f.Platform == policy.PlatformUnknown {
		f.Platform = platformOf(s.OS)
	}
	return e, true
}

// entraCode is the code that means the same here; others are told in words.
func entraCode(s *tenant.SignIn) (signin.Code, string) {
	detail := ""
	if s.ClientApp != "" {
		detail = "clientAppUsed " + clip(s.ClientApp)
	}
	if s.Outcome == tenant.Success {
		return signin.OK, detail
	}
	if c, known := signin.ParseCode(fmt.Sprint(s.ErrorCode)); known && c >= signin.UserUnknown {
		return c, detail
	}
	return signin.ObservedRefusal, strings.TrimSpace(fmt.Sprintf("AADSTS%d %s", s.ErrorCode, detail))
}

// platformOf reads deviceDetail.operatingSystem: "Ios 18.6", "Windows10".
func platformOf(os string) policy.Platform {
	os = strings.ToLower(strings.ReplaceAll(os, " ", ""))
	for _, p := range []struct {
		begins string
		is     policy.Platform
	}{{"windowsphone", policy.PlatformWindowsPhone}, {"windows", policy.PlatformWindows}, {"ios", policy.PlatformIOS}, {"ipados", policy.PlatformIOS},
		{"macos", policy.PlatformMacOS}, {"android", policy.PlatformAndroid}, {"linux", policy.PlatformLinux}} {
		if strings.HasPrefix(os, p.begins) {
			return p.is
		}
	}
	return policy.PlatformUnknown
}
