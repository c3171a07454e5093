package backend

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// Ports is how many more connections can be opened from one address of ours to
// one endpoint.
type Ports struct {
	Backend  string         `json:"backend"`
	Source   netip.Addr     `json:"source"`
	Endpoint netip.AddrPort `json:"endpoint"`
	Left     int            `json:"left"`
}

// PortsLeft counts them, the scarcest first. It reads the kernel's list of
// connections, which takes some 20 ms when there are 40,000.
func (p *Pool) PortsLeft(ctx context.Context) ([]Ports, error) {
	var out []Ports
	left := map[netip.AddrPort]map[netip.Addr]int{}
	for _, name := range p.names {
		for _, s := range p.backends[name].servers {
			for _, target := range resolve(ctx, s.endpoint.Address) {
				if left[target] == nil { // several backends may share a server
					left[target] = map[netip.Addr]int{}
				}
				for _, from := range s.sources.towards(target) {
					left[target][from] = 0
					out = append(out, Ports{Backend: name, Source: from, Endpoint: target})
				}
			}
		}
	}
	if err := portsLeft(left); err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Left = left[out[i].Endpoint][out[i].Source]
	}
	slices.SortFunc(out, func(a, b Ports) int {
		return cmp.Or(cmp.Compare(a.Left, b.Left), a.Endpoint.Compare(b.Endpoint), a.Source.Compare(b.Source))
	})
	return out, nil
}

// towards are the addresses that connections to a target come from: the
// configured ones of its family, else the one the kernel would choose.
func (s *sources) towards(target netip.AddrPort) []netip.Addr {
	var out []netip.Addr
	for _, a := range s.addrs {
		if a.Is4() == target.Addr().Is4() {
			out = append(out, a)
		}
	}
	if out != nil {
		return out
	}
	c, err := net.Dial("udp", target.String()) // sends nothing; asks the kernel for a route
	if err != nil {
		return nil
	}
	defer c.Close()
	return []netip.Addr{c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()}
}

// resolve gives every address behind host:port.
func resolve(ctx context.Context, address string) []netip.AddrPort {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	var out []netip.AddrPort
	for _, a := range addrs {
		out = append(out, netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(port)))
	}
	return out
}
