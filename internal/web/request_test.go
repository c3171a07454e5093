package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestOnlyOurProxiesSayWhoABrowserIs(t *testing.T) {
	ours := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, c := range []struct{ peer, said, want string }{
		{"192.0.2.1:5", "", "192.0.2.1:5"},
		{"192.0.2.1:5", "198.51.100.7", "192.0.2.1:5"},
		{"10.0.0.1:5", "198.51.100.7", "198.51.100.7:0"},
		{"[2001:db8:1::1]:5", "2001:db8:9::7", "[2001:db8:9::7]:0"},
		{"10.0.0.1:5", "[2001:db8:9::7]:4000", "[2001:db8:9::7]:0"},
		{"10.0.0.1:5", "198.51.100.7:4000", "198.51.100.7:0"},
		{"10.0.0.1:5", "203.0.113.66, 198.51.100.7", "198.51.100.7:0"},           // the first is what the client said
		{"10.0.0.1:5", "203.0.113.66, 198.51.100.7, 10.0.0.2", "198.51.100.7:0"}, // through two proxies
		{"10.0.0.1:5", "10.0.0.9, 10.0.0.2", "10.0.0.9:0"},                       // a browser in our own network
		{"10.0.0.1:5", "nonsense", "10.0.0.1:5"},
		{"10.0.0.1:5", "nonsense, 198.51.100.7", "198.51.100.7:0"},
		{"10.0.0.1:5", "198.51.100.7, nonsense", "10.0.0.1:5"},
		{"10.0.0.1:5", strings.Repeat("10.0.0.2,", 1000) + "198.51.100.7", "198.51.100.7:0"},
		{"10.0.0.1:5", "::ffff:198.51.100.7", "198.51.100.7:0"},
	} {
		var got, left string
		h := Forwarded(ours, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got, left = r.RemoteAddr, r.Header.Get("X-Forwarded-For")
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.said != "" {
			r.Header.Set("X-Forwarded-For", c.said)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want || left != "" {
			t.Errorf("%s says %.60q: %s (%q left), want %s", c.peer, c.said, got, left, c.want)
		}
	}
}

func TestOriginsAreCompared(t *testing.T) {
	for _, c := range []struct {
		site, origin string
		want         bool
	}{
		{"", "", true}, {"same-origin", "", true}, {"same-origin", "https://mail.test", true}, {"", "https://mail.test", true},
		{"cross-site", "", false}, {"same-site", "https://mail.test", false}, {"none", "", false}, {"", "null", false},
		{"", "http://mail.test", false}, {"", "https://mail.test:444", false}, {"", "https://mail.test.evil.example", false}, {"same-origin", "https://evil.example", false},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Host = "evil.example"
		for name, v := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
			if v != "" {
				r.Header.Set(name, v)
			}
		}
		if got := OwnOrigin(r, "https://mail.test"); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for raw, want := range map[string]string{"https://Mail.Test": "https://mail.test", "https://mail.test:443/x": "https://mail.test", "http://localhost:80": "http://localhost", "https://mail.test:8443": "https://mail.test:8443"} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := Origin(u); got != want {
			t.Errorf("%s: %s", raw, got)
		}
	}
}

func TestTokensAreTiedToABrowser(t *testing.T) {
	f, other := NewForms(), NewForms()
	id := NewID()
	if !f.Valid(id, f.Token(id)) || f.Valid(NewID(), f.Token(id)) || f.Valid(id, other.Token(id)) || f.Valid("", f.Token("")) || f.Valid("", "") || f.Valid(id, "") {
		t.Error("a token is valid where it should not be, or not where it should")
	}
	if !IDForm(id) || IDForm("") || IDForm(id[1:]) || IDForm(strings.Repeat("!", len(id))) {
		t.Error("forms of ids")
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/", "/r/7K4Q-9ZMD-2XWT", "//evil.example", "/\\evil.example", "https://evil.example", "/x?y=//z", "javascript:alert(1)", "/\t/evil.example", "/%2f/evil.example", "/..//evil.example", "/connect?request=//evil.example", "/signin?next=%2Fconnect%3Frequest%3D" + strings.Repeat("a", 600)} {
		f.Add(s)
	}
	base, _ := url.Parse("https://mail.test/signin")
	f.Fuzz(func(t *testing.T, s string) {
		got := LocalPath(s, "/")
		u, err := base.Parse(got)
		if err != nil || u.Host != "mail.test" || u.Scheme != "https" || strings.ContainsAny(got, "\\\r\n\t") || strings.HasPrefix(got, "//") {
			t.Errorf("%q leads to %q (%v)", s, got, err)
		}
	})
}

func TestWhereAFormMayGo(t *testing.T) {
	for address, want := range map[string]string{"https://rp.example/cb": "https://rp.example", "https://rp.example:8443/x": "https://rp.example:8443", "http://[::1]:99/": "http:", "https://a;script-src *.evil/": "", "https://a;frame-ancestors/": "", "com.example:/cb": ""} {
		got, ok := FormTarget(address)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %v", address, got, ok)
		}
	}
}
