package client

import (
	"net/netip"
	"strings"
)

const (
	maxRedirect = 500 // bytes; what programs use has less than 100
	// maxRedirects is how many addresses of one sort a client can have.
	maxRedirects = 10
)

// Redirect says whether the client may have answers sent to an address, and
// gives the address to send them to: what was asked for, to the letter.
//
// An address that a client has must be met exactly (RFC 9700, section 2.1). A
// program that listens on this host takes the port that is free at the time, so
// that on 127.0.0.1, [::1] and localhost the port is left out of the comparison
// (RFC 8252, section 7.3). The RFC would rather have no localhost, which a name
// service could send elsewhere; but Thunderbird with a system browser, and what
// is built on Microsoft's libraries, know nothing else, and browsers resolve it
// themselves.
func (c *Client) Redirect(asked string) (exact string, ok bool) {
	return asked, among(c.Redirects, asked)
}

// LogoutRedirect says whether the client may have people sent to an address
// after they signed out of it.
func (c *Client) LogoutRedirect(asked string) bool { return among(c.PostLogout, asked) }

func among(list []string, asked string) bool {
	a, fault := parseAddress(asked)
	if fault != "" {
		return false
	}
	for _, had := range list {
		if had == asked {
			return true
		}
		here := a.sort == loopback || a.sort == localhost
		if h, fault := parseAddress(had); here && fault == "" && h.sort == a.sort && h.host == a.host && h.path() == a.path() {
			return true
		}
	}
	return false
}

// sort is what an address leads to.
type sort uint8

const (
	loopback  sort = iota // http to a program on this host
	localhost             // https://localhost, which a program's own window catches before it is contacted
	web                   // https to some other host
	private               // a scheme that the system hands to a program
)

// address is one that answers may be sent to, in parts of the text.
type address struct {
	sort   sort
	host   string // without its port; empty of a private scheme
	scheme string
	rest   string // path and query
}

// path is the path and query; none is the root.
func (a *address) path() string {
	if a.rest == "" || a.rest[0] == '?' {
		return "/" + a.rest
	}
	return a.rest
}

// parseAddress takes an address apart, by a grammar so narrow that no browser
// and no library reads something else in it: no user, no fragment, no
// backslash, nothing but ASCII, no upper case before the path, no path or host
// that a browser would tidy up. fault says what is wrong.
func parseAddress(s string) (a address, fault string) {
	if fault := checkLetters(s); fault != "" {
		return a, fault
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) {
		return a, "it begins with no scheme in lower case"
	}
	a.scheme = scheme
	if scheme != "http" && scheme != "https" {
		return parsePrivate(a, rest)
	}
	rest, ok = strings.CutPrefix(rest, "//")
	if !ok {
		return a, "it names no host"
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, port, fault := splitHost(rest[:end])
	if fault != "" {
		return a, fault
	}
	a.host, a.rest = host, rest[end:]
	// Of this host only the three spellings that programs use, to the letter (RFC 8252,
	// section 7.3): what else network.Here knows is no address of a program.
	switch here := host == "127.0.0.1" || host == "[::1]" || host == "localhost"; {
	case scheme == "http" && !here:
		return a, "http is for 127.0.0.1, [::1] and localhost"
	case scheme == "http":
		a.sort = loopback
	case host == "localhost" && port == "":
		a.sort = localhost
	case here:
		return a, "https is for hosts that are not this one"
	default:
		a.sort = web
	}
	return a, checkPath(a.rest)
}

// parsePrivate reads what stands behind a private scheme's colon. Its dot makes
// it the name of a domain turned round (RFC 8252, section 7.1), and keeps out
// what browsers carry out or show: javascript, data, file, blob, about and kin.
func parsePrivate(a address, rest string) (address, string) {
	switch {
	case !strings.Contains(strings.Trim(a.scheme, "."), ".") || strings.Contains(a.scheme, ".."):
		return a, "a scheme of its own has a dot in it, such as com.example.mail:/done"
	case !strings.HasPrefix(rest, "/"):
		return a, "a scheme of its own is followed by a slash, such as com.example.mail:/done"
	}
	if host, isHosted := strings.CutPrefix(rest, "//"); isHosted {
		if end := strings.IndexAny(host, "/?"); end >= 0 {
			host = host[:end]
		}
		if strings.ContainsFunc(host, func(r rune) bool { return !isLetterOrDigit(byte(r)) && !strings.ContainsRune("-._", r) }) {
			return a, "what follows the slashes of its scheme is not made of letters, digits, dots, hyphens and underscores"
		}
	}
	a.sort, a.rest = private, rest
	return a, checkPath(rest)
}

// checkLetters finds what no address of ours has anywhere.
func checkLetters(s string) string {
	if s == "" || len(s) > maxRedirect {
		return "it is empty or longer than 500 characters"
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isLetterOrDigit(c), strings.IndexByte("-._~:/?[]!$&()*+,;=", c) >= 0:
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "a percent sign is followed by two hexadecimal digits"
			}
		case c == '#':
			return "it has a fragment"
		case c == '@':
			return "it has an at sign"
		default:
			return "it has a character that does not belong into an address"
		}
	}
	return ""
}

func isLower(c byte) bool         { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool         { return '0' <= c && c <= '9' }
func isLetterOrDigit(c byte) bool { return isLower(c|0x20) || isDigit(c) }
func isHex(c byte) bool           { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isScheme(s string) bool {
	if s == "" || !isLower(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// splitHost reads a host and, maybe, a port.
func splitHost(s string) (host, port, fault string) {
	host = s
	if end := strings.LastIndexByte(s, ':'); end > strings.LastIndexByte(s, ']') {
		host, port = s[:end], s[end+1:]
		if !isPort(port) {
			return "", "", "its port is no number from 1 to 65535"
		}
	}
	if host != "[::1]" && !isHost(host) {
		return "", "", "its host is no name in lower case, 127.0.0.1 or [::1]"
	}
	return host, port, ""
}

func isPort(s string) bool {
	if len(s) > 5 || s == "" || s[0] == '0' {
		return false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

// isHost knows names of hosts as they are written in the DNS. Where the last
// label begins with a digit, browsers read a number (0x7f.1 is 127.0.0.1 to
// them), so that of those only a whole IPv4 address passes.
func isHost(s string) bool {
	if len(s) > 253 {
		return false
	}
	last := s
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !isLower(c) && !isDigit(c) && c != '-' {
				return false
			}
		}
		last = label
	}
	if !isDigit(last[0]) {
		return true
	}
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.Is4()
}

// checkPath refuses what browsers tidy up: they take "." and ".." out of a
// path, however they are spelt, and would go elsewhere than what was compared.
func checkPath(s string) string {
	path, query, _ := strings.Cut(s, "?")
	if strings.ContainsAny(s, "[]") || strings.Contains(query, "?") {
		return "it has a bracket or a second question mark behind its host"
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return "its path has a dot for a step"
		}
	}
	return ""
}
