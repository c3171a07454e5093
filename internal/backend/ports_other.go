//go:build !linux

package backend

import (
	"errors"
	"net/netip"
)

func portsLeft(netip.AddrPort, []netip.Addr) (map[netip.Addr]int, error) {
	return nil, errors.New("ports are counted on Linux only")
}
