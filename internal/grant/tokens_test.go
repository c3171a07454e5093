package grant_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// claims reads what was signed, once it is verified.
func claims(t *testing.T, compact, typ string) map[string]any {
	t.Helper()
	payload, err := keys.Verify(compact, typ)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAccessTokensSayWhatTheyHangOn(t *testing.T) {
	h := newHouse(t, grant.Options{AccessLife: 5 * time.Minute})
	g, _ := h.begun()
	for _, alg := range []string{"", "ES256", "RS256"} {
		text, life, err := h.Access(g, grant.AccessFor{ClientID: program, Algorithm: alg})
		if err != nil || life != 5*time.Minute {
			t.Fatal(life, err)
		}
		got, err := token.NewOwn(issuer, issuer+"/mail", keys).Verify(t.Context(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if !got.Own || got.Subject != h.person || got.Grant != g.ID || got.Address != "anna@example.org" || got.ClientID != program ||
			got.Scope != g.Scope.String() || got.Scopes != g.Scope || got.ID == "" || got.Expires.Sub(got.Issued) != 5*time.Minute || time.Since(got.Issued) > 5*time.Second {
			t.Errorf("%+v", got)
		}
		c := claims(t, text, token.TypeAccess)
		if c["auth_time"] != float64(g.AuthTime.Unix()) || !slices.Equal(c["amr"].([]any), []any{"pwd", "otp", "mfa"}) {
			t.Errorf("%v", c)
		}
		if _, err := token.NewOwn(issuer, issuer, keys).Verify(t.Context(), []byte(text)); err == nil {
			t.Error("a token for mail is good for another audience")
		}
	}
	narrow, _, err := h.Access(g, grant.AccessFor{ClientID: program, Scope: scopes(t, "openid email")})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := token.NewOwn(issuer, issuer, keys).Verify(t.Context(), []byte(narrow)); err != nil || got.Scope != "openid email" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []grant.AccessFor{{ClientID: "other"}, {ClientID: program, Scope: scopes(t, "imap sieve")}, {ClientID: program, Algorithm: "none"}, {ClientID: program, Algorithm: "HS256"}} {
		if _, _, err := h.Access(g, bad); err == nil {
			t.Errorf("%+v was handed out", bad)
		}
	}
}

func TestAnAccessTokenLastsNoLongerThanItsGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		given := h.given()
		given.Offline, given.Until = false, time.Now().Add(3*time.Minute)
		g, err := h.Issue(t.Context(), given)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.RefreshToken(g); err == nil {
			t.Error("a refresh token was made that nobody asked for")
		}
		if _, life, err := h.Access(g, grant.AccessFor{ClientID: program}); err != nil || life > 3*time.Minute {
			t.Error(life, err)
		}
		time.Sleep(4 * time.Minute)
		if _, _, err := h.Access(g, grant.AccessFor{ClientID: program}); err == nil {
			t.Error("a grant that ran out gave a token")
		}
	})
}

func TestIDTokensSayWhatTheScopesAllow(t *testing.T) {
	h := newHouse(t, grant.Options{})
	g, _ := h.begun()
	text, err := h.IDToken(g, grant.IDTokenFor{ClientID: program, Algorithm: "RS256", AccessToken: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", Name: "Anna"})
	if err != nil {
		t.Fatal(err)
	}
	c := claims(t, text, token.TypeID)
	for name, want := range map[string]any{"iss": issuer, "aud": program, "sub": h.person, "nonce": "n-1", "sid": g.ID, "email": "anna@example.org", "email_verified": true,
		"at_hash": "77QmUPtjPfzWtF2AnpK9RQ", "acr": grant.ACRSeveralFactors, "auth_time": float64(g.AuthTime.Unix()), "name": nil} { // at_hash: OpenID Connect Core 1.0, appendix A.3
		if c[name] != want {
			t.Errorf("%s is %v, want %v", name, c[name], want)
		}
	}
	g.Scope, g.Nonce = scopes(t, "openid profile"), ""
	text, _ = h.IDToken(g, grant.IDTokenFor{ClientID: program, Name: "Anna"})
	if c := claims(t, text, token.TypeID); c["email"] != nil || c["name"] != "Anna" || c["nonce"] != nil || c["at_hash"] != nil {
		t.Errorf("%v", c)
	}
	if _, err := h.IDToken(g, grant.IDTokenFor{ClientID: "other"}); err == nil {
		t.Error("an ID token of another client's grant")
	}
	out, err := h.LogoutToken(program, h.person, g.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	if c := claims(t, out, token.TypeLogout); c["events"].(map[string]any)["http://schemas.openid.net/event/backchannel-logout"] == nil || c["nonce"] != nil || c["sid"] != g.ID || c["aud"] != program {
		t.Errorf("%v", c)
	}
	door := token.NewOwn(issuer, issuer+"/mail", keys)
	for name, other := range map[string]string{"an ID token": text, "a logout token": out} {
		if _, err := door.Verify(t.Context(), []byte(other)); err == nil {
			t.Errorf("%s opens the door", name)
		}
	}
}

func TestMethodsInTheWordsOfOthers(t *testing.T) {
	for _, test := range []struct {
		m   policy.Methods
		amr string
		acr string
	}{
		{policy.MethodPassword, "pwd", grant.ACROneFactor},
		{policy.MethodPassword | policy.MethodSoftwareOath, "pwd otp mfa", grant.ACRSeveralFactors},
		{policy.MethodSoftwareOath, "otp", grant.ACROneFactor},
		{policy.MethodFIDO2, "hwk mfa", grant.ACRPhishingResistant},
		{policy.MethodTemporaryAccessPassOneTime, "otp mfa", grant.ACRSeveralFactors}, // as in policies: the help desk has seen who it is
		{policy.MethodFederatedMultiFactor, "mfa", grant.ACRSeveralFactors},
		{policy.MethodFederatedSingleFactor, "", grant.ACROneFactor},
		{0, "", grant.ACROneFactor},
	} {
		if amr, acr := strings.Join(grant.AMR(test.m), " "), grant.ACR(test.m); amr != test.amr || acr != test.acr {
			t.Errorf("%b: %q and %s, want %q and %s", test.m, amr, acr, test.amr, test.acr)
		}
	}
}

// Who logs a sign-in before the grant is made names it by an id of their own.
func TestAGrantKeepsTheNameItWasGiven(t *testing.T) {
	h := newHouse(t, grant.Options{})
	given := h.given()
	given.ID = "0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6978"
	g, err := h.Issue(t.Context(), given)
	if err != nil || g.ID != given.ID {
		t.Fatal(g.ID, err)
	}
	for _, bad := range []string{given.ID, "", "../x", strings.ToUpper(given.ID)} {
		given.ID = bad
		if other, err := h.Issue(t.Context(), given); err != nil || other.ID == bad || other.ID == g.ID {
			t.Errorf("%q: %q, %v", bad, other.ID, err)
		}
	}
}

func TestAServiceAccountKeepsItsGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		ask := grant.Grant{Person: h.person, Address: "anna@example.org", Client: "backup", Kind: grant.KindClientCredentials, Scope: scopes(t, "imap")}
		first, err := h.Issue(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			time.Sleep(2 * time.Hour)
			if again, err := h.Issue(t.Context(), ask); err != nil || again.ID != first.ID {
				t.Fatal(again.ID, err)
			}
		}
		h.restart()
		if err := h.standing(first.ID); err != nil {
			t.Error(err)
		}
		ask.Scope = scopes(t, "imap smtp")
		if other, err := h.Issue(t.Context(), ask); err != nil || other.ID == first.ID {
			t.Error("other scopes, and the same grant", err)
		}
		if err := h.End(t.Context(), store.System, first.ID, "taken back"); err != nil {
			t.Fatal(err)
		}
		ask.Scope = scopes(t, "imap")
		if fresh, err := h.Issue(t.Context(), ask); err != nil || fresh.ID == first.ID {
			t.Error("an ended grant was given again", err)
		}
	})
}

func TestRequestsAreSealedForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		q := h.asked()
		q.At, q.State, q.ResponseMode, q.Prompt = time.Now(), "a b&c=%", "form_post", []string{"consent"}
		sealed, err := h.Seal(q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.Unseal(sealed)
		if err != nil || got.Scope != q.Scope || got.State != q.State || got.Redirect != q.Redirect || got.Challenge != q.Challenge || !got.At.Equal(q.At) {
			t.Fatalf("%+v, %v", got, err)
		}
		changed := []byte(sealed)
		changed[20] ^= 1
		for _, bad := range []string{"", "x", string(changed), sealed + "A", sealed[1:], strings.Repeat("A", 1<<20)} {
			if _, err := h.Unseal(bad); !errors.Is(err, grant.ErrUnknown) {
				t.Errorf("%.20q: %v", bad, err)
			}
		}
		time.Sleep(11 * time.Minute)
		if _, err := h.Unseal(sealed); !errors.Is(err, grant.ErrUnknown) {
			t.Errorf("it does not run out: %v", err)
		}
		q.LoginHint = strings.Repeat("x", 1<<20)
		if _, err := h.Seal(q); err == nil {
			t.Error("a megabyte was sealed")
		}
	})
}

func TestAnswersSayFromWhomTheyAre(t *testing.T) {
	h := newHouse(t, grant.Options{})
	state := "a b&iss=evil#x"
	for _, test := range []struct{ redirect, mode, want string }{
		{"http://127.0.0.1:4711/", "", "http://127.0.0.1:4711/?"},
		{"https://rp.example.org/cb?a=b", "query", "https://rp.example.org/cb?a=b&"},
		{"org.example.mail:/cb", "", "org.example.mail:/cb?"},
		{"https://rp.example.org/cb", "fragment", "https://rp.example.org/cb#"},
	} {
		q := grant.Request{Redirect: test.redirect, ResponseMode: test.mode, State: state}
		for _, errorCode := range []string{"", "access_denied"} {
			to := h.Answer(q, "the-code", errorCode, "no")
			rest, ok := strings.CutPrefix(to, test.want)
			v, err := url.ParseQuery(rest)
			if !ok || err != nil || v.Get("state") != state || v.Get("iss") != issuer || len(v["iss"]) != 1 {
				t.Errorf("%s", to)
			}
			if (v.Get("code") == "the-code") == (errorCode != "") || v.Get("error") != errorCode {
				t.Errorf("%s", to)
			}
		}
	}
}

func TestConsentIsKeptAndWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		ctx := context.Background()
		if h.Consented(h.person, program, scopes(t, "imap")) {
			t.Fatal("nobody was asked")
		}
		for _, allowed := range []string{"imap", "smtp offline_access"} {
			if err := h.Consent(ctx, h.person, program, scopes(t, allowed)); err != nil {
				t.Fatal(err)
			}
		}
		h.restart()
		for asked, want := range map[string]bool{"imap": true, "imap smtp": true, "https://outlook.office.com/IMAP.AccessAsUser.All offline_access": true, "imap sieve": false, "openid": false} {
			if got := h.Consented(h.person, program, scopes(t, asked)); got != want {
				t.Errorf("%s: %v", asked, got)
			}
		}
		if h.Consented(h.person, "other", scopes(t, "imap")) || len(h.Consents(h.person)) != 1 {
			t.Error("another program was allowed it too")
		}
		g, _ := h.begun()
		waiting := h.code()
		if err := h.Withdraw(ctx, store.Actor{UID: -1, Name: "anna@example.org"}, h.person, program); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if h.Consented(h.person, program, scopes(t, "imap")) || h.standing(g.ID) == nil || len(h.Consents(h.person)) != 0 {
				t.Error("it was withdrawn")
			}
			h.restart()
		}
		if _, err := h.redeem(waiting); err == nil {
			t.Error("a code from before was redeemed")
		}
		h.change(func(tx *store.Tx) error { return tx.DeletePerson(h.person) })
		synctest.Wait()
		if len(h.Consents(h.person)) != 0 {
			t.Error("somebody who is gone allows things")
		}
	})
}

func TestAGrantIsEndedOnce(t *testing.T) {
	h := newHouse(t, grant.Options{})
	ctx := context.Background()
	g, err := h.Issue(ctx, h.given())
	if err != nil {
		t.Fatal(err)
	}
	for _, why := range []string{"once", "again"} {
		if err := h.End(ctx, store.System, g.ID, why); err != nil {
			t.Error(err)
		}
		if h.standing(g.ID) == nil {
			t.Error("it lives")
		}
	}
	if err := h.End(ctx, store.System, "nobody", "again"); !errors.Is(err, grant.ErrUnknown) {
		t.Error(err)
	}
}

// No secret is in the database: neither codes nor refresh tokens nor what they are made of alone.
func TestNothingSecretIsStored(t *testing.T) {
	h := newHouse(t, grant.Options{})
	g, text := h.begun()
	code := h.code()
	files, err := filepath.Glob(filepath.Join(h.dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := false
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(raw, []byte(g.ID))
		for _, kept := range []string{text, code} {
			if bytes.Contains(raw, []byte(kept[4:])) {
				t.Errorf("%.4s… stands in %s", kept, f)
			}
		}
	}
	if !found {
		t.Error("not even the grant stands in the files: the wrong ones were looked at")
	}
	// Who has the database and not the master key can make none.
	other, err := grant.Open(t.Context(), grant.Options{Store: h.store, Box: secret.NewBox(), Keys: keys, Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	forged, err := other.RefreshToken(g)
	if err != nil || forged == text {
		t.Fatal("the master key does not matter", err)
	}
	if _, err := h.refresh(forged, home); err == nil {
		t.Error("a token made without the master key is good")
	}
}

// Who ended what and why is in the audit, also when it was the program itself,
// and nothing there helps to make a token.
func TestTheAuditSaysWhoEndedWhat(t *testing.T) {
	h := newHouse(t, grant.Options{})
	g, _ := h.begun()
	if err := h.End(t.Context(), store.Actor{UID: 1000, Name: "root"}, g.ID, "lost telephone"); err != nil {
		t.Fatal(err)
	}
	stolen, text := h.begun()
	for range 2 {
		if _, err := h.refresh(text, home); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.refresh(text, away); err == nil {
		t.Fatal("a thief was let in")
	}
	rows, err := h.store.Audits(t.Context(), store.AuditFilter{Kind: "grant"})
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]store.Audit{}
	for _, row := range rows {
		said[row.Object] = row
	}
	if a := said[g.ID]; len(rows) != 2 || a.Actor.Name != "root" || a.Reason != "lost telephone" || a.Action != "end" || a.Name != program {
		t.Errorf("%d rows, %+v", len(rows), a)
	}
	if a := said[stolen.ID]; a.Actor != store.System || !strings.Contains(a.Reason, network.Of(away).String()) {
		t.Errorf("%+v", a)
	}
	for _, row := range rows {
		if s := strings.ToLower(string(row.Before) + string(row.After)); strings.Contains(s, "seed") || strings.Contains(s, "generation") {
			t.Errorf("the audit holds what tokens are made of: %s", s)
		}
	}
}
