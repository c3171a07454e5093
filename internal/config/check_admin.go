package config

import (
	"fmt"

	"github.com/portreeve/portreeve/internal/name"
)

// administration checks where administrators are heard.
func (k *checker) administration() {
	a := k.c.Admin
	if !a.Address.IsValid() {
		if len(a.Names) > 0 || len(a.From) > 0 {
			k.wrong("/admin", "names and from are the HTTPS listener's: give it an address")
		}
		return
	}
	for i, n := range a.Names {
		if _, err := name.Domain(n); err != nil && n != "localhost" {
			k.wrong(fmt.Sprintf("/admin/names/%d", i), "%q is no host name", n)
		}
	}
	if k.c.Public.Address == a.Address && a.Address.Port() != 0 {
		k.wrong("/admin/address", "the public listener has this address")
	}
	for _, l := range k.c.Listeners {
		if l.Address == a.Address && a.Address.Port() != 0 {
			k.wrong("/admin/address", "the listener %s has this address", l.Name)
		}
	}
}
