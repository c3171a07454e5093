package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// office is a site with an issuer of its own, and a network of many computers
// that people and their programs come to it from: what the door bounds per source
// is not what these tests are about.
type office struct {
	*site
	origin string
	http   *http.Client
	next   atomic.Uint32 // computer
}

// mailProgram waits for its answer on the device that it runs on, where nobody
// ever listens.
var mailProgram = &waiter{origin: "http://127.0.0.1:1"}

func startOffice(t testing.TB, o doorOptions, people ...string) *office {
	t.Helper()
	all := map[string]string{}
	for _, p := range people {
		all[p] = password
	}
	o.Portal = true
	s := startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: all, Door: o})
	for _, p := range people {
		s.do(t, "user", "add", p)
	}
	f := &office{site: s, origin: "https://localhost:" + portOf(s.Public)}
	f.http = f.computers(t)
	return f
}

// computer is another one of the network.
func (f *office) computer() netip.Addr {
	return netip.AddrFrom4([4]byte{127, 20, 0, byte(2 + f.next.Add(1)%250)})
}

// computers is a client of HTTP each of whose requests comes from another computer.
func (f *office) computers(t testing.TB) *http.Client {
	c := f.door.http(t)
	w := c.Transport.(*http.Transport)
	w.DisableKeepAlives = true
	w.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: f.computer().AsSlice()}}
		return d.DialContext(ctx, network, f.Public)
	}
	return c
}

// reply is what an endpoint for programs answers.
type reply struct {
	status     int
	retryAfter string
	Access     string `json:"access_token"`
	Refresh    string `json:"refresh_token"`
	Error      string `json:"error"`
	Text       string `json:"error_description"`
	Device     string `json:"device_code"`
	User       string `json:"user_code"`
}

// String leaves the tokens out.
func (a reply) String() string { return fmt.Sprintf("%d %s %q", a.status, a.Error, a.Text) }

// ok says that it gave tokens.
func (a reply) ok() bool { return a.status == http.StatusOK && a.Access != "" && a.Error == "" }

// ended says that it told a program to throw its tokens away.
func (a reply) ended() bool {
	return a.status == http.StatusBadRequest && a.Error == "invalid_grant" && a.Access == "" && a.Refresh == ""
}

// away says that it told a program to come again with the same.
func (a reply) away() bool {
	return a.status == http.StatusServiceUnavailable && a.Error == "temporarily_unavailable" && a.retryAfter != "" && a.Access == ""
}

// ask sends a program's form, by pairs of name and value.
func (f *office) ask(c *http.Client, path string, pairs ...string) (a reply, err error) {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r, err := c.PostForm(f.origin+path, form)
	if err != nil {
		return a, err
	}
	defer r.Body.Close()
	a.status, a.retryAfter = r.StatusCode, r.Header.Get("Retry-After")
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		return a, fmt.Errorf("%s: %s: %w", path, r.Status, err)
	}
	return a, nil
}

const tokenPath = "/oauth2/token"

func codeForm(client, code string) []string {
	return []string{"grant_type", "authorization_code", "client_id", client, "code", code, "redirect_uri", mailProgram.origin + "/", "code_verifier", pkceVerifier}
}

func refreshForm(client, token string) []string {
	return []string{"grant_type", "refresh_token", "client_id", client, "refresh_token", token}
}

func deviceForm(code string) []string {
	return []string{"grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", deviceProgram, "device_code", code}
}

// token asks for tokens; it must be answered.
func (f *office) token(t testing.TB, form []string) reply {
	t.Helper()
	a, err := f.ask(f.http, tokenPath, form...)
	check(t, err)
	return a
}

func (f *office) redeem(t testing.TB, client, code string) reply {
	t.Helper()
	return f.token(t, codeForm(client, code))
}

func (f *office) refresh(t testing.TB, client, token string) reply {
	t.Helper()
	return f.token(t, refreshForm(client, token))
}

func (f *office) poll(t testing.TB, device string) reply {
	t.Helper()
	return f.token(t, deviceForm(device))
}

// mustGive is an answer that has to have tokens.
func (f *office) mustGive(t testing.TB, when string, a reply) reply {
	t.Helper()
	if !a.ok() || a.Refresh == "" {
		t.Fatalf("%s: %v", when, a)
	}
	return a
}

// seat is somebody's browser in the office.
func (f *office) seat(t testing.TB) *visitor {
	t.Helper()
	v := f.visitor(t, f.origin)
	v.Transport = f.computers(t).Transport
	return v
}

// code has somebody say yes to a program, signing in if they have to.
func (f *office) code(t testing.TB, v *visitor, who, client string) string {
	t.Helper()
	to := v.follow(mailProgram.asks(client), &person{address: who, password: password})
	code, err := codeOf(to.URL)
	if err != nil {
		t.Fatalf("%s for %s: %v, at %s (%d):\n%s", who, client, err, v.at, v.status, v.text())
	}
	return code
}

func codeOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	if code := u.Query().Get("code"); code != "" && strings.HasPrefix(address, mailProgram.origin) {
		return code, nil
	}
	return "", errors.New("no code: " + u.Query().Get("error") + " " + u.Query().Get("error_description"))
}

// connect has somebody connect a program.
func (f *office) connect(t testing.TB, v *visitor, who, client string) reply {
	t.Helper()
	return f.mustGive(t, who+" connects a program", f.redeem(t, client, f.code(t, v, who, client)))
}

// device is a device's code, approved by somebody if there is somebody to.
func (f *office) device(t testing.TB, v *visitor, who string) string {
	t.Helper()
	a, err := f.ask(f.http, "/oauth2/device", "client_id", deviceProgram, "scope", programScopes)
	check(t, err)
	if a.Device == "" {
		t.Fatalf("no code for a device: %v", a)
	}
	if v == nil {
		return a.Device
	}
	v.open("/device?user_code=" + url.QueryEscape(a.User))
	if v.offers("/signin") {
		v.send("/signin", "address", who, "password", password)
	}
	v.send("/device")
	v.send("/device/allow")
	if v.status != http.StatusOK {
		t.Fatalf("a device was not approved, at %s (%d):\n%s", v.at, v.status, v.text())
	}
	return a.Device
}

// opens says whether a token opens somebody's mailbox, from the office.
func (f *office) opens(t testing.TB, who, token string) (bool, string) {
	t.Helper()
	k, err := f.knock("imap", f.computer())
	check(t, err)
	defer k.Close()
	answer, err := k.bearing(who, token)
	check(t, err)
	if !in(answer) {
		return false, answer
	}
	answer, _, err = k.say("a SELECT INBOX") // which Dovecot answers, and not the door
	check(t, err)
	return in(answer), answer
}

// grantOf is the only grant that somebody gave.
func (f *office) grantOf(t testing.TB, who string) string {
	t.Helper()
	list := strings.Split(strings.TrimSpace(f.do(t, "session", "list", "--grants", "--user", who)), "\n")
	if id := strings.Fields(list[0]); len(list) == 1 && len(id) > 0 {
		return id[0]
	}
	t.Fatalf("%s did not give one grant:\n%s", who, strings.Join(list, "\n"))
	return ""
}

// counted is how often each grant was used by a mechanism, as the log says.
func (f *office) counted(t testing.TB, who, mechanism string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, e := range f.signIns(t, fmt.Sprintf("user eq %q and code eq %q", who, "PR0")) {
		if e.Portreeve.Mechanism == mechanism {
			all[strings.TrimPrefix(e.Portreeve.Grant, "oauth:")] += e.Portreeve.Count
		}
	}
	return all
}
