package apppassword

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/spelling"
)

// Bounds of a scope, so that nothing that people fill in grows without end.
const (
	maxName    = 64     // characters
	maxList    = 64     // networks, countries, senders
	maxPerHour = 100000 // recipients
	maxIdle    = 3650   // days
)

// Invalid says what is wrong with a name or a scope.
type Invalid struct{ Member, Why string }

func (e *Invalid) Error() string { return e.Member + ": " + e.Why }

func invalid(member, format string, args ...any) error {
	return &Invalid{member, fmt.Sprintf(format, args...)}
}

func checkName(name string) error {
	switch {
	case name == "":
		return invalid("name", "an app password needs a name, such as the device's")
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return invalid("name", "a name has at most %d printable characters", maxName)
	}
	return nil
}

// check puts a scope into canonical form and refuses what could mean anything
// but what it says.
func (s *Service) check(sc *Scope) error {
	if sc.Binding == "" {
		sc.Binding = BindProgram
	}
	if sc.SendOnly && len(sc.Protocols) == 0 {
		sc.Protocols = []protocol.Protocol{protocol.Submission}
	}
	return errors.Join(sc.checkProtocols(), sc.checkNetworks(), sc.checkCountries(), s.checkSenders(sc), sc.checkNumbers())
}

func (sc *Scope) checkProtocols() error {
	for _, p := range sc.Protocols {
		if p == protocol.Unknown || p == protocol.Portal || p == protocol.Webmail || int(p) >= protocol.Count {
			return invalid("protocols", "%s does not take app passwords", p)
		}
	}
	if sc.SendOnly && (len(sc.Protocols) != 1 || sc.Protocols[0] != protocol.Submission) {
		return invalid("sendOnly", "one that only sends is for submission alone")
	}
	slices.Sort(sc.Protocols)
	sc.Protocols = slices.Compact(sc.Protocols)
	return nil
}

func (sc *Scope) checkNetworks() error {
	if len(sc.Networks) > maxList {
		return invalid("networks", "at most %d", maxList)
	}
	for i, n := range sc.Networks {
		if !n.IsValid() {
			return invalid("networks", "a network is written as 192.0.2.0/24 or 2001:db8::/32")
		}
		if n.Addr().Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
		}
		sc.Networks[i] = n.Masked()
	}
	return nil
}

func (sc *Scope) checkCountries() error {
	if len(sc.Countries) > maxList {
		return invalid("countries", "at most %d", maxList)
	}
	for i, c := range sc.Countries {
		c = strings.ToUpper(strings.TrimSpace(c))
		if len(c) != 2 || strings.ContainsFunc(c, func(r rune) bool { return r < 'A' || r > 'Z' }) {
			return invalid("countries", "%.16q is no country: two letters such as DE", sc.Countries[i])
		}
		sc.Countries[i] = c
	}
	return nil
}

func (s *Service) checkSenders(sc *Scope) error {
	if len(sc.Senders) > maxList {
		return invalid("senders", "at most %d", maxList)
	}
	for i, typed := range sc.Senders {
		local, domain, found := strings.Cut(typed, "@")
		if !found || domain == "" {
			return invalid("senders", "%.320q is no address; a whole domain is written as @example.org", typed)
		}
		whole := local == ""
		if whole {
			typed = "postmaster" + typed
		}
		address, err := signin.CanonicalSender(typed)
		if err != nil {
			return invalid("senders", "%.320q: %v", sc.Senders[i], err)
		}
		if whole {
			address = strings.TrimPrefix(address, "postmaster")
		}
		sc.Senders[i] = address
	}
	return nil
}

func (sc *Scope) checkNumbers() error {
	switch {
	case sc.PerHour < 0 || sc.PerHour > maxPerHour:
		return invalid("perHour", "a number of recipients up to %d", maxPerHour)
	case sc.IdleDays < 0 || sc.IdleDays > maxIdle:
		return invalid("idleDays", "a number of days up to %d", maxIdle)
	case !sc.Expires.IsZero() && !sc.Expires.After(time.Now()):
		return invalid("expires", "that time is over")
	case !slices.Contains(Bindings, sc.Binding):
		return invalid("binding", "there is no binding %.32q%s", sc.Binding, spelling.DidYouMean(sc.Binding, Bindings))
	}
	return nil
}
