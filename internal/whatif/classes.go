package whatif

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

const (
	// maxClasses bounds how many classes are kept; a log with more has no preview.
	maxClasses = 100_000
	// place4 and place6 are how many bits of an address a class keeps.
	place4, place6 = 24, 48
)

// Classes are recorded sign-ins counted by everything that policies ask, but
// for the time: equal ones are judged once. Addresses are kept as networks, so
// a location narrower than that, and a rule that asks for the time, make an
// answer approximate; see Rough.
type Classes struct {
	classes map[classKey]*class
	joined  map[*string]string // groups by where their list begins
	full    bool
}

type classKey struct {
	person, domain, groups, roles, mailbox, mailboxGroups string
	program, country, key, device, ja4                    string
	place                                                 netip.Prefix
	asn                                                   uint32
	methods                                               policy.Methods
	protocol                                              protocol.Protocol
	credential                                            policy.CredentialKind
	platform                                              policy.Platform
	guest                                                 policy.GuestTypes
	flow                                                  policy.TransferMethods
	basis                                                 basis
	known, webmail, observed, fresh                       bool
}

// class is one kind of sign-in: its latest event, and how many there were on each day.
type class struct {
	event signin.Event
	days  []day // ascending
}

type day struct{ number, count int64 }

const secondsOfDay = 24 * 60 * 60

func dayOf(t time.Time) int64 {
	n := t.Unix()
	if n < 0 {
		n -= secondsOfDay - 1
	}
	return n / secondsOfDay
}

// NewClasses makes an empty table.
func NewClasses() *Classes {
	return &Classes{classes: map[classKey]*class{}, joined: map[*string]string{}}
}

// Full says that there are more kinds of sign-ins than are kept.
func (c *Classes) Full() bool { return c.full }

// Len is how many classes there are.
func (c *Classes) Len() int { return len(c.classes) }

// Add counts a sign-in. What it keeps of the event is a copy.
func (c *Classes) Add(e *signin.Event) {
	k := c.key(e)
	x := c.classes[k]
	if x == nil {
		if len(c.classes) >= maxClasses {
			c.full = true
			return
		}
		x = &class{event: *e}
		c.classes[k] = x
	}
	if !e.At.Before(x.event.At) {
		x.event = *e
	}
	x.add(day{dayOf(e.At), max(e.Count, 1)})
}

func (x *class) add(d day) {
	i := len(x.days) // events come nearly in order
	for i > 0 && x.days[i-1].number > d.number {
		i--
	}
	if i > 0 && x.days[i-1].number == d.number {
		x.days[i-1].count += d.count
		return
	}
	x.days = slices.Insert(x.days, i, d)
}

// freshness is how new a proof must be to count as just given.
const freshness = 5 * time.Minute

func (c *Classes) key(e *signin.Event) classKey {
	f := &e.Facts
	k := classKey{person: f.Person, domain: f.Domain, groups: c.list(f.Groups), roles: c.list(f.Roles), mailbox: f.Mailbox, mailboxGroups: c.list(f.MailboxGroups),
		program: f.Program, country: f.Country, key: f.Key, device: deviceKey(f.Device), ja4: e.TLS.JA4, place: placeOf(f.Addr), asn: f.ASN, methods: f.Methods,
		protocol: f.Protocol, credential: f.Credential, platform: f.Platform, guest: f.Guest, flow: f.Flow, basis: basisOf(e),
		known: f.KnownNetwork, webmail: f.ViaWebmail, observed: e.Observed, fresh: f.At.Sub(f.AuthTime) < freshness}
	if k.basis == ended { // whatever it was, it stays refused
		return classKey{person: k.person, program: k.program, protocol: k.protocol, credential: k.credential, basis: ended}
	}
	return k
}

// list is a list as one word. The same list comes again and again.
func (c *Classes) list(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	if len(ids) == 1 {
		return ids[0]
	}
	at := &ids[0]
	s, ok := c.joined[at]
	if !ok || len(s) != joinedLen(ids) {
		s = strings.Join(ids, "\x00")
		if len(c.joined) >= maxClasses {
			clear(c.joined)
		}
		c.joined[at] = s
	}
	return s
}

func joinedLen(ids []string) int {
	n := len(ids) - 1
	for _, s := range ids {
		n += len(s)
	}
	return n
}

func placeOf(a netip.Addr) netip.Prefix {
	bits := place6
	if a.Is4() {
		bits = place4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// deviceKey is everything that a rule may ask of a device, as one word.
func deviceKey(d *policy.Device) string {
	if d == nil {
		return ""
	}
	compliant := "?"
	if d.IsCompliant != nil {
		compliant = map[bool]string{true: "y", false: "n"}[*d.IsCompliant]
	}
	return strings.Join(slices.Concat([]string{compliant, d.DeviceID, d.DisplayName, d.EnrollmentProfileName, d.Manufacturer, d.Model, d.OperatingSystem,
		d.OperatingSystemVersion, d.MDMAppID, d.DeviceOwnership, d.ProfileType, d.TrustType}, d.PhysicalIDs, []string{"/"}, d.SystemLabels, []string{"/"},
		d.ExtensionAttributes[:]), "\x00")
}

// Replay judges each class once and counts its sign-ins of the days from and
// to, whole days of UTC.
func (c *Classes) Replay(change *Change, from, to time.Time) *Tally {
	judge, t := NewJudge(change), NewTally()
	first, last := dayOf(from), int64(1)<<62
	if !to.IsZero() {
		last = dayOf(to)
	}
	for _, x := range c.classes {
		var n int64
		for _, d := range x.days {
			if d.number >= first && d.number <= last {
				n += d.count
			}
		}
		if n > 0 {
			a := judge.Answer(&x.event)
			t.Count(&x.event, &a, n)
		}
	}
	return t
}

// Rough says why answers by classes are approximate for a change; empty if
// they are not, but for the days, which are whole.
func Rough(change *Change) (why []string) {
	timed, narrow := false, false
	for _, s := range []*policy.Snapshot{change.Before.Rules, change.After.Rules} {
		timed = timed || s.TimeMatters()
		for _, l := range s.Source().Locations {
			for _, r := range l.Ranges {
				narrow = narrow || placeOf(r.From).Masked().Addr() != r.From || r.To.Next().IsValid() && placeOf(r.To.Next()).Masked().Addr() != r.To.Next()
			}
		}
	}
	if timed {
		why = append(why, "A rule asks for the time: each kind of sign-in was judged by its latest one.")
	}
	if narrow {
		why = append(why, "A location is narrower than a network of 256 addresses (IPv6: /48): each kind of sign-in was judged by its latest address.")
	}
	return why
}
