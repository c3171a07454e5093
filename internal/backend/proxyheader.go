package backend

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// proxyHeader tells the backend, before anything else, where the client comes
// from (haproxy's proxy-protocol.txt, sections 2.1 and 2.2). Without a client
// (probes) it says that the connection is our own.
func (t *talk) proxyHeader(version int, q *Request) error {
	switch version {
	case 0:
		return nil
	case 1:
		return t.send(proxyV1(q.Client, q.Local))
	}
	return t.sendBytes(proxyV2(q.Client, q.Local))
}

// pair gives both addresses in one family; false if there are no two.
func pair(client, local netip.AddrPort) (c, l netip.Addr, ok bool) {
	if !client.IsValid() || !local.IsValid() {
		return c, l, false
	}
	c, l = client.Addr().Unmap().WithZone(""), local.Addr().Unmap().WithZone("")
	if c.Is4() != l.Is4() {
		c, l = netip.AddrFrom16(c.As16()), netip.AddrFrom16(l.As16())
	}
	return c, l, true
}

func proxyV1(client, local netip.AddrPort) string {
	c, l, ok := pair(client, local)
	if !ok {
		return "PROXY UNKNOWN\r\n"
	}
	family := "TCP6"
	if c.Is4() {
		family = "TCP4"
	}
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, c, l, client.Port(), local.Port())
}

const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyLocal     = 0x20 // version 2, our own connection
	proxyProxied   = 0x21 // version 2, somebody's
	proxyTCP4      = 0x11
	proxyTCP6      = 0x21
)

func proxyV2(client, local netip.AddrPort) []byte {
	b := []byte(proxySignature)
	c, l, ok := pair(client, local)
	if !ok {
		return append(b, proxyLocal, 0, 0, 0)
	}
	addrs := append(c.AsSlice(), l.AsSlice()...)
	family := byte(proxyTCP6)
	if c.Is4() {
		family = proxyTCP4
	}
	b = append(b, proxyProxied, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(addrs)+4))
	b = append(b, addrs...)
	b = binary.BigEndian.AppendUint16(b, client.Port())
	return binary.BigEndian.AppendUint16(b, local.Port())
}
