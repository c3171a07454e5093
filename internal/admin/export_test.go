package admin

import "github.com/portreeve/portreeve/internal/admintoken"

// Scopes are what each route needs, "" what is heard over the socket alone.
func Scopes() map[string]admintoken.Scope {
	all := map[string]admintoken.Scope{}
	for pattern, x := range resources {
		all[pattern] = x.scope
	}
	return all
}

// Routes lists every route that there is, Graph's once.
func Routes() (all []string) {
	(&api{}).routes(func(prefix, pattern string, _ handler) {
		if prefix != "/beta" {
			all = append(all, pattern)
		}
	})
	return all
}

// Formed says which routes the OpenAPI document knows the form of.
func Formed() map[string]bool {
	all := map[string]bool{}
	for pattern := range forms {
		all[pattern] = true
	}
	return all
}
