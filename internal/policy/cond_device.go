package policy

import (
	"strings"

	"github.com/portreeve/portreeve/internal/filter"
)

// deviceCondition: a rule over the device's attributes. To a device that is
// not registered every attribute is null: positive operators never match it,
// negative ones always do. A rule that cannot be read holds for every device.
type deviceCondition struct {
	exclude bool
	rule    *filter.Expr // nil could not be read
	test    deviceTest
	text    string
}

func (d *deviceCondition) name() string { return "devices" }

func (d *deviceCondition) holds(f *Facts) bool {
	return d.matches(f) != d.exclude
}

// matches asks the rule; one that cannot be read answers so that the condition holds.
func (d *deviceCondition) matches(f *Facts) bool {
	if d.rule == nil {
		return !d.exclude
	}
	return d.test(f.Device)
}

func (d *deviceCondition) needed() string {
	if d.exclude {
		return "not (" + d.text + ")"
	}
	return d.text
}

func (d *deviceCondition) seen(f *Facts) string {
	if f.Device == nil {
		return "an unregistered device"
	}
	if d.rule == nil {
		return "device " + f.Device.DeviceID
	}
	var values []string
	for _, n := range d.rule.Names() {
		v := f.Device.attribute(n).Text()
		if v == "" {
			v = "null"
		}
		values = append(values, n+" "+v)
	}
	return strings.Join(values, ", ")
}

// attribute is what a rule asks for; nil is an unregistered device.
func (d *Device) attribute(name string) filter.Value {
	if d == nil {
		return filter.Null
	}
	switch name {
	case "isCompliant":
		return filter.OptionalBool(d.IsCompliant)
	case "physicalIds":
		return filter.Strings(d.PhysicalIDs)
	case "systemLabels":
		return filter.Strings(d.SystemLabels)
	}
	if p := d.text(name); p != nil {
		return filter.OptionalString(*p)
	}
	return filter.Null
}

// text is where an attribute of text stands.
func (d *Device) text(name string) *string {
	switch name {
	case "deviceId":
		return &d.DeviceID
	case "displayName":
		return &d.DisplayName
	case "enrollmentProfileName":
		return &d.EnrollmentProfileName
	case "manufacturer":
		return &d.Manufacturer
	case "model":
		return &d.Model
	case "operatingSystem":
		return &d.OperatingSystem
	case "operatingSystemVersion":
		return &d.OperatingSystemVersion
	case "mdmAppId":
		return &d.MDMAppID
	case "deviceOwnership":
		return &d.DeviceOwnership
	case "profileType":
		return &d.ProfileType
	case "trustType":
		return &d.TrustType
	}
	const extension = "extensionAttribute"
	if n := strings.TrimPrefix(name, extension); len(n) < len(name) {
		i := 0
		for _, c := range []byte(n) {
			if c < '0' || c > '9' || i > len(d.ExtensionAttributes) {
				return nil
			}
			i = 10*i + int(c-'0')
		}
		if 1 <= i && i <= len(d.ExtensionAttributes) {
			return &d.ExtensionAttributes[i-1]
		}
	}
	return nil
}
