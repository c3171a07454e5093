package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// AppendV1 appends a version 1 header; UNKNOWN if the addresses are not of one family.
func AppendV1(b []byte, source, destination netip.AddrPort) []byte {
	family, ok := familyOf(source, destination)
	if !ok {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	word := "PROXY TCP4 "
	if family == 2 {
		word = "PROXY TCP6 "
	}
	src, dst := plain(source.Addr(), family), plain(destination.Addr(), family)
	b = append(b, word...)
	b = src.AppendTo(b)
	b = append(b, ' ')
	b = dst.AppendTo(b)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(source.Port()), 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(destination.Port()), 10)
	return append(b, "\r\n"...)
}

// AppendV2 appends a version 2 header with TLVs, those over the limits left
// out. Without valid addresses it is LOCAL, which says nothing.
func AppendV2(b []byte, source, destination netip.AddrPort, tlvs ...TLV) []byte {
	family, ok := familyOf(source, destination)
	start := len(b)
	b = append(b, signature...)
	if !ok {
		return append(b, 0x20, 0, 0, 0)
	}
	b = append(b, 0x21, family<<4|1, 0, 0)
	b = append(b, plain(source.Addr(), family).AsSlice()...)
	b = append(b, plain(destination.Addr(), family).AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, source.Port())
	b = binary.BigEndian.AppendUint16(b, destination.Port())
	for i, t := range tlvs {
		if i == maxTLVs || len(b)-start-headV2+3+len(t.Value) > maxV2 {
			break
		}
		b = append(b, t.Type)
		b = binary.BigEndian.AppendUint16(b, uint16(len(t.Value)))
		b = append(b, t.Value...)
	}
	binary.BigEndian.PutUint16(b[start+14:], uint16(len(b)-start-headV2))
	return b
}

// familyOf is 1 for two IPv4 addresses and 2 for two others; one of each goes
// as IPv6, where every IPv4 address has a place.
func familyOf(source, destination netip.AddrPort) (family byte, ok bool) {
	if !source.IsValid() || !destination.IsValid() {
		return 0, false
	}
	if source.Addr().Unmap().Is4() && destination.Addr().Unmap().Is4() {
		return 1, true
	}
	return 2, true
}

func plain(a netip.Addr, family byte) netip.Addr {
	if family == 1 {
		return a.Unmap()
	}
	return netip.AddrFrom16(a.As16())
}
