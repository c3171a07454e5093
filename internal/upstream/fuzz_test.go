package upstream

import (
	"net/url"
	"strings"
	"testing"
)

func FuzzOwnPath(f *testing.F) {
	for _, s := range []string{"/", "/a?b=c#d", "//evil.example", "/\\evil.example", "/%2f%2fevil.example", "/\tx", "https://evil.example/", "/\u2028x"} {
		f.Add(s)
	}
	base, _ := url.Parse("https://door.example.org/signin")
	f.Fuzz(func(t *testing.T, s string) {
		got := ownPath(s)
		if got == "" {
			return
		}
		u, err := base.Parse(strings.ReplaceAll(got, `\`, "/")) // as browsers read it
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || got != s {
			t.Errorf("%q leads to %v, %v", s, u, err)
		}
	})
}

// FuzzLogout: whatever is posted, nobody is asked and nothing ends.
func FuzzLogout(f *testing.F) {
	o, p := corp(f)
	good := signed(p.key, object{"alg": "ES256", "kid": "k"}, p.logoutToken())
	for _, s := range []string{"", "..", good[:len(good)-2], encode(object{"alg": "none"}) + "." + encode(p.logoutToken()) + ".", "a.eyJpc3MiOjF9.b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if raw == good {
			return
		}
		if err := o.Logout(t.Context(), []byte(raw)); codeOf(err) < 0 {
			t.Errorf("%q: %v", raw, err)
		}
	})
}
