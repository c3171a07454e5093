package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// URL is an absolute http or https address without a final slash.
type URL string

// Path is a file; in the configuration it may be relative to its folder.
type Path string

// Address is a host and a port.
type Address string

// Size is a number of bytes.
type Size int64

// Secret prints as [redacted] under every verb, in JSON and in logs.
type Secret struct {
	value string
	// from says where it came from: "file /x", "environment X", "credential x", "literal".
	from string
}

const redacted = "[redacted]"

// NewSecret makes a secret of a value already at hand (demo, tests).
func NewSecret(value string) Secret { return Secret{value: value, from: "memory"} }

// Reveal is the secret itself; empty if there is none.
func (s Secret) Reveal() string { return s.value }

// Set says that there is one.
func (s Secret) Set() bool { return s.value != "" }

// Format prints [redacted] under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText prints [redacted].
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func parseURL(s string) (URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("this is no address such as https://mail.example.org")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("an address here has no user, query or fragment")
	}
	return URL(s), nil
}

// parseListen reads ":993", "192.0.2.1:993" or "[::1]:993". No host means
// every address, written as [::].
func parseListen(s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, errors.New(`this is no address and port: use ":993" or "192.0.2.1:993"`)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no port number", port)
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n)), nil
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no IP address", host)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

func parseAddress(s string) (Address, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return "", errors.New(`this is no host and port: use "127.0.0.1:10143"`)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q is no port number", port)
	}
	return Address(s), nil
}

// parsePrefix reads a network, or an address as a network of one.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, errors.New(`this is no network such as "10.0.0.0/8"`)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%s is an address within a network; did you mean %s?", s, p.Masked())
	}
	return p, nil
}

// parseDuration reads Go's durations and days: "2.2s", "24h", "7d".
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New(`this is no time such as "2.2s", "30m", "24h" or "7d"`)
	}
	return d, nil
}

// showDuration is parseDuration's inverse.
func showDuration(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var sizes = []struct {
	unit  string
	bytes int64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

// parseSize reads "20GB", "512MB"; the units are those of 1024.
func parseSize(s string) (Size, error) {
	for _, u := range sizes {
		number, ok := strings.CutSuffix(strings.ToUpper(s), u.unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || n*float64(u.bytes) > math.MaxInt64/2 {
			break
		}
		return Size(n * float64(u.bytes)), nil
	}
	return 0, errors.New(`this is no size such as "20GB" or "512MB"`)
}

// String is the size as parseSize reads it.
func (s Size) String() string {
	for _, u := range sizes {
		if s >= Size(u.bytes) && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.unit
		}
	}
	return "0B"
}
