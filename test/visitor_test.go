package test

import (
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"context"
	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"
)

// visitor is a browser without a screen at the door's own pages: it keeps
// cookies, goes where it is sent, and sends the forms that pages have.
type visitor struct {
	*http.Client
	testing.TB
	origin string
	at     *url.URL // where it has come to
	status int
	page   *html.Node
	away   *url.URL // where it was sent that is no page of ours
}

// visitor is one that comes from loopback. The door has the given origin.
func (d *door) visitor(t testing.TB, origin string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	v := &visitor{TB: t, origin: origin}
	v.Client = d.http(t)
	v.Jar = jar
	v.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), origin+"/") {
			v.away = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	return v
}

// http is a client of HTTP that trusts the door's authority; whatever host it is
// to go to, it comes to the door's public pages.
func (d *door) http(t testing.TB) *http.Client {
	t.Helper()
	tls := d.tls()
	tls.ServerName = ""
	transport := &http.Transport{TLSClientConfig: tls, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, d.Public)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Timeout: 60 * time.Second, Transport: transport}
}

// open goes to an address, or to a path of the door's.
func (v *visitor) open(to string) {
	v.Helper()
	if strings.HasPrefix(to, "/") {
		to = v.origin + to
	}
	v.read(v.Get(to))
}

func (v *visitor) read(r *http.Response, err error) {
	v.Helper()
	check(v.TB, err)
	defer r.Body.Close()
	v.at, v.status = r.Request.URL, r.StatusCode
	v.page, err = html.Parse(io.LimitReader(r.Body, 1<<20))
	check(v.TB, err)
}

// send sends the form of an action with what somebody typed; whatever else it has
// goes along as it is.
func (v *visitor) send(action string, typed ...string) {
	v.Helper()
	v.away = nil
	form := v.form(action)
	if form == nil {
		v.Fatalf("no form for %s at %s (%d):\n%s", action, v.at, v.status, v.text())
	}
	values := untouched(form)
	for i := 0; i < len(typed); i += 2 {
		values.Set(typed[i], typed[i+1])
	}
	to, err := v.at.Parse(attribute(form, "action"))
	check(v.TB, err)
	if attribute(form, "method") == "post" {
		r, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(values.Encode()))
		check(v.TB, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", v.origin)
		v.read(v.Do(r))
		return
	}
	to.RawQuery = values.Encode()
	v.read(v.Get(to.String()))
}

// goes is the path that a form is sent to.
func goes(form *html.Node) string {
	path, _, _ := strings.Cut(attribute(form, "action"), "?")
	return path
}

// untouched is what a form holds before anybody types.
func untouched(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		name, kind := attribute(n, "name"), attribute(n, "type")
		switch {
		case name == "" || n.Data == "input" && slices.Contains([]string{"checkbox", "radio"}, kind) && !has(n, "checked"):
		case n.Data == "input":
			values.Set(name, attribute(n, "value"))
		}
	}
	return values
}

// text is what the page says.
func (v *visitor) text() string {
	if v.page == nil {
		return ""
	}
	var all strings.Builder
	for n := range v.page.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			if s := strings.TrimSpace(n.Data); s != "" {
				all.WriteString(s + "\n")
			}
		}
	}
	return all.String()
}

// of is the text of the first element of a class.
func (v *visitor) of(class string) string {
	n := first(v.page, func(n *html.Node) bool { return slices.Contains(strings.Fields(attribute(n, "class")), class) })
	if n == nil || n.FirstChild == nil {
		v.Fatalf("nothing of class %s at %s (%d):\n%s", class, v.at, v.status, v.text())
	}
	return strings.TrimSpace(n.FirstChild.Data)
}

func first(page *html.Node, wanted func(*html.Node) bool) *html.Node {
	for n := range page.Descendants() {
		if n.Type == html.ElementNode && wanted(n) {
			return n
		}
	}
	return nil
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// telephone is an authenticator app: it shows codes, each of which works once.
type telephone struct {
	seed string
	last int64 // the step of the last one shown
}

const codeStep = 30 // seconds

// code waits for one that was not shown yet.
func (p *telephone) code(t testing.TB) string {
	t.Helper()
	now := time.Now().Unix() / codeStep
	at := max(now, p.last+1)
	for at > time.Now().Unix()/codeStep+1 { // one step of drift is let pass
		time.Sleep(100 * time.Millisecond)
	}
	p.last = at
	code, err := totp.GenerateCode(p.seed, time.Unix(at*codeStep, 0))
	check(t, err)
	return code
}

// enrol signs somebody in with a pass and sets up an app.
func (v *visitor) enrol(d *door, person string) *telephone {
	v.Helper()
	pass := d.use(strings.TrimSpace(d.do(v, "pass", "issue", person)))
	v.open("/signin/pass")
	v.send("/signin/pass", "address", person, "pass", pass)
	if v.at.Path != "/security" {
		v.Fatalf("with a pass they came to %s (%d):\n%s", v.at, v.status, v.text())
	}
	v.send("/security/app")
	phone := &telephone{seed: d.use(v.of("secret"))}
	v.send("/security/app/confirm", "code", phone.code(v))
	return phone
}

// form is the page's form for an action; what stands around the page may have one
// for the same. nil: there is none.
func (v *visitor) form(action string) *html.Node {
	if main := first(v.page, func(n *html.Node) bool { return n.Data == "main" }); main != nil {
		return first(main, func(n *html.Node) bool { return n.Data == "form" && goes(n) == action })
	}
	return nil
}

// offers says that the page has a form for an action.
func (v *visitor) offers(action string) bool {
	return v.page != nil && v.form(action) != nil
}

// person is somebody who signs in at our pages.
type person struct {
	address, password string
	phone             *telephone
}

// answer is where a browser is sent back to, and the form that it takes there.
type answer struct {
	URL  string `json:"url"`
	Form string `json:"form,omitempty"`
}

// follow goes where a program sends people, does what a person does there, and
// returns where that leads in the end.
func (v *visitor) follow(to string, p *person) answer {
	v.Helper()
	v.away = nil
	v.open(to)
	for range 10 {
		switch {
		case v.away != nil:
			return answer{URL: v.away.String()}
		case v.onward() != nil:
			return *v.onward()
		case v.offers("/connect/allow"):
			v.send("/connect/allow")
		case v.offers("/device/allow"):
			v.send("/device/allow")
		case v.offers("/device"):
			v.send("/device")
		case v.offers("/signin/factor"):
			v.send("/signin/factor", "code", p.phone.code(v))
		case v.offers("/confirm"):
			v.send("/confirm", "code", p.phone.code(v))
		case v.offers("/signin"):
			v.send("/signin", "address", p.address, "password", p.password)
			if v.status == http.StatusServiceUnavailable { // a mail server on a crowded machine
				time.Sleep(time.Second)
			}
		case v.at.Path == "/signout" && v.offers("/signout"):
			v.send("/signout")
		default:
			return answer{URL: v.at.String()}
		}
	}
	v.Fatalf("%s leads nowhere; it came to %s (%d):\n%s", to, v.at, v.status, v.text())
	return answer{}
}

// onward is where a page leads back to a program; nil: it does not.
func (v *visitor) onward() *answer {
	if n := first(v.page, func(n *html.Node) bool { return has(n, "data-onward") }); n != nil {
		return &answer{attribute(n, "action"), untouched(n).Encode()}
	}
	n := first(v.page, func(n *html.Node) bool {
		return n.Data == "a" && attribute(n, "rel") == "noreferrer" && slices.Contains(strings.Fields(attribute(n, "class")), "button")
	})
	if n == nil {
		return nil
	}
	return &answer{URL: attribute(n, "href")}
}
