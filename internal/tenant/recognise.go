package tenant

import (
	"path"
	"strings"
)

// recognise says what a record is, by what it has; the file's name and the
// class that PowerShell wrote down help where that leaves a doubt.
func recognise(v *value, class, file string) Kind {
	if k := byClass(class); k != "" {
		return k
	}
	for _, s := range signs {
		if s.is(v) {
			return s.kind
		}
	}
	return byName(file, v)
}

// signs are in the order in which they are asked: what is told by more comes first.
var signs = []struct {
	kind Kind
	is   func(*value) bool
}{
	{ConditionalAccessPolicies, func(v *value) bool {
		return v.has("conditions") && v.hasAny("grantControls", "sessionControls", "state") && !v.has("analysisReasons")
	}},
	{NamedLocations, func(v *value) bool {
		more := v.get("AdditionalProperties")
		return v.hasAny("ipRanges", "countriesAndRegions", "compliantNetworkType") || more.hasAny("ipRanges", "countriesAndRegions") ||
			strings.HasSuffix(strings.ToLower(v.get("@odata.type").word()), "namedlocation")
	}},
	{AuthenticationStrengths, func(v *value) bool { return v.has("allowedCombinations") }},
	{SignIns, isSignIn},
	{RegistrationDetails, func(v *value) bool { return v.hasAny("isMfaRegistered", "methodsRegistered", "isMfaCapable") }},
	{DirectoryRoles, func(v *value) bool { return v.has("roleTemplateId") }},
	{SecurityDefaults, func(v *value) bool {
		return v.has("isEnabled") && !v.has("conditions") && (v.get("id").word() == securityDefaultsID || strings.EqualFold(v.get("displayName").word(), "Security Defaults"))
	}},
	{AuthenticationPolicies, func(v *value) bool {
		for i := range v.members {
			if name := strings.ToLower(v.members[i].name); strings.HasPrefix(name, "allowbasicauth") || strings.HasPrefix(name, "blocklegacyauth") || strings.HasPrefix(name, "blockmodernauth") {
				return true
			}
		}
		return false
	}},
	{OrganizationConfig, func(v *value) bool {
		return v.hasAny("DefaultAuthenticationPolicy", "OAuth2ClientProfileEnabled", "AdminDisplayVersion") && !v.has("PrimarySmtpAddress")
	}},
	{ClientAccessRules, func(v *value) bool {
		return v.has("Action") && v.hasAny("AnyOfProtocols", "AnyOfClientIPAddressesOrRanges", "AnyOfAuthenticationTypes", "UsernameMatchesAnyOfPatterns", "UserRecipientFilter")
	}},
	{DeviceAccessRules, func(v *value) bool { return v.has("QueryString") && v.hasAny("Characteristic", "AccessLevel") }},
	{DeviceSettings, func(v *value) bool { return v.has("DefaultAccessLevel") }},
	{MobileDevices, func(v *value) bool {
		return v.has("DeviceId") && v.hasAny("DeviceAccessState", "DeviceAccessStateReason", "FirstSyncTime", "ClientType") && !v.has("clientAppUsed")
	}},
	{TransportConfig, func(v *value) bool {
		return v.has("SmtpClientAuthenticationDisabled") && (strings.EqualFold(v.get("Name").word(), "Transport Settings") ||
			v.hasAny("AllowLegacyTLSClients", "MaxRecipientEnvelopeLimit", "ExternalPostmasterAddress", "TLSReceiveDomainSecureList"))
	}},
	{Users, func(v *value) bool { return v.has("userPrincipalName") && v.hasAny("accountEnabled", "userType") }},
	{ExchangeUsers, func(v *value) bool {
		return v.has("AuthenticationPolicy") && v.hasAny("UserPrincipalName", "Identity", "Name")
	}},
	{CASMailboxes, isMailbox},
	{Groups, func(v *value) bool { return v.hasAny("groupTypes", "securityEnabled", "mailEnabled") && v.has("id") }},
}

// securityDefaultsID is Graph's id of identitySecurityDefaultsEnforcementPolicy.
const securityDefaultsID = "00000000-0000-0000-0000-000000000005"

func isSignIn(v *value) bool {
	return v.has("createdDateTime") && v.hasAny("clientAppUsed", "conditionalAccessStatus", "appliedConditionalAccessPolicies", "isInteractive") ||
		v.has("properties") && strings.Contains(strings.ToLower(v.get("category").word()), "signinlogs") ||
		v.hasAny("Date (UTC)", "Date") && v.hasAny("Sign-in error code", "Client app", "Request ID")
}

// byClass knows the class in a #TYPE line or a CLIXML file.
func byClass(class string) Kind {
	class = class[strings.LastIndexByte(class, '.')+1:]
	class = strings.TrimPrefix(class, "MicrosoftGraph")
	for _, k := range []Kind{CASMailboxes, AuthenticationPolicies, ClientAccessRules, DeviceAccessRules, DeviceSettings, MobileDevices, TransportConfig} {
		if strings.EqualFold(class, string(k)) {
			return k
		}
	}
	switch strings.ToLower(class) {
	case "transportconfigcontainer":
		return TransportConfig
	case "organizationconfig", "adorganizationconfig":
		return OrganizationConfig
	case "mobiledeviceconfiguration":
		return MobileDevices
	}
	return ""
}

// names are what files are called, without the case, the ending, and what
// stands for a verb or a date; the longest that fits counts.
var names = map[string]Kind{
	"conditionalaccesspolicies": ConditionalAccessPolicies, "conditionalaccesspolicy": ConditionalAccessPolicies, "capolicies": ConditionalAccessPolicies,
	"namedlocations": NamedLocations, "namedlocation": NamedLocations,
	"authenticationstrengths": AuthenticationStrengths, "authenticationstrengthpolicies": AuthenticationStrengths, "authenticationstrength": AuthenticationStrengths,
	"users": Users, "groups": Groups, "group": Groups, "directoryroles": DirectoryRoles, "directoryrole": DirectoryRoles,
	"userregistrationdetails": RegistrationDetails, "securitydefaults": SecurityDefaults, "identitysecuritydefaultsenforcementpolicy": SecurityDefaults,
	"signins": SignIns, "signin": SignIns, "signinlogs": SignIns, "interactivesignins": SignIns, "noninteractivesignins": SignIns,
	"casmailbox": CASMailboxes, "casmailboxes": CASMailboxes, "authenticationpolicy": AuthenticationPolicies, "authenticationpolicies": AuthenticationPolicies,
	"user": ExchangeUsers, "organizationconfig": OrganizationConfig, "transportconfig": TransportConfig,
	"clientaccessrule": ClientAccessRules, "clientaccessrules": ClientAccessRules,
	"activesyncdeviceaccessrule": DeviceAccessRules, "activesyncdeviceaccessrules": DeviceAccessRules, "activesyncorganizationsettings": DeviceSettings,
	"mobiledevice": MobileDevices, "mobiledevices": MobileDevices,
}

// byName goes by the file's name. An object that stands there and is plainly
// something else is not taken for it.
func byName(file string, v *value) Kind {
	base := strings.ToLower(path.Base(file))
	base, _, _ = strings.Cut(base, ".")
	base = strings.TrimPrefix(base, "get-")
	best, found := "", Kind("")
	for name, k := range names {
		if base == name {
			return checked(k, v)
		}
		// signIns-2026-11, 11-casmailbox-export, CASMailbox_page2
		for _, word := range strings.FieldsFunc(base, func(r rune) bool { return r == '-' || r == '_' || r == ' ' || r == '(' }) {
			if trimmed := strings.TrimRight(word, "0123456789"); trimmed == name && len(name) > len(best) {
				best, found = name, k
			}
		}
	}
	return checked(found, v)
}

// checked refuses a name's word where the object has nothing that the kind is read for.
func checked(k Kind, v *value) Kind {
	if v == nil || k == "" {
		return k
	}
	if need := needs[k]; len(need) > 0 && !v.hasAny(need...) {
		return ""
	}
	return k
}

var needs = map[Kind][]string{
	ConditionalAccessPolicies: {"conditions"}, NamedLocations: {"displayName"}, AuthenticationStrengths: {"allowedCombinations"},
	Users: {"userPrincipalName", "id"}, Groups: {"id", "displayName"}, DirectoryRoles: {"roleTemplateId", "displayName"},
	RegistrationDetails: {"id", "userPrincipalName"}, SecurityDefaults: {"isEnabled"},
	SignIns: {"createdDateTime", "Date (UTC)", "Date"}, CASMailboxes: {"ImapEnabled", "PopEnabled", "MapiHttpEnabled", "MAPIEnabled", "ActiveSyncEnabled", "OWAEnabled", "EwsEnabled", "SmtpClientAuthenticationDisabled"},
	ExchangeUsers: {"UserPrincipalName", "Name", "Identity"}, OrganizationConfig: {"Name", "MapiHttpEnabled", "EwsEnabled"},
	TransportConfig: {"SmtpClientAuthenticationDisabled"}, ClientAccessRules: {"Action"}, DeviceAccessRules: {"AccessLevel", "QueryString"},
	MobileDevices: {"DeviceId", "DeviceType", "Identity"}, DeviceSettings: {"DefaultAccessLevel"},
}

// isMailbox tells a row of Get-CASMailbox: its switches, and a mailbox's name.
func isMailbox(v *value) bool {
	return v.hasAny("ImapEnabled", "PopEnabled", "ActiveSyncEnabled", "OWAEnabled", "MAPIEnabled", "MapiHttpEnabled") &&
		v.hasAny("PrimarySmtpAddress", "SamAccountName", "LegacyExchangeDN", "ExternalDirectoryObjectId", "HasActiveSyncDevicePartnership", "EmailAddresses")
}
