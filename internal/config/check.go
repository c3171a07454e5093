package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/policyfile"
)

// Problem is something that Check found. With a problem that is no warning,
// nothing starts.
type Problem struct {
	Pointer string // of the setting, as a JSON pointer
	Warning bool
	Text    string
	where   *policyfile.Fault
}

// String is the problem, with its place in the file if it has one.
func (p Problem) String() string {
	kind := "error"
	if p.Warning {
		kind = "warning"
	}
	if p.where != nil {
		return kind + ": " + p.where.Error()
	}
	return kind + ": " + p.Text
}

// Brief is the problem in one line.
func (p Problem) Brief() string {
	if p.where != nil {
		return p.where.Brief()
	}
	return p.Text
}

// Check looks for what fits together badly, reading the files that are named.
func (c *Config) Check() []Problem {
	k := &checker{c: c}
	k.found = append(k.found, c.problems...)
	k.listeners()
	k.public()
	k.administration()
	k.approval()
	k.languages()
	k.notices()
	k.certificates()
	k.backends()
	k.routes()
	k.directories()
	k.issuers()
	k.oauth()
	k.forwarders()
	k.names()
	k.rest()
	k.incomplete()
	return k.placed()
}

// placed is what was found, each with its place, in order.
func (k *checker) placed() []Problem {
	for i := range k.found {
		p := &k.found[i]
		if p.Pointer != "" && k.c.doc != nil {
			p.where = k.c.doc.NameFault(p.Pointer, "%s", p.Text)
		}
	}
	slices.SortStableFunc(k.found, Problem.order)
	return k.found
}

// order puts first what stops the start, then what stands first in the file.
func (p Problem) order(q Problem) int {
	weight := func(p Problem) (n int) {
		if p.Warning {
			n = math.MaxInt / 2
		}
		if p.where != nil {
			n += p.where.Pos.Line<<16 + p.where.Pos.Column
		}
		return n
	}
	return weight(p) - weight(q)
}

// Broken says that one of the problems stops the start.
func Broken(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return !p.Warning })
}

type checker struct {
	c     *Config
	found []Problem
}

func (k *checker) wrong(pointer, format string, args ...any) {
	k.found = append(k.found, Problem{Pointer: pointer, Text: fmt.Sprintf(format, args...)})
}

func (k *checker) warn(pointer, format string, args ...any) {
	k.found = append(k.found, Problem{Pointer: pointer, Warning: true, Text: fmt.Sprintf(format, args...)})
}

func (k *checker) names() {
	if _, err := name.Domain(k.c.DefaultDomain); k.c.DefaultDomain != "" && err != nil {
		k.wrong("/default_domain", "%q is no domain", k.c.DefaultDomain)
	} else {
		_, faults := k.c.NameRules("")
		for _, err := range faults {
			k.wrong("/domains", "%v", err)
		}
	}
	for i, l := range k.c.Listeners {
		if _, err := name.Domain(l.DefaultDomain); l.DefaultDomain != k.c.DefaultDomain && err != nil {
			k.wrong(fmt.Sprintf("/listeners/%d/default_domain", i), "%q is no domain", l.DefaultDomain)
		}
	}
	if strings.ContainsFunc(k.c.Hostname, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' }) {
		k.wrong("/hostname", "%q is no host name", k.c.Hostname)
	}
}

func (k *checker) rest() {
	c := k.c
	if _, err := geoip.Open(geoip.Options{Country: string(c.Geo.Country), ASN: string(c.Geo.ASN)}); err != nil {
		k.wrong("/geo", "%v", err)
	}
	if c.Observe.Address.IsValid() && !c.Observe.Address.Addr().IsLoopback() && !c.Observe.Key.Set() {
		k.wrong("/observe", "others can reach this address and could write into the log: give observe a key")
	}
	if c.Limits.PerSource < 1 || c.Limits.Unauthenticated < c.Limits.PerSource {
		k.wrong("/limits", "nobody could connect")
	}
	if c.Log.Days < 1 {
		k.wrong("/log/days", "sign-ins are kept at least a day")
	}
}

func sorted[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func has[V any](m map[string]V, k string) bool { _, ok := m[k]; return ok }

// Strings are paths as other packages take them.
func Strings(paths []Path) (all []string) {
	for _, p := range paths {
		all = append(all, string(p))
	}
	return all
}
