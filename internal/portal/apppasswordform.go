package portal

import (
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Bounds of what is typed about an app password, in bytes.
const (
	maxList = 8 << 10 // a list of 64 addresses
	maxDay  = 32
)

// passwordForm is what somebody typed about a new app password, so that it is
// there still when something of it was wrong.
type passwordForm struct {
	Name, Expires                string
	Networks, Countries, Senders string
	Chosen                       []string // protocols
	Field                        string   // what is wrong
}

// Limited says that one of the limits is set that are folded away.
func (f *passwordForm) Limited() bool {
	return f.Networks != "" || f.Countries != "" || f.Senders != ""
}

// Wrong says that it is this field that is wrong.
func (f *passwordForm) Wrong(field string) bool { return f.Field == field }

// form is what was typed.
func (c *call) passwordForm() *passwordForm {
	return &passwordForm{Name: typed(c.value("name"), maxFactorName), Expires: typed(c.value("expires"), maxDay), Chosen: c.r.PostForm["protocol"],
		Networks: typed(c.value("networks"), maxList), Countries: typed(c.value("countries"), maxList), Senders: typed(c.value("senders"), maxList)}
}

// scope is what a form asks for. What cannot be read limits nothing, and so is
// refused: an *apppassword.Invalid says which field.
func (f *passwordForm) scope(now time.Time) (apppassword.Scope, error) {
	s := apppassword.Scope{IdleDays: idleDays, Binding: apppassword.BindProgram, Countries: listed(f.Countries), Senders: listed(f.Senders)}
	for _, name := range f.Chosen {
		p, ok := protocol.Parse(name)
		if !ok {
			return s, &apppassword.Invalid{Member: "protocols", Why: "there is no such protocol"}
		}
		s.Protocols = append(s.Protocols, p)
	}
	if len(s.Protocols) == 0 { // which would mean all of them
		return s, &apppassword.Invalid{Member: "protocols", Why: "none is chosen"}
	}
	for _, text := range listed(f.Networks) {
		n, ok := network.Parse(text)
		if !ok {
			return s, &apppassword.Invalid{Member: "networks", Why: "it is no network"}
		}
		s.Networks = append(s.Networks, n)
	}
	if f.Expires == "" {
		return s, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, f.Expires, time.Local)
	if err != nil || !day.Before(now.AddDate(0, 0, longestExpiry)) {
		return s, &apppassword.Invalid{Member: "expires", Why: "it is no day of the next years"}
	}
	s.Expires = day.AddDate(0, 0, 1) // good to the end of that day
	return s, nil
}

// listed are the items of a list that somebody typed, however they part them.
func listed(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",; \t\r\n", r) })
}

// invalidFields are the fields that have words of their own for what is wrong.
var invalidFields = map[string]string{
	"name": "apppasswords.name", "protocols": "apppasswords.invalid.protocols", "expires": "apppasswords.invalid.expires",
	"networks": "apppasswords.invalid.networks", "countries": "apppasswords.invalid.countries", "senders": "apppasswords.invalid.senders",
}

// scopeLine is what an app password is good for, in a line.
func (c *call) scopeLine(s *apppassword.Scope) string {
	var doors, networks []string
	for _, p := range s.Protocols {
		doors = append(doors, protocolLabel(&c.page, p))
	}
	for _, n := range s.Networks {
		networks = append(networks, n.String())
	}
	parts := []string{strings.Join(doors, ", ")}
	switch {
	case s.SendOnly:
		parts[0] = c.page.T("apppasswords.sendonly")
	case len(doors) == 0:
		parts[0] = c.page.T("apppasswords.everything")
	}
	for _, limit := range []struct {
		key  string
		list []string
	}{{"apppasswords.only.networks", networks}, {"apppasswords.only.countries", s.Countries}, {"apppasswords.only.senders", s.Senders}} {
		if len(limit.list) > 0 {
			parts = append(parts, c.page.T(limit.key, strings.Join(limit.list, ", ")))
		}
	}
	return strings.Join(parts, " · ")
}
