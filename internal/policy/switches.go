package policy

import (
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// Switches are protocol switches by Exchange's names; nil inherits: from the
// group, then the domain, then the organisation, and what nobody says is on.
// SmtpClientAuthenticationDisabled is the other way round: true is off.
type Switches struct {
	ImapEnabled, PopEnabled          *bool
	SmtpClientAuthenticationDisabled *bool
	SieveEnabled                     *bool
	ActiveSyncEnabled                *bool
	EwsEnabled                       *bool
	EwsAllowOutlook                  *bool
	EwsAllowMacOutlook               *bool
	EwsAllowEntourage                *bool
	MAPIEnabled, MapiHttpEnabled     *bool
	OWAEnabled                       *bool
	CalDavEnabled, CardDavEnabled    *bool
	JmapEnabled                      *bool
	EwsApplicationAccessPolicy       string // "", EnforceAllowList, EnforceBlockList
	EwsAllowList, EwsBlockList       []string
}

// The switches as bits, in the order in which they are shown.
type switchBits uint16

const (
	switchImap switchBits = 1 << iota
	switchPop
	switchSmtp
	switchSieve
	switchActiveSync
	switchEws
	switchEwsOutlook
	switchEwsMacOutlook
	switchEwsEntourage
	switchMAPI
	switchMapiHTTP
	switchOWA
	switchCalDav
	switchCardDav
	switchJmap
)

// aSwitch is one switch's name, its reverse polarity, the doors it closes, and
// where it stands in Switches.
type aSwitch struct {
	name     string
	reversed bool
	protocol protocol.Protocol
	field    func(*Switches) **bool
}

var switchTable = [...]aSwitch{
	{"ImapEnabled", false, protocol.IMAP, func(s *Switches) **bool { return &s.ImapEnabled }},
	{"PopEnabled", false, protocol.POP3, func(s *Switches) **bool { return &s.PopEnabled }},
	{"SmtpClientAuthenticationDisabled", true, protocol.Submission, func(s *Switches) **bool { return &s.SmtpClientAuthenticationDisabled }},
	{"SieveEnabled", false, protocol.Sieve, func(s *Switches) **bool { return &s.SieveEnabled }},
	{"ActiveSyncEnabled", false, protocol.ActiveSync, func(s *Switches) **bool { return &s.ActiveSyncEnabled }},
	{"EwsEnabled", false, protocol.EWS, func(s *Switches) **bool { return &s.EwsEnabled }},
	{"EwsAllowOutlook", false, protocol.EWS, func(s *Switches) **bool { return &s.EwsAllowOutlook }},
	{"EwsAllowMacOutlook", false, protocol.EWS, func(s *Switches) **bool { return &s.EwsAllowMacOutlook }},
	{"EwsAllowEntourage", false, protocol.EWS, func(s *Switches) **bool { return &s.EwsAllowEntourage }},
	{"MAPIEnabled", false, protocol.MAPI, func(s *Switches) **bool { return &s.MAPIEnabled }},
	{"MapiHttpEnabled", false, protocol.MAPI, func(s *Switches) **bool { return &s.MapiHttpEnabled }},
	{"OWAEnabled", false, protocol.Webmail, func(s *Switches) **bool { return &s.OWAEnabled }},
	{"CalDavEnabled", false, protocol.CalDAV, func(s *Switches) **bool { return &s.CalDavEnabled }},
	{"CardDavEnabled", false, protocol.CardDAV, func(s *Switches) **bool { return &s.CardDavEnabled }},
	{"JmapEnabled", false, protocol.JMAP, func(s *Switches) **bool { return &s.JmapEnabled }},
}

// Set gives a switch a value by its name, in any case; nil inherits. It says
// whether there is such a switch.
func (s *Switches) Set(name string, value *bool) bool {
	for i := range switchTable {
		if strings.EqualFold(switchTable[i].name, name) {
			*switchTable[i].field(s) = value
			return true
		}
	}
	return false
}

// Get is a switch's value by its name.
func (s *Switches) Get(name string) *bool {
	for i := range switchTable {
		if strings.EqualFold(switchTable[i].name, name) {
			return *switchTable[i].field(s)
		}
	}
	return nil
}

// SwitchNames lists the switches that are enforced.
func SwitchNames() []string {
	var names []string
	for i := range switchTable {
		names = append(names, switchTable[i].name)
	}
	return names
}

// level is what one holder says: bits that are on and bits that are off, by
// what they mean for the door, not by polarity. Neither is inherit.
type level struct {
	on, off switchBits
	ews     *ewsList // nil inherits
}

// ewsList is Exchange's list of programs that may use EWS.
type ewsList struct {
	allowList bool
	programs  []string // patterns with *
}

func (s *Switches) level() level {
	var l level
	for i := range switchTable {
		switch v := *switchTable[i].field(s); {
		case v == nil:
		case *v != switchTable[i].reversed:
			l.on |= 1 << i
		default:
			l.off |= 1 << i
		}
	}
	switch {
	case equalFold(s.EwsApplicationAccessPolicy, "EnforceAllowList"):
		l.ews = &ewsList{true, s.EwsAllowList}
	case equalFold(s.EwsApplicationAccessPolicy, "EnforceBlockList"):
		l.ews = &ewsList{false, s.EwsBlockList}
	}
	return l
}

// below lays a more general level under a more particular one.
func (l *level) below(general level) {
	said := l.on | l.off
	l.on |= general.on &^ said
	l.off |= general.off &^ said
	if l.ews == nil {
		l.ews = general.ews
	}
}

// beside joins two levels of one rank, such as two groups of one person: false wins.
func (l *level) beside(other level) {
	l.off |= other.off
	l.on = (l.on | other.on) &^ l.off
	if other.ews != nil && (l.ews == nil || other.ews.allowList) {
		l.ews = other.ews
	}
}

// effective is what holds for a mailbox. The stranger has no groups and no mailbox.
func (s *Snapshot) effective(person, domain string, groups []string) level {
	l := s.mailboxes[person].level
	if len(s.groups) > 0 {
		var all level
		for _, g := range groups {
			if set, ok := s.groups[g]; ok {
				all.beside(set.level)
			}
		}
		l.below(all)
	}
	l.below(s.domains[domain])
	l.below(s.organization)
	l.off |= s.organization.off & switchEws // Exchange's exception: the organisation's false beats the mailbox
	return l
}

// switched finds the switch that closes a sign-in's door, or 0.
func (l *level) switched(f *Facts) switchBits {
	closed := l.off & doorSwitches[min(int(f.Protocol), protocol.Count-1)]
	if f.Protocol == protocol.EWS && closed == 0 {
		return l.ewsClosed(f)
	}
	return closed & -closed
}

// doorSwitches are the switches each protocol needs, without the families of EWS.
var doorSwitches = [protocol.Count]switchBits{
	protocol.IMAP: switchImap, protocol.POP3: switchPop, protocol.Submission: switchSmtp, protocol.Sieve: switchSieve,
	protocol.ActiveSync: switchActiveSync, protocol.EWS: switchEws, protocol.MAPI: switchMAPI | switchMapiHTTP,
	protocol.Webmail: switchOWA, protocol.CalDAV: switchCalDav, protocol.CardDAV: switchCardDav, protocol.JMAP: switchJmap,
}

// ewsClosed asks the family's flag, which wins over the lists, then the list.
func (l *level) ewsClosed(f *Facts) switchBits {
	family := switchBits(0)
	switch {
	case equalFold(f.Program, "entourage"):
		family = switchEwsEntourage
	case !equalFold(f.Program, "outlook"):
	case f.Platform == PlatformMacOS:
		family = switchEwsMacOutlook
	case f.Platform == PlatformWindows || f.Platform == PlatformUnknown:
		family = switchEwsOutlook
	}
	if family != 0 {
		return l.off & family // the lists do not touch these programs
	}
	if l.ews != nil && l.ews.allowList != l.ews.lists(f.Program, f.ProgramVersion) {
		return switchEws
	}
	return 0
}

func (e *ewsList) lists(program, version string) bool {
	for _, p := range e.programs {
		if Wildcard(p, program+"/"+version) || Wildcard(p, program) {
			return true
		}
	}
	return false
}

// Wildcard matches * in a text, in any case.
func Wildcard(pattern, s string) bool {
	parts := strings.Split(strings.ToLower(pattern), "*")
	s = strings.ToLower(s)
	if len(parts) == 1 {
		return s == parts[0]
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		at := strings.Index(s, p)
		if at < 0 {
			return false
		}
		s = s[at+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}
