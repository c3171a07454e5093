package test

import (
	"crypto/tls"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/portreeve/portreeve/internal/mailtest"
)

const clientSecret = "hush-4711-of-the-client"

// openIDPolicies: a page needs a second factor, whoever checks it, and guests
// have no page.
const openIDPolicies = `[{"displayName": "Pages need a second factor", "state": "enabled",
  "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["browser"]},
  "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}},
 {"displayName": "No pages for guests", "state": "enabled",
  "conditions": {"users": {"includeGroups": ["guests"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["browser"]},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}]`

// openIDSite is a door whose pages people sign in to at Keycloak, before a
// Dovecot whose programs bring Keycloak's tokens.
type openIDSite struct {
	*door
	keycloak *keycloak
}

func startOpenIDSite(t *testing.T, people ...string) *openIDSite {
	t.Helper()
	k := startKeycloak(t)
	users := map[string]string{}
	for _, p := range people {
		users[p] = password
	}
	dovecot := mailtest.StartDovecot(t, mailtest.DovecotOptions{Users: users})
	dir := shortDir(t)
	cert, key := k.authority.Issue(t)
	keys, err := k.http.Get(k.URL + "/protocol/openid-connect/certs")
	check(t, err)
	defer keys.Body.Close()
	jwks, err := io.ReadAll(keys.Body)
	check(t, err)
	imaps, public := mailtest.FreeAddress(t), mailtest.FreeAddress(t)
	d := startDoor(t, doorOptions{Only: fmt.Sprintf(`
public_url: https://%[1]s
default_domain: example.org
tls: [{certificate: %[2]s, key: %[3]s}]
listeners: [{name: imaps, protocol: imap, address: "%[4]s"}]
public: {address: "%[1]s"}
backends:
  main:
    imap: {address: "%[5]s", tls: none}
    proxy: 2
    %[6]s
issuers:
  corp:
    issuer: %[7]s
    jwks_file: %[8]s
    audience: [%[9]s]
    amr: {pwd: [password], otp: [softwareOath]}
    acr: {silver: [password], gold: [password, softwareOath]}
    auth_time: true
    sign_in:
      client_id: door
      client_secret: {file: %[10]s}
      domains: [example.org]
      label: Corp
      groups_claim: groups
      groups: {/staff: staff, /guests: guests}
      acr_values: [gold]
      ca: %[11]s
refusals: {floor: 300ms}
`, public, write(t, dir, "server.pem", string(cert)), write(t, dir, "server.key", string(key)), imaps, dovecot.IMAPProxy, masterLogin,
		k.URL, write(t, dir, "jwks.json", string(jwks)), audience, write(t, dir, "secret", clientSecret), k.CA)})
	d.IMAPS, d.Public, d.CA, d.authority = imaps, public, k.CA, k.authority
	for end := time.Now().Add(doorStart); !answers(imaps) || !answers(public); time.Sleep(pollTime) {
		if time.Now().After(end) {
			t.Fatalf("the door did not open:\n%s", d.log())
		}
	}
	d.use(clientSecret)
	d.use(password)
	k.addClient(t, "door", clientSecret, "https://"+public+"/upstream/callback/corp", "https://"+public+"/upstream/backchannel")
	for _, group := range []string{"staff", "guests"} {
		d.do(t, "group", "add", group)
	}
	if out, err := d.feed(openIDPolicies, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	return &openIDSite{d, k}
}

// surfer is a browser without a screen: it keeps cookies, follows wherever it is
// sent, and fills in Keycloak's forms.
type surfer struct {
	*http.Client
	t    testing.TB
	site *openIDSite
}

func (s *openIDSite) surfer(t testing.TB) *surfer {
	jar, err := cookiejar.New(nil)
	check(t, err)
	return &surfer{&http.Client{Jar: jar, Timeout: 60 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.keycloak.authority.Pool()}},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), programRedirect) {
				return http.ErrUseLastResponse
			}
			return nil
		}}, t, s}
}

// shown is where a surfer has come to.
type shown struct {
	at     string
	status int
	text   string
	header http.Header
}

func (b *surfer) read(r *http.Response, err error) shown {
	b.t.Helper()
	check(b.t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	check(b.t, err)
	return shown{r.Request.URL.String(), r.StatusCode, string(text), r.Header}
}

func (b *surfer) open(to string) shown { b.t.Helper(); return b.read(b.Get(to)) }

var formAction = regexp.MustCompile(`action="([^"]+)"`)

// send fills in the form of a page of Keycloak's.
func (b *surfer) send(p shown, form url.Values) shown {
	b.t.Helper()
	m := formAction.FindStringSubmatch(p.text)
	if m == nil || !strings.HasPrefix(p.at, b.site.keycloak.root) {
		b.t.Fatalf("there is no form of Keycloak's at %s (%d):\n%s", p.at, p.status, p.text)
	}
	return b.read(b.PostForm(html.UnescapeString(m[1]), form))
}

// signIn signs in at Keycloak, from our page on and back.
func (b *surfer) signIn(person string, withCode bool) shown {
	b.t.Helper()
	p := b.open("https://" + b.site.Public + "/upstream/start?provider=corp&return=/signins&login_hint=" + url.QueryEscape(person))
	if !strings.Contains(p.text, `value="`+person+`"`) {
		b.t.Errorf("Keycloak was not told whom we expect:\n%s", p.text)
	}
	p = b.send(p, url.Values{"username": {person}, "password": {password}})
	if withCode {
		code, err := totp.GenerateCode(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(totpSeed)), time.Now())
		check(b.t, err)
		p = b.send(p, url.Values{"otp": {code}})
	}
	return p
}

// in says whether our pages take the browser for somebody's.
func (b *surfer) in() bool {
	p := b.open("https://" + b.site.Public + "/signins")
	return strings.HasSuffix(p.at, "/signins") && p.status == http.StatusOK
}

// programRedirect is where a mail program waits for its code.
const programRedirect = "http://127.0.0.1:1/"

// programToken is the access token that a mail program gets through the same
// browser: the person is signed in at Keycloak and asked nothing.
func (b *surfer) programToken() string {
	b.t.Helper()
	k := b.site.keycloak
	at := k.URL + "/protocol/openid-connect/"
	p := b.open(at + "auth?" + url.Values{"client_id": {"program"}, "response_type": {"code"}, "scope": {"openid email"}, "redirect_uri": {programRedirect}}.Encode())
	to, err := url.Parse(p.header.Get("Location"))
	check(b.t, err)
	r, err := k.http.PostForm(at+"token", url.Values{"grant_type": {"authorization_code"}, "client_id": {"program"}, "code": {to.Query().Get("code")}, "redirect_uri": {programRedirect}})
	check(b.t, err)
	defer r.Body.Close()
	var answer struct {
		Access string `json:"access_token"`
	}
	check(b.t, json.NewDecoder(r.Body).Decode(&answer))
	if answer.Access == "" {
		b.t.Fatalf("the program got no token: %s, at %s %d", r.Status, p.at, p.status)
	}
	return b.site.use(answer.Access)
}

// idleWith is idle with a token.
func (s *openIDSite) idleWith(t testing.TB, person, token string) *idler {
	t.Helper()
	return s.idleAfter(t, `m.authenticate('XOAUTH2', lambda _: ('user=%s\x01auth=Bearer %s\x01\x01' % (user, secret)).encode())`, person, token)
}

func (s *openIDSite) members(t testing.TB, group string) []string {
	t.Helper()
	return strings.Fields(s.do(t, "group", "show", group))
}

// TestPeopleSignInAtKeycloak: browser sign-in at a real OpenID provider, from
// the link on our page to the logout that it announces.
func TestPeopleSignInAtKeycloak(t *testing.T) {
	t.Parallel()
	const mary, gus, pia, una, otto, dora, iris, olga = "mary@example.org", "gus@example.org", "pia@example.org", "una@example.org",
		"otto@elsewhere.example", "dora@example.org", "iris@example.org", "olga@example.org"
	s := startOpenIDSite(t, mary, gus, pia, una, dora, iris, olga)
	k := s.keycloak
	k.addClient(t, "program", "", programRedirect, "")
	k.addPerson(t, mary, true, true, "/staff")
	k.addPerson(t, gus, true, true, "/guests", "/staff")
	k.addPerson(t, pia, true, false)
	k.addPerson(t, una, false, true)
	k.addPerson(t, otto, true, true)
	k.addPerson(t, dora, true, true)
	k.addPerson(t, iris, true, true)
	k.addPerson(t, olga, true, true)

	b := s.surfer(t)
	t.Run("with a code, which counts as a second factor here", func(t *testing.T) {
		b.t = t
		p := b.signIn(mary, true)
		if p.at != "https://"+s.Public+"/signins" || p.status != http.StatusOK || !b.in() {
			t.Fatalf("came to %s (%d):\n%s\n%s", p.at, p.status, p.text, s.log())
		}
		e := s.signIn(t, mary, "PR0")
		if e.Portreeve.Protocol != "portal" || e.Portreeve.Mechanism != "openid" || e.Portreeve.Outcome != "allowed" {
			t.Errorf("the log says %+v", e)
		}
		if !slices.Contains(s.members(t, "staff"), mary) {
			t.Errorf("staff are %v", s.members(t, "staff"))
		}
	})
	t.Run("whoever must confirm that it is them is asked anew at Keycloak", func(t *testing.T) {
		b.t = t
		link := regexp.MustCompile(`href="(/upstream/start[^"]*fresh=1[^"]*)"`).FindStringSubmatch(b.open("https://" + s.Public + "/confirm?next=/security").text)
		if link == nil {
			t.Fatal("the page to confirm does not lead to Keycloak")
		}
		if p := b.open("https://" + s.Public + html.UnescapeString(link[1])); !strings.HasPrefix(p.at, k.root) || !strings.Contains(p.text, `name="password"`) {
			t.Errorf("Keycloak asks nothing: %s (%d)", p.at, p.status)
		}
	})
	t.Run("groups follow Keycloak's at the next sign-in", func(t *testing.T) {
		b.t = t
		var groups []struct{ ID, Name string }
		check(t, json.Unmarshal(k.admin(t, http.MethodGet, "/users/"+k.person(t, mary)+"/groups", nil), &groups))
		for _, g := range groups {
			k.admin(t, http.MethodDelete, "/users/"+k.person(t, mary)+"/groups/"+g.ID, nil)
		}
		b.open("https://" + s.Public + "/upstream/start?provider=corp")
		if slices.Contains(s.members(t, "staff"), mary) {
			t.Errorf("staff are %v", s.members(t, "staff"))
		}
	})
	for _, c := range []struct {
		what, person string
		code         bool
		want         string // in the log; empty: nothing got as far as the gate
		before       func()
	}{
		{"guests are known as such before the first verdict", gus, true, "PR53003", nil},
		{"a password alone at Keycloak is one here", pia, false, "PR50076", nil},
		{"an address that Keycloak has not verified", una, true, "", nil},
		{"somebody of a domain that is not Keycloak's", otto, true, "PR1092", nil},
		{"somebody who is disabled here", dora, true, "PR50057", func() { s.do(t, "user", "add", dora); s.do(t, "user", "disable", dora) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			if c.before != nil {
				c.before()
			}
			b := s.surfer(t)
			p := b.signIn(c.person, c.code)
			if !strings.HasPrefix(p.at, "https://"+s.Public+"/") || b.in() {
				t.Fatalf("came to %s (%d):\n%s", p.at, p.status, p.text)
			}
			if c.want != "" {
				s.signIn(t, c.person, c.want)
			} else if !strings.Contains(s.log(), "has verified the address") {
				t.Errorf("the operator's log does not say why:\n%s", s.log())
			}
		})
	}
	t.Run("a logout at Keycloak ends the page and the program, and nobody else's", func(t *testing.T) { s.logout(t, iris, olga) })
	t.Run("whoever is to show more shows it at Keycloak", func(t *testing.T) { s.stepUp(t) })
}

// logout has Keycloak log somebody out who has a page and a mail program open.
func (s *openIDSite) logout(t *testing.T, iris, olga string) {
	one, other := s.surfer(t), s.surfer(t)
	one.signIn(iris, true)
	other.signIn(olga, true)
	if !one.in() || !other.in() {
		t.Fatalf("they are not in:\n%s", s.log())
	}
	token := one.programToken()
	mine, others := s.idleWith(t, iris, token), s.idleWith(t, olga, other.programToken())
	id := s.keycloak.person(t, iris)
	began := time.Now()
	s.keycloak.admin(t, http.MethodPost, "/users/"+id+"/logout", nil)
	answered := time.Now() // Keycloak tells us before it answers
	closed := mine.until("closed", 20*time.Second)
	t.Logf("closed %v after Keycloak was told, %v after it answered", closed.Sub(began).Round(time.Millisecond), closed.Sub(answered).Round(time.Millisecond))
	if took := closed.Sub(answered); took > closeTime {
		t.Errorf("closed %v after Keycloak had ended the session", took)
	}
	if one.in() {
		t.Error("the page is open still")
	}
	if !other.in() {
		t.Error("somebody else was logged out")
	}
	select {
	case l := <-others.lines:
		t.Errorf("somebody else's program hears %q", l.text)
	case <-time.After(time.Second):
	}
	// By Keycloak's word the token is good for minutes yet; here it is not.
	if printed, in := goIMAP(t, s.door, login{person: iris, secret: token, token: true}); in {
		t.Errorf("the program signs in again with the same token: %s", printed)
	}
	s.signIn(t, iris, "PR1022")
}
