package tenants

import "slices"

const management = "Microsoft.Exchange.Data.Directory.Management."

// writeExchange writes what the cmdlets print.
func (b *builder) writeExchange(l layout) error {
	tables := []table{b.casMailboxes(), b.exchangeUsers(), b.organisation(), b.transport(), b.mobileDevices(), b.deviceSettings(), b.deviceRules()}
	if b.draw.popRule != "" {
		tables = append(tables, b.accessRules())
	}
	for _, polarity := range []bool{false, true} {
		if t := b.authPolicies(polarity); t.rows != nil {
			tables = append(tables, t)
		}
	}
	for _, t := range append(tables, b.mailboxList()) {
		if t.noun == b.draw.missing {
			continue
		}
		if err := b.export(l, t); err != nil {
			return err
		}
	}
	return nil
}

func listOf(rows ...[]any) func(func([]any) bool) { return slices.Values(rows) }

func (b *builder) casMailboxes() table {
	columns := []string{"Name", "DisplayName", "PrimarySmtpAddress", "Guid", "ActiveSyncEnabled", "ActiveSyncMailboxPolicy", "ActiveSyncAllowedDeviceIDs", "ActiveSyncBlockedDeviceIDs",
		"HasActiveSyncDevicePartnership", "OWAEnabled", "PopEnabled", "PopUseProtocolDefaults", "ImapEnabled", "ImapUseProtocolDefaults", "MAPIEnabled", "MAPIBlockOutlookRpcHttp",
		"MapiHttpEnabled", "EwsEnabled", "EwsAllowOutlook", "EwsApplicationAccessPolicy", "ECPEnabled", "SmtpClientAuthenticationDisabled", "OutlookMobileEnabled",
		"ExternalDirectoryObjectId", "WhenChangedUTC"}
	cloudID := b.draw.organisation == online || b.chance(0.4)
	return table{noun: "CASMailbox", class: management + "CASMailbox", columns: columns, rows: func(yield func([]any) bool) {
		for _, p := range b.people {
			if !p.mailbox {
				continue
			}
			var cloud any = ""
			if cloudID {
				cloud = p.id
			}
			c := p.cas
			row := []any{p.alias, p.display, p.mail, b.id(), c.eas.cell(), "Default", []string{}, "", false, true, c.pop.cell(), true, c.imap.cell(), true, c.mapi.cell(), c.blockRPC.cell(),
				c.mapiHTTP.cell(), c.ews.cell(), nil, nil, true, c.smtpOff.cell(), true, cloud, "9/14/2026 6:30:02 AM"}
			if b.draw.easDefault != "Allow" {
				row[6] = "" // nobody has a phone that is allowed by name
			}
			if !yield(row) {
				return
			}
		}
	}}
}

const policyContainer = ",CN=Auth Policies,CN=Configuration,CN=nordwind.onmicrosoft.com,CN=ConfigurationUnits,DC=EURPR07A001,DC=prod,DC=outlook,DC=com"

func (b *builder) exchangeUsers() table {
	byDN := b.chance(0.5)
	return table{noun: "User", class: management + "User", columns: []string{"Name", "UserPrincipalName", "WindowsEmailAddress", "RecipientTypeDetails", "AuthenticationPolicy"},
		rows: func(yield func([]any) bool) {
			for _, p := range b.people {
				if !p.mailbox {
					continue
				}
				var policy any
				switch {
				case p.auth == "" && b.chance(0.3):
					policy = ""
				case p.auth != "" && byDN:
					policy = "CN=" + p.auth + policyContainer
				case p.auth != "":
					policy = p.auth
				}
				if !yield([]any{p.alias, p.upn, p.mail, "UserMailbox", policy}) {
					return
				}
			}
		}}
}

func (b *builder) organisation() table {
	columns := []string{"Name", "AdminDisplayVersion", "DefaultAuthenticationPolicy", "OAuth2ClientProfileEnabled", "MapiHttpEnabled", "EwsEnabled", "EwsAllowOutlook", "EwsApplicationAccessPolicy",
		"ActivityBasedAuthenticationTimeoutEnabled", "ActivityBasedAuthenticationTimeoutInterval"}
	var version, strict, ews any
	switch b.draw.organisation {
	case online:
		version = pick(b, "15.20 (8398.25)", "Version 15.20 (Build 8398.25)")
	case ours:
		version = pick(b, "Version 15.2 (Build 1544.9)", "15.2 (1258.12)")
	case hybrid:
		version = pick(b, "Version 15.1 (Build 2507.6)", "Version 15.2 (Build 1544.9)")
	}
	if b.draw.strictDefault {
		strict = pick(b, strictName, "CN="+strictName+policyContainer)
	}
	if b.draw.ews != "" {
		ews = b.draw.ews == "True"
	}
	row := []any{"nordwind.onmicrosoft.com", version, strict, true, b.draw.mapiHTTP, ews, nil, nil, true, "06:00:00"}
	if b.draw.organisation == unknown {
		columns, row = slices.Delete(columns, 1, 2), slices.Delete(row, 1, 2)
	}
	return table{noun: "OrganizationConfig", class: management + "OrganizationConfig", columns: columns, single: true, rows: listOf(row)}
}

func (b *builder) transport() table {
	return table{noun: "TransportConfig", class: "Microsoft.Exchange.Data.Directory.SystemConfiguration.TransportConfigContainer", single: true,
		columns: []string{"Name", "SmtpClientAuthenticationDisabled", "AllowLegacyTLSClients", "MaxSendSize"}, rows: listOf([]any{"Transport Settings", b.draw.smtpOff, nil, "Unlimited"})}
}

// authPolicies are those of one polarity.
func (b *builder) authPolicies(blocks bool) table {
	switches := []struct{ suffix, protocol string }{{"ActiveSync", "activesync"}, {"Autodiscover", ""}, {"Imap", "imap"}, {"Mapi", "mapi"}, {"OfflineAddressBook", ""}, {"Pop", "pop"}, {"Rpc", "rpc"}, {"WebServices", "ews"}}
	prefix, noun := "BlockLegacyAuth", "AuthenticationPolicy"
	if !blocks {
		prefix = "AllowBasicAuth"
		switches = append(switches, struct{ suffix, protocol string }{"OutlookService", ""}, struct{ suffix, protocol string }{"Powershell", ""}, struct{ suffix, protocol string }{"ReportingWebServices", ""}, struct{ suffix, protocol string }{"Smtp", "smtp"})
	} else if b.draw.organisation == hybrid {
		noun = "AuthenticationPolicy-onprem"
	}
	columns := []string{"Name", "DistinguishedName", "Guid"}
	for _, s := range switches {
		columns = append(columns, prefix+s.suffix)
	}
	var rows [][]any
	for _, a := range b.auth {
		if a.blocks != blocks {
			continue
		}
		row := []any{a.name, "CN=" + a.name + policyContainer, b.id()}
		for _, s := range switches {
			row = append(row, a.open[s.protocol] != blocks)
		}
		rows = append(rows, row)
	}
	if rows == nil {
		return table{}
	}
	return table{noun: noun, class: "Microsoft.Exchange.Data.Directory.SystemConfiguration.AuthenticationPolicy", columns: columns, rows: listOf(rows...), single: len(rows) == 1}
}

func (b *builder) mobileDevices() table {
	columns := []string{"Identity", "ClientType", "DeviceAccessControlRule", "DeviceAccessState", "DeviceAccessStateReason", "DeviceActiveSyncVersion", "DeviceId", "DeviceModel", "DeviceOS", "DeviceType",
		"DeviceUserAgent", "FirstSyncTime", "FriendlyName", "UserDisplayName"}
	for _, p := range b.ordinary { // whose phones have Outlook
		if b.chance(0.2) {
			b.phone(p, "REST", "Allowed")
		}
	}
	if len(b.devices) == 0 {
		b.phone(b.ordinary[0], "REST", "Allowed")
	}
	return table{noun: "MobileDevice", class: "Microsoft.Exchange.Data.Directory.SystemConfiguration.MobileDevice", columns: columns, single: len(b.devices) == 1, rows: func(yield func([]any) bool) {
		for _, d := range b.devices {
			reason := d.reason
			if d.state != "Allowed" {
				reason = "Individual"
			}
			if !yield([]any{d.owner.alias + `\ExchangeActiveSyncDevices\` + d.kind + "§" + d.model + "§" + d.id, d.client, nil, d.state, reason, "16.1", d.id, d.model, d.os, d.kind, d.program,
				"5/19/2026 4:02:41 PM", d.model, d.owner.display}) {
				return
			}
		}
	}}
}

func (b *builder) deviceSettings() table {
	return table{noun: "ActiveSyncOrganizationSettings", class: "Microsoft.Exchange.Data.Directory.SystemConfiguration.ActiveSyncOrganizationSettings", single: true,
		columns: []string{"Name", "DefaultAccessLevel", "UserMailInsert", "AllowAccessForUnSupportedPlatform"}, rows: listOf([]any{"Mobile Mailbox Settings", b.draw.easDefault, "Bitte beim Support melden: „Neues Gerät“", false})}
}

// deviceRules block models, which changes nothing: a thief claims another. Where
// a rule lets a model in, a thief claims to be one.
func (b *builder) deviceRules() table {
	rows := [][]any{{"iPad2C1 (DeviceModel)", "DeviceModel", "iPad2C1", "Block"}, {"WP8 (DeviceType)", "DeviceType", "WP8", "Quarantine"}}
	if b.draw.easModel {
		rows = append(rows, []any{"iPhone (DeviceType)", "DeviceType", "iPhone", "Allow"})
	}
	return table{noun: "ActiveSyncDeviceAccessRule", class: "Microsoft.Exchange.Data.Directory.SystemConfiguration.ActiveSyncDeviceAccessRule", columns: []string{"Name", "Characteristic", "QueryString", "AccessLevel"}, rows: listOf(rows...)}
}

// accessRules are client access rules: one about POP3, among such as change
// nothing for mail. It may be off, come after one that allows, be for basic
// authentication or for tokens only, or leave out the head office.
func (b *builder) accessRules() table {
	rule := func(name string, priority int, on bool, action string, protocols ...string) []any {
		return []any{name, priority, on, action, "Users", protocols, []string{}, []string{}, []string{}, []string{}, nil}
	}
	pop := rule("No POP", 2, b.draw.popRule != "disabled", "DenyAccess", "POP3")
	switch b.draw.popRule {
	case popBasic:
		pop[6] = []string{"BasicAuthentication"}
	case popTokens:
		pop[6] = []string{"OAuthAuthentication", "CertificateBasedAuthentication"}
	case popOffice:
		pop[8] = []string{"192.0.2.0-192.0.2.127", "2001:db8:a0::/48"} // headOffice's
	}
	rows := [][]any{rule("Admins by PowerShell", 1, true, "AllowAccess", "RemotePowerShell"), rule("No admin centre", 3, true, "DenyAccess", "ExchangeAdminCenter"), pop}
	if b.draw.popRule == "allowed first" {
		rows = append(rows, rule("POP for now", 0, true, "AllowAccess", "POP3"))
	}
	b.r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return table{noun: "ClientAccessRule", class: "Microsoft.Exchange.Data.Directory.SystemConfiguration.ClientAccessRules", lists: true, rows: listOf(rows...),
		columns: []string{"Name", "Priority", "Enabled", "Action", "Scope", "AnyOfProtocols", "AnyOfAuthenticationTypes", "AnyOfClientIPAddressesOrRanges", "ExceptAnyOfClientIPAddressesOrRanges", "UsernameMatchesAnyOfPatterns", "UserRecipientFilter"}}
}

// mailboxList is what nobody asked for and everybody exports.
func (b *builder) mailboxList() table {
	return table{noun: "Mailbox", class: management + "Mailbox", columns: []string{"Name", "Alias", "UserPrincipalName", "PrimarySmtpAddress", "RecipientTypeDetails", "Database", "LitigationHoldEnabled", "WhenCreated"},
		rows: func(yield func([]any) bool) {
			for _, p := range b.people {
				if p.mailbox && !yield([]any{p.alias, p.alias, p.upn, p.mail, "UserMailbox", "DB07", false, "19.05.2026 16:02:41"}) {
					return
				}
			}
		}}
}
