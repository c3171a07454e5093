package policy

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/filter"
)

const (
	// maxDevices bounds the devices that Compile makes up, and maxKinds those it
	// keeps; beyond them an early block that hangs on devices is left to Evaluate.
	maxDevices = 4096
	maxKinds   = 256
)

// compileDevices makes up one device of each kind that the policies tell
// apart: for each attribute that a rule names, one value for every set of
// comparisons that a value can meet, and then each combination of these.
func (s *Snapshot) compileDevices() {
	s.filtered = s.where(func(r *rule) bool { return r.device != nil })
	s.unregistered = s.where(func(r *rule) bool { return r.device == nil || r.device.holds(&Facts{}) })
	s.onDevice = s.where(func(r *rule) bool { return r.device != nil || r.asked.grant&deviceControls != 0 })
	s.numberRules()
	defer s.compileCertainty()
	asks := attributes{}
	for i := range s.rules {
		r := &s.rules[i]
		if r.State == Disabled {
			continue
		}
		if r.device != nil && r.device.rule != nil {
			asks.add(r.device.rule)
		}
		if r.asked.grant&ControlCompliantDevice != 0 {
			asks.at("isCompliant")
		}
		if r.asked.grant&ControlDomainJoinedDevice != 0 {
			asks.at("trustType").equals["serverad"] = true
		}
	}
	kinds := map[string]bool{}
	s.allDevices = true
	s.keepDevice(nil, kinds)
	made := []*Device{{}}
	for _, name := range asks.names() {
		var next []*Device
		values := asks[name].values(name)
		if values == nil || len(made)*len(values) > maxDevices {
			s.allDevices = false
			return
		}
		for _, d := range made {
			for _, v := range values {
				c := *d
				v(&c)
				next = append(next, &c)
			}
		}
		made = next
	}
	for _, d := range made {
		if s.keepDevice(d, kinds); len(s.devices) > maxKinds {
			s.allDevices = false
			return
		}
	}
}

// compileCertainty finds the policies whose conditions hang on the secret.
func (s *Snapshot) compileCertainty() {
	s.sometimes = s.where(func(r *rule) bool { return r.flows != nil || s.appliesTo(r.device) == sometimes })
	s.never = s.where(func(r *rule) bool { return s.appliesTo(r.device) == never })
}

// certainty is what can be said of a condition without the secret.
type certainty uint8

const (
	always certainty = iota
	sometimes
	never
)

// appliesTo says whether a device condition holds for every device, some or none.
func (s *Snapshot) appliesTo(d *deviceCondition) certainty {
	if d == nil || d.rule == nil {
		return always
	}
	yes, no := !s.allDevices, !s.allDevices
	for _, x := range s.devices {
		if d.holds(&Facts{Device: x}) {
			yes = true
		} else {
			no = true
		}
	}
	switch {
	case yes && no:
		return sometimes
	case yes:
		return always
	}
	return never
}

// numberRules finds the distinct rules; one that cannot be read answers by its mode.
func (s *Snapshot) numberRules() {
	type key struct {
		text    string
		exclude bool
	}
	numbers := map[key]int{}
	for i := range s.rules {
		d := s.rules[i].device
		if d == nil || s.rules[i].State == Disabled {
			continue
		}
		k := key{text: d.text}
		if d.rule == nil {
			k.exclude = d.exclude
		}
		number, known := numbers[k]
		if !known {
			number = len(s.deviceRules)
			numbers[k], s.deviceRules = number, append(s.deviceRules, deviceRule{deviceCondition: d})
		}
		s.deviceRules[number].by.add(i, d.exclude)
	}
}

// keepDevice keeps a device that some policy tells from all kept so far.
func (s *Snapshot) keepDevice(d *Device, kinds map[string]bool) {
	var kind strings.Builder
	mark := func(b bool) { kind.WriteByte('0' + byte(index(b))) }
	mark(d.compliant())
	mark(d.domainJoined())
	for i := range s.rules {
		if r := &s.rules[i]; r.device != nil && r.State != Disabled {
			mark(r.device.holds(&Facts{Device: d}))
		}
	}
	if !kinds[kind.String()] {
		kinds[kind.String()] = true
		s.devices = append(s.devices, d)
		s.holds = append(s.holds, s.where(func(r *rule) bool { return r.device == nil || r.device.holds(&Facts{Device: d}) }))
	}
}

// attributes are what rules ask of each attribute.
type attributes map[string]*questions

// questions are the constants that one attribute is compared with, in lower case.
type questions struct{ equals, begins, ends, holds map[string]bool }

func (a attributes) at(name string) *questions {
	if a[name] == nil {
		a[name] = &questions{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	}
	return a[name]
}

func (a attributes) names() []string { return sorted(a) }

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (a attributes) add(e *filter.Expr) {
	for _, k := range e.Kids {
		a.add(k)
	}
	if e.Name == "" {
		return
	}
	q := a.at(e.Name)
	into := map[filter.Op]map[string]bool{filter.Eq: q.equals, filter.In: q.equals, filter.Has: q.equals,
		filter.StartsWith: q.begins, filter.EndsWith: q.ends, filter.Contains: q.holds}[e.Op]
	for _, v := range e.Values {
		if into != nil && v.Text() != "" {
			into[strings.ToLower(v.Text())] = true
		}
	}
}

// values are ways to set the attribute, one for each set of answers that its
// questions can have together; nil is too many.
func (q *questions) values(name string) []func(*Device) {
	switch name {
	case "isCompliant":
		yes, no := true, false
		return []func(*Device){func(*Device) {}, func(d *Device) { d.IsCompliant = &yes }, func(d *Device) { d.IsCompliant = &no }}
	case "physicalIds":
		return setters(subsets(sorted(q.equals)), func(d *Device, v []string) { d.PhysicalIDs = v })
	case "systemLabels":
		return setters(subsets(sorted(q.equals)), func(d *Device, v []string) { d.SystemLabels = v })
	}
	return setters(q.texts(), func(d *Device, v string) {
		if at := d.text(name); at != nil {
			*at = v
		}
	})
}

func setters[V any](values []V, set func(*Device, V)) (all []func(*Device)) {
	for _, v := range values {
		all = append(all, func(d *Device) { set(d, v) })
	}
	return all
}

// texts are null, every constant that is compared whole, and for every
// beginning, every set of contained words and every end, one text that has
// them and no others. A separator that no constant has keeps the parts apart.
func (q *questions) texts() []string {
	const separator = "\uf8ff"
	all := append([]string{""}, sorted(q.equals)...)
	middles := subsets(sorted(q.holds))
	if middles == nil || len(middles)*(len(q.begins)+1)*(len(q.ends)+1) > maxDevices {
		return nil
	}
	for _, begin := range append([]string{""}, sorted(q.begins)...) {
		for _, middle := range middles {
			for _, end := range append([]string{""}, sorted(q.ends)...) {
				all = append(all, begin+separator+strings.Join(middle, separator)+separator+end)
			}
		}
	}
	return all
}

// subsets are all of them, the empty one first; nil is too many.
func subsets(of []string) [][]string {
	const most = 10 // 1,024 subsets
	if len(of) > most {
		return nil
	}
	all := make([][]string, 0, 1<<len(of))
	for pick := range 1 << len(of) {
		var set []string
		for i, s := range of {
			if pick>>i&1 != 0 {
				set = append(set, s)
			}
		}
		all = append(all, set)
	}
	return all
}
