package policy

import (
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// appsCondition: what is signed in to. Each protocol is an application of its
// own, and all of mail is Exchange Online and Office 365. A protocol that is
// not known is included by whatever includes anything, and never excluded.
type appsCondition struct {
	include, exclude protocolBits
	words            string
}

// mailDoors are the protocols that Exchange Online stands for.
var mailDoors = func() (bits protocolBits) {
	for _, p := range protocol.All() {
		if p != protocol.Portal {
			bits |= 1 << p
		}
	}
	return bits
}()

const (
	everyDoor   = protocolBits(1)<<protocol.Count - 1
	unknownDoor = protocolBits(1) << protocol.Unknown
)

// application finds the doors behind an application's id or name.
func application(s string) (protocolBits, bool) {
	switch {
	case equalFold(s, wordAll):
		return everyDoor, true
	case equalFold(s, wordNone):
		return 0, true
	case equalFold(s, wordOffice365), equalFold(s, ExchangeOnline):
		return mailDoors, true
	}
	for _, p := range protocol.All() {
		if equalFold(s, p.AppID()) {
			return 1 << p, true
		}
	}
	if p, ok := protocol.Parse(s); ok {
		return 1 << p, true
	}
	return 0, false
}

func (a *appsCondition) name() string { return "applications" }

func (a *appsCondition) holds(f *Facts) bool {
	return a.include&^a.exclude&(1<<f.Protocol) != 0
}

func (a *appsCondition) needed() string       { return a.words }
func (a *appsCondition) seen(f *Facts) string { return f.Protocol.String() }

// clientAppCondition: the kind of client, which follows the credential.
type clientAppCondition struct{ types ClientAppTypes }

func (c *clientAppCondition) name() string        { return "clientAppTypes" }
func (c *clientAppCondition) holds(f *Facts) bool { return c.types&ClientAppTypeOf(f) != 0 }
func (c *clientAppCondition) needed() string      { return strings.Join(c.types.Names(), " or ") }
func (c *clientAppCondition) seen(f *Facts) string {
	return strings.Join(ClientAppTypeOf(f).Names(), ", ")
}
