package oauth

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

// disabled shuts leela out, who keeps all that they were granted.
func (w *world) disabled() {
	w.t.Helper()
	must(w.t, w.store.Change(w.t.Context(), store.System, "", func(tx *store.Tx) error {
		p, err := tx.Person(leela)
		if err != nil {
			return err
		}
		p.Disabled = true
		return tx.PutPerson(&p)
	}))
}

// redeemers are how programs come for their first tokens, each with what makes it
// ready to be done, again and again.
var redeemers = map[string]struct {
	ask    func(w *world) func() *answer
	public bool
}{
	"a code": {func(w *world) func() *answer {
		code := w.says(w.connect(asking()), nil)
		return func() *answer {
			return w.token("grant_type", "authorization_code", "client_id", client.Mail, "code", code, "redirect_uri", localhost, "code_verifier", verifier)
		}
	}, true},
	"a device's code": {func(w *world) func() *answer {
		d := w.device()
		w.approves(d.text("user_code"))
		return func() *answer { return w.poll(d.text("device_code"), nil) }
	}, true},
	"a code of a site's": {func(w *world) func() *answer {
		site, secret := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org/cb"}})
		code := w.says(w.connect(asking("client_id", site.ID, "redirect_uri", "https://wiki.example.org/cb", "scope", "openid")), nil)
		return func() *answer {
			return w.token("grant_type", "authorization_code", "client_id", site.ID, "client_secret", secret, "code", code, "redirect_uri", "https://wiki.example.org/cb", "code_verifier", verifier)
		}
	}, false},
}

// without does something while a table of the database cannot be read.
func (w *world) without(table string, do func()) {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, store.FileName)+"?_txlock=immediate&_busy_timeout=20000")
	must(w.t, err)
	defer db.Close()
	_, err = db.Exec(`ALTER TABLE ` + table + ` RENAME TO elsewhere`)
	must(w.t, err)
	do()
	_, err = db.Exec(`ALTER TABLE elsewhere RENAME TO ` + table)
	must(w.t, err)
}

// Trouble of ours when a program comes for its tokens costs nobody what they
// agreed to: the same program comes again with the same code. It is good once all
// the same, and only as long as what was agreed to holds.
func TestTroubleOfOursLeavesTheCode(t *testing.T) {
	for name, c := range redeemers {
		for meanwhile, refused := range map[string]bool{"nothing": false, "disabled": true} {
			t.Run(name+", "+meanwhile, func(t *testing.T) {
				w := newWorld(t)
				redeem := c.ask(w)
				w.without("people", func() {
					for range 2 {
						if a := redeem(); a.StatusCode != http.StatusServiceUnavailable || a.text("error") != temporarilyAway || a.json["access_token"] != nil {
							t.Fatalf("%d %s", a.StatusCode, a.body)
						}
					}
				})
				if left := w.grants.Of(leela); len(left) != 0 {
					t.Errorf("%d grants live that nobody has tokens of", len(left))
				}
				if refused {
					w.disabled()
					if a := redeem(); a.StatusCode != http.StatusBadRequest || a.text("error") != grant.InvalidGrant {
						t.Errorf("disabled meanwhile: %d %s", a.StatusCode, a.body)
					}
					return
				}
				if a := redeem(); a.StatusCode != http.StatusOK || a.text("access_token") == "" {
					t.Fatalf("it was lost: %d %s\n%s", a.StatusCode, a.body, w.faults)
				}
				if had := w.grants.Of(leela); len(had) != 1 {
					t.Errorf("%d grants", len(had))
				}
				if a := redeem(); a.StatusCode != http.StatusBadRequest || a.json["access_token"] != nil {
					t.Errorf("it is good twice: %d %s", a.StatusCode, a.body)
				}
			})
		}
	}
}

// What somebody agreed to is looked at once more when the program comes for its
// tokens, with a code and with a device's; what holds no longer ends, and the log
// says so.
func TestWhatHoldsNoLongerIsNotHandedOut(t *testing.T) {
	for name, c := range redeemers {
		for meanwhile, do := range map[string]func(*world){
			"disabled": (*world).disabled,
			"blocked":  func(w *world) { w.policies(everyone("block", policy.ControlBlock)) },
		} {
			if meanwhile == "blocked" && !c.public {
				continue // where a site's server is says nothing of the person
			}
			t.Run(name+", "+meanwhile, func(t *testing.T) {
				w := newWorld(t)
				redeem := c.ask(w)
				do(w)
				if a := redeem(); a.StatusCode != http.StatusBadRequest || a.text("error") != grant.InvalidGrant || a.json["access_token"] != nil {
					t.Errorf("%d %s", a.StatusCode, a.body)
				}
				if left := w.grants.Of(leela); len(left) != 0 {
					t.Errorf("%d grants live on", len(left))
				}
				refused := false
				for until := time.Now().Add(30 * time.Second); !refused && time.Now().Before(until); time.Sleep(20 * time.Millisecond) { // refusals are written a moment later
					events, _, err := w.store.Events(t.Context(), store.EventFilter{User: leela}, store.Cursor{}, 10)
					must(t, err)
					for _, e := range events {
						refused = refused || e.Code != 0
					}
				}
				if !refused {
					t.Error("nothing of it in the log")
				}
			})
		}
	}
}

// An old code tells nobody anything without what belongs to it, and signs nobody out.
func TestADeadCodeEndsNothing(t *testing.T) {
	w := newWorld(t)
	code := w.says(w.connect(asking()), nil)
	redeem := func(pairs ...string) *answer {
		v := values("grant_type", "authorization_code", "client_id", client.Mail, "code", code, "redirect_uri", localhost, "code_verifier", verifier)
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return w.send("POST", pathToken, v, nil)
	}
	refresh := redeem().text("refresh_token")
	for name, change := range map[string][]string{
		"another program's": {"client_id", client.Thunderbird},
		"no verifier":       {"code_verifier", ""},
		"a wrong verifier":  {"code_verifier", verifier + "x"},
		"another address":   {"redirect_uri", localhost + "/"},
	} {
		if a := redeem(change...); a.StatusCode != http.StatusBadRequest || a.text("error_description") != goneText {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	if a := w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", refresh); a.StatusCode != http.StatusOK {
		t.Errorf("signed out by somebody else's old code: %s", a.body)
	}
}

// Of somebody who is shut out no token is worth anything to whoever asks.
func TestIntrospectionOfSomebodyShutOut(t *testing.T) {
	w := newWorld(t)
	site, secret := w.added(client.New{Name: "Webmail", Redirects: []string{"https://localhost"}})
	a := w.signedInAs(site, secret)
	active := func() any {
		return w.send("POST", pathIntrospect, values("token", a.text("access_token")), basic(site.ID, secret)).json["active"]
	}
	before := active()
	w.disabled()
	if after := active(); before != true || after != false {
		t.Errorf("active: %v, then %v", before, after)
	}
}
