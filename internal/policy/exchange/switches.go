package exchange

import (
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// SwitchKind is what a switch holds.
type SwitchKind uint8

// The kinds.
const (
	OnOff SwitchKind = iota
	Text
	List
)

// Switch is one property of a mailbox in Exchange's words.
type Switch struct {
	Name  string
	Label string // as a table's head
	Help  string // one or two sentences
	Kind  SwitchKind
	// Protocol is what it opens or closes; Unknown is a setting that is kept but closes no door.
	Protocol protocol.Protocol
	// TriState says that null is a value: it inherits.
	TriState bool
	// Reversed says that True closes.
	Reversed bool
	// Organization says that the organisation has one of the same name.
	Organization bool
}

// Opens says whether this value leaves the door open.
func (s *Switch) Opens(value bool) bool { return value != s.Reversed }

var switches = []Switch{
	{Name: "ImapEnabled", Label: "IMAP", Protocol: protocol.IMAP, TriState: true, Help: "IMAP4 for this mailbox."},
	{Name: "PopEnabled", Label: "POP3", Protocol: protocol.POP3, TriState: true, Help: "POP3 for this mailbox."},
	{Name: "SmtpClientAuthenticationDisabled", Label: "SMTP sign-in off", Protocol: protocol.Submission, TriState: true, Reversed: true, Organization: true, Help: "True refuses authenticated SMTP; null follows the organisation. Note the reversed sense."},
	{Name: "SieveEnabled", Label: "Sieve", Protocol: protocol.Sieve, TriState: true, Help: "ManageSieve, the editing of mail filters. Not one of Exchange's."},
	{Name: "ActiveSyncEnabled", Label: "ActiveSync", Protocol: protocol.ActiveSync, TriState: true, Help: "Exchange ActiveSync; False makes the other ActiveSync settings moot."},
	{Name: "EwsEnabled", Label: "EWS", Protocol: protocol.EWS, TriState: true, Organization: true, Help: "Exchange Web Services; ignored where the organisation says False. Stored by Exchange as 0, 1 or null."},
	{Name: "MAPIEnabled", Label: "MAPI", Protocol: protocol.MAPI, TriState: true, Help: "Outlook's own protocol; False makes MapiHttpEnabled and the other MAPI settings moot."},
	{Name: "MapiHttpEnabled", Label: "MAPI/HTTP", Protocol: protocol.MAPI, TriState: true, Organization: true, Help: "MAPI over HTTP; null follows the organisation."},
	{Name: "OWAEnabled", Label: "Webmail", Protocol: protocol.Webmail, TriState: true, Help: "Webmail, and in Exchange Online the new Outlook for Windows."},
	{Name: "CalDavEnabled", Label: "CalDAV", Protocol: protocol.CalDAV, TriState: true, Help: "Calendars over CalDAV. Not one of Exchange's."},
	{Name: "CardDavEnabled", Label: "CardDAV", Protocol: protocol.CardDAV, TriState: true, Help: "Contacts over CardDAV. Not one of Exchange's."},
	{Name: "JmapEnabled", Label: "JMAP", Protocol: protocol.JMAP, TriState: true, Help: "JMAP. Not one of Exchange's."},

	{Name: "ActiveSyncAllowedDeviceIDs", Label: "Allowed devices", Kind: List, Help: "ActiveSync device ids that are let in whatever the rules say."},
	{Name: "ActiveSyncBlockedDeviceIDs", Label: "Blocked devices", Kind: List, Help: "ActiveSync device ids that are never let in."},
	{Name: "ActiveSyncMailboxPolicy", Label: "ActiveSync policy", Kind: Text, TriState: true, Help: "Null is the default policy."},
	{Name: "ActiveSyncMailboxPolicyIsDefaulted", Label: "Default ActiveSync policy", Help: "True while ActiveSyncMailboxPolicy is null."},
	{Name: "ActiveSyncSuppressReadReceipt", Label: "No read receipts", Help: "No read receipts for mails read over ActiveSync."},
	{Name: "ActiveSyncDebugLogging", Label: "ActiveSync log", Help: "Reverts by itself after 48 h online, 72 h on premises."},
	{Name: "HasActiveSyncDevicePartnership", Label: "Has a device", Help: "An ActiveSync device is paired with this mailbox."},
	{Name: "OWAforDevicesEnabled", Label: "OWA for devices", Help: "The old Outlook Web App for phones."},
	{Name: "OwaMailboxPolicy", Label: "Webmail policy", Kind: Text, Help: "Name of the webmail policy."},
	{Name: "OneWinNativeOutlookEnabled", Label: "New Outlook", Help: "The new Outlook for Windows."},
	{Name: "OutlookMobileEnabled", Label: "Outlook mobile", Help: "Outlook for iOS and Android."},
	{Name: "MacOutlookEnabled", Label: "Outlook for Mac", Help: "Outlook for Mac on Microsoft's sync technology."},
	{Name: "UniversalOutlookEnabled", Label: "Windows Mail", Help: "Windows 10 Mail and Calendar."},
	{Name: "ImapUseProtocolDefaults", Label: "IMAP defaults", Help: "False lets the mailbox's own IMAP format settings count."},
	{Name: "ImapMessagesRetrievalMimeFormat", Label: "IMAP format", Kind: Text, Help: "0 TextOnly to 6 Tnef; 5 BestBodyFormat is usual."},
	{Name: "PopUseProtocolDefaults", Label: "POP3 defaults", Help: "False lets the mailbox's own POP3 format settings count."},
	{Name: "PopMessagesRetrievalMimeFormat", Label: "POP3 format", Kind: Text, Help: "0 TextOnly to 6 Tnef; 5 BestBodyFormat is usual."},
	{Name: "MAPIBlockOutlookRpcHttp", Label: "RPC/HTTP off", Reversed: true, Help: "True refuses Outlook Anywhere. Note the reversed sense."},
	{Name: "MAPIBlockOutlookExternalConnectivity", Label: "External Outlook off", Reversed: true, Help: "True removes external addresses from Autodiscover."},
	{Name: "MAPIBlockOutlookNonCachedMode", Label: "Online mode off", Reversed: true, Help: "True refuses Outlook without a cache."},
	{Name: "MAPIBlockOutlookVersions", Label: "Refused Outlook versions", Kind: Text, Help: "Version ranges of Outlook that are refused."},
	{Name: "EwsAllowOutlook", Label: "EWS for Outlook", TriState: true, Organization: true, Help: "Wins over the lists of user agents."},
	{Name: "EwsAllowMacOutlook", Label: "EWS for Outlook for Mac", TriState: true, Organization: true, Help: "Wins over the lists of user agents."},
	{Name: "EwsAllowEntourage", Label: "EWS for Entourage", TriState: true, Organization: true, Help: "Wins over the lists of user agents."},
	{Name: "EwsApplicationAccessPolicy", Label: "EWS list", Kind: Text, TriState: true, Organization: true, Help: "EnforceAllowList or EnforceBlockList: which of the two lists of user agents counts."},
	{Name: "EwsAllowList", Label: "EWS allowed", Kind: List, Organization: true, Help: "User agents that may use EWS."},
	{Name: "EwsBlockList", Label: "EWS refused", Kind: List, Organization: true, Help: "User agents that may not use EWS."},
	{Name: "ECPEnabled", Label: "Control panel", Help: "The Exchange control panel; no mail protocol."},
	{Name: "PublicFolderClientAccess", Label: "Public folders", Help: "Access to public folders; no mail protocol."},
	{Name: "ShowGalAsDefaultView", Label: "Address list first", Help: "The global address list is the default view."},
	{Name: "IsOptimizedForAccessibility", Label: "Light webmail", Help: "Webmail in its light form."},
}

var switchIndex = func() map[string]*Switch {
	index := map[string]*Switch{}
	for i := range switches {
		index[strings.ToLower(switches[i].Name)] = &switches[i]
	}
	return index
}()

// Switches lists every known mailbox property, gates first, in the order in
// which tables show them.
func Switches() []Switch { return switches }

// FindSwitch finds a property by its name, in any case.
func FindSwitch(name string) (*Switch, bool) {
	s, ok := switchIndex[strings.ToLower(name)]
	return s, ok
}
