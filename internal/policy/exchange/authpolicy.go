package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/protocol"
)

// maxPolicies bounds a file of authentication policies, in bytes; Exchange
// allows 100 policies of about 3 kB.
const maxPolicies = 8 << 20

// AuthenticationPolicy is one policy as Get-AuthenticationPolicy prints it,
// with every member it came with, in their order.
type AuthenticationPolicy struct {
	Name     string
	ID       string           // Guid
	Switches map[string]*bool // by Exchange's spelling; nil is null, and what is not there was not said

	members []member
}

type member struct {
	name string
	raw  json.RawMessage
}

// NewAuthenticationPolicy makes a policy with the switches given and no others.
func NewAuthenticationPolicy(id, name string, switches map[string]bool) *AuthenticationPolicy {
	p := &AuthenticationPolicy{Name: name, ID: id, Switches: map[string]*bool{}}
	for i := range authSwitches {
		if value, ok := switches[authSwitches[i].Name]; ok {
			p.set(authSwitches[i].Name, &value)
		}
	}
	p.members = append(p.members, member{"Name", jsonText(name)}, member{"Guid", jsonText(id)})
	return p
}

// Set gives a switch a value; nil is null. Everything else stays.
func (p *AuthenticationPolicy) Set(name string, value *bool) error {
	s, ok := FindAuthSwitch(name)
	if !ok {
		return fmt.Errorf("an authentication policy has no switch %s", name)
	}
	p.set(s.Name, value)
	return nil
}

func (p *AuthenticationPolicy) set(name string, value *bool) {
	raw := json.RawMessage("null")
	if value != nil {
		raw = json.RawMessage(fmt.Sprint(*value))
	}
	p.Switches[name] = value
	for i := range p.members {
		if strings.EqualFold(p.members[i].name, name) {
			p.members[i].raw = raw
			return
		}
	}
	p.members = append(p.members, member{name, raw})
}

// Password says whether the policy lets passwords through on a protocol, and
// Modern whether it lets tokens; nil is not said. Where two families speak of
// passwords, the one that refuses wins.
func (p *AuthenticationPolicy) Password(on protocol.Protocol) *bool {
	allow, block := p.opens(AllowBasicAuth, on), p.opens(BlockLegacyAuth, on)
	if allow == nil || block != nil && !*block {
		return block
	}
	return allow
}

// Modern is told at Password.
func (p *AuthenticationPolicy) Modern(on protocol.Protocol) *bool {
	return p.opens(BlockModernAuth, on)
}

func (p *AuthenticationPolicy) opens(f Family, on protocol.Protocol) *bool {
	suffix := on.Row().AuthPolicy
	value := p.Switches[f.String()+suffix]
	if suffix == "" || value == nil {
		return nil
	}
	open := f.Opens(*value)
	return &open
}

// ReadAuthenticationPolicies reads what Get-AuthenticationPolicy gives through
// ConvertTo-Json (one object or a list) or Export-Csv.
func ReadAuthenticationPolicies(r io.Reader) ([]*AuthenticationPolicy, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxPolicies+1))
	if err != nil {
		return nil, fmt.Errorf("reading authentication policies: %w", err)
	}
	if len(raw) > maxPolicies {
		return nil, fmt.Errorf("the file of authentication policies is larger than %d MB", maxPolicies>>20)
	}
	text, _, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if start := strings.TrimLeft(text, " \t\r\n"); strings.HasPrefix(start, "{") || strings.HasPrefix(start, "[") {
		return readPoliciesJSON(text)
	}
	return readPoliciesCSV(raw)
}

func readPoliciesJSON(text string) ([]*AuthenticationPolicy, error) {
	d := json.NewDecoder(strings.NewReader(text))
	var all []*AuthenticationPolicy
	list := strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "[")
	if list {
		if _, err := d.Token(); err != nil {
			return nil, jsonFault(text, d, "", err)
		}
	}
	for d.More() {
		p, err := readPolicy(text, d)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
		if !list {
			break
		}
	}
	if list {
		if _, err := d.Token(); err != nil {
			return nil, jsonFault(text, d, "", err)
		}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, jsonFault(text, d, "", errors.New("something follows the end"))
	}
	return all, nil
}

func readPolicy(text string, d *json.Decoder) (*AuthenticationPolicy, error) {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, jsonFault(text, d, "", errors.Join(err, errors.New("a policy is an object in braces")))
	}
	p := &AuthenticationPolicy{Switches: map[string]*bool{}}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, _ := t.(string)
		if err != nil {
			return nil, jsonFault(text, d, "", err)
		}
		if seen[strings.ToLower(name)] {
			return nil, jsonFault(text, d, name, errors.New("this member stands here twice"))
		}
		seen[strings.ToLower(name)] = true
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, jsonFault(text, d, name, err)
		}
		if err := p.take(name, raw); err != nil {
			return nil, jsonFault(text, d, name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, jsonFault(text, d, "", err)
	}
	if p.Name == "" && p.ID == "" {
		return nil, jsonFault(text, d, "Name", errors.New("the policy has neither a Name nor a Guid"))
	}
	return p, nil
}

// take understands a member if it can, and keeps it in any case.
func (p *AuthenticationPolicy) take(name string, raw json.RawMessage) error {
	p.members = append(p.members, member{name, raw})
	if s, ok := FindAuthSwitch(name); ok {
		var value *bool
		if err := json.Unmarshal(raw, &value); err != nil {
			return errors.New("this is true, false or null")
		}
		p.Switches[s.Name] = value
		return nil
	}
	var text string
	switch lower := strings.ToLower(name); {
	case lower != "name" && lower != "guid":
	case json.Unmarshal(raw, &text) != nil:
		return errors.New("this is a text")
	case lower == "name":
		p.Name = text
	default:
		p.ID = text
	}
	return nil
}

// jsonFault points at the place the decoder has come to.
func jsonFault(text string, d *json.Decoder, field string, err error) error {
	at := d.InputOffset()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = syntax.Offset
	}
	before := text[:min(int(at), len(text))]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	message := strings.ReplaceAll(err.Error(), "\n", ": ")
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		message = "the file ends too early"
	}
	return &Error{Line: line, Column: column, Field: field, Message: message}
}

func readPoliciesCSV(raw []byte) ([]*AuthenticationPolicy, error) {
	c, err := ReadCSV(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if !c.Has("Name") && !c.Has("Guid") {
		return nil, &Error{Line: 1, Field: "Name", Message: "neither a Name nor a Guid column says which policy a row is"}
	}
	var all []*AuthenticationPolicy
	for _, r := range c.Rows {
		p := &AuthenticationPolicy{Switches: map[string]*bool{}}
		for _, column := range c.Columns() {
			cell, _ := r.Cell(column)
			value := jsonText(cell.Text)
			if _, ok := FindAuthSwitch(column); ok {
				setting, err := r.Setting(column)
				if err != nil {
					return nil, err
				}
				value, _ = json.Marshal(setting.Bool())
			} else if cell.Null {
				value = json.RawMessage("null")
			}
			if err := p.take(column, value); err != nil {
				return nil, r.fault(column, err.Error())
			}
		}
		if p.Name == "" && p.ID == "" {
			return nil, &Error{Line: r.Line, Field: "Name", Message: "the policy has neither a Name nor a Guid"}
		}
		all = append(all, p)
	}
	return all, nil
}

// JSON prints the policy as ConvertTo-Json does: the same members, in the same
// order, with the same values.
func (p *AuthenticationPolicy) JSON() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range p.members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(jsonText(m.name))
		b.WriteByte(':')
		b.Write(m.raw)
	}
	b.WriteByte('}')
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, b.Bytes(), "", "  "); err != nil { // members are JSON already
		return b.Bytes()
	}
	return pretty.Bytes()
}

// WriteAuthenticationPolicies prints a list of policies.
func WriteAuthenticationPolicies(all []*AuthenticationPolicy) []byte {
	var b bytes.Buffer
	b.WriteString("[")
	for i, p := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n  ")
		b.Write(bytes.ReplaceAll(p.JSON(), []byte("\n"), []byte("\n  ")))
	}
	b.WriteString("\n]\n")
	return b.Bytes()
}

// AuthenticationPoliciesCSV makes the file that Export-Csv would: one column
// for each switch that a policy sets.
func AuthenticationPoliciesCSV(all []*AuthenticationPolicy) (*CSV, error) {
	columns := []string{"Name", "Guid"}
	for i := range authSwitches {
		for _, p := range all {
			if _, said := p.Switches[authSwitches[i].Name]; said {
				columns = append(columns, authSwitches[i].Name)
				break
			}
		}
	}
	c := NewCSV(columns)
	for _, p := range all {
		r := c.Append()
		err := errors.Join(r.Set("Name", p.Name), r.Set("Guid", p.ID))
		for name, value := range p.Switches {
			err = errors.Join(err, r.SetSwitch(name, value))
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// jsonText is a JSON text without HTML's escapes, as PowerShell 7 prints it.
func jsonText(s string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // texts cannot fail
		return json.RawMessage(`""`)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
