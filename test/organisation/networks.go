package organisation

import (
	"encoding/binary"
	"net/netip"
)

// Network is what the country and owner files say of a network.
type Network struct {
	Prefix  netip.Prefix
	Country string
	ASN     uint32
	Owner   string
}

// Place is where an address is.
type Place struct {
	Country string
	ASN     uint32
	Owner   string
}

type country struct {
	code    string
	isps    []*operator
	mobile  []*operator
	hosting *operator
}

// operator gives people access. An access provider hands out addresses by
// region, a mobile one by gateway.
type operator struct {
	Place
	regions [regions][]netip.Prefix // IPv4, /16 each
	six     netip.Prefix            // IPv6, /32
}

// regions is how many parts an operator's network has.
const regions = 12

func (o *operator) place() Place { return o.Place }

// earth makes countries and who gives access there. The largest provider at
// home has telephones and houses under one number, as large ones do.
func (m *maker) earth() {
	m.next, m.next6 = [4]byte{20, 0, 0, 0}, 0x2a00_0000
	asn := uint32(64600)
	access := func(code, owner string, per int) *operator {
		asn++
		return m.operator(Place{code, asn, owner}, per)
	}
	home := &country{code: "DE"}
	large := access("DE", "Grosse Telefon AG", 2)
	home.isps = []*operator{large, access("DE", "Kabelhaus", 2), access("DE", "Stadtnetz", 1), access("DE", "Glasfaser Nord", 1), access("DE", "DSL Sued", 1)}
	cells := m.operator(large.Place, 1) // other networks of the same owner
	home.mobile = []*operator{cells, access("DE", "Mobil Eins", 1), access("DE", "Mobil Zwei", 1)}
	home.hosting = access("DE", "Rechenhaus", 1)
	m.countries = []*country{home}
	for _, code := range []string{"AT", "FR", "IT", "ES", "US", "RO", "NG", "VN", "BR"} {
		m.countries = append(m.countries, &country{code: code, isps: []*operator{access(code, code+" Telecom", 1), access(code, code+" Cable", 1)}, hosting: access(code, code+" Hosting", 1)})
	}
	business := access("DE", "Geschaeftsnetz", 1)
	for range 14 {
		l := m.line(business, m.r.IntN(regions))
		l.kind = fixed
		m.offices = append(m.offices, l)
	}
}

func (m *maker) operator(p Place, per int) *operator {
	o := &operator{Place: p}
	for i := range o.regions {
		for range per {
			n := netip.PrefixFrom(netip.AddrFrom4(m.next), 16)
			if m.next[1]++; m.next[1] == 0 {
				m.next[0]++
			}
			o.regions[i] = append(o.regions[i], n)
			m.networks = append(m.networks, Network{n, p.Country, p.ASN, p.Owner})
		}
	}
	var six [16]byte
	m.next6++
	binary.BigEndian.PutUint32(six[:], m.next6)
	o.six = netip.PrefixFrom(netip.AddrFrom16(six), 32)
	m.networks = append(m.networks, Network{o.six, p.Country, p.ASN, p.Owner})
	return o
}

// line is one access: a house, an office, a hotel.
type line struct {
	of     *operator
	region int
	kind   lineKind
	lease  int // days that an address is kept
	seed   uint64
}

type lineKind int

const (
	fixed   lineKind = iota // the same address for months
	leased                  // another one of the region after some days
	sixteen                 // IPv6, with privacy addresses
)

func (l *line) place() Place { return l.of.Place }

func (m *maker) line(o *operator, region int) *line {
	l := &line{of: o, region: region, seed: m.r.Uint64(), lease: 1 << 20}
	switch x := m.r.Float64(); {
	case x < 0.55:
		l.kind = fixed
		if m.r.Float64() < 0.06 {
			l.lease = 20 + m.r.IntN(60) // now and then it changes all the same
		}
	case x < 0.8:
		l.kind, l.lease = leased, 1+m.r.IntN(4)
	default:
		l.kind = sixteen
		if m.r.Float64() < 0.25 {
			l.lease = 1 + m.r.IntN(10)
		}
	}
	return l
}

// mix is a number made of numbers, the same each time.
func mix(a, b uint64) uint64 {
	x := a ^ b*0x9e3779b97f4a7c15
	x ^= x >> 31
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	return x * 0x94d049bb133111eb
}

// address is a line's on a day.
func (m *maker) address(l *line, day int) netip.Addr {
	lease := mix(l.seed, uint64(day/l.lease)+1)
	if l.kind == sixteen {
		a := l.of.six.Addr().As16()
		a[4] = byte(l.region)                                        // a /40 for each region
		binary.BigEndian.PutUint16(a[5:], uint16(lease))             // the /56
		binary.BigEndian.PutUint64(a[8:], mix(l.seed, m.r.Uint64())) // a privacy address
		return netip.AddrFrom16(a)
	}
	pools := l.of.regions[l.region]
	a := pools[lease%uint64(len(pools))].Addr().As4()
	a[2], a[3] = byte(lease>>8), byte(lease>>16)|1
	return netip.AddrFrom4(a)
}

// roam is an address that a telephone has for the moment: mostly of the gateway
// of its region, behind which thousands share an address.
func (m *maker) roam(p *Person) netip.Addr {
	region := p.region
	if m.chance(0.2) {
		region = (region + 1 + m.r.IntN(3)) % regions
	}
	if mix(uint64(p.region), p.home.seed)%10 < 3 { // a third of the operators' customers have IPv6
		a := p.mobile.six.Addr().As16()
		a[4] = byte(region)
		binary.BigEndian.PutUint16(a[5:], uint16(m.r.Uint32()))
		binary.BigEndian.PutUint64(a[8:], m.r.Uint64())
		return netip.AddrFrom16(a)
	}
	a := pick(m, p.mobile.regions[region]).Addr().As4()
	a[2], a[3] = byte(m.r.IntN(24)), byte(1+m.r.IntN(30))
	return netip.AddrFrom4(a)
}
