package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"slices"
)

// JA4 is FoxIO's fingerprint of a TLS client's hello
// (github.com/FoxIO-LLC/ja4, technical_details/JA4.md), such as
// t13d1516h2_8daaf6152771_d8a2da3f94cd: what the hello offers, a hash of its
// cipher suites, a hash of its extensions and signature algorithms.
//
// It is made from what crypto/tls tells, which differs from the bytes in two
// ways: the transport is always TCP ("t"), and without a supported_versions
// extension the version is the hello's legacy version, as JA4 wants too, but
// one that crypto/tls does not know (SSL 2, SSL 3) reads as "00".
func JA4(hello *tls.ClientHelloInfo) string {
	ciphers := without(hello.CipherSuites, grease)
	extensions := without(hello.Extensions, grease)
	sni := 'i'
	if slices.Contains(extensions, extensionServerName) {
		sni = 'd'
	}
	return fmt.Sprintf("t%s%c%02d%02d%s_%s_%s",
		ja4Version(hello.SupportedVersions), sni, min(len(ciphers), 99), min(len(extensions), 99), ja4ALPN(hello.SupportedProtos),
		ja4Hash(sortedHex(ciphers)), ja4Hash(ja4Extensions(hello, extensions)))
}

const (
	extensionServerName uint16 = 0x0000
	extensionALPN       uint16 = 0x0010
)

// grease says that v is one of RFC 8701's reserved values: 0x0a0a, 0x1a1a … 0xfafa.
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

func ja4Version(offered []uint16) string {
	var highest uint16
	for _, v := range offered {
		if !grease(v) {
			highest = max(highest, v)
		}
	}
	switch highest {
	case tls.VersionTLS13:
		return "13"
	case tls.VersionTLS12:
		return "12"
	case tls.VersionTLS11:
		return "11"
	case tls.VersionTLS10:
		return "10"
	}
	return "00"
}

// ja4ALPN is the first and last character of the first protocol offered, of
// its hexadecimal form where one of them is no letter or digit.
func ja4ALPN(offered []string) string {
	if len(offered) == 0 || offered[0] == "" {
		return "00"
	}
	p := offered[0]
	if !alphanumeric(p[0]) || !alphanumeric(p[len(p)-1]) {
		p = hex.EncodeToString([]byte(p))
	}
	return string([]byte{p[0], p[len(p)-1]})
}

func alphanumeric(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// ja4Extensions lists the extensions, sorted, without server name and ALPN
// (they change with the place visited), then the signature algorithms in the
// client's own order.
func ja4Extensions(hello *tls.ClientHelloInfo, extensions []uint16) []byte {
	kept := without(extensions, func(v uint16) bool { return v == extensionServerName || v == extensionALPN })
	list := sortedHex(kept)
	mark := byte('_')
	for _, s := range hello.SignatureSchemes {
		if !grease(uint16(s)) {
			list = appendHex(append(list, mark), uint16(s))
			mark = ','
		}
	}
	return list
}

// sortedHex sorts values in place.
func sortedHex(values []uint16) []byte {
	slices.Sort(values)
	list := make([]byte, 0, 256) // a browser's
	for i, v := range values {
		if i > 0 {
			list = append(list, ',')
		}
		list = appendHex(list, v)
	}
	return list
}

// appendHex spares fmt, which took most of the time of a fingerprint.
func appendHex(b []byte, v uint16) []byte {
	return hex.AppendEncode(b, []byte{byte(v >> 8), byte(v)})
}

func ja4Hash(list []byte) string {
	if len(list) == 0 {
		return "000000000000"
	}
	sum := sha256.Sum256(list)
	return hex.EncodeToString(sum[:6])
}

func without(values []uint16, out func(uint16) bool) []uint16 {
	return slices.DeleteFunc(slices.Clone(values), out)
}
