package store

import "github.com/portreeve/portreeve/internal/policy"

// deviceTexts are the device's members that are strings, in the blob's order.
func deviceTexts(d *policy.Device) []*string {
	all := []*string{&d.DeviceID, &d.DisplayName, &d.EnrollmentProfileName, &d.Manufacturer, &d.Model, &d.OperatingSystem,
		&d.OperatingSystemVersion, &d.MDMAppID, &d.DeviceOwnership, &d.ProfileType, &d.TrustType}
	for i := range d.ExtensionAttributes {
		all = append(all, &d.ExtensionAttributes[i])
	}
	return all
}

// appendDevice appends fields of their own numbering: 1 whether it is
// compliant (1 no, 2 yes), 2 and 3 the lists, from 8 the strings.
func appendDevice(b []byte, d *policy.Device) []byte {
	e := encoder{b}
	e.always(0, 0) // so that a device of which nothing is known is still a device
	if d.IsCompliant != nil {
		e.uint(1, 1+boolBit(*d.IsCompliant))
	}
	e.ids(2, d.PhysicalIDs)
	e.ids(3, d.SystemLabels)
	for i, s := range deviceTexts(d) {
		e.text(uint64(8+i), *s)
	}
	return e.b
}

func readDevice(b []byte, in *interner) (*policy.Device, error) {
	d := &policy.Device{}
	texts := deviceTexts(d)
	err := eachField(b, in, func(f field) (err error) {
		switch {
		case f.tag == 1 && (f.n == 1 || f.n == 2) && !f.isBytes:
			compliant := f.n == 2
			d.IsCompliant = &compliant
		case f.tag == 2:
			d.PhysicalIDs, err = f.ids()
		case f.tag == 3:
			d.SystemLabels, err = f.ids()
		case f.tag >= 8 && f.tag < uint64(8+len(texts)):
			*texts[f.tag-8] = f.text()
		}
		return err
	})
	return d, err
}
