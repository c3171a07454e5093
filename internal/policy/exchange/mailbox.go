package exchange

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// Setting is what a cell says of a switch.
type Setting uint8

// The settings. Absent is a file without that column.
const (
	Absent  Setting = iota
	Null            // nothing: Exchange's null
	Inherit         // the word "inherit": null, said on purpose
	Off             // False
	On              // True
	Hidden          // a collection that became a type name: unknown, not empty
)

var settingNames = [...]string{"absent", "null", "inherit", "False", "True", "unknown"}

func (s Setting) String() string {
	if int(s) >= len(settingNames) {
		s = Hidden
	}
	return settingNames[s]
}

// Bool is the switch's value; nil inherits.
func (s Setting) Bool() *bool {
	if s != On && s != Off {
		return nil
	}
	on := s == On
	return &on
}

// typeName is what ConvertTo-Csv prints for a collection: its class.
var typeName = regexp.MustCompile("^(System|Microsoft|Deserialized)\\.[A-Za-z0-9_.+]+(`[0-9]+\\[[^\\r\\n]*\\])?(\\[\\])?$")

// Unknown says that the cell holds a class name in place of a collection's members.
func (c Cell) Unknown() bool { return typeName.MatchString(c.Text) }

// Setting reads an on/off cell: True, False, 1, 0, $true, $false, inherit, or nothing.
func (r *Row) Setting(column string) (Setting, error) {
	c, ok := r.Cell(column)
	switch word := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(c.Text), "$")); {
	case !ok:
		return Absent, nil
	case c.Null, word == "null":
		return Null, nil
	case word == "inherit":
		return Inherit, nil
	case word == "true", word == "1":
		return On, nil
	case word == "false", word == "0":
		return Off, nil
	case c.Unknown():
		return Hidden, nil
	}
	return Absent, r.fault(column, fmt.Sprintf("%s is none of True, False, inherit or nothing", quote(c.Text)))
}

// CASMailbox is one mailbox as Get-CASMailbox tells it.
type CASMailbox struct {
	Line        int
	Name        string
	DisplayName string
	Address     string // PrimarySmtpAddress
	GUID        string
	// Settings holds the on/off columns that the file has, by Exchange's spelling.
	Settings map[string]Setting
	// Row is where the rest stands: columns that nobody here knows are kept there.
	Row *Row
}

// identities are the columns that can say whose row it is, best first.
var identities = []string{"PrimarySmtpAddress", "UserPrincipalName", "WindowsEmailAddress", "Guid", "Identity", "Name", "DisplayName"}

// Key is the best the row has to say whose it is, and the column that says so.
func (m *CASMailbox) Key() (value, column string) {
	for _, name := range identities {
		if c, ok := m.Row.Cell(name); ok && strings.TrimSpace(c.Text) != "" {
			return strings.TrimSpace(c.Text), name
		}
	}
	return "", ""
}

// Switch is the value of a switch; nil inherits.
func (m *CASMailbox) Switch(name string) *bool {
	s, ok := FindSwitch(name)
	if !ok {
		return nil
	}
	return m.Settings[s.Name].Bool()
}

// Open says whether the mailbox's own switches open a protocol: nil leaves it
// to whoever it inherits from. MAPI needs both its switches, and
// SmtpClientAuthenticationDisabled is the other way round.
func (m *CASMailbox) Open(p protocol.Protocol) *bool {
	var open *bool
	for i := range switches {
		s := &switches[i]
		value := m.Settings[s.Name].Bool()
		if p == protocol.Unknown || s.Protocol != p || value == nil {
			continue
		}
		yes := s.Opens(*value)
		if !yes {
			return &yes
		}
		// MAPIEnabled alone does not open MAPI over HTTP, which still inherits.
		if s.Name != "MAPIEnabled" {
			open = &yes
		}
	}
	return open
}

// Mailboxes reads every row. A row with a fault is reported and left out, the
// others are read; a row that does not say whose it is, and a second row for
// the same mailbox, are faults.
func (c *CSV) Mailboxes() ([]CASMailbox, []error) {
	var all []CASMailbox
	var faults []error
	seen := map[string]int{}
	for _, r := range c.Rows {
		m, err := r.mailbox()
		if err != nil {
			faults = append(faults, err)
			continue
		}
		key, column := m.Key()
		if key == "" {
			faults = append(faults, &Error{Line: r.Line, Message: "nothing says whose row this is: one of " + strings.Join(identities, ", ") + " is needed"})
			continue
		}
		if first, twice := seen[strings.ToLower(key)]; twice {
			faults = append(faults, r.fault(column, fmt.Sprintf("%s stands in line %d already", quote(key), first)))
			continue
		}
		seen[strings.ToLower(key)] = r.Line
		all = append(all, m)
	}
	return all, faults
}

func (r *Row) mailbox() (CASMailbox, error) {
	m := CASMailbox{Line: r.Line, Row: r, Settings: map[string]Setting{}}
	for column, to := range map[string]*string{"Name": &m.Name, "DisplayName": &m.DisplayName, "PrimarySmtpAddress": &m.Address, "Guid": &m.GUID} {
		c, _ := r.Cell(column)
		*to = c.Text
	}
	for i := range switches {
		s := &switches[i]
		if s.Kind != OnOff || !r.file.Has(s.Name) {
			continue
		}
		setting, err := r.Setting(s.Name)
		if err != nil {
			return m, err
		}
		m.Settings[s.Name] = setting
	}
	return m, nil
}

// Change is one switch that a file would change.
type Change struct {
	Name     string
	From, To *bool // nil inherits
}

// Changes compares a row with what holds now. A cell with nothing in it leaves
// things as they are, unless nullInherits says that null is meant as null;
// inherit always is. Only switches that close a door are compared.
func (m *CASMailbox) Changes(now func(name string) *bool, nullInherits bool) []Change {
	var all []Change
	for i := range switches {
		s := &switches[i]
		setting := m.Settings[s.Name]
		if s.Protocol == protocol.Unknown || setting == Absent || setting == Hidden || setting == Null && !nullInherits {
			continue
		}
		if c := (Change{s.Name, now(s.Name), setting.Bool()}); !same(c.From, c.To) {
			all = append(all, c)
		}
	}
	return all
}

func same(a, b *bool) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// Resolve finds each row's mailbox. Rows for unknown mailboxes and second rows
// for one mailbox come back as faults: none is dropped in silence.
func Resolve(rows []CASMailbox, find func(*CASMailbox) (id string, ok bool)) (known map[string]*CASMailbox, faults []error) {
	known = map[string]*CASMailbox{}
	for i := range rows {
		m := &rows[i]
		key, column := m.Key()
		id, ok := find(m)
		switch {
		case !ok:
			faults = append(faults, m.Row.fault(column, "there is no mailbox "+quote(key)))
		case known[id] != nil:
			faults = append(faults, m.Row.fault(column, fmt.Sprintf("%s is the mailbox of line %d", quote(key), known[id].Line)))
		default:
			known[id] = m
		}
	}
	return known, faults
}

// Columns are those of an export made here: whose row it is, then every switch
// that closes a door, by Exchange's names.
func Columns() []string {
	columns := slices.Clone([]string{"Name", "DisplayName", "PrimarySmtpAddress", "Guid"})
	for i := range switches {
		if switches[i].Protocol != protocol.Unknown {
			columns = append(columns, switches[i].Name)
		}
	}
	return columns
}

// SetSwitch writes a switch as Export-Csv prints it; nil is null.
func (r *Row) SetSwitch(name string, value *bool) error {
	if value == nil {
		return r.SetNull(name)
	}
	return r.Set(name, map[bool]string{true: "True", false: "False"}[*value])
}
