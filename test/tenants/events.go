package tenants

import (
	"fmt"
	"time"
)

// service is an application or a resource.
type service struct{ id, name string }

var (
	exchange   = service{exchangeApp, "Office 365 Exchange Online"}
	sharePoint = service{sharePointApp, "Office 365 SharePoint Online"}
	outlook    = service{"d3590ed6-52b3-4102-aeff-aad2292ab01c", "Microsoft Office"}
	webMail    = service{"00000002-0000-0ff1-ce00-000000000000", "Outlook on the web"}
	outlookApp = service{"27922004-5251-4030-b22d-91ecd9a37ea4", "Outlook Mobile"}
	appleMail  = service{"f8d98a96-0999-43f5-8af3-69971c7bb423", "Apple Internet Accounts"}
	samsung    = service{"8acd33ea-7197-4a96-bc33-d7cc7101262f", "Samsung Email"}
	graph      = service{"00000003-0000-0000-c000-000000000000", "Microsoft Graph"}
	thunder    = service{"9e5f94bc-e8a4-4e73-b8be-63364c29d753", "Thunderbird"}
)

const modern = "Mobile Apps and Desktop clients"

// event is one sign-in.
type event struct {
	when           time.Time
	who            *person
	program        string // a service principal's name, instead of who
	client         string // clientAppUsed
	clientNull     bool
	agent          string
	app, resource  service
	code           int
	single         bool // required no more than one factor
	quiet          bool // not interactive
	os, browser    string
	address        string
	city, country  string
	policyStatus   string // conditionalAccessStatus
	protocol       string // authenticationProtocol
	failureReasons string
}

// signIn adds somebody's successful sign-in by a modern program with MFA, some
// time in the last four weeks, unless it is changed.
func (b *builder) signIn(p *person, changes ...func(*event)) *event {
	e := &event{who: p, when: b.end.Add(-time.Duration(b.r.Int64N(int64(27*24*time.Hour))) - 2*time.Hour), client: modern, app: outlook, resource: exchange,
		agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Trident/7.0; Microsoft Outlook 16.0.17928)", os: "Windows10", policyStatus: "success", protocol: "oAuth2"}
	b.somewhere(e)
	for _, c := range changes {
		c(e)
	}
	b.events = append(b.events, e)
	return e
}

// somewhere sets an address and its country.
func (b *builder) somewhere(e *event) {
	switch b.r.IntN(3) {
	case 0:
		e.address, e.city, e.country = fmt.Sprintf("192.0.2.%d", 1+b.r.IntN(120)), "Köln", "DE"
	case 1:
		e.address, e.city, e.country = fmt.Sprintf("203.0.113.%d", 100+b.r.IntN(150)), "São Paulo", "BR"
	default:
		e.address, e.city, e.country = fmt.Sprintf("2001:db8:ffff:%x::25", b.r.IntN(0xffff)), "", ""
	}
}

// by makes a sign-in one of a legacy client with a password.
func by(client string) func(*event) {
	return func(e *event) {
		e.client, e.agent, e.app, e.os, e.single, e.protocol, e.policyStatus = client, "BAV2ROPC", exchange, "", true, "ropc", "notApplied"
	}
}

func failing(code int) func(*event) {
	return func(e *event) {
		e.code, e.failureReasons = code, reasons[code]
		if code == 53003 {
			e.policyStatus = "failure"
		} else {
			e.policyStatus = "notApplied"
		}
	}
}

var reasons = map[int]string{
	50126: "Error validating credentials due to invalid username or password.",
	53003: "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
	50053: "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
	50058: "Session information is not sufficient for single-sign-on.",
	50140: "This occurred due to 'Keep me signed in' interrupt when the user was signing-in.",
	50074: "Strong Authentication is required.",
	50076: "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access.",
}

func from(app service) func(*event)    { return func(e *event) { e.app = app } }
func to(resource service) func(*event) { return func(e *event) { e.resource = resource } }
func agent(text string) func(*event)   { return func(e *event) { e.agent = text } }
func client(text string) func(*event)  { return func(e *event) { e.client = text } }
func quietly(e *event)                 { e.quiet = true }
func onBrowser(e *event) {
	e.client, e.app, e.browser, e.agent = "Browser", webMail, "Edge 128.0.0", edge
}
func once(e *event) { e.single, e.policyStatus = true, "success" }
func (b *builder) longAgo() func(*event) {
	return func(e *event) { e.when = b.end.AddDate(0, 0, -33-b.r.IntN(6)) }
}

const edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36 Edg/128.0.0.0"

// legacySuccess adds a successful sign-in with a password over a legacy client,
// and what follows from it.
func (b *builder) legacySuccess(p *person, client string, changes ...func(*event)) {
	b.signIn(p, append([]func(*event){by(client)}, changes...)...)
	b.expect("passed-without-mfa", p.subject())
	b.expect("breaks-legacy-block", p.subject())
	switch client {
	case "Authenticated SMTP", "authenticated smtp", "SMTP":
		b.expect("breaks-smtp-end", p.subject())
	case "Exchange Web Services", "exchange web services":
		b.expect("breaks-ews-end", p.subject())
	}
}

// oneFactor adds a successful sign-in by a modern program that was asked for one
// factor only; a log of Graph's v1.0 does not tell.
func (b *builder) oneFactor(p *person, changes ...func(*event)) {
	b.signIn(p, append([]func(*event){onBrowser, once}, changes...)...)
	if b.draw.log != logV1 {
		b.expect("passed-without-mfa", p.subject())
	} else {
		b.near("passed-without-mfa", p.subject(), "a v1.0 log does not tell what was required")
	}
}

// anyLegacy is a legacy client that counts as "other".
func (b *builder) anyLegacy() string {
	return pick(b, "IMAP4", "POP3", "Authenticated SMTP", "Exchange Web Services", "MAPI Over HTTP", "AutoDiscover", "Other clients", "Outlook Anywhere (RPC over HTTP)", "Offline Address Book")
}

// exemptLegacy decides whether an exclusion from a block of legacy clients was
// used by somebody whom it exempts.
func (b *builder) exemptLegacy(p *policy, id string, somebody *person) {
	if b.chance(0.5) {
		b.legacySuccess(somebody, b.anyLegacy())
		b.near("unused-exclusion", p.ID+"/"+id, "used by "+somebody.upn)
		return
	}
	b.expect("unused-exclusion", p.ID+"/"+id)
}

// exemptModern does the same for a policy over modern clients.
func (b *builder) exemptModern(p *policy, id string, somebody *person) {
	switch b.r.IntN(3) {
	case 0:
		b.oneFactor(somebody)
	case 1:
		b.signIn(somebody)
	default:
		b.expect("unused-exclusion", p.ID+"/"+id)
		return
	}
	b.near("unused-exclusion", p.ID+"/"+id, "used by "+somebody.upn)
}
