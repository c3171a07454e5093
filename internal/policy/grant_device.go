package policy

// compliant is the control compliantDevice: a registered device that its
// management calls compliant.
func (d *Device) compliant() bool { return d != nil && d.IsCompliant != nil && *d.IsCompliant }

// domainJoined is the control domainJoinedDevice: joined to the organisation's own domain.
func (d *Device) domainJoined() bool { return d != nil && equalFold(d.TrustType, "ServerAD") }

// controls are those that the device meets.
func (d *Device) controls() (met Controls) {
	if d.compliant() {
		met |= ControlCompliantDevice
	}
	if d.domainJoined() {
		met |= ControlDomainJoinedDevice
	}
	return met
}

// deviceControls are the controls that a device meets.
const deviceControls = ControlCompliantDevice | ControlDomainJoinedDevice

// secretControls are the controls whose answer hangs on the secret.
const secretControls = ControlMFA | ControlStrength | ControlSignInFrequency | deviceControls
