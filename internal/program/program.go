// Package program answers which mail program is at the other end, from all
// that it lets slip: its IMAP ID, the name it gives in EHLO, its user agent
// and the shape of its TLS hello.
//
// All of it can be forged, so the answer carries a confidence and says what
// it rests on; where the TLS hello contradicts the words, the confidence falls
// and the answer says that too. Policies may ask for a confidence; nobody is
// let in for the name of a program alone.
package program

import (
	"slices"
	"strings"
	"unicode"
)

// Pair is a key and its value of an IMAP ID (RFC 2971).
type Pair struct{ Key, Value string }

// Hints is what a program let slip.
type Hints struct {
	ID        []Pair // keys in lower case
	EHLO      string
	UserAgent string
	JA4       string // fingerprint of the TLS hello, package certs
}

// Program is the answer. The zero value is a program that said nothing.
type Program struct {
	// Family names the program for policies: "thunderbird", "apple-mail"; a
	// program not in the table has the name it gave itself.
	Family  string
	Version string
	// Platform is Graph's word (android, iOS, windows, macOS, linux), empty if unknown.
	Platform string
	// Confidence is 0–100: how sure the answer is, not how well the program behaves.
	Confidence uint8
	// Label is what a person reads: "Thunderbird 153.7".
	Label string
	// Basis lists what the answer rests on and what contradicts it.
	Basis []string
}

// Confidence by basis. A name that a program gives itself is easily forged;
// an agreeing TLS hello needs a program built for the purpose.
const (
	sureID       = 70
	sureAgent    = 65
	sureEHLO     = 55
	sureOwnName  = 40 // a name that is not in the table
	sureStack    = 25 // the TLS library alone
	agreement    = 20
	contradicted = 15 // at most, once two hints exclude each other
)

// Telling says that an answer of some confidence names a program, and not only
// the library that it is built with, or that its hints contradict each other.
func Telling(confidence uint8) bool { return confidence > sureStack }

// Recognise finds the program behind the hints.
func Recognise(h Hints) Program {
	said := claims(h)
	st := stackOf(h.JA4)
	if len(said) == 0 {
		return fromStack(st)
	}
	best := said[0]
	for _, c := range said[1:] {
		best.join(c)
	}
	best.weigh(st)
	return best.program()
}

// claim is what one hint says, before the hints are weighed together.
type claim struct {
	rule       *rule
	name       string // as the program gave it, for one not in the table
	version    string
	platform   string
	confidence uint8
	basis      []string
}

// claims reads each hint by itself, the most telling first.
func claims(h Hints) []claim {
	var all []claim
	if c, ok := fromID(h.ID); ok {
		all = append(all, c)
	}
	if c, ok := fromAgent(h.UserAgent); ok {
		all = append(all, c)
	}
	if c, ok := fromEHLO(h.EHLO); ok {
		all = append(all, c)
	}
	return all
}

func fromID(id []Pair) (claim, bool) {
	name := clean(value(id, "name"))
	if name == "" {
		return claim{}, false
	}
	os := strings.ToLower(value(id, "os") + " " + value(id, "vendor"))
	c := claim{name: name, version: clean(value(id, "version")), platform: platformOf(os), confidence: sureOwnName, basis: []string{"IMAP ID says " + name}}
	if r := find(idRules, strings.ToLower(name)); r != nil {
		c.take(r, sureID)
	}
	return c, true
}

func fromAgent(agent string) (claim, bool) {
	agent = clean(agent)
	if agent == "" {
		return claim{}, false
	}
	lower := strings.ToLower(agent)
	c := claim{platform: platformOf(lower), confidence: sureOwnName, basis: []string{"user agent says " + agent}}
	c.name, c.version, _ = strings.Cut(agent, "/")
	c.version, _, _ = strings.Cut(c.version, " ")
	if r := find(agentRules, lower); r != nil {
		c.version = versionAfter(lower, r.word)
		c.take(r, sureAgent)
	}
	return c, true
}

// fromEHLO reads only names that no host has by chance.
func fromEHLO(ehlo string) (claim, bool) {
	ehlo = clean(ehlo)
	r := findEHLO(strings.ToLower(ehlo))
	if r == nil {
		return claim{}, false
	}
	c := claim{basis: []string{"EHLO says " + ehlo}}
	c.take(r, sureEHLO)
	return c, true
}

func (c *claim) take(r *rule, confidence uint8) {
	c.rule, c.confidence = r, confidence
	if c.platform == "" {
		c.platform = r.platform
	}
}

// join adds a second hint to the first: it confirms, fills gaps or contradicts.
func (c *claim) join(d claim) {
	c.basis = append(c.basis, d.basis...)
	switch {
	case c.rule == nil && d.rule != nil:
		d.basis = c.basis
		*c = d
	case c.rule == nil || d.rule == nil:
	case c.rule.family == d.rule.family:
		c.confidence = min(100, c.confidence+agreement)
		if c.version == "" {
			c.version = d.version
		}
		if c.platform == "" {
			c.platform = d.platform
		}
	default:
		c.confidence = min(c.confidence, contradicted)
		c.basis = append(c.basis, "these are different programs")
	}
}

// weigh compares the claim with the TLS library its hello shows.
func (c *claim) weigh(st *stack) {
	if st == nil || c.rule == nil || len(c.rule.stacks) == 0 {
		return
	}
	if slices.Contains(c.rule.stacks, st.name) {
		c.confidence = min(100, c.confidence+agreement)
		c.basis = append(c.basis, "TLS hello of "+st.label+" agrees")
		return
	}
	c.confidence = min(c.confidence, contradicted)
	c.basis = append(c.basis, "TLS hello is that of "+st.label+", which "+c.rule.label+" does not use")
}

func (c *claim) program() Program {
	p := Program{Version: c.version, Platform: c.platform, Confidence: c.confidence, Basis: c.basis}
	if c.rule != nil {
		p.Family, p.Label = c.rule.family, c.rule.label
	} else {
		p.Family, p.Label = strings.ToLower(c.name), c.name
	}
	if p.Version != "" {
		p.Label += " " + p.Version
	}
	return p
}

// fromStack is the answer when only the TLS hello speaks.
func fromStack(st *stack) Program {
	if st == nil {
		return Program{Family: "unknown", Label: "Unknown program"}
	}
	return Program{Family: st.family, Confidence: sureStack,
		Label: "A program built on " + st.label, Basis: []string{"TLS hello of " + st.label}}
}

func value(id []Pair, key string) string {
	for _, p := range id {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

const maxWord = 80 // characters of a hint that are kept: it goes into logs and pages

// clean takes out what a log or page could be hurt by, and cuts long words.
func clean(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, s[:min(len(s), 8*maxWord)]))
	if r := []rune(s); len(r) > maxWord {
		s = string(r[:maxWord])
	}
	return s
}

// versionAfter finds the number behind a word: "thunderbird/115.3 x" gives
// 115.3, and "apple-iphone14c2/2001.75", where the word is only a part, 2001.75.
func versionAfter(s, word string) string {
	_, rest, ok := strings.Cut(s, word)
	if !ok {
		return ""
	}
	if rest != "" && !strings.ContainsAny(rest[:1], "/ v-") {
		_, rest, _ = strings.Cut(rest, "/")
	}
	rest = strings.TrimLeft(rest, "/ v-")
	end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end >= 0 {
		rest = rest[:end]
	}
	return strings.Trim(rest, ".")
}
