package discovery

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func handler() http.Handler {
	h := New(Options{Site: whole})
	return h.Before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("portal")) }))
}

func ask(h http.Handler, method, url string, body io.Reader, head ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, body)
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhatIsServedWhere(t *testing.T) {
	const door = "https://door.example.org"
	const config, config2 = autoconfigWellKnown, autoconfigPath
	for _, c := range []struct {
		url    string
		status int
		has    string
	}{
		{door + config + "?emailaddress=mary@example.org", 200, `<emailProvider id="example.org">`},
		{door + config + "?emailaddress=mary%40B%C3%BCcher.example", 200, `<emailProvider id="xn--bcher-kva.example">`},
		{door + config, 200, `<emailProvider id="example.org">`},
		{door + config + "?emailaddress=mary@example.com", 404, ""},
		{door + config + "?emailaddress=@example.org", 404, ""},
		{door + config + "?emailaddress=example.org", 404, ""},
		{door + config + "?emailaddress=", 404, ""},
		{door + config + "?emailaddress=" + strings.Repeat("a", maxAddress) + "@example.org", 404, ""},
		{door + config + "?emailaddress=" + strings.Repeat("a", maxQuery), 414, ""},
		{"https://autoconfig.example.org" + config2 + "?emailaddress=mary@example.org", 200, `<emailProvider id="example.org">`},
		{"https://AutoConfig.Example.ORG.:443" + config2, 200, `<emailProvider id="example.org">`},
		{"https://autoconfig.example.org" + config2 + "?emailaddress=mary@xn--bcher-kva.example", 200, `<emailProvider id="xn--bcher-kva.example">`},
		{"https://autoconfig.example.com" + config2, 404, ""},
		{"https://example.org" + config, 200, `<emailProvider id="example.org">`},
		{"https://192.0.2.1" + config, 404, ""},
		{"https://ua-auto-config.example.org" + paccPath, 200, `"issuer": "https://door.example.org"`},
		{"https://ua-auto-config.example.com" + paccPath, 404, ""},
		{door + paccPath, 200, `"issuer": "https://door.example.org"`},
		{door + autodiscoverJSON + "?Email=mary@example.org&Protocol=AutodiscoverV1", 200, `"Url": "https://door.example.org/autodiscover/autodiscover.xml"`},
		{door + "/Autodiscover/AutoDiscover.JSON?email=mary@example.org&protocol=autodiscoverv1", 200, `"Protocol": "AutodiscoverV1"`},
		{door + "/autodiscover/autodiscover.json/v1.0/mary@example.org?Protocol=AutodiscoverV1&RedirectCount=1", 200, `"Protocol": "AutodiscoverV1"`},
		{door + "/autodiscover/autodiscover.json/v1.0/mary@example.com?Protocol=AutodiscoverV1", 404, `"ErrorCode": "UserNotFound"`},
		{door + "/autodiscover/autodiscover.json/v1.0/?Protocol=AutodiscoverV1", 200, "portal"},
		{door + autodiscoverJSON + "?Email=mary@example.org&Protocol=ActiveSync", 400, `The given protocol value 'ActiveSync' is invalid. Supported values are 'AutodiscoverV1'`},
		{door + autodiscoverJSON + "?Email=mary@example.org&Protocol=%3Cscript%3E" + strings.Repeat("a", 100), 400, `'script` + strings.Repeat("a", maxWord-6) + `'`},
		{door + autodiscoverJSON + "?Email=mary@example.org", 400, `"ErrorCode": "MandatoryParameterMissing"`},
		{door + autodiscoverJSON + "?Protocol=AutodiscoverV1", 400, `"ErrorCode": "MandatoryParameterMissing"`},
		{door + addOnPath, 200, `"useExternalBrowser": false`},
		{door + addOnPath + "?browser=system", 200, `"useExternalBrowser": true`},
		{door + policiesPath + "?browser=system", 200, `/thunderbird.xpi?browser=system"`},
		{door + fairEmailPath, 200, `domain="example\.org"`},
		{door + fairEmailPath + "?domain=xn--bcher-kva.example", 200, `domain="xn--bcher-kva\.example"`},
		{door + fairEmailPath + "?domain=example.com", 404, ""},
		{door + customIdPPath, 200, `"providers"`},
		{door + "/", 200, "portal"},
		{door + "/autodiscover/other.xml", 200, "portal"},
		{door + "/autod\u0130scover/autodiscover.json", 200, "portal"},
		{"https://autoconfig.example.org/", 404, ""},
		{"https://autodiscover.example.org/signin", 404, ""},
		{"https://autoconfig.example.com/", 200, "portal"},
	} {
		w := ask(handler(), http.MethodGet, c.url, nil)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s: %d\n%s", c.url, w.Code, w.Body)
		}
		if w.Code == 200 && w.Body.String() != "portal" && (w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") == "" || w.Header().Get("Content-Type") == "") {
			t.Errorf("%s: %v", c.url, w.Header())
		}
	}
}

// Whoever asks about somebody who has a mailbox and about somebody who has none
// is told the same: nothing looks anybody up.
func TestNobodyLearnsWhoHasAMailbox(t *testing.T) {
	s := whole()
	for _, form := range []string{autoconfigWellKnown + "?emailaddress=%s@example.org", autodiscoverJSON + "?Email=%s@example.org&Protocol=AutodiscoverV1"} {
		one, other := ask(handler(), "GET", s.URL+strings.Replace(form, "%s", "mary", 1), nil), ask(handler(), "GET", s.URL+strings.Replace(form, "%s", "nobody%00", 1), nil)
		if one.Code != 200 || other.Code != one.Code || !bytes.Equal(one.Body.Bytes(), other.Body.Bytes()) {
			t.Errorf("%s: %d %s and %d %s", form, one.Code, one.Body, other.Code, other.Body)
		}
	}
	one, other := ask(handler(), "POST", s.URL+autodiscoverXML, request("mary@example.org", outlookSchema)), ask(handler(), "POST", s.URL+autodiscoverXML, request("nobody@example.org", outlookSchema))
	if one.Code != 200 || strings.ReplaceAll(other.Body.String(), "nobody", "mary") != one.Body.String() {
		t.Errorf("%s and %s", one.Body, other.Body)
	}
}

func TestMethods(t *testing.T) {
	for path, method := range map[string]string{autoconfigWellKnown: "GET", paccPath: "GET", addOnPath: "GET", policiesPath: "GET", fairEmailPath: "GET", customIdPPath: "GET", autodiscoverJSON: "GET", "/AUTODISCOVER/Autodiscover.xml": "POST"} {
		for _, m := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
			w := ask(handler(), m, "https://door.example.org"+path, strings.NewReader("a"))
			if allowed := m == method || m == "HEAD" && method == "GET"; (w.Code == 405) == allowed || w.Code == 405 && !strings.Contains(w.Header().Get("Allow"), method) {
				t.Errorf("%s %s: %d %v", m, path, w.Code, w.Header())
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s lets other sites read", m, path)
			}
		}
	}
}

func TestPACCIsAskedForAgain(t *testing.T) {
	const url = "https://ua-auto-config.example.org" + paccPath
	w := ask(handler(), "GET", url, nil)
	tag := w.Header().Get("ETag")
	if want := Digest(w.Body.Bytes()); tag != `"`+want[strings.Index(want, "d=")+2:]+`"` {
		t.Errorf("the tag is %s, the digest %s", tag, want)
	}
	for header, status := range map[string]int{tag: 304, `"a", W/` + tag: 304, "*": 304, `"a"`: 200, "": 200} {
		if w := ask(handler(), "GET", url, nil, "If-None-Match", header); w.Code != status || (w.Body.Len() > 0) != (status == 200) || w.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match: %s gives %d, %d bytes", header, w.Code, w.Body.Len())
		}
	}
}

// A site that has nothing yet, or a name that somebody made up.
func TestNoSiteNoDocument(t *testing.T) {
	h := New(Options{Site: func() Site { return Site{} }})
	for path, p := range h.pages {
		var body io.Reader
		if p.method == "POST" {
			body = request("mary@example.org", outlookSchema)
		}
		w := ask(h, p.method, "https://door.example.org"+path+"?Email=mary@example.org&Protocol=AutodiscoverV1&emailaddress=mary@example.org", body)
		if w.Code != 404 && !strings.Contains(w.Body.String(), "<ErrorCode>500</ErrorCode>") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestTheBodyIsBounded(t *testing.T) {
	endless := &endlessReader{}
	w := ask(handler(), "POST", "https://door.example.org"+autodiscoverXML, endless)
	if !strings.Contains(w.Body.String(), "<ErrorCode>600</ErrorCode>") || endless.read > 2*maxAutodiscover {
		t.Errorf("%d bytes were read: %s", endless.read, w.Body)
	}
}

type endlessReader struct{ read int }

func (e *endlessReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}
