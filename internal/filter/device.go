package filter

import (
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/spelling"
)

var (
	idOps    = []Op{Eq, In}
	equalOps = []Op{Eq}
	listOps  = []Op{Has}
	textOps  = []Op{Eq, In, StartsWith, EndsWith, Contains}
)

// deviceSchema is Entra's table of attributes, with the operators and values of each.
var deviceSchema = NewSchema(deviceAttributes())

func deviceAttributes() []Property {
	all := []Property{
		{Name: "deviceId", Kind: KindString, Ops: idOps},
		{Name: "mdmAppId", Kind: KindString, Ops: idOps},
		{Name: "deviceOwnership", Kind: KindString, Ops: equalOps, Values: []string{"Personal", "Company"}},
		{Name: "isCompliant", Kind: KindBool, Ops: equalOps},
		{Name: "physicalIds", Kind: KindList, Ops: listOps},
		{Name: "systemLabels", Kind: KindList, Ops: listOps},
		{Name: "profileType", Kind: KindString, Ops: equalOps, Values: []string{"RegisteredDevice", "SecureVM", "Printer", "Shared", "IoT"}},
		{Name: "trustType", Kind: KindString, Ops: equalOps, Values: []string{"AzureAD", "ServerAD", "Workplace"}},
	}
	for _, name := range []string{"displayName", "enrollmentProfileName", "manufacturer", "model", "operatingSystem", "operatingSystemVersion"} {
		all = append(all, Property{Name: name, Kind: KindString, Ops: textOps})
	}
	for i := range 15 {
		all = append(all, Property{Name: fmt.Sprintf("extensionAttribute%d", i+1), Kind: KindString, Ops: textOps})
	}
	return all
}

// DeviceAttributes lists the names a device rule's Lookup is asked for.
func DeviceAttributes() []string { return deviceSchema.Names() }

var deviceOps = map[string]opKind{
	"eq":            {Eq, false, true},
	"ne":            {Eq, true, true},
	"startswith":    {StartsWith, false, true},
	"notstartswith": {StartsWith, true, true},
	"endswith":      {EndsWith, false, true},
	"notendswith":   {EndsWith, true, true},
	"contains":      {Contains, false, true},
	"notcontains":   {Contains, true, true},
	"in":            {In, false, true},
	"notin":         {In, true, true},
}

const devicePrefix = "device."

// deviceLeaf reads device.attribute -op value.
func (p *parser) deviceLeaf() (*Expr, error) {
	if p.tok.kind != tokWord {
		return nil, p.unexpected("device.attribute")
	}
	name := p.tok
	bare, ok := cutFold(name.text, devicePrefix)
	if !ok {
		err := p.fault(name, "an attribute is written "+devicePrefix+"name")
		err.Suggestion = spelling.Nearest(name.text, p.schema.names)
		if err.Suggestion != "" {
			err.Suggestion = devicePrefix + err.Suggestion
		}
		return nil, err
	}
	name.text = bare
	if _, err := p.find(token{at: name.at + len(devicePrefix)}, bare); err != nil {
		return nil, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	op := p.tok
	kind := deviceOps[lower(strings.TrimPrefix(op.text, "-"))]
	if op.kind != tokWord || !kind.known {
		return nil, p.unexpected("an operator such as -eq or -in")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	at := p.tok
	values, err := p.deviceValues(kind)
	if err != nil {
		return nil, err
	}
	return p.leaf(name, op, kind, values, at)
}

func (p *parser) deviceValues(kind opKind) ([]Value, error) {
	value := func(p *parser) (Value, error) { return p.constant("") }
	if kind.op != In {
		v, err := value(p)
		return []Value{v}, err
	}
	if err := p.expect("["); err != nil {
		return nil, err
	}
	return p.list("]", value)
}
