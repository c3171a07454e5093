package admin

import (
	"net/http"
	"sync"

	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// able finds, each once, what a person could show if asked.
func (a *api) able(r *http.Request) func(string) policy.Methods {
	if a.Factors == nil {
		return nil
	}
	var known sync.Map
	ctx := r.Context()
	return func(person string) policy.Methods {
		if !a.Factors.Has(person) {
			return 0
		}
		if m, ok := known.Load(person); ok {
			return m.(policy.Methods)
		}
		m := policy.MethodPassword
		list, err := a.Factors.List(ctx, person)
		if err != nil {
			return 0 // unknown is a no
		}
		for _, f := range list {
			switch f.Kind {
			case factor.KindTOTP:
				m |= policy.MethodSoftwareOath
			case factor.KindPasskey:
				m |= policy.MethodFIDO2
			}
		}
		known.Store(person, m)
		return m
	}
}

// grantedNow finds what a password program has of its owner today.
func (a *api) grantedNow() func(*signin.Event) policy.Methods {
	if a.Approvals == nil {
		return nil
	}
	return func(e *signin.Event) policy.Methods { return a.Approvals.Methods(knockOf(e)) }
}

// groupsNow finds, each once, the groups somebody is in today.
func (a *api) groupsNow(r *http.Request) func(string) ([]string, bool) {
	type found struct {
		groups []string
		known  bool
	}
	var known sync.Map
	ctx := r.Context()
	return func(person string) ([]string, bool) {
		if x, ok := known.Load(person); ok {
			f := x.(found)
			return f.groups, f.known
		}
		var f found
		if _, err := a.Store.Person(ctx, person); err == nil {
			groups, err := a.Store.GroupsOf(ctx, person)
			f = found{groups, err == nil}
		}
		known.Store(person, f)
		return f.groups, f.known
	}
}
