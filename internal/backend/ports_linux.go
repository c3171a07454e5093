package backend

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// portsLeft counts by the kernel's own list of connections, those in TIME_WAIT
// included, since their ports are taken too. It fills in left, which has a
// place for every target and source.
func portsLeft(left map[netip.AddrPort]map[netip.Addr]int) error {
	first, last, err := portRange()
	if err != nil {
		return err
	}
	for _, sources := range left {
		for s := range sources {
			sources[s] = last - first + 1
		}
	}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if err := countTaken(file, left); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// portRange is what connect chooses from (ip(7), ip_local_port_range).
func portRange() (first, last int, err error) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, 0, err
	}
	words := strings.Fields(string(b))
	if len(words) != 2 {
		return 0, 0, strconv.ErrSyntax
	}
	if first, err = strconv.Atoi(words[0]); err == nil {
		last, err = strconv.Atoi(words[1])
	}
	return first, last, err
}

func countTaken(file string, left map[netip.AddrPort]map[netip.Addr]int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) < 3 {
			continue
		}
		local, ok := kernelAddr(words[1])
		remote, ok2 := kernelAddr(words[2])
		if n := left[remote][local.Addr()]; ok && ok2 && n > 0 {
			left[remote][local.Addr()] = n - 1
		}
	}
	return in.Err()
}

// kernelAddr reads proc(5)'s form: the address in words of four bytes in the
// machine's order, the port in hexadecimal.
func kernelAddr(s string) (netip.AddrPort, bool) {
	addr, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(addr)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), ok
}
