package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

func TestWhoMayBringPrograms(t *testing.T) {
	h := open(t, nil)
	stranger := h.register(program("Stranger"))
	forbidden := func(id string) bool {
		t.Helper()
		err := h.Admit(h.find(id))
		var r *signin.Refusal
		if err != nil && (!errors.As(err, &r) || r.Code != signin.ClientForbidden) {
			t.Fatal(err)
		}
		return err != nil
	}
	for setting, want := range map[Registration]struct{ registers, may bool }{AnyProgram: {true, true}, VerifiedOnly: {true, false}, NoneRegister: {false, false}, "": {false, false}} {
		h.Registration = setting
		_, err := h.Register(t.Context(), home, program("Another"))
		var r *RegistrationError
		if (err == nil) != want.registers || err != nil && (!errors.As(err, &r) || r.Code != Denied) {
			t.Errorf("%q: %v", setting, err)
		}
		if forbidden(stranger.ID) == want.may || forbidden(Mail) {
			t.Errorf("%q: the stranger is forbidden: %v", setting, forbidden(stranger.ID))
		}
	}
	if _, err := h.Allow(t.Context(), anna, "asked for", stranger.ID); err != nil || forbidden(stranger.ID) {
		t.Errorf("allowed: %v", err)
	}
	h.grant("of the stranger", stranger.ID)
	h.grant("of a program", Mail)
	h.grant("of another", Thunderbird)
	for _, id := range []string{stranger.ID, Mail} {
		if _, _, err := h.Forbid(t.Context(), anna, "", id); err != nil || !forbidden(id) {
			t.Errorf("%s forbidden: %v", id, err)
		}
	}
	if c := h.find(Mail); c.Verified() {
		t.Error("what is forbidden is verified")
	}
	if !h.ended("of the stranger") || !h.ended("of a program") || h.ended("of another") {
		t.Error("the wrong grants were ended")
	}
	h.restart(nil)
	if !forbidden(stranger.ID) || !forbidden(Mail) || forbidden(Thunderbird) {
		t.Error("a restart forgot what was forbidden")
	}
	if _, err := h.Allow(t.Context(), anna, "", Mail); err != nil || forbidden(Mail) {
		t.Errorf("allowed again: %v", err)
	}
}

// What a change does not come to the end of is not done at all.
func TestForbiddingIsOneTransaction(t *testing.T) {
	h := open(t, nil)
	c := h.register(program("Stays"))
	h.grant("its grant", c.ID)
	away := errors.New("away")
	_, err := h.judge(t.Context(), anna, "", c.ID, "forbid", func(tx *store.Tx, c *Client) error {
		c.State = Forbidden
		_, err := endGrants(tx, c.ID, "", all)
		return errors.Join(err, away)
	})
	if !errors.Is(err, away) || h.ended("its grant") || h.Admit(h.find(c.ID)) != nil {
		t.Errorf("half of it was done: %v", err)
	}
}

func TestAdministratorsJudgeClients(t *testing.T) {
	h := open(t, nil)
	limit, _ := scope.Parse("imap offline_access")
	c := h.register(program("Mailtemi"))
	if got, _, err := h.Restrict(t.Context(), anna, "", c.ID, limit); err != nil || got.Limit != limit {
		t.Errorf("limited: %+v, %v", got, err)
	}
	if got, err := h.Rename(t.Context(), anna, "", c.ID, " Mailtemi for iOS "); err != nil || got.Name != "Mailtemi for iOS" {
		t.Errorf("renamed: %+v, %v", got, err)
	}
	if _, _, err := h.Restrict(t.Context(), anna, "", Thunderbird, limit); err != nil {
		t.Error(err)
	}
	h.restart(nil)
	if got := h.find(c.ID); got.Limit != limit || got.Name != "Mailtemi for iOS" {
		t.Errorf("came back as %+v", got)
	}
	if got := h.find(Thunderbird); got.Limit != limit || len(got.Redirects) != len(onThisHost) {
		t.Errorf("came back as %+v", got)
	}
	var fault *Fault
	if _, err := h.Rename(t.Context(), anna, "", Mail, "Other"); !errors.As(err, &fault) {
		t.Errorf("renamed what is built in: %v", err)
	}
	if _, err := h.Rename(t.Context(), anna, "", c.ID, "<b>"); !errors.As(err, &fault) {
		t.Errorf("renamed to markup: %v", err)
	}
	if _, _, err := h.Remove(t.Context(), anna, "", Mail); !errors.As(err, &fault) {
		t.Errorf("removed what is built in: %v", err)
	}
	for _, err := range []error{failed(h.Forbid(t.Context(), anna, "", "x")), failed(h.Remove(t.Context(), anna, "", "x")), failed(h.Restrict(t.Context(), anna, "", "x", limit))} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of one that is not there: %v", err)
		}
	}
	h.grant("its grant", c.ID)
	if _, _, err := h.Remove(t.Context(), anna, "", c.ID); err != nil {
		t.Fatal(err)
	}
	if _, there := h.Find(c.ID); there || !h.ended("its grant") {
		t.Error("it is there, or has its grants")
	}
	rows, err := h.Store.Audits(t.Context(), store.AuditFilter{Kind: "client"})
	var actions []string
	for _, r := range rows {
		actions = append(actions, r.Action)
		if r.Actor != anna {
			t.Errorf("audited as %v's", r.Actor)
		}
	}
	if err != nil || !slices.Equal(actions, []string{"delete", "limit", "rename", "limit"}) {
		t.Errorf("audited %v, %v", actions, err)
	}
}

// Requests that were let in before a program was forbidden write grants down
// after its grants were ended. None of those is handed out and lives.
func TestNoGrantSlipsPastForbidding(t *testing.T) {
	h := open(t, nil)
	h.grant("the first", Mail)
	var wg sync.WaitGroup
	var mu sync.Mutex
	handed := []string{"the first"}
	started := make(chan struct{}, 1)
	for n := range 4 {
		wg.Go(func() {
			for i := range 500 {
				if h.Admit(h.find(Mail)) != nil {
					return
				}
				id := fmt.Sprintf("%d of %d", i, n)
				h.grant(id, Mail)
				if h.Admit(h.find(Mail)) == nil {
					mu.Lock()
					handed = append(handed, id)
					mu.Unlock()
				}
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	<-started
	if _, n, err := h.Forbid(t.Context(), anna, "", Mail); err != nil || n == 0 {
		t.Errorf("%d ended, %v", n, err)
	}
	wg.Wait()
	for _, id := range handed {
		if !h.ended(id) {
			t.Errorf("%s was handed out, and lives", id)
		}
	}
}

// What a program holds beyond its limit ends with the limit's beginning.
func TestALimitEndsWhatGoesBeyondIt(t *testing.T) {
	h := open(t, nil)
	h.grant("as much", Mail, "imap")
	h.grant("more", Mail, "imap smtp")
	h.grant("for longer", Mail, "imap offline_access")
	h.grant("in other words", Mail, "https://outlook.office.com/IMAP.AccessAsUser.All")
	h.grant("of another program", Token, "mail")
	limit, _ := scope.Parse("imap")
	if _, n, err := h.Restrict(t.Context(), anna, "", Mail, limit); err != nil || n != 2 {
		t.Errorf("%d ended, %v", n, err)
	}
	for id, ended := range map[string]bool{"as much": false, "more": true, "for longer": true, "in other words": false, "of another program": false} {
		if h.ended(id) != ended {
			t.Errorf("the grant of %s ended: %v", id, !ended)
		}
	}
	if _, n, err := h.Restrict(t.Context(), anna, "", Mail, scope.Set{}); err != nil || n != 0 || h.ended("as much") {
		t.Errorf("lifting the limit ended %d, %v", n, err)
	}
}

func failed(_ Client, _ int, err error) error { return err }

func TestSecretsOfConfidentialClients(t *testing.T) {
	h := open(t, nil)
	c, shown, err := h.Add(t.Context(), anna, "", New{Name: "Webmail", Redirects: []string{"https://mail.example.org/cb"}, PostLogout: []string{"https://mail.example.org/"},
		BackChannelLogout: "https://mail.example.org/bye", Confidential: true, Account: "person-1", IDTokenAlg: "RS256"})
	if err != nil || !strings.HasPrefix(shown, secretMark) || c.Public || c.Consent || !c.Verified() || !slices.Equal(c.Grants, []string{GrantCode, GrantRefresh, GrantCredentials}) {
		t.Fatalf("%+v, %v", c, err)
	}
	if !c.LogoutRedirect("https://mail.example.org/") || c.LogoutRedirect("https://mail.example.org/cb") {
		t.Error("signs out to where it must not")
	}
	other, otherShown, err := h.Add(t.Context(), anna, "", New{Name: "Other", Redirects: []string{"https://x.example/"}, Confidential: true})
	if err != nil {
		t.Fatal(err)
	}
	public, none, err := h.Add(t.Context(), anna, "", New{Name: "Public", Redirects: []string{"http://127.0.0.1/"}})
	if err != nil || none != "" || !public.Public {
		t.Fatalf("%+v, %q, %v", public, none, err)
	}
	check := func() {
		t.Helper()
		if !h.Authenticate(c.ID, shown) || !h.Authenticate(other.ID, otherShown) {
			t.Error("a right secret is wrong")
		}
		for _, wrong := range [][2]string{{c.ID, otherShown}, {other.ID, shown}, {c.ID, ""}, {c.ID, shown + "x"}, {c.ID, strings.ToUpper(shown)}, {"nobody", shown}, {"", ""}, {public.ID, ""}, {public.ID, shown},
			{Mail, ""}, {c.ID, strings.Repeat("x", 1<<20)}} {
			if h.Authenticate(wrong[0], wrong[1]) {
				t.Errorf("%.20q proves to be %s", wrong[1], wrong[0])
			}
		}
	}
	check()
	h.restart(nil)
	check()
	if _, _, err := h.Remove(t.Context(), anna, "", c.ID); err != nil || h.Authenticate(c.ID, shown) {
		t.Errorf("a removed one's secret is right: %v", err)
	}
	rows, err := h.Store.Audits(t.Context(), store.AuditFilter{})
	for _, r := range rows {
		if strings.Contains(string(r.After)+string(r.Before), shown) {
			t.Error("the secret is in the audit")
		}
	}
	if err != nil || len(rows) != 4 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestClientsThatCannotBeMade(t *testing.T) {
	h := open(t, nil)
	web := []string{"https://a.example/cb"}
	for member, n := range map[string]New{
		"name":                {Name: "a\nb", Redirects: web},
		"redirects":           {Name: "None"},
		"postLogoutRedirects": {Name: "Out", Redirects: web, PostLogout: []string{"http://a.example/"}},
		"backChannelLogout":   {Name: "Back", Redirects: web, BackChannelLogout: "com.example:/x"},
		"serviceAccount":      {Name: "Service", Account: "person-1"},
		"idTokenAlg":          {Name: "Alg", Redirects: web, IDTokenAlg: "none"},
	} {
		_, shown, err := h.Add(t.Context(), anna, "", n)
		var fault *Fault
		if !errors.As(err, &fault) || fault.Member != member || shown != "" {
			t.Errorf("%s: %v", member, err)
		}
	}
	var fault *Fault
	if _, _, err := h.Add(t.Context(), anna, "", New{Name: "Bad", Redirects: []string{"javascript:x"}}); !errors.As(err, &fault) || fault.Member != "redirects" {
		t.Error(err)
	}
}

// The old secret is good for its overlap, through a restart, and not a moment longer.
func TestSecretsAreExchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil)
		c, first, err := h.Add(t.Context(), anna, "", New{Name: "Webmail", Redirects: []string{"https://mail.example.org/cb"}, Confidential: true})
		if err != nil || c.SecretMade.IsZero() {
			t.Fatalf("%+v, %v", c, err)
		}
		var shown []string
		good := func(want ...string) {
			t.Helper()
			for _, s := range append([]string{first}, shown...) {
				if h.Authenticate(c.ID, s) != slices.Contains(want, s) {
					t.Errorf("%.20q is right: %v", s, !slices.Contains(want, s))
				}
			}
			if h.Authenticate(c.ID, "") || h.Authenticate(Mail, first) {
				t.Error("what is no secret is right")
			}
		}
		rotate := func(overlap time.Duration) string {
			t.Helper()
			_, s, err := h.NewSecret(t.Context(), anna, "yearly", c.ID, overlap)
			if err != nil {
				t.Fatal(err)
			}
			shown = append(shown, s)
			return s
		}
		time.Sleep(time.Hour)
		second := rotate(time.Hour)
		good(first, second)
		h.restart(nil)
		good(first, second)
		if now := h.find(c.ID); now.SecretMade.Sub(now.OldSecretMade) < time.Hour || !now.OldSecretUntil.Equal(now.SecretMade.Add(time.Hour)) {
			t.Errorf("%+v", now)
		}
		var fault *Fault
		if _, _, err := h.NewSecret(t.Context(), anna, "", c.ID, time.Hour); !errors.As(err, &fault) {
			t.Errorf("a third one: %v", err)
		}
		if _, err := h.Rename(t.Context(), anna, "", c.ID, "Roundcube"); err != nil {
			t.Error(err)
		}
		good(first, second)
		time.Sleep(time.Hour)
		good(second)
		third := rotate(MaxOverlap)
		if _, err := h.EndOldSecret(t.Context(), anna, "", c.ID); err != nil {
			t.Fatal(err)
		}
		good(third)
		rotate(time.Hour)
		fifth := rotate(0) // the fourth leaked
		good(fifth)
		h.restart(nil)
		good(fifth)
		public := h.register(program("Stranger"))
		for _, id := range []string{public.ID, Mail, "nobody"} {
			if _, s, err := h.NewSecret(t.Context(), anna, "", id, 0); err == nil || s != "" {
				t.Errorf("%s was given a secret", id)
			}
		}
		for _, overlap := range []time.Duration{-1, MaxOverlap + 1} {
			if _, _, err := h.NewSecret(t.Context(), anna, "", c.ID, overlap); !errors.As(err, &fault) || fault.Member != "overlap" {
				t.Errorf("%s: %v", overlap, err)
			}
		}
		rows, err := h.Store.Audits(t.Context(), store.AuditFilter{})
		said := 0
		for _, r := range rows {
			if r.Action == "rotate secret" && r.Reason == "yearly" {
				said++
			}
			for _, s := range append(shown, first) {
				if strings.Contains(string(r.After)+string(r.Before), s) {
					t.Error("a secret is in the audit")
				}
			}
		}
		if err != nil || said != len(shown) {
			t.Errorf("audited %d times, %v", said, err)
		}
	})
}
