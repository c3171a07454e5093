package backend

import (
	"strings"
)

// OwnPasswordOnly says whether the backend that serves an address (the one
// named, or by route) takes nothing but the person's own password, and its name.
// Then whoever shows anything else (a token, an app password) cannot be signed
// in there. Of an address that no backend serves it says nothing.
func (p *Pool) OwnPasswordOnly(address, backend string) (name string, only bool) {
	if name = backend; name == "" {
		_, domain, _ := strings.Cut(address, "@")
		if name = p.routes.Domains[strings.ToLower(domain)]; name == "" {
			name = p.routes.Default
		}
	}
	b := p.backends[name]
	return name, b != nil && b.options.Login == LoginPassword
}
