package upstream

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

func sum256(s string) []byte { b := sha256.Sum256([]byte(s)); return b[:] }
func s256(s string) string   { return base64.RawURLEncoding.EncodeToString(sum256(s)) }

func codeOf(err error) signin.Code {
	var r *signin.Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return -1
}

func TestABrowserComesBackWithAnIDTokenThatCountsOnce(t *testing.T) {
	o, f := corp(t, func(p *Provider) { p.Secret, p.Scopes = secret.NewText([]byte("hush")), []string{"email"} })
	r, body := get(t, browser(t), o.start("provider=corp&login_hint=mary@example.org&return=/programs?x=1"))
	a, failure := o.last()
	if body != "came" || r.StatusCode != http.StatusOK || a.Address != "mary@example.org" || a.Provider != "corp" || a.Return != "/programs?x=1" {
		t.Fatalf("%s: %q, %+v, %v", r.Status, body, a, failure)
	}
	if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the page after carries %v", r.Header)
	}
	q, form, basic := f.heard()
	if a.Fresh || q.Has("max_age") {
		t.Errorf("fresh without being asked: %+v", q)
	}
	if q.Get("response_type") != "code" || q.Get("login_hint") != "mary@example.org" || q.Get("scope") != "openid email" ||
		q.Get("code_challenge_method") != "S256" || len(q.Get("nonce")) < 40 || len(q.Get("state")) < 40 || q.Get("redirect_uri") != o.URL+"/upstream/callback/corp" {
		t.Errorf("asked %v", q)
	}
	if !basic || form.Get("client_secret") != "" {
		t.Errorf("the secret was shown as %v, basic %v", form, basic)
	}
	c, err := o.Verify(t.Context(), a.IDToken)
	if err != nil || c.Issuer != "corp" || c.Subject != "4711" || c.ID != "session-1" || c.Methods != policy.MethodSoftwareOath || len(c.Groups) != 1 {
		t.Errorf("the token proves %+v, %v", c, err)
	}
	var no *token.Refusal
	if _, err := o.Verify(t.Context(), a.IDToken); !errors.As(err, &no) {
		t.Errorf("the token counts twice: %v", err)
	}
}

func TestANewProofIsAskedForAndSaidToBeOne(t *testing.T) {
	o, f := corp(t)
	_, body := get(t, browser(t), o.start("provider=corp&fresh=1"))
	if a, failure := o.last(); body != "came" || !a.Fresh {
		t.Errorf("%q, %+v, %v", body, a, failure)
	}
	if q, _, _ := f.heard(); q.Get("max_age") != "0" || q.Get("prompt") != "login" {
		t.Errorf("asked %v", q)
	}
	f.bend(func() { f.claims = func(c object) { c["auth_time"] = time.Now().Add(-5 * time.Minute).Unix() } })
	if _, body = get(t, browser(t), o.start("provider=corp&fresh=1")); body == "came" {
		t.Error("an old proof is taken for a new one")
	}
}

// Classes of authentication are asked for with a new proof only: an ordinary
// sign-in is as the provider has it.
func TestAStrongerProofIsAskedForWithANewOne(t *testing.T) {
	o, f := corp(t, func(p *Provider) { p.ACRValues = []string{"gold", "silver"} })
	for query, want := range map[string]string{"provider=corp": "", "provider=corp&fresh=1": "gold silver"} {
		if _, body := get(t, browser(t), o.start(query)); body != "came" {
			t.Errorf("%s: %q", query, body)
		}
		if q, _, _ := f.heard(); q.Get("acr_values") != want || q.Has("acr_values") != (want != "") {
			t.Errorf("%s: asked %v", query, q)
		}
	}
	if r, _ := get(t, browser(t), o.start("provider=nobody&fresh=1")); r.StatusCode == http.StatusOK {
		t.Error("there is a provider nobody")
	}
}

func TestAPublicClientShowsNoSecret(t *testing.T) {
	o, f := corp(t)
	if _, body := get(t, browser(t), o.start("provider=corp")); body != "came" {
		t.Fatal(o.last())
	}
	if _, form, basic := f.heard(); basic || form.Has("client_secret") || form.Get("client_id") != "us" {
		t.Errorf("shown %v, basic %v", form, basic)
	}
}

func TestATokenThatWasNotFetchedHereProvesNothing(t *testing.T) {
	o, f := corp(t)
	var no *token.Refusal
	if _, err := o.Verify(t.Context(), []byte(f.idToken("n"))); !errors.As(err, &no) || no.Code != signin.TokenInvalid {
		t.Errorf("a good token from elsewhere: %v", err)
	}
}

// TestBentIDTokensAreRefused bends one thing at a time.
func TestBentIDTokensAreRefused(t *testing.T) {
	o, f := corp(t)
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		bend func(object)
		sign func(object) string
		want signin.Code
	}{
		"another nonce":           {func(c object) { c["nonce"] = "other" }, nil, signin.TokenInvalid},
		"no nonce":                {func(c object) { delete(c, "nonce") }, nil, signin.TokenInvalid},
		"another issuer":          {func(c object) { c["iss"] = "https://evil.example" }, nil, signin.TokenInvalid},
		"the issuer with a slash": {func(c object) { c["iss"] = f.URL + "/" }, nil, signin.TokenInvalid},
		"another audience":        {func(c object) { c["aud"] = "them" }, nil, signin.TokenAtWrongDoor},
		"two audiences, no azp":   {func(c object) { c["aud"] = []string{"us", "them"} }, nil, signin.TokenAtWrongDoor},
		"another party":           {func(c object) { c["azp"] = "them" }, nil, signin.TokenAtWrongDoor},
		"expired":                 {func(c object) { c["exp"] = now - 120 }, nil, signin.TokenExpired},
		"no expiry":               {func(c object) { delete(c, "exp") }, nil, signin.TokenInvalid},
		"of the future":           {func(c object) { c["iat"] = now + 600 }, nil, signin.TokenNotYetValid},
		"no subject":              {func(c object) { delete(c, "sub") }, nil, signin.TokenInvalid},
		"no address":              {func(c object) { delete(c, "email") }, nil, signin.TokenInvalid},
		"unverified":              {func(c object) { c["email_verified"] = false }, nil, signin.TokenInvalid},
		"verified not said":       {func(c object) { delete(c, "email_verified") }, nil, signin.TokenInvalid},
		"a security event":        {func(c object) { c["events"] = object{} }, nil, signin.TokenInvalid},
		"groups elsewhere":        {func(c object) { c["_claim_names"] = object{"groups": "src1"} }, nil, signin.TokenInvalid},
		"alg none": {nil, func(c object) string {
			return encode(object{"alg": "none"}) + "." + encode(c) + "."
		}, signin.TokenInvalid},
		"a stranger's key": {nil, func(c object) string {
			return signed(f.other, object{"alg": "ES256", "kid": "k"}, c)
		}, signin.TokenInvalid},
		"a logout token's type": {nil, func(c object) string {
			return signed(f.key, object{"alg": "ES256", "kid": "k", "typ": "logout+jwt"}, c)
		}, signin.TokenInvalid},
		"huge": {func(c object) { c["x"] = strings.Repeat("x", 20_000) }, nil, signin.TokenInvalid},
	} {
		f.bend(func() { f.claims, f.sign = c.bend, c.sign })
		before := o.arrivals.len()
		r, body := get(t, browser(t), o.start("provider=corp"))
		if _, failure := o.last(); body == "came" || r.StatusCode != http.StatusForbidden || codeOf(failure) != c.want {
			t.Errorf("%s: %q, %v, want %s", name, body, failure, c.want)
		}
		if o.arrivals.len() != before {
			t.Errorf("%s: something is kept for the gate", name)
		}
	}
	f.bend(func() { f.claims, f.sign = nil, nil })
	if _, body := get(t, browser(t), o.start("provider=corp")); body != "came" {
		_, failure := o.last()
		t.Errorf("an unbent one: %v", failure)
	}
}

func (a *arrivals) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all)
}

func TestAProofThatIsTooOldIsRefused(t *testing.T) {
	o, f := corp(t)
	for _, c := range []struct {
		age    time.Duration
		said   any
		maxAge time.Duration
		ok     bool
	}{
		{age: time.Hour, maxAge: 0, ok: true},
		{age: time.Hour, maxAge: 2 * time.Hour, ok: true},
		{age: time.Hour, maxAge: 30 * time.Minute},
		{age: 10 * time.Minute, maxAge: time.Millisecond}, // a new one was asked for
		{age: 0, maxAge: time.Millisecond, ok: true},
		{said: "missing", maxAge: time.Hour},
		{said: "missing", maxAge: 0, ok: true},
	} {
		f.bend(func() {
			f.claims = func(o object) {
				if o["auth_time"] = time.Now().Add(-c.age).Unix(); c.said != nil {
					delete(o, "auth_time")
				}
			}
		})
		err := o.walk(t, f, BeginOptions{MaxAge: c.maxAge, ACRValues: []string{"gold", "silver"}})
		if (err == nil) != c.ok || err != nil && codeOf(err) != signin.SignInTooOld {
			t.Errorf("%+v: %v", c, err)
		}
		q, _, _ := f.heard()
		asked := q.Get("max_age")
		if want := fmt.Sprint(int(c.maxAge / time.Second)); c.maxAge > 0 && asked != want || c.maxAge == 0 && asked != "" || q.Get("acr_values") != "gold silver" {
			t.Errorf("%+v: asked max_age=%q acr_values=%q", c, asked, q.Get("acr_values"))
		}
	}
}

// walk goes to the provider and back without a page of ours.
func (o *ours) walk(t testing.TB, f *fake, b BeginOptions) error {
	t.Helper()
	to, state, err := o.Begin(t.Context(), "corp", "", b)
	if err != nil {
		return err
	}
	r, _ := get(t, stops(browser(t), o.URL), to)
	back, err := r.Location()
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.Finish(t.Context(), state, "corp", back.Query())
	return err
}

// TestAnswersOfOthersAreRefused: what comes back must belong to the sign-in
// that this very browser began, at this very provider, for the first time.
func TestAnswersOfOthersAreRefused(t *testing.T) {
	o, f := corp(t)
	leave := func(b *http.Client) (back string) {
		r, _ := get(t, stops(b, o.URL+callbackPath), o.start("provider=corp"))
		return r.Header.Get("Location")
	}
	refusedWith := func(name string, b *http.Client, to string, want signin.Code) {
		t.Helper()
		if _, body := get(t, b, to); body == "came" {
			t.Errorf("%s: signed in", name)
		} else if _, failure := o.last(); codeOf(failure) != want {
			t.Errorf("%s: %v, want %s", name, failure, want)
		}
	}
	attacker, victim := browser(t), browser(t)
	theirs := leave(attacker)
	refusedWith("an attacker's answer in a browser that began nothing", victim, theirs, signin.ProviderStale)
	leave(victim)
	refusedWith("an attacker's answer in a browser that began another", victim, theirs, signin.ProviderStale)

	mine := leave(victim)
	u, _ := url.Parse(mine)
	q := u.Query()
	stolen, _ := url.Parse(theirs)
	q.Set("code", stolen.Query().Get("code"))
	u.RawQuery = q.Encode()
	refusedWith("the code of another sign-in under one's own state", victim, u.String(), signin.ProviderRefused) // PKCE
	refusedWith("one's own answer after its state was used", victim, mine, signin.ProviderStale)

	again := leave(victim)
	cookies := victim.Jar.Cookies(u)
	if _, body := get(t, victim, again); body != "came" {
		t.Fatal(o.last())
	}
	for _, c := range cookies {
		c.Path = "/"
	}
	victim.Jar.SetCookies(u, cookies) // as who has stolen cookie and address would
	refusedWith("an answer played again with its cookie", victim, again, signin.ProviderStale)

	for name, query := range map[string]string{"state twice": "&state=x", "code twice": "&code=x"} {
		refusedWith(name, victim, leave(victim)+query, map[string]signin.Code{"state twice": signin.ProviderStale, "code twice": signin.ProviderRefused}[name])
	}
	f.bend(func() { f.answers = func(v url.Values) { v.Del("code"); v.Set("error", "access_denied") } })
	refusedWith("the person said no", victim, leave(victim), signin.ProviderRefused)
}

// TestMixUp: a provider that is configured, and evil, cannot have the code of
// another's sign-in sent to itself, nor answer in another's place.
func TestMixUp(t *testing.T) {
	honest, evil := newFake(t), newFake(t)
	o := site(t, map[string]*fake{"corp": honest, "evil": evil})
	honest.document = func(d object) { d["authorization_response_iss_parameter_supported"] = true }
	for name, c := range map[string]struct {
		iss  string
		want signin.Code
	}{
		"the answer names another issuer":              {evil.URL, signin.ProviderRefused},
		"the answer names none though it always would": {"", signin.ProviderRefused},
		"the answer names the issuer with a slash":     {honest.URL + "/", signin.ProviderRefused},
		"the right one": {honest.URL, 0},
	} {
		honest.bend(func() { honest.answers = func(v url.Values) { v.Set("iss", c.iss) } })
		_, body := get(t, browser(t), o.start("provider=corp"))
		if _, failure := o.last(); (body == "came") != (c.want == 0) || body != "came" && codeOf(failure) != c.want {
			t.Errorf("%s: %q, %v", name, body, failure)
		}
	}
	// A provider that names itself without saying beforehand that it would is held to it as well.
	evil.answers = func(v url.Values) { v.Set("iss", honest.URL) }
	if _, body := get(t, browser(t), o.start("provider=evil")); body == "came" {
		t.Error("evil answered in the name of honest")
	}
	// Begun at evil, which sends the browser on to honest; the answer comes to honest's address.
	evil.answers = nil
	b := browser(t)
	r, _ := get(t, stops(b, evil.URL+"/authorize"), o.start("provider=evil"))
	away, _ := r.Location()
	q := away.Query()
	q.Set("redirect_uri", o.URL+callbackPath+"corp")
	honest.bend(func() { honest.answers = nil })
	evil.bend(func() { evil.form = nil })
	if _, body := get(t, b, honest.URL+"/authorize?"+q.Encode()); body == "came" {
		t.Error("a mixed-up answer signed in")
	}
	if _, failure := o.last(); codeOf(failure) != signin.ProviderRefused {
		t.Errorf("a mixed-up answer: %v", failure)
	}
	if _, form, _ := evil.heard(); form != nil {
		t.Errorf("evil was sent honest's code: %v", form)
	}
}

func TestWhatTheBrowserCarriesRunsOutAndCannotBeMade(t *testing.T) {
	o, _ := corp(t)
	seal := func(f flow) State {
		b, _ := json.Marshal(f)
		return State(base64.RawURLEncoding.EncodeToString(o.Box.Seal(flowSeal, b)))
	}
	query := url.Values{"state": {"s"}, "code": {"c"}}
	for name, c := range map[string]struct {
		state State
		want  signin.Code
	}{
		"nothing":           {"", signin.ProviderStale},
		"no base64":         {"%%", signin.ProviderStale},
		"an own making":     {State(encode(flow{ID: "s", Provider: "corp", Began: time.Now()})), signin.ProviderStale},
		"of another use":    {State(base64.RawURLEncoding.EncodeToString(o.Box.Seal("other", []byte("{}")))), signin.ProviderStale},
		"11 minutes old":    {seal(flow{ID: "s", Provider: "corp", Began: time.Now().Add(-11 * time.Minute)}), signin.ProviderStale},
		"of the future":     {seal(flow{ID: "s", Provider: "corp", Began: time.Now().Add(time.Hour)}), signin.ProviderStale},
		"a provider gone":   {seal(flow{ID: "s", Provider: "gone", Began: time.Now()}), signin.ProviderRefused},
		"an empty state":    {seal(flow{ID: "", Provider: "corp", Began: time.Now()}), signin.ProviderStale},
		"fresh, wrong code": {seal(flow{ID: "s", Provider: "corp", Began: time.Now(), Verifier: "v"}), signin.ProviderRefused},
	} {
		if _, err := o.Finish(t.Context(), c.state, "corp", query); codeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestNobodyIsSentElsewhereAfterwards(t *testing.T) {
	for path, ok := range map[string]bool{"/": true, "/programs?x=1#y": true, "/r/7K4Q": true,
		"": false, "programs": false, "//evil.example": false, "/\\evil.example": false, "https://evil.example/": false, "/a\\b": false,
		"/\tevil": false, "/\n/evil.example": false, "\\\\evil.example": false, "javascript:alert(1)": false, "/%zz": false, "/" + strings.Repeat("a", 3000): false} {
		if got := ownPath(path); (got == path && path != "") != ok {
			t.Errorf("%q comes back as %q", path, got)
		}
	}
	o, _ := corp(t)
	_, body := get(t, browser(t), o.start("provider=corp&return="+url.QueryEscape("//evil.example/")))
	if a, _ := o.last(); body != "came" || a.Return != "" {
		t.Errorf("%q: sent on to %q", body, a.Return)
	}
	long := "/connect?request=" + strings.Repeat("a", maxReturn-len("/connect?request=")) // a program's request, in a cookie that browsers keep
	_, body = get(t, browser(t), o.start("provider=corp&return="+url.QueryEscape(long)))
	if a, _ := o.last(); body != "came" || a.Return != long {
		t.Errorf("%q: sent on to %d bytes of %d", body, len(a.Return), len(long))
	}
	if _, state, err := o.Begin(t.Context(), "corp", "", BeginOptions{Return: long}); err != nil || len(state) > 4000 {
		t.Errorf("a cookie of %d bytes: %v", len(state), err)
	}
}

func TestTheCookieIsForThisBrowserOnly(t *testing.T) {
	o, _ := corp(t)
	o.Options.Public = "https://door.example.org"
	w := httptest.NewRecorder()
	if err := o.leave(w); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	if c.Name != "__Host-upstream" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 600 {
		t.Errorf("the cookie is %v", c)
	}
	if len(c.Value) > 1200 {
		t.Errorf("the cookie has %d bytes", len(c.Value))
	}
	if strings.Contains(c.Value, "corp") || bytes.Contains([]byte(w.Header().Get("Location")), []byte("code_verifier")) {
		t.Error("something of the flow can be read")
	}
}

func (o *ours) leave(w http.ResponseWriter) error {
	return o.Service.Start(w, httptest.NewRequest(http.MethodGet, "/", nil), "corp", "", BeginOptions{})
}

func TestAHintThatIsNoAddressIsDropped(t *testing.T) {
	o, _ := corp(t)
	for hint, want := range map[string]string{"mary@example.org": "mary@example.org", "": "", "a\r\nb": "", strings.Repeat("a", 300): ""} {
		to, _, err := o.Begin(t.Context(), "corp", hint, BeginOptions{})
		u, _ := url.Parse(to)
		if err != nil || u.Query().Get("login_hint") != want {
			t.Errorf("%q: %s, %v", hint, to, err)
		}
	}
	if _, _, err := o.Begin(t.Context(), "nope", "", BeginOptions{}); codeOf(err) != signin.ProviderRefused {
		t.Errorf("an unknown provider: %v", err)
	}
}
