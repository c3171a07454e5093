// Package tenantaudit says what an exported tenant leaves open: who can be got
// into with a password alone, by which protocol and from where, each with a
// witness; what in the log did get in; and what would break if the old ways
// were closed. It merges the five gates (organisation, authentication policy,
// account, conditional access, mailbox) into one view.
//
// Conditional access is judged by package policy, the code that decides live
// sign-ins. Of what an export leaves unsaid the stricter meaning is taken: a
// policy that may not hold protects nobody. It is pure: a tenant goes in, a
// report comes out.
package tenantaudit

import (
	"time"

	"github.com/portreeve/portreeve/internal/tenant"
)

// The kinds of finding.
const (
	PasswordOnly      = "password-only"
	PasswordOnlyFrom  = "password-only-from"
	NoMFA             = "no-mfa"
	Unregistered      = "unregistered"
	PassedWithoutMFA  = "passed-without-mfa"
	BreaksLegacyBlock = "breaks-legacy-block"
	BreaksSMTPEnd     = "breaks-smtp-end"
	BreaksEWSEnd      = "breaks-ews-end"
	ActiveSyncPhone   = "activesync-phone"
	RPCOverHTTP       = "rpc-over-http"
	UnknownClient     = "unknown-client"
	UnusedExclusion   = "unused-exclusion"
	ReportOnly        = "report-only"
	DeletedReference  = "deleted-reference"
)

// Severity says how soon to look.
type Severity string

// The severities, the worst first.
const (
	High   Severity = "high"
	Medium Severity = "medium"
	Low    Severity = "low"
)

// aKind is what holds for every finding of a kind.
type aKind struct {
	kind     string
	severity Severity
	group    string // of the report
	title    string // of a table of them
	meaning  string
	mend     string // what to do about all of them
}

// The groups of findings, as the report has them.
const (
	groupOpen   = "Open today"
	groupDid    = "What the log shows"
	groupBreaks = "What would break"
	groupRules  = "Rules that do not do what they seem to"
)

// kinds in the order of the report.
var kinds = [...]aKind{
	{PasswordOnly, High, groupOpen, "A password alone opens the mailbox", "Over at least one protocol that cannot ask for more, from anywhere, nothing but the password stands between a thief and the mail.", "Refuse passwords by an authentication policy, and switch SMTP AUTH off, for these people."},
	{NoMFA, High, groupOpen, "Nobody asks for a second factor", "In a browser or a modern program, from anywhere, no policy in force blocks the sign-in or asks for more than the password.", "Ask everybody for a second factor: a policy that is report-only first, then on."},
	{Unregistered, High, groupOpen, "A thief would enrol a second factor of their own", "A second factor is asked for, none is registered, and registering one is not limited: whoever has the password registers theirs.", "Have these people register with a temporary access pass, and limit registration to trusted networks."},
	{PasswordOnlyFrom, Medium, groupOpen, "A password alone opens the mailbox from some networks", "Closed to the world, but whoever gets into one of these networks needs the password alone.", "Close passwords from these networks too, or leave the scanners that need them out one by one."},
	{PassedWithoutMFA, High, groupDid, "Signed in without a second factor", "The log has sign-ins to mail that went through on one factor.", "Ask these people whether it was them; if not, end their sessions and change the password."},
	{UnknownClient, Medium, groupDid, "Signed in with a program nobody can name", "The log has sign-ins that went through and do not say with what.", "Find out which programs these are before legacy authentication is blocked."},
	{BreaksLegacyBlock, Medium, groupBreaks, "Stops when legacy authentication is blocked", "The log has sign-ins that went through with a password on a protocol that a block of legacy authentication closes.", "Move these programs to modern authentication; until then leave these people out of a block by group, with an end date."},
	{BreaksSMTPEnd, Medium, groupBreaks, "Stops when SMTP AUTH with passwords ends", "Sends mail by SMTP AUTH with a password.", "Move these senders to OAuth, or devices that cannot to a relay of your own or a connector."},
	{BreaksEWSEnd, Medium, groupBreaks, "Stops when Exchange Web Services end", "Uses Exchange Web Services.", "Have these programs moved to Microsoft Graph by who makes them."},
	{ActiveSyncPhone, Medium, groupBreaks, "Phone loses its mail if ActiveSync is switched off for the mailbox", "The phone's own mail program signs in by token. An authentication policy that refuses passwords leaves it alone; ActiveSyncEnabled set to false on the mailbox takes its mail.", "Refuse passwords on ActiveSync by an authentication policy, and leave the switches of these mailboxes on."},
	{RPCOverHTTP, Medium, groupBreaks, "Outlook still on RPC over HTTP", "The mailbox leaves MapiHttpEnabled to the organisation, which says false: Outlook talks RPC over HTTP, which no move to Exchange Online takes along.", "Switch these mailboxes to MAPI over HTTP before they are moved."},
	{ReportOnly, High, groupRules, "Report-only, though it would close a hole", "The policy looks like protection, enforces nothing, and somebody it would cover is open today.", "See in the sign-in log whom these policies would have hit, then turn them on."},
	{DeletedReference, Medium, groupRules, "Names something that does not exist", "The policy names an object that is not in the export: it means less, or more, than it seems to.", "Take these ids out of their policies, or put in what was meant."},
	{UnusedExclusion, Low, groupRules, "An exclusion that nobody uses", "No sign-in of the log needed it.", "Take these exclusions out, emergency accounts aside."},
}

func kindOf(kind string) *aKind {
	for i := range kinds {
		if kinds[i].kind == kind {
			return &kinds[i]
		}
	}
	return &kinds[0]
}

// Options says what part of the log counts.
type Options struct {
	At   time.Time     // the end of the window; zero is the newest sign-in
	Last time.Duration // its length; 0 is DefaultLast
}

// DefaultLast is how much of the log counts unless told otherwise: what Entra
// keeps with its paid plans.
const DefaultLast = 30 * 24 * time.Hour

// Report is all that was found.
type Report struct {
	Tenant    Summary     `json:"tenant"`
	Findings  []*Finding  `json:"findings"`
	Plan      []Step      `json:"plan"`
	Mailboxes []*Mailbox  `json:"mailboxes"`
	Notes     []Note      `json:"notes"`
	Charts    Charts      `json:"charts"`
	views     []groupView // for the page: mailboxes by equal view
}

// Summary counts what was read and found.
type Summary struct {
	People          int            `json:"people"`
	Enabled         int            `json:"enabled"`
	Mailboxes       int            `json:"mailboxes"`
	Policies        int            `json:"policies"`
	PoliciesOn      int            `json:"policiesOn"`
	Locations       int            `json:"locations"`
	SignIns         int            `json:"signIns"`
	SignInsCounted  int            `json:"signInsCounted"`
	From            *time.Time     `json:"from,omitempty"`
	To              *time.Time     `json:"to,omitempty"`
	ExchangeOnline  bool           `json:"exchangeOnline"`
	Read            []FileRead     `json:"read"`
	Missing         []string       `json:"missing"`
	ByKind          map[string]int `json:"byKind"`
	BySeverity      map[string]int `json:"bySeverity"`
	PeopleOpen      int            `json:"peopleOpen"`
	PeopleOpenShare float64        `json:"peopleOpenShare"`
	PasswordOnly    int            `json:"passwordOnly"` // of them, on a protocol that cannot ask for more
}

// FileRead is one file of the export.
type FileRead struct {
	Path   string `json:"path"`
	Kind   string `json:"kind"`
	Form   string `json:"form"`
	Count  int    `json:"count"`
	Failed bool   `json:"failed,omitempty"`
}

// Finding is one thing found; kind and subject are its identity.
type Finding struct {
	Kind      string     `json:"kind"`
	Subject   string     `json:"subject"`
	Name      string     `json:"name,omitempty"`
	Severity  Severity   `json:"severity"`
	Title     string     `json:"title"`
	Witness   *Witness   `json:"witness,omitempty"`
	Evidence  []Evidence `json:"evidence"`
	Remedy    Remedy     `json:"remedy"`
	Protocols []string   `json:"protocols"`
	Where     []string   `json:"where"`
	// SignIns are the sign-ins of the log that say so, LastSeen the newest one.
	SignIns  int        `json:"signIns,omitempty"`
	LastSeen *time.Time `json:"lastSeen,omitempty"`
	Programs []string   `json:"programs,omitempty"`
}

// Witness is one concrete way in.
type Witness struct {
	Person   string `json:"person"`
	Name     string `json:"name,omitempty"`
	Program  string `json:"program"`
	Place    string `json:"place"`
	Address  string `json:"address,omitempty"`
	Country  string `json:"country,omitempty"`
	Platform string `json:"platform,omitempty"`
	LetBy    string `json:"letBy"`
	Ladder   []Rung `json:"ladder"`
}

// Rung is what one gate says.
type Rung struct {
	Gate   string `json:"gate"`
	Says   string `json:"says"` // "open", "closed", "not read"
	Object string `json:"object"`
}

// Evidence is where it stands.
type Evidence struct {
	File   string     `json:"file,omitempty"`
	Line   int        `json:"line,omitempty"`
	SignIn string     `json:"signIn,omitempty"`
	At     *time.Time `json:"at,omitempty"`
	Says   string     `json:"says"`
}

// Remedy mends it. Harm is how many sign-ins of the log would not have gone
// through with it: what harms least comes first.
type Remedy struct {
	Do      string `json:"do"`
	Command string `json:"command"`
	Harm    int    `json:"harm"`
}

// Step is one kind of remedy for everything that it mends.
type Step struct {
	Do       string   `json:"do"`
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity"`
	Findings int      `json:"findings"`
	Harm     int      `json:"harm"`
	Harmed   int      `json:"harmed"` // people
	Example  string   `json:"example"`
}

// Mailbox is the merged view of one mailbox.
type Mailbox struct {
	User      string           `json:"user"`
	Protocols map[string]*Door `json:"protocols"`
}

// Door is what all gates come to for one protocol.
type Door struct {
	// Password is open or closed, from anywhere; Token is open (a password gets
	// one), asks (more is asked for) or closed.
	Password string `json:"password"`
	Token    string `json:"token"`
	SaidBy   string `json:"saidBy"`
}

// Note is a remark that is no finding.
type Note struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Object string `json:"object,omitempty"`
	Text   string `json:"text"`
}

// Charts are the numbers behind the page's plots.
type Charts struct {
	ByProtocol []Bar `json:"byProtocol"` // mailboxes that a password alone opens
	PerDay     []Day `json:"perDay"`     // sign-ins that went through
	Coverage   []Bar `json:"coverage"`   // people
}

// Bar is one bar of a chart.
type Bar struct {
	Name  string `json:"name"`
	Value int    `json:"value"`
}

// Day counts sign-ins to mail that went through on one day, UTC.
type Day struct {
	Day    string `json:"day"`
	Legacy int    `json:"legacy"`
	Single int    `json:"single"` // modern, on one factor
	Other  int    `json:"other"`
}

// Audit looks at everything.
func Audit(t *tenant.Tenant, o Options) *Report {
	a := newAudit(t, o)
	a.judgePeople()
	a.readLog()
	a.findOpen()
	a.findInLog()
	a.findPhones()
	a.findRPC()
	a.findReportOnly()
	a.findDeletedReferences()
	a.findUnusedExclusions()
	return a.report()
}
