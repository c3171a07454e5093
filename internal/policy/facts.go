package policy

import (
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

// Facts is everything one sign-in is judged on: ids and observations, never a
// secret nor anything derived from one. What is judged is what is recorded.
// The zero value of every member means "unknown", which no condition treats
// as a reason to let somebody in.
type Facts struct {
	// At is when the sign-in is judged.
	At time.Time

	// Person is the id of the person meant; empty for the stranger, the name
	// that nobody has: no groups, included by All, excluded by nothing.
	Person string
	// Address is the canonical address of the mailbox; for the stranger, the
	// canonical form of what was typed.
	Address string
	// Domain is the domain part of Address, which organisation-like settings hang on.
	Domain string
	// Guest says what kind of guest the person is; 0 is a member.
	Guest GuestTypes
	// Groups are the ids of the person's groups, nesting resolved, sorted.
	Groups []string
	// Roles are the ids (role templates) of the person's roles, sorted.
	Roles []string
	// Mailbox is the id of the mailbox opened where it is not the person's own:
	// policies judge the person who acts, switches the mailbox. MailboxGroups
	// are its groups, sorted.
	Mailbox       string
	MailboxGroups []string

	// Protocol is the door that was knocked at.
	Protocol protocol.Protocol
	// Credential is the kind of thing shown, known before it is looked at.
	Credential CredentialKind
	// Mechanism is the SASL mechanism or command that carried it ("PLAIN", "LOGIN", "USER").
	Mechanism string

	// Addr is the client's address; ViaWebmail says that a configured
	// forwarder vouched for it.
	Addr       netip.Addr
	ViaWebmail bool
	// Country is ISO 3166-1 alpha-2, empty if no file names one. ASN is the
	// network's number, 0 if unknown.
	Country string
	ASN     uint32

	// Platform, Program and ProgramVersion are what the program seems to be;
	// ProgramConfidence is 0–100.
	Platform          Platform
	Program           string
	ProgramVersion    string
	ProgramConfidence uint8
	// KnownNetwork says that this person has signed in from this network before.
	KnownNetwork bool

	// The members below hang on the secret: they are unknown until a
	// credential has been verified. SecretFacts names them in one list.

	// Proven says that the credential was verified.
	Proven bool
	// Methods are the authentication methods proven, and by whom (FederatedMFA and so on).
	Methods Methods
	// Key is the model (AAGUID, in lower case) of the passkey among the methods,
	// as the key says; empty is unknown.
	Key string
	// AuthTime is when the person last proved who they are; zero is unknown.
	AuthTime time.Time
	// Flow is how a token was transferred between devices.
	Flow TransferMethods
	// Device is what is known of the device; nil is an unregistered one.
	Device *Device
}

// mailbox is whose switches hold, and their groups.
func (f *Facts) mailbox() (id string, groups []string) {
	if f.Mailbox != "" {
		return f.Mailbox, f.MailboxGroups
	}
	return f.Person, f.Groups
}

// SecretFacts names the members of Facts that hang on the secret, and so are
// unknown to Preauth. Early block means: blocked under every completion of these.
var SecretFacts = []string{"Proven", "Methods", "Key", "AuthTime", "Flow", "Device"}

// CredentialKind is the kind of credential shown.
type CredentialKind uint8

// The kinds of credential.
const (
	CredentialUnknown CredentialKind = iota
	CredentialPassword
	CredentialAppPassword
	CredentialBearer
	CredentialCertificate
	CredentialPasskey
	CredentialPass // a temporary access pass
)

var credentialNames = [...]string{"unknown", "password", "appPassword", "bearer", "certificate", "passkey", "temporaryAccessPass"}

// String is the kind's name in policies and in the log.
func (k CredentialKind) String() string {
	if int(k) >= len(credentialNames) {
		k = CredentialUnknown
	}
	return credentialNames[k]
}

// ParseCredentialKind is String's inverse.
func ParseCredentialKind(s string) (CredentialKind, bool) {
	for i, n := range credentialNames {
		if n == s && i > 0 {
			return CredentialKind(i), true
		}
	}
	return CredentialUnknown, false
}

// Modern says that the kind is modern authentication: the client type follows
// the credential, not the protocol's name.
func (k CredentialKind) Modern() bool { return k == CredentialBearer }

// Platform is a device platform in Graph's words.
type Platform uint8

// The platforms of Graph's conditionalAccessDevicePlatform; PlatformUnknown
// matches only "all".
const (
	PlatformUnknown Platform = iota
	PlatformAndroid
	PlatformIOS
	PlatformWindows
	PlatformWindowsPhone
	PlatformMacOS
	PlatformLinux
)

var platformNames = [...]string{"unknown", "android", "iOS", "windows", "windowsPhone", "macOS", "linux"}

// String is Graph's word for the platform.
func (p Platform) String() string {
	if int(p) >= len(platformNames) {
		p = PlatformUnknown
	}
	return platformNames[p]
}

// ParsePlatform finds a platform by Graph's word, in any case.
func ParsePlatform(s string) (Platform, bool) {
	for i, n := range platformNames {
		if i > 0 && equalFold(n, s) {
			return Platform(i), true
		}
	}
	return PlatformUnknown, false
}

// GuestTypes is Graph's guestOrExternalUserTypes; values as there.
type GuestTypes uint8

// The kinds of guest.
const (
	InternalGuest GuestTypes = 1 << iota
	B2BCollaborationGuest
	B2BCollaborationMember
	B2BDirectConnectUser
	OtherExternalUser
	ServiceProvider
)

// TransferMethods is Graph's authenticationFlows.transferMethods.
type TransferMethods uint8

// The transfer methods.
const (
	DeviceCodeFlow TransferMethods = 1 << iota
	AuthenticationTransfer
)

// Methods is a set of authentication methods: Graph's authenticationMethodModes
// with their values, and ours from bit 32 up.
type Methods uint64

// Graph's method bits, and ours.
const (
	MethodPassword                   Methods = 1 << 0
	MethodVoice                      Methods = 1 << 1
	MethodHardwareOath               Methods = 1 << 2
	MethodSoftwareOath               Methods = 1 << 3
	MethodSMS                        Methods = 1 << 4
	MethodFIDO2                      Methods = 1 << 5
	MethodWindowsHelloForBusiness    Methods = 1 << 6
	MethodMicrosoftAuthenticatorPush Methods = 1 << 7
	MethodDeviceBasedPush            Methods = 1 << 8
	MethodTemporaryAccessPassOneTime Methods = 1 << 9
	MethodTemporaryAccessPassMulti   Methods = 1 << 10
	MethodEmail                      Methods = 1 << 11
	MethodX509SingleFactor           Methods = 1 << 12
	MethodX509MultiFactor            Methods = 1 << 13
	MethodFederatedSingleFactor      Methods = 1 << 14
	MethodFederatedMultiFactor       Methods = 1 << 15
	MethodQRCodePin                  Methods = 1 << 17

	MethodBoundAppPassword Methods = 1 << 32
	MethodApprovalWindow   Methods = 1 << 33
	MethodKnownProgram     Methods = 1 << 34
)

// attainable are the methods that a sign-in can come to prove, whatever its
// secret: a program that shows a password cannot be asked for anything more, so
// all it can have besides is what was granted to it beforehand. A person in
// front of a page can be asked for everything.
func attainable(f *Facts) Methods {
	if promptable(f.Protocol) {
		return ^Methods(0)
	}
	switch f.Credential {
	case CredentialPassword:
		return MethodPassword | MethodApprovalWindow | MethodKnownProgram
	case CredentialAppPassword:
		return MethodBoundAppPassword
	case CredentialCertificate:
		return MethodX509SingleFactor | MethodX509MultiFactor
	}
	return ^Methods(0)
}

// Device is what is known of a registered device; every member's zero value
// is null to the device filter.
type Device struct {
	DeviceID, DisplayName, EnrollmentProfileName, Manufacturer, Model string
	OperatingSystem, OperatingSystemVersion                           string
	MDMAppID, DeviceOwnership, ProfileType, TrustType                 string
	IsCompliant                                                       *bool
	PhysicalIDs, SystemLabels                                         []string
	ExtensionAttributes                                               [15]string
}

// equalFold compares ASCII words in any case without allocating.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
