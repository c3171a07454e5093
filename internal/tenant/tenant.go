// Package tenant reads what another vendor's mail service exports of itself: a
// folder (or a zip of it) of Graph's JSON, Exchange's CSV, JSON and CLIXML, and
// the portal's CSV of sign-ins. A file's content says what it is, and its name
// where the content does not.
//
// Nothing is dropped in silence: what cannot be read or mapped is a Note with
// its file and line. It decides nothing, speaks to nobody, and holds every
// export, however hostile, within bounds.
package tenant

import (
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/exchange"
)

// Kind is what a file of an export holds.
type Kind string

// The kinds, by their usual file names.
const (
	ConditionalAccessPolicies Kind = "conditionalAccessPolicies"
	NamedLocations            Kind = "namedLocations"
	AuthenticationStrengths   Kind = "authenticationStrengths"
	Users                     Kind = "users"
	Groups                    Kind = "groups"
	DirectoryRoles            Kind = "directoryRoles"
	RegistrationDetails       Kind = "userRegistrationDetails"
	SecurityDefaults          Kind = "securityDefaults"
	SignIns                   Kind = "signIns"

	CASMailboxes           Kind = "CASMailbox"
	AuthenticationPolicies Kind = "AuthenticationPolicy"
	ExchangeUsers          Kind = "User"
	OrganizationConfig     Kind = "OrganizationConfig"
	TransportConfig        Kind = "TransportConfig"
	ClientAccessRules      Kind = "ClientAccessRule"
	DeviceAccessRules      Kind = "ActiveSyncDeviceAccessRule"
	DeviceSettings         Kind = "ActiveSyncOrganizationSettings"
	MobileDevices          Kind = "MobileDevice"
)

// Tenant is everything an export says.
type Tenant struct {
	Policies      []Policy
	Locations     []Location
	Strengths     []Strength
	People        []Person
	Groups        []Group
	Roles         []Role
	Registrations []Registration
	// SecurityDefaults is nil where it was not exported.
	SecurityDefaults *bool
	SignIns          *SignInLog // never nil after Read

	Mailboxes      []Mailbox
	AuthPolicies   []AuthPolicy
	ExchangeUsers  []ExchangeUser
	Organization   *Organization // Get-OrganizationConfig; nil where it was not exported
	Transport      *Organization // Get-TransportConfig; likewise
	ClientRules    []ClientRule  // by priority
	DeviceRules    []DeviceRule
	DeviceSettings *DeviceOrganization
	MobileDevices  []MobileDevice

	Files []File
	Notes []Note
}

// Exported says that the folder held at least one file of that kind, even an
// empty one: only then does an object's absence mean that there is none.
func (t *Tenant) Exported(k Kind) bool {
	for i := range t.Files {
		if t.Files[i].Kind == k {
			return true
		}
	}
	return false
}

// File is one file of the folder.
type File struct {
	Path   string
	Kind   Kind   // empty: not recognised
	Form   string // json, csv, clixml
	Count  int    // objects taken from it
	Failed bool   // it could not be read to its end
}

// Source is where an object stood: its file and the line it begins at.
type Source struct {
	File string
	Line int
}

// Note is something that could not be read, mapped or relied on.
type Note struct {
	Source
	Object string // its name, as far as known
	Text   string
}

// Policy is a conditional access policy, and its JSON as it came.
type Policy struct {
	policy.Policy
	Raw    []byte
	Source Source
}

// Location is a named location, and its JSON as it came.
type Location struct {
	location.Named
	Raw    []byte
	Source Source
}

// Strength is an authentication strength, and its JSON as it came.
type Strength struct {
	policy.Strength
	Raw    []byte
	Source Source
}

// Person is an account of the directory.
type Person struct {
	ID, UPN, DisplayName, Mail string
	Disabled                   bool // accountEnabled is false
	Guest                      bool
	Source                     Source
}

// Group has members by id, which may be groups themselves.
type Group struct {
	ID, DisplayName string
	Members         []string
	MembersSaid     bool // the export has a list of members, be it empty
	Source          Source
}

// Role is a directory role; policies name it by its template.
type Role struct {
	ID, TemplateID, DisplayName string
	Members                     []string
	Source                      Source
}

// Registration says how far somebody is set up for a second factor; nil is not said.
type Registration struct {
	ID, UPN             string
	Registered, Capable *bool
	Methods             []string
	Source              Source
}

// SignIn is one row of the log. What the row does not say is empty.
type SignIn struct {
	ID                string
	Time              time.Time // UTC
	UserID, UPN       string    // UPN in lower case
	AppID, App        string
	ResourceID        string
	Resource          string
	ClientApp         string // clientAppUsed as it stands
	UserAgent         string
	Address           netip.Addr
	Country           string
	ErrorCode         int
	Requirement       string // singleFactorAuthentication or multiFactorAuthentication
	ConditionalAccess string // success, failure, notApplied
	Protocol          string // authenticationProtocol
	Event             string // interactiveUser, nonInteractiveUser, servicePrincipal, managedIdentity
	OS                string
	DeviceID          string
	ServicePrincipal  bool // no person signed in
	Outcome           Outcome
	ASN               uint32
	CorrelationID     string
	File              string
	Line              int
}

// Outcome is how a sign-in ended.
type Outcome uint8

// The outcomes. OutcomeUnknown is a row that says neither a code nor a word.
const (
	OutcomeUnknown Outcome = iota
	Success
	Failure
	Interrupted
)

// Succeeded says that the row reports a sign-in that went through.
func (s *SignIn) Succeeded() bool { return s.Outcome == Success }

// Settings are the on/off switches of a mailbox, by Exchange's names. Where
// the cell held what cannot be a value (the class name of a collection, the
// empty text of a broken export), the setting is exchange.Hidden: unknown.
type Settings [64]exchange.Setting

// Get finds a switch by its name, in any case; exchange.Absent if the export
// has no such column.
func (s *Settings) Get(name string) exchange.Setting {
	if i, ok := switchNumber(name); ok {
		return s[i]
	}
	return exchange.Absent
}

// Mailbox is a row of Get-CASMailbox.
type Mailbox struct {
	Name, DisplayName, Identity string
	Address                     string // PrimarySmtpAddress
	UPN                         string // where the export has it
	GUID                        string
	ObjectID                    string // ExternalDirectoryObjectId: the account's id in the directory
	Settings                    Settings
	Source                      Source
}

// AuthPolicy is a row of Get-AuthenticationPolicy.
type AuthPolicy struct {
	*exchange.AuthenticationPolicy
	DN, Identity string
	Source       Source
}

// ExchangeUser is a row of Get-User.
type ExchangeUser struct {
	UPN, Name, Identity, ObjectID string
	AuthenticationPolicy          string // name, DN or GUID; empty is none of its own
	PolicySaid                    bool   // the export has that column
	RecipientType                 string // RecipientTypeDetails: UserMailbox, SharedMailbox, …
	AccountDisabled               *bool
	Source                        Source
}

// Organization holds the switches of Get-OrganizationConfig or
// Get-TransportConfig.
type Organization struct {
	Name                        string
	AdminDisplayVersion         string
	DefaultAuthenticationPolicy string // name, DN or GUID; empty is none
	Switches                    map[string]exchange.Setting
	EwsAllowedAppIDs            []string
	Source                      Source
}

// Get finds a switch by its name as Exchange spells it; Absent if nothing was said.
func (o *Organization) Get(name string) exchange.Setting {
	if o == nil {
		return exchange.Absent
	}
	return o.Switches[name]
}

// ClientRule is a client access rule. The first that matches decides.
type ClientRule struct {
	Name                             string
	Priority                         int
	Enabled                          bool
	Deny                             bool
	Scope                            string
	Protocols, ExceptProtocols       []string
	AuthTypes, ExceptAuthTypes       []string
	Addresses, ExceptAddresses       []string
	UserPatterns, ExceptUserPatterns []string
	RecipientFilter, ExceptFilter    string
	// Unknown names conditions whose values the export lost (a class name in
	// place of a list): nobody can say whom the rule matches.
	Unknown []string
	Source  Source
}

// DeviceRule is an ActiveSync device access rule.
type DeviceRule struct {
	Name, Characteristic, QueryString, AccessLevel string
	Source                                         Source
}

// DeviceOrganization is Get-ActiveSyncOrganizationSettings.
type DeviceOrganization struct {
	DefaultAccessLevel string
	Source             Source
}

// MobileDevice is a row of Get-MobileDevice.
type MobileDevice struct {
	DeviceID, ClientType          string
	AccessState, AccessReason     string
	Type, Model, OS, UserAgent    string
	FriendlyName, UserDisplayName string
	Identity                      string // <mailbox>\ExchangeActiveSyncDevices\<type>§<model>§<id>
	Owner                         string // the mailbox in the identity: its name or path
	UPN                           string // where the export says it
	FirstSync, LastSync           time.Time
	Source                        Source
}
