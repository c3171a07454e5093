package apppassword

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/signin"
)

// mostBound is how many programs and network owners one app password can be
// bound to, by approvals one after the other; the oldest goes.
const mostBound = 8

// sign is a program or a network's owner: by what it is known again, and as
// people read it.
type sign struct {
	Key   string `json:"key"`
	Label string `json:"label"`
}

// bound is what an app password is bound to.
type bound struct {
	Programs []sign `json:"programs,omitempty"`
	Owners   []sign `json:"owners,omitempty"`
}

// pending is who showed it and was refused.
type pending struct {
	Program sign      `json:"program"`
	Owner   sign      `json:"owner"`
	Addr    string    `json:"address"`
	At      time.Time `json:"at"`
}

// mark names what would be bound by an approval under a scope, short enough to
// be typed and too long to be met by trying.
func (p *pending) mark(sc *Scope) string {
	sum := sha256.Sum256([]byte(bound{}.with(p, sc).keys()))
	return hex.EncodeToString(sum[:8])
}

func (b bound) keys() string {
	var all []string
	for _, s := range append(b.Programs, b.Owners...) {
		all = append(all, s.Key)
	}
	return strings.Join(all, " ")
}

func (b *bound) programs() string { return labels(b.Programs) }
func (b *bound) owners() string   { return labels(b.Owners) }

func labels(list []sign) string {
	var all []string
	for _, s := range list {
		all = append(all, s.Label)
	}
	return strings.Join(all, ", ")
}

// programOf knows a program again by the shape of its TLS hello as far as that
// is the same at every connection: version, cipher suites and application
// protocol, but neither the number of extensions, which grows when a session is
// resumed, nor whether a name was asked for. What it says of itself is for
// people to read.
func programOf(a *signin.Attempt) sign {
	said := nameOf(a)
	if a.TLS.Version == 0 {
		return sign{"no TLS", strings.TrimSpace(said + " (without TLS)")}
	}
	first, rest, ok := strings.Cut(a.TLS.JA4, "_") // t13d1516h2_8daaf6152771_d8a2da3f94cd
	suites, _, _ := strings.Cut(rest, "_")
	if !ok || len(first) != len("t13d1516h2") {
		return sign{"unknown TLS", strings.TrimSpace(said + " (unknown TLS)")}
	}
	return sign{first[:3] + first[4:6] + first[8:] + "_" + suites, strings.TrimSpace(fmt.Sprintf("%s (TLS %s)", said, suites))}
}

// nameOf is what the program seems to be.
func nameOf(a *signin.Attempt) string {
	p := a.Hints.Program(a.TLS.JA4)
	return fmt.Sprintf("%.80s", strings.ToValidUTF8(cmp.Or(p.Label, p.Family), "?"))
}

// ownerOf knows a network's owner by its number; where no file says whose it is,
// the network itself stands for it.
func ownerOf(addr netip.Addr, p geoip.Place) sign {
	if p.ASN != 0 {
		return sign{fmt.Sprintf("AS%d", p.ASN), strings.TrimSpace(fmt.Sprintf("AS%d %.80s", p.ASN, p.Owner))}
	}
	n := network.Of(addr).String()
	return sign{n, n}
}

// holds says that a sign is one of those bound, or that none is. A network
// stands for its owner even once a file knows the owner's number.
func holds(list []sign, s sign, addr netip.Addr) bool {
	if len(list) == 0 {
		return true
	}
	return slices.ContainsFunc(list, func(b sign) bool {
		if b.Key == s.Key {
			return true
		}
		n, err := netip.ParsePrefix(b.Key)
		return err == nil && n.Contains(addr)
	})
}

// first is what a first use binds a scope to.
func (sc *Scope) first(program, owner sign) (b bound) {
	if sc.bindsProgram() {
		b.Programs = []sign{program}
	}
	if sc.bindsOwner() {
		b.Owners = []sign{owner}
	}
	return b
}

func (sc *Scope) bindsProgram() bool {
	return sc.Binding == "" || sc.Binding == BindProgram || sc.Binding == BindStrict
}

func (sc *Scope) bindsOwner() bool { return sc.Binding == BindOwner || sc.Binding == BindStrict }

// with is what is bound once a pending one is approved.
func (b bound) with(p *pending, sc *Scope) bound {
	if sc.bindsProgram() {
		b.Programs = added(b.Programs, p.Program)
	}
	if sc.bindsOwner() {
		b.Owners = added(b.Owners, p.Owner)
	}
	return b
}

func added(list []sign, s sign) []sign {
	list = slices.DeleteFunc(slices.Clone(list), func(b sign) bool { return b.Key == s.Key })
	list = append(list, s)
	return list[max(0, len(list)-mostBound):]
}
