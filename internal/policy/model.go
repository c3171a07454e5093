package policy

import "time"

// Policy is one conditional access policy, as far as it is enforced. Members
// that are nil are not configured, and an unset condition always holds.
type Policy struct {
	ID, DisplayName string
	State           State
	Conditions      Conditions
	Grant           *Grant
	Session         Session
	// Exclusions say who answers for an exclusion, why it is there and when it ends.
	Exclusions []Exclusion
	// Unsupported is what a reader could not turn into something enforced.
	Unsupported []Unsupported
}

// State is whether a policy is enforced. The zero value is: closed, not open.
type State uint8

// Graph's conditionalAccessPolicyState.
const (
	Enabled State = iota
	ReportOnly
	Disabled
)

var stateNames = [...]string{"enabled", "enabledForReportingButNotEnforced", "disabled"}

func (s State) String() string { return stateNames[min(s, Disabled)] }

// ParseState finds a state by Graph's word.
func ParseState(s string) (State, bool) {
	for i, n := range stateNames {
		if equalFold(n, s) {
			return State(i), true
		}
	}
	return Enabled, false
}

// Unsupported is a part of an object that was read but cannot be enforced: a
// JSON pointer, and a sentence on how it is read instead.
type Unsupported struct {
	Pointer string `json:"pointer"`
	Text    string `json:"text"`
}

// Exclusion is the paper of one excluded value.
type Exclusion struct {
	// ID is the value as it stands in one of the policy's exclude lists of people, groups or roles.
	ID            string
	Owner, Reason string
	// Expires is when it ceases to exclude; zero is never.
	Expires time.Time
}

// Conditions of a policy: all configured ones must hold.
type Conditions struct {
	Users              *Users
	Applications       *Applications
	ClientAppTypes     ClientAppTypes // 0 is not configured
	Platforms          *Platforms
	Locations          *Locations
	DeviceFilter       *DeviceFilter
	TransferMethods    TransferMethods // 0 is not configured
	Risks              []Risk
	ClientApplications bool // meant for services, which have no mailbox: never holds
	Portreeve          Own
}

// Users says whom a policy is for. Exclude beats include, also across kinds.
type Users struct{ Include, Exclude People }

// People is one side of Users; what one list names is enough.
type People struct {
	All                  bool
	Users, Groups, Roles []string // ids or names
	Guests               []Guests
}

// Guests is a kind of guest, from everywhere or from the domains named.
type Guests struct {
	Types      GuestTypes
	Everywhere bool
	Domains    []string
}

// AllGuests is every kind of guest.
const AllGuests = InternalGuest | B2BCollaborationGuest | B2BCollaborationMember | B2BDirectConnectUser | OtherExternalUser | ServiceProvider

// Applications says what is signed in to: application ids, All, Office365, or
// a protocol by its name.
type Applications struct {
	Include, Exclude []string
	// Actions are Graph's user actions, which are other targets than applications.
	Actions []string
	// Filtered says that an application filter includes more: it cannot be asked, so it is read as including all.
	Filtered bool
}

// ClientAppTypes is a set of Graph's conditionalAccessClientApp.
type ClientAppTypes uint8

// The client app types.
const (
	ClientAppBrowser ClientAppTypes = 1 << iota
	ClientAppMobileAppsAndDesktopClients
	ClientAppExchangeActiveSync
	ClientAppEasSupported
	ClientAppOther

	ClientAppAll = ClientAppBrowser | ClientAppMobileAppsAndDesktopClients | ClientAppExchangeActiveSync | ClientAppOther
)

// Platforms says from what kind of device. AllIncluded and AllExcluded are the
// word all, which alone matches an unknown platform.
type Platforms struct {
	AllIncluded, AllExcluded bool
	Include, Exclude         []Platform
}

// Locations says from where: ids or names of named locations, All, AllTrusted.
type Locations struct{ Include, Exclude []string }

// DeviceFilter is a rule over a device's attributes.
type DeviceFilter struct {
	Exclude bool // mode exclude: holds for the devices that the rule does not match
	Rule    string
}

// Risk is one of Entra's risk conditions. No risk is computed here, which is
// Entra's level none or hidden.
type Risk struct {
	Name   string // Graph's name: signInRiskLevels
	Levels []string
}

// Own are the conditions that only Portreeve has: Graph's conditions.portreeve.
type Own struct {
	CredentialKinds *Words
	Programs        *Words
	ASNs            *Numbers
	Hours           *Hours
	// NewClient: true holds for networks this person has not signed in from, false for the others.
	NewClient *bool
	// ViaWebmail: true holds for sign-ins that a configured forwarder vouches for.
	ViaWebmail *bool
	// Share is a percentage of people, the same ones every time.
	Share *int
	// Period is from when until when the policy is.
	Period *Period
}

// Period is from a moment, included, up to another, not included; a zero one is unset.
type Period struct{ Start, End time.Time }

// Words is an include and an exclude list; an empty include list includes all.
// The word "unknown" matches what is not known, and no other word does.
type Words struct{ Include, Exclude []string }

// Numbers is likewise for network numbers; 0 is an unknown network.
type Numbers struct{ Include, Exclude []uint32 }

// Hours are times of the week in one time zone.
type Hours struct {
	Zone             string // an IANA name; empty is UTC
	Include, Exclude []Span
}

// Span is a time of day on some days of the week, in minutes from midnight;
// To may be below From, and then lies on the next day.
type Span struct {
	Days     [7]bool // from Sunday, as time.Weekday counts
	From, To int
}

// Grant is what a policy asks for once it applies.
type Grant struct {
	Any      bool // operator OR
	Controls Controls
	Strength *Strength
	// Unknown are controls that are not known here and so can never be met.
	Unknown []string
}

// Controls is a set of grant and session controls.
type Controls uint16

// The controls in the fixed order in which they are asked for.
const (
	ControlMFA Controls = 1 << iota
	ControlStrength
	ControlCompliantDevice
	ControlDomainJoinedDevice
	ControlApprovedApplication
	ControlCompliantApplication
	ControlPasswordChange
	ControlRiskRemediation
	ControlTermsOfUse
	ControlCustomFactor
	ControlUnknown
	ControlSignInFrequency // a session control, required besides whatever is granted
	ControlTokenProtection // secureSignInSession, likewise
	ControlBlock
)

// Session controls of a policy.
type Session struct {
	Frequency *Frequency
	// TokenProtection is Graph's secureSignInSession: tokens bound to a device, which none is here.
	TokenProtection bool
}

// Frequency is Graph's signInFrequency.
type Frequency struct {
	EveryTime bool
	Every     time.Duration
}

// Strength is an authentication strength: one of its combinations must have been proven.
type Strength struct {
	ID, DisplayName string
	Combinations    []Combination
}

// Combination is methods that must all have been proven.
type Combination struct {
	Methods Methods
	// Keys are the models (AAGUIDs, in lower case) of which a passkey must be one;
	// nil: any.
	Keys []string
	// Unprovable says that it asks for something that is not recorded (a method
	// not known here, a certificate's issuer): it is never met.
	Unprovable bool
}
