package exchange

import (
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// Family is one of the three families of an authentication policy's switches.
type Family uint8

// The families. True means the opposite in the first and the other two.
const (
	AllowBasicAuth  Family = iota // Exchange Online: False refuses passwords
	BlockLegacyAuth               // Exchange 2019: True refuses passwords, Digest, NTLM and Kerberos
	BlockModernAuth               // Exchange 2019: True refuses tokens
)

var familyNames = [...]string{"AllowBasicAuth", "BlockLegacyAuth", "BlockModernAuth"}

func (f Family) String() string { return familyNames[min(f, BlockModernAuth)] }

// Opens says whether this value leaves the door open.
func (f Family) Opens(value bool) bool { return value == (f == AllowBasicAuth) }

// AuthSwitch is one switch of an authentication policy.
type AuthSwitch struct {
	Name     string // AllowBasicAuthImap
	Family   Family
	Protocol protocol.Protocol // Unknown: one of Exchange's doors that is not ours; kept
	Label    string
	Help     string
}

// exchangeOnly are the doors of Exchange that are not ours.
var exchangeOnly = [][2]string{
	{"OfflineAddressBook", "Offline address book"},
	{"OutlookService", "Outlook service"},
	{"Powershell", "Remote PowerShell"},
	{"ReportingWebServices", "Reporting web services"},
	{"Rpc", "Outlook Anywhere"},
}

var authSwitches = func() []AuthSwitch {
	var all []AuthSwitch
	for f, help := range []string{
		"Passwords on %: True allows them, False refuses them before they are looked at.",
		"Passwords on % (Exchange 2019 and later): True refuses them.",
		"Tokens on % (Exchange 2019 and later): True refuses them.",
	} {
		add := func(suffix, label string, p protocol.Protocol) {
			all = append(all, AuthSwitch{Name: familyNames[f] + suffix, Family: Family(f), Protocol: p, Label: label, Help: strings.Replace(help, "%", label, 1)})
		}
		for _, p := range protocol.All() {
			if row := p.Row(); row.AuthPolicy != "" {
				add(row.AuthPolicy, row.Label, p)
			}
		}
		for _, x := range exchangeOnly {
			add(x[0], x[1], protocol.Unknown)
		}
	}
	return all
}()

var authIndex = func() map[string]*AuthSwitch {
	index := map[string]*AuthSwitch{}
	for i := range authSwitches {
		index[strings.ToLower(authSwitches[i].Name)] = &authSwitches[i]
	}
	return index
}()

// AuthSwitches lists the switches of an authentication policy, by family.
func AuthSwitches() []AuthSwitch { return authSwitches }

// FindAuthSwitch finds a switch by its name, in any case.
func FindAuthSwitch(name string) (*AuthSwitch, bool) {
	s, ok := authIndex[strings.ToLower(name)]
	return s, ok
}
