// Package proxyproto reads and writes the PROXY protocol's header, versions 1
// and 2 (haproxy.org, doc/proxy-protocol.txt), by which a balancer passes on whom
// it speaks for. It reads not one octet beyond the header, so the connection
// under it stays as bare as it was. Whom to believe is the caller's to know.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

const (
	maxV1    = 107  // octets with CR LF; section 2.1
	headV2   = 16   // octets up to the addresses; section 2.2
	maxV2    = 2048 // octets behind them: addresses (at most 216) and TLVs; HAProxy sends at most 536 in all
	maxTLVs  = 32
	first    = 12 // the longest prefix that is in every header: version 2's signature, shorter than any version 1
	fieldsV1 = 5  // spaces in a whole version 1 line: PROXY TCP4 source destination port port
)

var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// Faults. Whatever they are, the connection must be closed: what follows is
// somebody speaking for nobody knows whom.
var (
	ErrNone      = errors.New("no PROXY header")
	ErrMalformed = errors.New("malformed PROXY header")
	ErrTooLong   = errors.New("PROXY header too long")
)

// Header is what a balancer says. Without a valid Source it speaks for itself
// (LOCAL, a health check) or does not know (UNKNOWN, a kind of address that is
// not IP): the addresses of the connection itself hold.
type Header struct {
	Version     int
	Local       bool // it speaks for itself
	Source      netip.AddrPort
	Destination netip.AddrPort
	TLVs        []TLV // version 2 only
}

// TLV is an extension, such as the TLS facts of the outer connection.
type TLV struct {
	Type  byte
	Value []byte
}

// Types of TLV; section 2.2.
const (
	TypeALPN      = 0x01
	TypeAuthority = 0x02
	TypeCRC32C    = 0x03
	TypeNOOP      = 0x04
	TypeUniqueID  = 0x05
	TypeSSL       = 0x20
)

// Find returns the first TLV of a type.
func (h *Header) Find(typ byte) ([]byte, bool) {
	for _, t := range h.TLVs {
		if t.Type == typ {
			return t.Value, true
		}
	}
	return nil, false
}

// Read reads a header. An end of the connection before its first octet is io.EOF.
func Read(r io.Reader) (Header, error) {
	buf := make([]byte, first, maxV1)
	if _, err := io.ReadFull(r, buf); err != nil {
		return Header{}, err
	}
	switch {
	case bytes.Equal(buf, signature):
		return readV2(r)
	case bytes.HasPrefix(buf, []byte("PROXY ")):
		return readV1(r, buf)
	}
	return Header{}, ErrNone
}

// readV1 reads as many octets at a time as must still come.
func readV1(r io.Reader, buf []byte) (Header, error) {
	for !bytes.HasSuffix(buf, []byte("\r\n")) {
		if bytes.IndexByte(buf, '\n') >= 0 {
			return Header{}, ErrMalformed
		}
		n := len(buf)
		want := n + leastV1(buf)
		if want > maxV1 {
			return Header{}, ErrTooLong
		}
		buf = buf[:want]
		if _, err := io.ReadFull(r, buf[n:]); err != nil {
			return Header{}, unexpected(err)
		}
	}
	return parseV1(string(buf[:len(buf)-len("\r\n")]))
}

// leastV1 says how many octets of a line must still come: for each field that
// has not begun a space and one digit, and the line's end.
func leastV1(b []byte) int {
	if b[len(b)-1] == '\r' {
		return 1
	}
	end := len("\r\n")
	if bytes.HasPrefix(b, []byte("PROXY U")) { // anything may follow UNKNOWN
		return max(end, len("PROXY UNKNOWN\r\n")-len(b))
	}
	least := end + 2*max(0, fieldsV1-bytes.Count(b, []byte{' '}))
	if b[len(b)-1] == ' ' {
		least++
	}
	return least
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func parseV1(s string) (Header, error) {
	h := Header{Version: 1}
	f := strings.Split(s, " ")
	if f[1] == "UNKNOWN" {
		return h, nil
	}
	if len(f) != fieldsV1+1 || f[1] != "TCP4" && f[1] != "TCP6" {
		return Header{}, ErrMalformed
	}
	var ok, ok2 bool
	h.Source, ok = parseAddr(f[2], f[4], f[1] == "TCP6")
	h.Destination, ok2 = parseAddr(f[3], f[5], f[1] == "TCP6")
	if !ok || !ok2 {
		return Header{}, ErrMalformed
	}
	return h, nil
}

func parseAddr(addr, port string, six bool) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(addr)
	p, err2 := strconv.ParseUint(port, 10, 16)
	ok := err == nil && err2 == nil && a.Zone() == "" && a.Is6() == six &&
		strconv.FormatUint(p, 10) == port // no sign, no leading zero
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), ok
}

func readV2(r io.Reader) (Header, error) {
	var head [headV2]byte
	copy(head[:], signature)
	if _, err := io.ReadFull(r, head[first:]); err != nil {
		return Header{}, unexpected(err)
	}
	n := int(binary.BigEndian.Uint16(head[14:]))
	if head[12]>>4 != 2 || head[12]&15 > 1 {
		return Header{}, ErrMalformed
	}
	if n > maxV2 {
		return Header{}, ErrTooLong
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return Header{}, unexpected(err)
	}
	h := Header{Version: 2, Local: head[12]&15 == 0}
	rest, err := h.addresses(head[13], body)
	if err != nil || h.Local { // behind LOCAL everything is to be passed over
		return Header{Version: 2, Local: h.Local}, err
	}
	if h.TLVs, err = parseTLVs(rest); err != nil {
		return Header{}, err
	}
	if !crcHolds(head[:], body, rest) {
		return Header{}, ErrMalformed
	}
	return h, nil
}

// Lengths of version 2's address blocks, in octets.
const (
	len4    = 4 + 4 + 2 + 2
	len6    = 16 + 16 + 2 + 2
	lenUnix = 108 + 108
)

// addresses reads the block of the given family and transport and returns what
// follows it.
func (h *Header) addresses(family byte, b []byte) (rest []byte, err error) {
	var n int
	switch family >> 4 {
	case 0:
	case 1:
		n = len4
	case 2:
		n = len6
	case 3:
		n = lenUnix
	default:
		return nil, ErrMalformed
	}
	if family&15 > 2 {
		return nil, ErrMalformed
	}
	if h.Local {
		return nil, nil
	}
	if len(b) < n {
		return nil, ErrMalformed
	}
	if family&15 == 1 && (n == len4 || n == len6) { // a stream, as mail is
		a := (n - 4) / 2
		src, _ := netip.AddrFromSlice(b[:a])
		dst, _ := netip.AddrFromSlice(b[a : 2*a])
		h.Source = netip.AddrPortFrom(src.Unmap(), binary.BigEndian.Uint16(b[2*a:]))
		h.Destination = netip.AddrPortFrom(dst.Unmap(), binary.BigEndian.Uint16(b[2*a+2:]))
	}
	return b[n:], nil
}

func parseTLVs(b []byte) ([]TLV, error) {
	var out []TLV
	for len(b) > 0 {
		if len(b) < 3 || len(out) == maxTLVs {
			return nil, ErrMalformed
		}
		n := int(binary.BigEndian.Uint16(b[1:]))
		if len(b) < 3+n {
			return nil, ErrMalformed
		}
		out = append(out, TLV{Type: b[0], Value: b[3 : 3+n : 3+n]})
		b = b[3+n:]
	}
	return out, nil
}

// crcHolds checks the header's checksum if it has one: CRC-32C over all of it,
// with the checksum's own octets as zero. It wipes those octets.
func crcHolds(head, body, tlvs []byte) bool {
	for len(tlvs) > 0 {
		n := int(binary.BigEndian.Uint16(tlvs[1:]))
		if tlvs[0] == TypeCRC32C {
			if n != crc32.Size {
				return false
			}
			said := binary.BigEndian.Uint32(tlvs[3:])
			clear(tlvs[3 : 3+n])
			table := crc32.MakeTable(crc32.Castagnoli)
			return crc32.Update(crc32.Update(0, table, head), table, body) == said
		}
		tlvs = tlvs[3+n:]
	}
	return true
}
