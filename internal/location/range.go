package location

import (
	"fmt"
	"net/netip"
	"strings"
)

// Range is every address from From to To, both included, of one family.
type Range struct{ From, To netip.Addr }

// Contains says whether an address lies in the range.
func (r Range) Contains(a netip.Addr) bool {
	return a.IsValid() && a.BitLen() == r.From.BitLen() && r.From.Compare(a) <= 0 && a.Compare(r.To) <= 0
}

// String is the range as it is written: CIDR where it is one.
func (r Range) String() string {
	if r.From == r.To {
		return r.From.String()
	}
	for bits := r.From.BitLen(); bits >= 0; bits-- {
		p := netip.PrefixFrom(r.From, bits).Masked()
		if p.Addr() != r.From {
			break
		}
		if last(p) == r.To {
			return p.String()
		}
	}
	return r.From.String() + "-" + r.To.String()
}

// ParseRange reads 192.0.2.0/24, 192.0.2.1-192.0.2.9 or one address.
func ParseRange(s string) (Range, error) {
	s = strings.TrimSpace(s)
	if from, to, ok := strings.Cut(s, "-"); ok {
		return Between(strings.TrimSpace(from), strings.TrimSpace(to))
	}
	if strings.Contains(s, "/") {
		return CIDR(s)
	}
	return Between(s, s)
}

// CIDR reads a network; bits beyond the mask are ignored, as Entra does.
func CIDR(s string) (Range, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return Range{}, fmt.Errorf("%q is no network such as 192.0.2.0/24", s)
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return Range{}, fmt.Errorf("%q mixes IPv4 and IPv6", s)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	p = p.Masked()
	return Range{p.Addr(), last(p)}, nil
}

// Between reads the two ends of a range.
func Between(from, to string) (Range, error) {
	a, err := netip.ParseAddr(from)
	if err != nil {
		return Range{}, fmt.Errorf("%q is no address", from)
	}
	b, err := netip.ParseAddr(to)
	if err != nil {
		return Range{}, fmt.Errorf("%q is no address", to)
	}
	a, b = plain(a), plain(b)
	if a.BitLen() != b.BitLen() {
		return Range{}, fmt.Errorf("%s and %s are of two kinds, IPv4 and IPv6", from, to)
	}
	if b.Less(a) {
		return Range{}, fmt.Errorf("%s lies before %s", to, from)
	}
	return Range{a, b}, nil
}

// last is the highest address of a network.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	offset := 128 - p.Addr().BitLen()
	for i := offset + p.Bits(); i < 128; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a := netip.AddrFrom16(b)
	if p.Addr().Is4() {
		a = a.Unmap()
	}
	return a
}
