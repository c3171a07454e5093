package policy

import (
	"slices"
	"strconv"
	"strings"
)

// The conditions that only Portreeve has. As with Entra's platforms, a value
// that is not known matches no word but "unknown" (network number 0), so that
// a site without the file or the hint that would tell is not shut.

// kindsCondition: the kind of credential.
type kindsCondition struct{ Words }

func (k *kindsCondition) name() string         { return "portreeve.credentialKinds" }
func (k *kindsCondition) holds(f *Facts) bool  { return k.Words.holds(f.Credential.String()) }
func (k *kindsCondition) needed() string       { return k.Words.String() }
func (k *kindsCondition) seen(f *Facts) string { return f.Credential.String() }

// programsCondition: the mail program's family, in lower case. It can be
// forged; a policy that lets a program off something should ask for more.
type programsCondition struct{ Words }

func (p *programsCondition) name() string         { return "portreeve.programs" }
func (p *programsCondition) holds(f *Facts) bool  { return p.Words.holds(programOf(f)) }
func (p *programsCondition) needed() string       { return p.Words.String() }
func (p *programsCondition) seen(f *Facts) string { return programOf(f) }

// programOf is the family in lower case; it allocates only where it is not.
func programOf(f *Facts) string {
	if f.Program == "" {
		return wordUnknown
	}
	for i := range len(f.Program) {
		if c := f.Program[i]; 'A' <= c && c <= 'Z' || c >= 0x80 {
			return strings.ToLower(f.Program)
		}
	}
	return f.Program
}

func (w *Words) holds(word string) bool {
	return (len(w.Include) == 0 || slices.Contains(w.Include, word)) && !slices.Contains(w.Exclude, word)
}

func (w *Words) String() string {
	if len(w.Include) == 0 {
		return sides([]string{"all"}, w.Exclude)
	}
	return sides(w.Include, w.Exclude)
}

// lowered is a copy in the spelling that facts have.
func (w *Words) lowered(lower func(string) string) Words {
	c := Words{slices.Clone(w.Include), slices.Clone(w.Exclude)}
	for _, list := range [][]string{c.Include, c.Exclude} {
		for i := range list {
			list[i] = lower(list[i])
		}
	}
	return c
}

// asnsCondition: the number of the client's network.
type asnsCondition struct{ Numbers }

func (a *asnsCondition) name() string { return "portreeve.asns" }

func (a *asnsCondition) holds(f *Facts) bool {
	return (len(a.Include) == 0 || slices.Contains(a.Include, f.ASN)) && !slices.Contains(a.Exclude, f.ASN)
}

func (a *asnsCondition) needed() string {
	words := func(list []uint32) (out []string) {
		for _, n := range list {
			out = append(out, "AS"+strconv.FormatUint(uint64(n), 10))
		}
		return out
	}
	if len(a.Include) == 0 {
		return sides([]string{"all"}, words(a.Exclude))
	}
	return sides(words(a.Include), words(a.Exclude))
}

func (a *asnsCondition) seen(f *Facts) string {
	if f.ASN == 0 {
		return wordUnknown
	}
	return "AS" + strconv.FormatUint(uint64(f.ASN), 10)
}

// newClientCondition: whether this person has signed in from this network
// before. What is not known is new.
type newClientCondition struct{ wanted bool }

func (n *newClientCondition) name() string         { return "portreeve.newClient" }
func (n *newClientCondition) holds(f *Facts) bool  { return f.KnownNetwork != n.wanted }
func (n *newClientCondition) needed() string       { return strconv.FormatBool(n.wanted) }
func (n *newClientCondition) seen(f *Facts) string { return strconv.FormatBool(!f.KnownNetwork) }

// webmailCondition: whether a configured forwarder vouches for the address.
type webmailCondition struct{ wanted bool }

func (w *webmailCondition) name() string         { return "portreeve.viaWebmail" }
func (w *webmailCondition) holds(f *Facts) bool  { return f.ViaWebmail == w.wanted }
func (w *webmailCondition) needed() string       { return strconv.FormatBool(w.wanted) }
func (w *webmailCondition) seen(f *Facts) string { return strconv.FormatBool(f.ViaWebmail) }

// shareCondition: a part of the people, drawn once for all policies, so that a
// share that grows keeps those it had. The stranger is in every share but none.
type shareCondition struct{ percent int }

func (s *shareCondition) name() string        { return "portreeve.share" }
func (s *shareCondition) holds(f *Facts) bool { return draw(f.Person) < s.percent }
func (s *shareCondition) needed() string      { return strconv.Itoa(s.percent) + " % of people" }
func (s *shareCondition) seen(f *Facts) string {
	return "number " + strconv.Itoa(draw(f.Person)) + " of 100"
}

// draw is a person's lot, 0 to 99, the same for ever: eight bytes at a time,
// little-endian, the last ones padded with zeros.
func draw(person string) int {
	const prime = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio, odd
	if person == "" {
		return 0
	}
	h := uint64(len(person))
	for ; len(person) >= 8; person = person[8:] {
		h = (h ^ eight(person)) * prime
		h ^= h >> 29
	}
	var last uint64
	for i := range len(person) {
		last |= uint64(person[i]) << (8 * i)
	}
	h = (h ^ last) * prime
	return int((h >> 32) % 100)
}

func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
