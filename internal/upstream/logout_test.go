package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

func person(t testing.TB, s *store.Store, address string) string {
	t.Helper()
	p := store.Person{Address: address}
	if err := s.Change(t.Context(), store.System, "test", func(tx *store.Tx) error { return tx.AddPerson(&p) }); err != nil {
		t.Fatal(err)
	}
	return p.ID
}

func (o *ours) logout(t testing.TB, raw string) int {
	t.Helper()
	r, err := http.PostForm(o.URL+LogoutPath, url.Values{"logout_token": {raw}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer may be kept: %v", r.Header)
	}
	return r.StatusCode
}

func (o *ours) revoked(t testing.TB) (grants []string) {
	t.Helper()
	list, err := o.store.Revocations(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		grants = append(grants, r.Grant)
	}
	return grants
}

func TestALogoutEndsTheSessionThatItNames(t *testing.T) {
	o, f := corp(t)
	mary := person(t, o.store, "mary@example.org")
	changes, stop := o.store.Subscribe()
	defer stop()
	if err := o.Arrived(t.Context(), mary, token.Claims{Issuer: "corp", Subject: "4711"}); err != nil {
		t.Fatal(err)
	}
	raw := signed(f.key, object{"alg": "ES256", "kid": "k", "typ": "logout+jwt"}, f.logoutToken())
	if got := o.logout(t, raw); got != http.StatusOK {
		t.Fatalf("answered %d", got)
	}
	if got := o.revoked(t); !slices.Equal(got, []string{"corp:session-1"}) {
		t.Errorf("revoked %v", got)
	}
	if c := <-changes; !slices.Equal(c.Grants, []string{"corp:session-1"}) || len(c.People) > 0 {
		t.Errorf("told %+v: only that session is to end", c)
	}
	if got := o.logout(t, raw); got != http.StatusBadRequest {
		t.Errorf("played again it is answered with %d", got)
	}
	// Keycloak before its typ, with both aud as a list.
	again := f.logoutToken().with("aud", []string{"us"}).with("sid", "session-2")
	if got := o.logout(t, signed(f.key, object{"alg": "ES256", "kid": "k", "typ": "JWT"}, again)); got != http.StatusOK {
		t.Errorf("of type JWT: %d", got)
	}
}

func TestALogoutOfAPersonEndsAllThatTheyHave(t *testing.T) {
	o, f := corp(t)
	mary, omar := person(t, o.store, "mary@example.org"), person(t, o.store, "omar@example.org")
	for id, subject := range map[string]string{mary: "4711", omar: "4712"} {
		if err := o.Arrived(t.Context(), id, token.Claims{Issuer: "corp", Subject: subject}); err != nil {
			t.Fatal(err)
		}
	}
	changes, stop := o.store.Subscribe()
	defer stop()
	if got := o.logout(t, signed(f.key, object{"alg": "ES256", "kid": "k"}, f.logoutToken().with("sid", nil))); got != http.StatusOK {
		t.Fatalf("answered %d", got)
	}
	if c := <-changes; !slices.Equal(c.People, []string{mary}) || c.Families&store.Revocations == 0 {
		t.Errorf("told %+v, want mary alone", c)
	}
	if got := o.revoked(t); len(got) != 1 || !strings.HasPrefix(got[0], "all:"+mary) {
		t.Errorf("revoked %v", got)
	}
	// Somebody who never signed in here is logged out already.
	if got := o.logout(t, signed(f.key, object{"alg": "ES256", "kid": "k"}, f.logoutToken().with("sid", nil).with("sub", "nobody"))); got != http.StatusOK {
		t.Errorf("a stranger's: %d", got)
	}
}

func TestForgedLogoutTokensEndNothing(t *testing.T) {
	o, f := corp(t)
	right, now := object{"alg": "ES256", "kid": "k", "typ": "logout+jwt"}, time.Now().Unix()
	good := f.logoutToken
	event := "http://schemas.openid.net/event/backchannel-logout"
	for name, raw := range map[string]string{
		"nothing":             "",
		"garbage":             "x.y.z",
		"a stranger's key":    signed(f.other, right, good()),
		"alg none":            encode(object{"alg": "none"}) + "." + encode(good()) + ".",
		"another issuer":      signed(f.key, right, good().with("iss", "https://evil.example")),
		"another audience":    signed(f.key, right, good().with("aud", "them")),
		"no audience":         signed(f.key, right, good().with("aud", nil)),
		"no events":           signed(f.key, right, good().with("events", nil)),
		"another event":       signed(f.key, right, good().with("events", object{"x": object{}})),
		"an event of null":    signed(f.key, right, good().with("events", object{event: nil})),
		"an event of text":    signed(f.key, right, good().with("events", object{event: "x"})),
		"a nonce":             signed(f.key, right, good().with("nonce", "n")),
		"no jti":              signed(f.key, right, good().with("jti", nil)),
		"neither sub nor sid": signed(f.key, right, good().with("sub", nil).with("sid", nil)),
		"no iat":              signed(f.key, right, good().with("iat", nil)),
		"an old iat":          signed(f.key, right, good().with("iat", now-3600)),
		"of the future":       signed(f.key, right, good().with("iat", now+3600)),
		"expired":             signed(f.key, right, good().with("exp", now-600)),
		"no exp":              signed(f.key, right, good().with("exp", nil)),
		"an access token":     signed(f.key, object{"alg": "ES256", "kid": "k", "typ": "at+jwt"}, good()),
		"an ID token":         f.idToken("nonce"),
		"huge":                signed(f.key, right, good().with("x", strings.Repeat("x", 20_000))),
		"enormous":            strings.Repeat("x", 1<<20),
	} {
		if got := o.logout(t, raw); got != http.StatusBadRequest {
			t.Errorf("%s is answered with %d", name, got)
		}
	}
	if got := o.revoked(t); len(got) > 0 {
		t.Errorf("revoked %v", got)
	}
	for name, form := range map[string]url.Values{"none": {}, "two": {"logout_token": {"a", "b"}}} {
		r, err := http.PostForm(o.URL+LogoutPath, form)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusBadRequest {
			t.Errorf("a form with %s: %s", name, r.Status)
		}
	}
	if r, _ := get(t, browser(t), o.URL+LogoutPath+"?logout_token=x"); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("by GET: %s", r.Status)
	}
}

// broken is a store whose database is away.
type broken struct{ *store.Store }

func (broken) Change(context.Context, store.Actor, string, func(*store.Tx) error) error {
	return errAway
}

func TestALogoutThatCouldNotBeCarriedOutMayComeAgain(t *testing.T) {
	o, f := corp(t)
	raw := signed(f.key, object{"alg": "ES256", "kid": "k"}, f.logoutToken())
	o.Options.Store = broken{o.store}
	if got := o.logout(t, raw); got != http.StatusServiceUnavailable {
		t.Errorf("without a database: %d", got)
	}
	o.Options.Store = o.store
	if got := o.logout(t, raw); got != http.StatusOK {
		t.Errorf("afterwards: %d", got)
	}
}

func TestGroupsFollowWhatTheProviderSays(t *testing.T) {
	settled := 0
	o, _ := corp(t, func(p *Provider) { p.Groups = map[string]string{"/staff": "staff", "guid-7": "board"} })
	o.Options.Settle = func(context.Context) error { settled++; return nil }
	mary := person(t, o.store, "mary@example.org")
	if err := o.store.Change(t.Context(), store.System, "test", func(tx *store.Tx) error {
		return errors.Join(tx.AddGroup(&store.Group{Name: "staff"}), tx.AddGroup(&store.Group{Name: "board"}), tx.AddGroup(&store.Group{Name: "exempt"}))
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		said    []string
		want    []string
		settled int
	}{
		{[]string{"/staff", "guid-7", "exempt", "/nowhere"}, []string{"board", "staff"}, 1}, // exempt is a name of ours, which nobody mapped
		{[]string{"guid-7", "/staff"}, []string{"board", "staff"}, 1},
		{[]string{"/staff"}, []string{"staff"}, 2},
		{nil, nil, 3},
	} {
		if err := o.Arrived(t.Context(), mary, token.Claims{Issuer: "corp", Subject: "4711", Groups: c.said}); err != nil {
			t.Fatal(err)
		}
		if got, err := o.store.GroupsFrom(t.Context(), mary); err != nil || !slices.Equal(got, c.want) || settled != c.settled {
			t.Errorf("%v: in %v, settled %d times, want %v and %d, %v", c.said, got, settled, c.want, c.settled, err)
		}
	}
}

func TestOnce(t *testing.T) {
	o := newOnce()
	later := time.Now().Add(time.Hour)
	if first, room := o.take("a", later); !first || !room {
		t.Error("the first time is not the first")
	}
	if first, _ := o.take("a", later); first {
		t.Error("the second time is a first")
	}
	for i := range rememberMax {
		o.seen[fmt.Sprint(i)] = later
	}
	if _, room := o.take("b", later); room {
		t.Error("it holds more than it may")
	}
	for k := range o.seen {
		o.seen[k] = time.Now().Add(-time.Second)
	}
	if first, room := o.take("b", later); !first || !room || len(o.seen) != 1 {
		t.Errorf("what has run out takes up room: %d", len(o.seen))
	}
}
