package tenantaudit

import (
	"fmt"
	"strings"
)

// deviceGate is what ActiveSync device access says of the thief's device, which
// nobody has seen before and which claims to be what it likes.
type deviceGate struct{ closed, open string }

// newDeviceGate asks the default first: a device that no rule names gets in
// where it is Allow. Where it is not, one that claims what an Allow rule names
// does, unless a Block or Quarantine rule names the same, which comes first.
func newDeviceGate(a *audit) deviceGate {
	level := ""
	if s := a.t.DeviceSettings; s != nil {
		level = s.DefaultAccessLevel
	}
	if level == "" || strings.EqualFold(level, "Allow") {
		if a.t.DeviceSettings == nil {
			return deviceGate{open: "device access was not exported: a new device is taken to be allowed"}
		}
		return deviceGate{open: "new devices are allowed"}
	}
	named := func(r int) string {
		return lower(a.t.DeviceRules[r].Characteristic) + "\x00" + lower(a.t.DeviceRules[r].QueryString)
	}
	refused := map[string]bool{}
	for i := range a.t.DeviceRules {
		if !strings.EqualFold(a.t.DeviceRules[i].AccessLevel, "Allow") {
			refused[named(i)] = true
		}
	}
	for i := range a.t.DeviceRules {
		r := &a.t.DeviceRules[i]
		if strings.EqualFold(r.AccessLevel, "Allow") && !refused[named(i)] {
			return deviceGate{open: fmt.Sprintf("a device that claims the %s %q is allowed", r.Characteristic, r.QueryString)}
		}
	}
	return deviceGate{closed: "new devices get " + level}
}
