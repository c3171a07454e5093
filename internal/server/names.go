package server

import (
	"sync/atomic"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/name"
)

// observer is the listener's name that reports of other servers carry.
const observer = "observe"

// names makes canonical addresses by the rules of each listener.
type names struct {
	site       name.Rules
	byListener map[string]name.Rules
	aliases    atomic.Pointer[func(string) (string, bool)]
}

// newNames reads the rules from the configuration, which has been checked.
func newNames(c *config.Config) (*names, error) {
	n := &names{byListener: map[string]name.Rules{}}
	rules := func(listener string) (name.Rules, error) {
		r, faults := c.NameRules(listener)
		if len(faults) > 0 {
			return r, faults[0]
		}
		r.Aliases = n.alias
		return r, nil
	}
	var err error
	if n.site, err = rules(""); err != nil {
		return nil, err
	}
	for _, l := range c.Listeners {
		if n.byListener[l.Name], err = rules(l.Name); err != nil {
			return nil, err
		}
	}
	reported := n.site
	reported.DefaultDomain = c.Observe.DefaultDomain
	n.byListener[observer] = reported
	return n, nil
}

// know gives the alias table, once there is one.
func (n *names) know(aliases func(string) (string, bool)) error {
	n.aliases.Store(&aliases)
	return nil
}

func (n *names) alias(address string) (string, bool) {
	if f := n.aliases.Load(); f != nil {
		return (*f)(address)
	}
	return "", false
}

// Canonical makes one canonical address of what was typed at a listener.
func (n *names) Canonical(listener, typed string) (string, error) {
	a, err := n.rules(listener).Canonical(typed)
	return a.Full, err
}

// Delegated cuts a spelling that names who signs in and whose mailbox is meant.
func (n *names) Delegated(listener, typed string) (person, mailbox string, ok bool) {
	return n.rules(listener).Delegated(typed)
}

// Vouched makes one of what a token or a certificate states there.
func (n *names) Vouched(listener, stated string) (string, error) {
	a, err := n.rules(listener).Vouched(stated)
	return a.Full, err
}

func (n *names) rules(listener string) name.Rules {
	if r, ok := n.byListener[listener]; ok {
		return r
	}
	return n.site
}

// reported is who is meant by a name that the backend reports.
func (n *names) reported(typed string) (string, bool) {
	a, err := n.site.Canonical(typed)
	return a.Full, err == nil
}
