package client

import (
	"testing"

	"github.com/portreeve/portreeve/internal/scope"
)

func TestWhoStays(t *testing.T) {
	code, refresh := []string{GrantCode}, []string{GrantCode, GrantRefresh}
	for _, c := range []struct {
		public bool
		grants []string
		scope  string
		stays  bool
	}{
		{true, refresh, "imap", true},
		{true, refresh, "openid email", false},
		{true, refresh, "openid offline_access", true},
		{false, refresh, "imap", false},
		{false, refresh, "imap offline_access", true},
		{true, code, "imap offline_access", false},
		{true, nil, "imap", false},
	} {
		asked, err := scope.Parse(c.scope)
		if err != nil {
			t.Fatal(err)
		}
		program := Client{Public: c.public, Grants: c.grants}
		if program.Stays(asked) != c.stays {
			t.Errorf("public %t, %v, %q: %t", c.public, c.grants, c.scope, !c.stays)
		}
	}
}
