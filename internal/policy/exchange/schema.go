package exchange

import (
	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/protocol"
)

// MailboxSchema is what mailbox filters may ask for: Exchange's properties by
// their names (what is written down), and our protocols by theirs (what holds,
// a truth value): MapiHttpEnabled -ne $null, or imap off. Free text is looked
// for in the names and addresses.
var MailboxSchema = filter.NewSchema(mailboxProperties(), "PrimarySmtpAddress", "DisplayName", "Name", "EmailAddresses")

func mailboxProperties() []filter.Property {
	all := []filter.Property{
		{Name: "PrimarySmtpAddress", Kind: filter.KindString, Aliases: []string{"address", "mail"}},
		{Name: "DisplayName", Kind: filter.KindString},
		{Name: "Name", Kind: filter.KindString},
		{Name: "EmailAddresses", Kind: filter.KindList},
		{Name: "Guid", Kind: filter.KindString, Aliases: []string{"Id"}},
		{Name: "MemberOfGroup", Kind: filter.KindList, Aliases: []string{"group"}},
		{Name: "AuthenticationPolicy", Kind: filter.KindString},
		{Name: "WhenChangedUTC", Kind: filter.KindTime, Aliases: []string{"WhenChanged"}},
		{Name: "WhenCreatedUTC", Kind: filter.KindTime, Aliases: []string{"WhenCreated"}},
	}
	kinds := map[SwitchKind]filter.Kind{OnOff: filter.KindBool, Text: filter.KindString, List: filter.KindList}
	stored := map[protocol.Protocol]string{}
	for i := range switches {
		s := &switches[i]
		all = append(all, filter.Property{Name: s.Name, Kind: kinds[s.Kind]})
		if s.TriState {
			stored[s.Protocol] = s.Name // of MAPI's two the one that is met as null
		}
	}
	for _, p := range protocol.All() {
		if name := stored[p]; name != "" {
			all = append(all, filter.Property{Name: p.String(), Aliases: p.Row().Aliases, Kind: filter.KindBool, Stored: name})
		}
	}
	return all
}

// Lookup answers a filter from the file's row: columns by their names, and a
// protocol's name by what the row itself says of it.
func (m *CASMailbox) Lookup(name string) filter.Value {
	if s, ok := m.Settings[name]; ok {
		if s == Hidden {
			return filter.NotKnown
		}
		return filter.OptionalBool(s.Bool())
	}
	c, ok := m.Row.Cell(name)
	switch {
	case ok && c.Unknown():
		return filter.NotKnown
	case ok && !c.Null:
		return filter.String(c.Text)
	case ok:
		return filter.Null
	}
	if p, known := protocol.Parse(name); known {
		return filter.OptionalBool(m.Open(p))
	}
	return filter.Null
}
