package smtp

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
)

// ClientFields are XCLIENT's ADDR and PORT for a client (Postfix's XCLIENT_README):
// an IPv6 address carries a prefix.
func ClientFields(client netip.AddrPort) []line.Field {
	if !client.IsValid() {
		return nil
	}
	addr := client.Addr().Unmap()
	text := addr.WithZone("").String()
	if addr.Is6() {
		text = "IPV6:" + text
	}
	return []line.Field{{Name: "ADDR", Value: text}, {Name: "PORT", Value: strconv.Itoa(int(client.Port()))}}
}

// ClientAddr is the client a forwarder passes in XCLIENT's ADDR and PORT; ok is
// false if it passes none ([UNAVAILABLE] included) or two.
func ClientAddr(fields []line.Field) (client netip.AddrPort, ok bool) {
	var addr netip.Addr
	var port uint64
	for _, f := range fields {
		var err error
		switch f.Name {
		case "ADDR":
			if ok {
				return netip.AddrPort{}, false
			}
			text := f.Value
			if p := len("IPV6:"); len(text) > p && strings.EqualFold(text[:p], "IPV6:") {
				text = text[p:]
			}
			addr, err = netip.ParseAddr(text)
			ok = true
		case "PORT":
			if port, err = strconv.ParseUint(f.Value, 10, 16); f.Value == "[UNAVAILABLE]" {
				err = nil
			}
		}
		if err != nil {
			return netip.AddrPort{}, false
		}
	}
	if !ok {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port)), true
}
