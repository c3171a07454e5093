package tenant

import (
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/policy/exchange"
)

func (r *reader) mailbox(v *value, _ string, line int) bool {
	m := Mailbox{Name: v.said("Name"), DisplayName: v.said("DisplayName"), Identity: v.said("Identity", "DistinguishedName"),
		Address: v.said("PrimarySmtpAddress", "WindowsEmailAddress"), UPN: v.said("UserPrincipalName"), GUID: v.said("Guid"),
		ObjectID: v.said("ExternalDirectoryObjectId"), Source: r.source(line)}
	if m.Name == "" && m.DisplayName == "" && m.Address == "" && m.UPN == "" && m.GUID == "" && m.Identity == "" && m.ObjectID == "" {
		r.note(line, "", "nothing says whose mailbox this row is: it was left out")
		return false
	}
	who := cmpOr(m.Address, cmpOr(m.UPN, cmpOr(m.Name, m.DisplayName)))
	for i, s := range exchange.Switches() {
		if s.Kind != exchange.OnOff || i >= len(m.Settings) {
			continue
		}
		m.Settings[i] = v.setting(s.Name)
		if m.Settings[i] == exchange.Hidden {
			r.note(line, who, "%s is %q, neither True, False nor nothing: it is taken as not known", s.Name, brief(v.get(s.Name).word()))
		}
	}
	return r.addMailbox(m, who)
}

// addMailbox joins what several files say of one mailbox: an export of one
// column beside an export of the others is frequent.
func (r *reader) addMailbox(m Mailbox, who string) bool {
	keys := m.keys()
	for _, key := range keys {
		at, met := r.mailboxes[key]
		switch {
		case !met || at < 0:
			continue
		case key[0] == 'd' && (r.t.Mailboxes[at].Source.File == m.Source.File || !m.bare() && !r.t.Mailboxes[at].bare()):
			r.mailboxes[key] = -1 // people may share a name: it tells nobody apart
			continue
		case r.t.Mailboxes[at].Source.File == m.Source.File:
			r.note(m.Source.Line, who, "this mailbox stands in line %d already: this row was left out", r.t.Mailboxes[at].Source.Line)
			return false
		}
		r.join(&r.t.Mailboxes[at], &m, who)
		return true
	}
	for _, key := range keys {
		if _, met := r.mailboxes[key]; !met {
			r.mailboxes[key] = len(r.t.Mailboxes)
		}
	}
	r.t.Mailboxes = append(r.t.Mailboxes, m)
	return true
}

// keys are what tells this mailbox from others, best first. Its display name
// does only where there is nothing else; files in ASCII have ? for what ASCII
// has not.
func (m *Mailbox) keys() []string {
	var all []string
	for _, k := range [][2]string{{"g", m.GUID}, {"o", m.ObjectID}, {"a", m.Address}, {"a", m.UPN}} {
		if k[1] != "" {
			all = append(all, k[0]+strings.ToLower(k[1]))
		}
	}
	name := func(r rune) rune {
		if r > 0x7e {
			return '?'
		}
		return r
	}
	for _, n := range []string{m.Name, m.DisplayName} {
		if n != "" {
			all = append(all, "d"+strings.Map(name, strings.ToLower(n)))
		}
	}
	return all
}

// bare says that nothing but a name tells whose mailbox it is.
func (m *Mailbox) bare() bool {
	return m.GUID == "" && m.ObjectID == "" && m.Address == "" && m.UPN == ""
}

// join adds to a mailbox what only the other row says.
func (r *reader) join(to, from *Mailbox, who string) {
	for _, x := range [][2]*string{{&to.Name, &from.Name}, {&to.DisplayName, &from.DisplayName}, {&to.Identity, &from.Identity},
		{&to.Address, &from.Address}, {&to.UPN, &from.UPN}, {&to.GUID, &from.GUID}, {&to.ObjectID, &from.ObjectID}} {
		if *x[0] == "" {
			*x[0] = *x[1]
		}
	}
	for i := range to.Settings {
		switch was, is := to.Settings[i], from.Settings[i]; {
		case was == exchange.Absent:
			to.Settings[i] = is
		case is != exchange.Absent && is != was:
			r.note(from.Source.Line, who, "%s is %s here, but %s in %s: that counts", exchange.Switches()[i].Name, is, was, to.Source.File)
		}
	}
}

// brief shortens what is shown of a stranger's text.
func brief(s string) string {
	const most = 40
	if c := []rune(s); len(c) > most {
		return string(c[:most]) + "…"
	}
	return s
}

func (r *reader) authPolicy(v *value, _ string, line int) bool {
	name, guid := v.said("Name"), v.said("Guid")
	identity := v.said("Identity", "Id")
	if name == "" && guid == "" {
		if name = identity; name == "" {
			r.note(line, "", "this authentication policy has neither a Name nor a Guid and was left out")
			return false
		}
	}
	if !r.once(AuthenticationPolicies, cmpOr(guid, name), line) {
		return false
	}
	p := AuthPolicy{exchange.NewAuthenticationPolicy(guid, name, nil), v.said("DistinguishedName"), identity, r.source(line)}
	for i := range v.members {
		m := &v.members[i]
		s, known := exchange.FindAuthSwitch(m.name)
		if !known {
			if lower := strings.ToLower(m.name); strings.HasPrefix(lower, "allowbasicauth") || strings.HasPrefix(lower, "blocklegacyauth") || strings.HasPrefix(lower, "blockmodernauth") {
				r.note(line, name, "the switch %s is not known and has no effect", m.name)
			}
			continue
		}
		setting := v.setting(m.name)
		if setting == exchange.Hidden {
			r.note(line, name, "%s is %q, neither True, False nor nothing: it is taken as not said", s.Name, brief(m.value.word()))
		}
		if err := p.Set(s.Name, setting.Bool()); err != nil { // FindAuthSwitch knew it
			r.note(line, name, "%v", err)
		}
	}
	r.t.AuthPolicies = append(r.t.AuthPolicies, p)
	return true
}

func (r *reader) exchangeUser(v *value, _ string, line int) bool {
	u := ExchangeUser{UPN: v.said("UserPrincipalName"), Name: v.said("Name", "DisplayName"), Identity: v.said("Identity", "DistinguishedName"),
		ObjectID: v.said("ExternalDirectoryObjectId"), RecipientType: r.shared(v.said("RecipientTypeDetails", "RecipientType")),
		AccountDisabled: v.get("AccountDisabled").truth(), Source: r.source(line)}
	if u.UPN == "" && u.Name == "" && u.Identity == "" {
		r.note(line, "", "nothing says whose row this is: it was left out")
		return false
	}
	if assigned, ok := v.find("AuthenticationPolicy"); ok {
		u.AuthenticationPolicy, u.PolicySaid = r.shared(v.said("AuthenticationPolicy")), true
		if lostList(assigned.word()) {
			u.PolicySaid = false
			r.note(line, cmpOr(u.UPN, u.Name), "the export lost the authentication policy: %s stands there", brief(assigned.word()))
		}
	}
	if !r.once(ExchangeUsers, cmpOr(u.UPN, cmpOr(u.Identity, u.Name)), line) {
		return false
	}
	r.t.ExchangeUsers = append(r.t.ExchangeUsers, u)
	return true
}

// organizationSwitches are what is read of Get-OrganizationConfig and Get-TransportConfig.
var organizationSwitches = []string{"EwsEnabled", "EwsAllowOutlook", "EwsAllowMacOutlook", "EwsAllowEntourage", "MapiHttpEnabled",
	"OAuth2ClientProfileEnabled", "SmtpClientAuthenticationDisabled", "AllowLegacyTLSClients", "RejectDirectSend"}

func (r *reader) settingsOf(v *value, line int) *Organization {
	o := &Organization{Name: v.said("Name", "Identity"), AdminDisplayVersion: v.said("AdminDisplayVersion"),
		DefaultAuthenticationPolicy: v.said("DefaultAuthenticationPolicy"), Switches: map[string]exchange.Setting{}, Source: r.source(line)}
	for _, name := range organizationSwitches {
		setting := v.setting(name)
		if setting != exchange.Absent {
			o.Switches[name] = setting
		}
		if setting == exchange.Hidden {
			r.note(line, o.Name, "%s is %q, neither True, False nor nothing: it is taken as not known", name, brief(v.get(name).word()))
		}
	}
	o.EwsAllowedAppIDs, _ = v.get("EwsAllowedAppIDs").words()
	if lostList(v.get("DefaultAuthenticationPolicy").word()) {
		r.note(line, o.Name, "the export lost the default authentication policy")
	}
	return o
}

func (r *reader) organization(v *value, _ string, line int) bool {
	if r.t.Organization != nil {
		r.note(line, v.said("Name"), "a second organisation's settings: the first, in %s, count", r.t.Organization.Source.File)
		return false
	}
	r.t.Organization = r.settingsOf(v, line)
	return true
}

func (r *reader) transport(v *value, _ string, line int) bool {
	if r.t.Transport != nil {
		r.note(line, v.said("Name"), "second transport settings: the first, in %s, count", r.t.Transport.Source.File)
		return false
	}
	r.t.Transport = r.settingsOf(v, line)
	return true
}

func (r *reader) clientRule(v *value, _ string, line int) bool {
	c := ClientRule{Name: v.said("Name", "Identity"), Scope: v.said("Scope"), Enabled: true, Source: r.source(line),
		RecipientFilter: v.said("UserRecipientFilter"), ExceptFilter: v.said("ExceptUserRecipientFilter")}
	if enabled := v.get("Enabled").truth(); enabled != nil {
		c.Enabled = *enabled
	}
	priority := v.get("Priority").word()
	n, err := strconv.Atoi(priority)
	if err != nil {
		r.note(line, c.Name, "the priority %q is no number: this rule is taken as the last", brief(priority))
		n = int(^uint32(0) >> 1)
	}
	c.Priority = n
	switch action := strings.ToLower(v.get("Action").word()); action {
	case "denyaccess", "deny", "1":
		c.Deny = true
	case "allowaccess", "allow", "0":
	default:
		r.note(line, c.Name, "the action %q is neither AllowAccess nor DenyAccess: this rule was left out", brief(action))
		return false
	}
	for name, to := range map[string]*[]string{
		"AnyOfProtocols": &c.Protocols, "ExceptAnyOfProtocols": &c.ExceptProtocols,
		"AnyOfAuthenticationTypes": &c.AuthTypes, "ExceptAnyOfAuthenticationTypes": &c.ExceptAuthTypes,
		"AnyOfClientIPAddressesOrRanges": &c.Addresses, "ExceptAnyOfClientIPAddressesOrRanges": &c.ExceptAddresses,
		"UsernameMatchesAnyOfPatterns": &c.UserPatterns, "ExceptUsernameMatchesAnyOfPatterns": &c.ExceptUserPatterns,
	} {
		lost := false
		if *to, lost = v.get(name).words(); lost {
			c.Unknown = append(c.Unknown, name)
			r.note(line, c.Name, "the export lost %s (%s stands there): export client access rules through Export-Clixml or ConvertTo-Json", name, brief(v.get(name).word()))
		}
	}
	r.t.ClientRules = append(r.t.ClientRules, c)
	return true
}

// accessLevels are the numbers that ConvertTo-Json writes for the words.
var accessLevels = map[string]string{"0": "Allow", "1": "Block", "2": "Quarantine"}

func accessLevel(s string) string {
	if word, ok := accessLevels[s]; ok {
		return word
	}
	return s
}

func (r *reader) deviceRule(v *value, _ string, line int) bool {
	r.t.DeviceRules = append(r.t.DeviceRules, DeviceRule{v.said("Name", "Identity"), v.said("Characteristic"), v.said("QueryString"), accessLevel(v.said("AccessLevel")), r.source(line)})
	return true
}

func (r *reader) deviceSettings(v *value, _ string, line int) bool {
	level := accessLevel(v.said("DefaultAccessLevel"))
	if level == "" {
		r.note(line, "", "nothing readable says what devices get that no rule is for")
		return false
	}
	r.t.DeviceSettings = &DeviceOrganization{level, r.source(line)}
	return true
}

var accessStates = map[string]string{"0": "Unknown", "1": "Allowed", "2": "Blocked", "3": "Quarantined", "4": "DeviceDiscovery"}

func (r *reader) mobileDevice(v *value, _ string, line int) bool {
	d := MobileDevice{DeviceID: v.said("DeviceId"), ClientType: r.shared(v.said("ClientType")), AccessState: r.shared(v.said("DeviceAccessState")),
		AccessReason: r.shared(v.said("DeviceAccessStateReason")), Type: r.shared(v.said("DeviceType")), Model: r.shared(v.said("DeviceModel")),
		OS: r.shared(v.said("DeviceOS")), UserAgent: r.shared(v.said("DeviceUserAgent", "ClientVersion")), FriendlyName: v.said("FriendlyName", "DeviceFriendlyName"),
		UserDisplayName: v.said("UserDisplayName"), Identity: v.said("Identity", "DistinguishedName"), UPN: v.said("UserPrincipalName", "UserPrimarySmtpAddress", "PrimarySmtpAddress", "Mailbox"),
		FirstSync: parseTime(v.get("FirstSyncTime").word(), r.dates), LastSync: parseTime(v.get("LastSuccessSync").word(), r.dates), Source: r.source(line)}
	if word, ok := accessStates[d.AccessState]; ok {
		d.AccessState = word
	}
	if at := strings.IndexAny(d.Identity, `\/`); at > 0 {
		d.Owner = ownerOf(d.Identity)
	}
	if d.Owner == "" && d.UPN == "" && d.UserDisplayName == "" {
		r.note(line, d.DeviceID, "nothing says whose device this is: it was left out")
		return false
	}
	r.t.MobileDevices = append(r.t.MobileDevices, d)
	return true
}

// ownerOf is the mailbox in a device's identity: what stands before
// ExchangeActiveSyncDevices, and of a path its last part.
func ownerOf(identity string) string {
	for _, folder := range []string{"ExchangeActiveSyncDevices", "REST", "Hx", "MOWA"} {
		for _, bar := range []string{`\`, "/"} {
			if before, _, ok := strings.Cut(identity, bar+folder+bar); ok {
				return before[strings.LastIndexAny(before, `\/`)+1:]
			}
		}
	}
	if before, _, ok := strings.Cut(identity, `\`); ok {
		return before[strings.LastIndexByte(before, '/')+1:]
	}
	return ""
}
