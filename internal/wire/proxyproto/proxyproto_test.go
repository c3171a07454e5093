package proxyproto

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	peer "github.com/pires/go-proxyproto"
	"pgregory.net/rapid"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

const head = "\r\n\r\n\x00\r\nQUIT\n"

func TestRead(t *testing.T) {
	four := "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x50\x00\x8f"
	cases := []struct {
		name, in string
		want     Header
		err      error
	}{
		{"v1, IPv4", "PROXY TCP4 192.0.2.1 192.0.2.2 56324 143\r\n", Header{Version: 1, Source: ap("192.0.2.1:56324"), Destination: ap("192.0.2.2:143")}, nil},
		{"v1, shortest", "PROXY TCP4 1.1.1.1 2.2.2.2 1 0\r\n", Header{Version: 1, Source: ap("1.1.1.1:1"), Destination: ap("2.2.2.2:0")}, nil},
		{"v1, IPv6", "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", Header{Version: 1, Source: ap("[2001:db8::1]:1"), Destination: ap("[::1]:65535")}, nil},
		{"v1, mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Header{Version: 1, Source: ap("192.0.2.1:1"), Destination: ap("[::1]:2")}, nil},
		{"v1, UNKNOWN", "PROXY UNKNOWN\r\n", Header{Version: 1}, nil},
		{"v1, UNKNOWN with more", "PROXY UNKNOWN ffff::1 x y z a b c\r\n", Header{Version: 1}, nil},
		{"v1, longest", "PROXY UNKNOWN " + strings.Repeat("f", 91) + "\r\n", Header{Version: 1}, nil},
		{"v1, too long", "PROXY UNKNOWN " + strings.Repeat("f", 92) + "\r\n", Header{}, ErrTooLong},
		{"v1, endless", "PROXY TCP4 " + strings.Repeat("1", 1000), Header{}, ErrTooLong},
		{"v1, cut", "PROXY TCP4 192.0.2.1 ", Header{}, io.ErrUnexpectedEOF},
		{"v1, LF", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nEHLO x\r\n", Header{}, ErrMalformed},
		{"v1, family", "PROXY TCP4 ::1 ::1 1 2\r\n", Header{}, ErrMalformed},
		{"v1, other family", "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", Header{}, ErrMalformed},
		{"v1, UDP", "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", Header{}, ErrMalformed},
		{"v1, port", "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", Header{}, ErrMalformed},
		{"v1, signed port", "PROXY TCP4 1.1.1.1 2.2.2.2 +1 22\r\n", Header{}, ErrMalformed},
		{"v1, leading zero", "PROXY TCP4 1.1.1.1 2.2.2.2 01 22\r\n", Header{}, ErrMalformed},
		{"v1, octal address", "PROXY TCP4 01.1.1.1 2.2.2.2 1 22\r\n", Header{}, ErrMalformed},
		{"v1, zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", Header{}, ErrMalformed},
		{"v1, double space", "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", Header{}, ErrMalformed},
		{"v1, six fields", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", Header{}, ErrMalformed},
		{"v1, lower case", "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", Header{}, ErrNone},
		{"v1, nothing", "PROXY UNKNOW\r\n", Header{}, ErrMalformed},
		{"none", "EHLO example.com\r\n", Header{}, ErrNone},
		{"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00", Header{}, ErrNone},
		{"end", "", Header{}, io.EOF},
		{"end in the first octets", "PROXY", Header{}, io.ErrUnexpectedEOF},
		{"v2, IPv4", head + "\x21\x11\x00\x0c" + four, Header{Version: 2, Source: ap("1.2.3.4:80"), Destination: ap("5.6.7.8:143")}, nil},
		{"v2, LOCAL", head + "\x20\x00\x00\x00", Header{Version: 2, Local: true}, nil},
		{"v2, LOCAL with more", head + "\x20\x11\x00\x0c" + four, Header{Version: 2, Local: true}, nil},
		{"v2, unspecified", head + "\x21\x00\x00\x00", Header{Version: 2}, nil},
		{"v2, UDP", head + "\x21\x12\x00\x0c" + four, Header{Version: 2}, nil},
		{"v2, unix", head + "\x21\x31\x00\xd8" + strings.Repeat("u", 216), Header{Version: 2}, nil},
		{"v2, TLV", head + "\x21\x11\x00\x11" + four + "\x05\x00\x02ab", Header{Version: 2, Source: ap("1.2.3.4:80"), Destination: ap("5.6.7.8:143"), TLVs: []TLV{{5, []byte("ab")}}}, nil},
		{"v2, version 1", head + "\x11\x11\x00\x0c" + four, Header{}, ErrMalformed},
		{"v2, command", head + "\x22\x11\x00\x0c" + four, Header{Version: 2}, ErrMalformed},
		{"v2, family", head + "\x21\x41\x00\x0c" + four, Header{Version: 2}, ErrMalformed},
		{"v2, transport", head + "\x21\x13\x00\x0c" + four, Header{Version: 2}, ErrMalformed},
		{"v2, too short for its addresses", head + "\x21\x11\x00\x0b" + four, Header{Version: 2}, ErrMalformed},
		{"v2, too short for IPv6", head + "\x21\x21\x00\x0c" + four, Header{Version: 2}, ErrMalformed},
		{"v2, too long", head + "\x21\x11\xff\xff" + four, Header{}, ErrTooLong},
		{"v2, cut", head + "\x21\x11\x00\x0c\x01", Header{}, io.ErrUnexpectedEOF},
		{"v2, cut head", head + "\x21", Header{}, io.ErrUnexpectedEOF},
		{"v2, cut TLV", head + "\x21\x11\x00\x10" + four + "\x05\x00\x02a", Header{}, ErrMalformed},
		{"v2, half a TLV", head + "\x21\x11\x00\x0e" + four + "\x05\x00", Header{}, ErrMalformed},
		{"v2, many TLVs", head + "\x21\x11\x00\x6f" + four + strings.Repeat("\x04\x00\x00", 33), Header{}, ErrMalformed},
		{"v2, checksum's length", head + "\x21\x11\x00\x10" + four + "\x03\x00\x01a", Header{}, ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			src := strings.NewReader(c.in + "a NOOP\r\n")
			if c.err == io.EOF || c.err == io.ErrUnexpectedEOF {
				src = strings.NewReader(c.in)
			}
			got, err := Read(iotest.HalfReader(src))
			if err != c.err || err == nil && !reflect.DeepEqual(got, c.want) {
				t.Fatalf("%+v, %v", got, err)
			}
			if rest, _ := io.ReadAll(src); err == nil && string(rest) != "a NOOP\r\n" {
				t.Fatalf("left %q", rest)
			}
		})
	}
}

func TestChecksum(t *testing.T) {
	b := AppendV2(nil, ap("1.2.3.4:5"), ap("5.6.7.8:9"), TLV{TypeAuthority, []byte("mail")}, TLV{TypeCRC32C, make([]byte, 4)})
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(b[len(b)-4:], sum)
	h, err := Read(bytes.NewReader(b))
	if v, ok := h.Find(TypeAuthority); err != nil || !ok || string(v) != "mail" {
		t.Fatalf("%+v, %v", h, err)
	}
	for i := headV2; i < headV2+len4; i++ {
		broken := bytes.Clone(b)
		broken[i] ^= 1
		if _, err := Read(bytes.NewReader(broken)); err != ErrMalformed {
			t.Errorf("octet %d: %v", i, err)
		}
	}
}

func addrs(t *rapid.T, name string) netip.AddrPort {
	b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name)
	if rapid.Bool().Draw(t, name+" is IPv4") {
		b = b[:4]
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), rapid.Uint16().Draw(t, name+" port"))
}

// What we write, the library reads as we do; what it writes, we do.
func TestWeAgreeWithTheLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, dst := addrs(t, "src"), addrs(t, "dst")
		for _, b := range [][]byte{AppendV1(nil, src, dst), AppendV2(nil, src, dst, TLV{TypeUniqueID, []byte("x")})} {
			lib, err := peer.Read(bufio.NewReader(bytes.NewReader(b)))
			if err != nil {
				t.Fatalf("%q: %v", b, err)
			}
			ours, err := Read(bytes.NewReader(b))
			if err != nil || ours.Source != src || ours.Destination != dst {
				t.Fatalf("%q: %+v, %v", b, ours, err)
			}
			if s, d := lib.SourceAddr.(*net.TCPAddr).AddrPort(), lib.DestinationAddr.(*net.TCPAddr).AddrPort(); unmap(s) != src || unmap(d) != dst {
				t.Fatalf("%q: %v %v", b, s, d)
			}
		}
		if src.Addr().Is4() != dst.Addr().Is4() {
			return
		}
		for _, version := range []byte{1, 2} {
			b, err := peer.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(src), net.TCPAddrFromAddrPort(dst)).Format()
			if err != nil {
				t.Fatal(err)
			}
			if h, err := Read(bytes.NewReader(b)); err != nil || h.Source != src || h.Destination != dst || h.Version != int(version) {
				t.Fatalf("%q: %+v, %v", b, h, err)
			}
		}
	})
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func TestWritingWithoutAddresses(t *testing.T) {
	if got := AppendV1([]byte("x"), netip.AddrPort{}, ap("1.1.1.1:1")); string(got) != "xPROXY UNKNOWN\r\n" {
		t.Errorf("%q", got)
	}
	h, err := Read(bytes.NewReader(AppendV2(nil, netip.AddrPort{}, netip.AddrPort{})))
	if err != nil || !h.Local {
		t.Errorf("%+v %v", h, err)
	}
	h, err = Read(bytes.NewReader(AppendV2(nil, ap("1.1.1.1:1"), ap("1.1.1.1:1"), TLV{5, make([]byte, 5000)})))
	if err != nil || h.TLVs != nil {
		t.Errorf("%+v %v", h, err)
	}
	h, err = Read(bytes.NewReader(AppendV1(nil, ap("[fe80::1%eth0]:1"), ap("[::1]:1"))))
	if err != nil || h.Source != ap("[fe80::1]:1") {
		t.Errorf("%+v %v", h, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nx"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add(AppendV2(nil, ap("1.2.3.4:5"), ap("[::1]:9"), TLV{TypeCRC32C, make([]byte, 4)}))
	f.Fuzz(func(t *testing.T, in []byte) {
		src := bytes.NewReader(in)
		h, err := Read(src)
		used := len(in) - src.Len()
		if used > headV2+maxV2 {
			t.Fatalf("%d octets read", used)
		}
		if err != nil || !h.Source.IsValid() {
			return
		}
		lib, err := peer.Read(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return // it is stricter about some TLVs
		}
		if a, ok := lib.SourceAddr.(*net.TCPAddr); !ok || unmap(a.AddrPort()) != h.Source {
			t.Fatalf("%v, the library %v", h.Source, lib.SourceAddr)
		}
	})
}
