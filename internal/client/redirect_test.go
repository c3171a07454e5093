package client

import (
	"net/url"
	"strings"
	"testing"
)

func TestWhereAnswersAreSent(t *testing.T) {
	programs := map[string]Client{
		"mail":      builtin[0],
		"fairemail": builtin[3],
		"jmap":      {Redirects: []string{"http://127.0.0.1/callback", "org.example.jmap://auth", "http://127.0.0.1:8080/q?a=b"}},
		"web":       {Redirects: []string{"https://mail.example.org/oauth", "https://localhost/x"}},
	}
	for _, c := range []struct {
		program, asked string
		ok             bool
	}{
		{"mail", "http://127.0.0.1:49152", true},
		{"mail", "http://127.0.0.1:1/", true},
		{"mail", "http://127.0.0.1", true},
		{"mail", "http://[::1]:65535/", true},
		{"mail", "http://localhost:8080", true},
		{"mail", "https://localhost", true},
		{"mail", "https://localhost/", true},
		{"mail", "https://localhost:443", false},
		{"mail", "https://127.0.0.1/", false},
		{"mail", "http://127.0.0.1:49152/other", false},
		{"mail", "http://127.0.0.1:49152/?a", false},
		{"mail", "http://127.0.0.1:49152//", false},
		{"mail", "http://127.0.0.2:49152", false},
		{"mail", "http://127.1", false},
		{"mail", "http://0x7f000001", false},
		{"mail", "http://2130706433", false},
		{"mail", "http://[0:0:0:0:0:0:0:1]", false},
		{"mail", "http://[::1%25lo]", false},
		{"mail", "http://[::ffff:127.0.0.1]", false},
		{"mail", "http://localhost.", false},
		{"mail", "http://localhost.evil.example", false},
		{"mail", "http://127.0.0.1.evil.example", false},
		{"mail", "http://127.0.0.1:80@evil.example", false},
		{"mail", "http://user@127.0.0.1", false},
		{"mail", `http://127.0.0.1\@evil.example`, false},
		{"mail", "http://127.0.0.1#x", false},
		{"mail", "http://127.0.0.1:0", false},
		{"mail", "http://127.0.0.1:080", false},
		{"mail", "http://127.0.0.1:65536", false},
		{"mail", "http://127.0.0.1:", false},
		{"mail", "HTTP://127.0.0.1", false},
		{"mail", "http:127.0.0.1", false},
		{"mail", "http:/127.0.0.1", false},
		{"mail", "http:///127.0.0.1", false},
		{"mail", " http://127.0.0.1", false},
		{"mail", "http://127.0.0.1\n", false},
		{"mail", "http://127.0.0.1\t:80", false},
		{"mail", "http://１２７.0.0.1", false},
		{"mail", "http://LOCALHOST", false},
		{"mail", "urn:ietf:wg:oauth:2.0:oob", false},
		{"mail", "", false},
		{"fairemail", "eu.faircode.email:/", true},
		{"fairemail", "eu.faircode.email:/x", false},
		{"fairemail", "eu.faircode.email://", false},
		{"fairemail", "EU.faircode.email:/", false},
		{"fairemail", "http://127.0.0.1", false},
		{"jmap", "http://127.0.0.1:5/callback", true},
		{"jmap", "http://127.0.0.1:5/callback/", false},
		{"jmap", "http://127.0.0.1:5/Callback", false},
		{"jmap", "http://127.0.0.1:5/x/../callback", false},
		{"jmap", "http://localhost:5/callback", false},
		{"jmap", "http://127.0.0.1:5/q?a=b", true},
		{"jmap", "http://127.0.0.1:5/q?a=b&c", false},
		{"jmap", "org.example.jmap://auth", true},
		{"jmap", "org.example.jmap://auth/", false},
		{"web", "https://mail.example.org/oauth", true},
		{"web", "https://mail.example.org:443/oauth", false},
		{"web", "https://mail.example.org/oauth/", false},
		{"web", "http://mail.example.org/oauth", false},
		{"web", "https://localhost/x", true},
		{"web", "https://localhost", false},
	} {
		p := programs[c.program]
		exact, ok := p.Redirect(c.asked)
		if ok != c.ok || exact != c.asked {
			t.Errorf("%s at %q: %v, %q", c.program, c.asked, ok, exact)
		}
	}
}

func TestAddressesThatNobodyMayHave(t *testing.T) {
	for _, bad := range []string{
		"javascript:alert(1)", "javascript://a.b/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "blob:https://a.example/x", "about:blank", "mailto:a", "ftp://a.example/",
		"mail:/done", ".:/", "a.:/", ".a:/", "a..b:/", "com.example:", "com.example:done", "com.example:/../x", "com.example:/%2E%2e/x", "com.example://a b/", "com.example://a:99999/",
		"com.example:/<script>", "com.example:/\"", "com.example:/'", "com.example:/\u202e", "com.example:/é", "com.example:/%zz", "com.example:/%0", "com.example:/#f", "com.example:/[x]",
		"http://evil.example/", "http://10.0.0.1/", "https:///x", "https://", "https://a.example\\b", "https://a_b.example/", "https://-a.example/", "https://a..example/", "https://127.0.0.1/",
		"https://0x7f.1/", "https://1.2.3/", "https://[::1]/", "https://a.example:99999/", "https://a.example/./x", "https://a.example/?a?b", "https://a%2eexample/",
		"https://" + strings.Repeat("a", 64) + ".example/", "https://a.example/" + strings.Repeat("a", maxRedirect),
	} {
		if _, fault := parseAddress(bad); fault == "" {
			t.Errorf("%q passed", bad)
		}
		c := Client{Redirects: []string{bad}}
		if _, ok := c.Redirect(bad); ok {
			t.Errorf("%q is answered, since it is in the table", bad)
		}
	}
	for _, good := range []string{"com.example.mail:/done", "com.example://auth/x?y=z", "https://a.example", "https://a.example:8443/x;y=(z)?a=%20", "https://203.0.113.9/", "https://xn--bcher-kva.example/"} {
		if _, fault := parseAddress(good); fault != "" {
			t.Errorf("%q: %s", good, fault)
		}
	}
}

// What passes leads to one place, whoever reads it.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:80/a?b=c", "https://a.example/%2e/x", "com.example:/x", "http://[::1]", "com.example://a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, fault := parseAddress(s)
		if fault != "" {
			return
		}
		u, err := url.Parse(s)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if u.User != nil || u.Fragment != "" || u.Opaque != "" || u.Scheme != a.scheme || strings.ContainsAny(s, "\\#@ '\"<>") || strings.ToLower(u.Host) != u.Host && a.sort != private {
			t.Errorf("%q was read as %+v and %+v", s, a, u)
		}
		switch a.sort {
		case loopback:
			if h := u.Hostname(); u.Scheme != "http" || h != "127.0.0.1" && h != "::1" && h != "localhost" {
				t.Errorf("%q is taken for an address of this host", s)
			}
		case private:
			if !strings.Contains(u.Scheme, ".") {
				t.Errorf("%q has no dot in its scheme", s)
			}
		default:
			if u.Scheme != "https" || u.Hostname() != a.host {
				t.Errorf("%q was read as %+v", s, a)
			}
		}
		if clean := u.JoinPath(); u.Path != "" && a.sort != private && strings.Contains(u.EscapedPath(), "..") && clean.Path != u.Path && !strings.Contains(u.Path, "//") {
			t.Errorf("%q is tidied to %q", s, clean)
		}
	})
}
