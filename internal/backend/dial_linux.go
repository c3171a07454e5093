package backend

import (
	"syscall"

	"github.com/portreeve/portreeve/internal/relay"
)

// ipBindAddressNoPort is IP_BIND_ADDRESS_NO_PORT of linux/in.h: bind takes the
// address only, and connect chooses a port that is free towards this server,
// so that 28,000 ports are there for each server and not for all together.
const ipBindAddressNoPort = 24

func lateBind(network, address string, c syscall.RawConn) error {
	if err := relay.Tune(network, address, c); err != nil {
		return err
	}
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1) // without it, merely fewer ports
	})
}
