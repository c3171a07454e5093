package program

import "strings"

// stack is a TLS library, known by the cipher suites it offers.
type stack struct {
	name, label, family string
}

var (
	stackApple = stack{"apple", "Apple's TLS", "apple"}
	// The same suites are the default of Android's Conscrypt.
	stackNSS     = stack{"nss", "NSS (Thunderbird, Firefox) or Conscrypt (Android)", "nss"}
	stackBoring  = stack{"boringssl", "BoringSSL (Chrome and its kin)", "chromium"}
	stackOpenSSL = stack{"openssl", "OpenSSL", "openssl"}
	stackPython  = stack{"python", "Python", "python"}
	stackGnuTLS  = stack{"gnutls", "GnuTLS", "gnutls"}
	stackGo      = stack{"go", "Go", "go"}
)

// stacks finds a library by the middle part of a JA4: the hash of the cipher
// suites changes with the library, seldom with its version, and not with the
// protocol or the server visited. "Measured" are captures of the programs
// named, on Debian 12; the others are published ones.
var stacks = map[string]*stack{
	"e8f1e7e78f70": &stackOpenSSL, // measured: OpenSSL 3.0, curl 7.88, swaks, fetchmail 6.4, Debian's Python
	"479067518aa3": &stackOpenSSL, // measured: the same with the longer lists of PHP 8.2 and Perl's IO::Socket::SSL
	"85036bcba153": &stackPython,  // measured: CPython 3.11 with its own list
	"723694b0fccc": &stackGnuTLS,  // measured: msmtp 1.8.23 and Evolution 3.46 with GnuTLS 3.7
	"f57a46bbacb6": &stackGo,      // measured: Go 1.26
	"9dc949149365": &stackGo,      // FoxIO's table: Go before 1.22
	"5b57614c22b0": &stackNSS,     // Firefox 91 to 147
	"a09f3c656075": &stackApple,   // Safari 15 to 26, iOS 16 to 26, Apple Mail
	"2802a3db6c62": &stackApple,   // older iOS
	"6be44479b708": &stackApple,   // iOS Mail, its longer list
	"8daaf6152771": &stackBoring,  // Chrome 99 to 143
}

func stackOf(ja4 string) *stack {
	parts := strings.Split(ja4, "_")
	if len(parts) != 3 {
		return nil
	}
	return stacks[parts[1]]
}
