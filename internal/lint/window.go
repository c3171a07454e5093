package lint

import (
	"fmt"
	"net/netip"
)

// OpenWindow is the id of a finding about an approval window.
const OpenWindow = "window-everywhere"

// The shortest prefixes that still are somebody's networks: the largest blocks
// that registries give are /8 and /16 (RFC 7020's regions hold /12 of IPv6).
const (
	widestFour = 8
	widestSix  = 16
)

// Window finds a window that pins no place worth the name. The zero prefix is
// a window that is not pinned by its network.
func Window(id, person string, network netip.Prefix) (f Finding, found bool) {
	widest := widestFour
	if network.Addr().Is6() {
		widest = widestSix
	}
	if !network.IsValid() || network.Bits() >= widest {
		return f, false
	}
	f = Finding{ID: OpenWindow, Severity: Warning, Object: Object{"window", id, person}, Pointer: "/network",
		Sentence: fmt.Sprintf("The window is open to %s: whoever has the password gets in from nearly anywhere", network),
		Fix:      Fix{Text: "pin the network that the program comes from, or its owner and country (--asn, --country)", Command: "portreeve approval withdraw " + ShellWord(id)}}
	if network.Bits() == 0 {
		f.Severity = Danger
		f.Sentence = fmt.Sprintf("The window is open to every address there is (%s): the password alone is enough again, from anywhere", network)
	}
	return f, true
}
