package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Organization is what Get-OrganizationConfig and Get-TransportConfig say of
// who may use what.
type Organization struct {
	// Switches holds what was said, by Exchange's spelling; nil is null.
	Switches map[string]*bool
	// DefaultAuthenticationPolicy is a name, DN or GUID; empty is none.
	DefaultAuthenticationPolicy string
}

// organizationOnly are switches that only the organisation has; the others are
// those of mailboxes marked with Organization.
var organizationOnly = []Switch{
	{Name: "OAuth2ClientProfileEnabled", Label: "Modern authentication", Help: "False switches tokens off for everybody."},
}

const defaultPolicy = "DefaultAuthenticationPolicy"

// OrganizationSwitches lists the on/off switches an organisation has.
func OrganizationSwitches() []Switch {
	var all []Switch
	for _, s := range switches {
		if s.Organization && s.Kind == OnOff {
			all = append(all, s)
		}
	}
	return append(all, organizationOnly...)
}

// ReadOrganization reads either of the two through ConvertTo-Json or Export-Csv.
func ReadOrganization(r io.Reader) (*Organization, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxPolicies+1))
	if err != nil {
		return nil, fmt.Errorf("reading the organisation's settings: %w", err)
	}
	if len(raw) > maxPolicies {
		return nil, fmt.Errorf("the file of the organisation's settings is larger than %d MB", maxPolicies>>20)
	}
	text, _, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return organizationJSON(text)
	}
	return organizationCSV(string(raw))
}

func organizationJSON(text string) (*Organization, error) {
	d := json.NewDecoder(strings.NewReader(text))
	var members map[string]json.RawMessage
	if err := d.Decode(&members); err != nil {
		return nil, jsonFault(text, d, "", err)
	}
	o := &Organization{Switches: map[string]*bool{}}
	for name, raw := range members {
		if strings.EqualFold(name, defaultPolicy) {
			var policy *string
			if err := json.Unmarshal(raw, &policy); err != nil {
				return nil, jsonFault(text, d, name, errors.New("this is a text or null"))
			}
			if policy != nil {
				o.DefaultAuthenticationPolicy = *policy
			}
		}
		for _, s := range OrganizationSwitches() {
			var value *bool
			if !strings.EqualFold(s.Name, name) {
				continue
			}
			if err := json.Unmarshal(raw, &value); err != nil {
				return nil, jsonFault(text, d, name, errors.New("this is true, false or null"))
			}
			o.Switches[s.Name] = value
		}
	}
	return o, nil
}

func organizationCSV(raw string) (*Organization, error) {
	c, err := ReadCSV(strings.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if len(c.Rows) != 1 {
		return nil, fmt.Errorf("the organisation's settings are one row, not %d", len(c.Rows))
	}
	o := &Organization{Switches: map[string]*bool{}}
	for _, s := range OrganizationSwitches() {
		setting, err := c.Rows[0].Setting(s.Name)
		if err != nil {
			return nil, err
		}
		if setting != Absent && setting != Hidden {
			o.Switches[s.Name] = setting.Bool()
		}
	}
	cell, _ := c.Rows[0].Cell(defaultPolicy)
	o.DefaultAuthenticationPolicy = cell.Text
	return o, nil
}
