package cli

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/admin"
	oauthclient "github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// counter is an administrators' interface to an issuer, and nothing else.
type counter struct {
	t       *testing.T
	socket  string
	clients *oauthclient.Registry
	grants  *grant.Service
	ana     store.Person
}

func openCounter(t *testing.T) *counter {
	t.Helper()
	dir, err := os.MkdirTemp("", "pr") // a socket's path has room for 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{t: t, socket: filepath.Join(dir, "s"), ana: store.Person{Address: "ana@example.org", SecretKind: store.SecretBackend, Origin: store.OriginLocal}}
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Change(t.Context(), store.System, "", func(tx *store.Tx) error { return tx.AddPerson(&c.ana) }); err != nil {
		t.Fatal(err)
	}
	box := secret.NewBox()
	keys, err := token.OpenKeyring(token.KeyringOptions{Path: filepath.Join(dir, "issuer.keys")}, box)
	if err != nil {
		t.Fatal(err)
	}
	if c.clients, err = oauthclient.Open(t.Context(), oauthclient.Options{Store: s, Box: box, Issuer: "https://mail.example.org", Registration: oauthclient.VerifiedOnly}); err != nil {
		t.Fatal(err)
	}
	if c.grants, err = grant.Open(t.Context(), grant.Options{Store: s, Box: box, Keys: keys, Issuer: "https://mail.example.org"}); err != nil {
		t.Fatal(err)
	}
	h := admin.New(admin.Options{Store: s, Clients: c.clients, Grants: c.grants, IssuerKeys: keys, Sessions: &session.Registry{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Canonical: func(typed string) (string, error) { return typed, nil },
		Apply:     func(context.Context, time.Duration) (session.Report, error) { return session.Report{}, nil }})
	l, err := admin.Listen(c.socket, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- admin.Serve(ctx, l, h) }()
	t.Cleanup(func() {
		stop()
		<-done
		c.grants.Close()
		_ = s.Close()
		_ = os.RemoveAll(dir)
	})
	return c
}

// want runs a command that must end as said and prints what the pattern says.
func (c *counter) want(exit int, pattern string, args ...string) string {
	c.t.Helper()
	got, out, errs := run(c.t, c.socket, "", args...)
	if got != exit {
		c.t.Fatalf("%q ended with %d: %s%s", args, got, out, errs)
	}
	if !regexp.MustCompile(`(?s)` + pattern).MatchString(out + errs) {
		c.t.Errorf("%q says\n%s%s\nand not %s", args, out, errs, pattern)
	}
	return out
}

func (c *counter) granted(id string) grant.Grant {
	c.t.Helper()
	s, err := scope.Parse("imap offline_access")
	if err != nil {
		c.t.Fatal(err)
	}
	g, err := c.grants.Issue(c.t.Context(), grant.Grant{Person: c.ana.ID, Address: c.ana.Address, Client: id, Scope: s, Methods: policy.MethodPassword | policy.MethodSoftwareOath, AuthTime: time.Now(),
		Network: netip.MustParsePrefix("192.0.2.0/24"), Kind: grant.KindDevice, Offline: true})
	if err != nil {
		c.t.Fatal(err)
	}
	return g
}

func TestProgramsOnTheCommandLine(t *testing.T) {
	c := openCounter(t)
	c.want(exitOK, `9e5f94bc-e8a4-4e73-b8be-63364c29d753\tThunderbird\tbuiltin\tverified`, "client", "list")
	out := c.want(exitOK, `made the program Webmail; its secret is shown this once`, "client", "add", "Webmail", "--redirect", "https://webmail.example.org/cb", "--confidential",
		"--scope", "imap,smtp", "--post-logout", "https://webmail.example.org/", "--backchannel-logout", "https://webmail.example.org/bye", "--id-token-alg", "RS256")
	made := regexp.MustCompile(`^client_id=(app-\w+)\nclient_secret=(prclient_\w+)\n$`).FindStringSubmatch(out)
	if made == nil || !c.clients.Authenticate(made[1], made[2]) {
		t.Fatalf("printed %q", out)
	}
	shown := c.want(exitOK, `Proof +its secret\nSecret +made \S+\nAnswered at +https://webmail.example.org/cb\nAfter logout +https://webmail.example.org/\nLogouts to +https://webmail.example.org/bye\n.*Limited to +imap smtp\n.*Id tokens +RS256`,
		"client", "show", "webmail")
	if strings.Contains(shown, made[2]) {
		t.Error("the secret is shown again")
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(c.want(exitOK, ``, "client", "add", "Robot", "--service-account", "ana@example.org", "-o", "json")), &object); err != nil || object["secret"] == "" || object["public"] != false {
		t.Errorf("%v, %v", object, err)
	}
	c.want(exitOK, `Grant types +client_credentials\nSigns in as +ana@example.org`, "client", "show", "robot")
	c.want(exitOK, `^client_id=app-\w+\nmade the program Ours:\n$`, "client", "add", "Ours", "--redirect", "http://127.0.0.1/", "--redirect", "org.example.ours:/")
	c.want(exitUsage, `--redirect: no program is answered at "javascript:x"`, "client", "add", "Bad", "--redirect", "javascript:x")
	c.want(exitUsage, `--scope: there is no scope "imapp"`, "client", "add", "Bad", "--redirect", "http://127.0.0.1/", "--scope", "imapp")
	c.want(exitUsage, `NAME: Webmail is called that already`, "client", "add", "web mail", "--redirect", "http://127.0.0.1/")
	c.want(exitOK, `limited Webmail`, "client", "limit", made[1], "imap", "offline_access")
	c.want(exitOK, `limited Webmail.*note: without offline_access`, "client", "limit", made[1], "imap,smtp")
	c.want(exitOK, `lifted the limit of Webmail`, "client", "limit", made[1], "--none")
	c.want(exitUsage, `either scopes`, "client", "limit", made[1])
	c.want(exitUsage, `either scopes`, "client", "limit", made[1], "imap", "--none")
	c.want(exitOK, `renamed: Roundcube \(`+made[1], "client", "rename", made[1], "Roundcube")
	c.want(exitUsage, `keeps its name`, "client", "rename", "portreeve-mail", "Other")
	c.want(exitOK, `removed Roundcube`, "client", "rm", "roundcube")
	c.want(exitNotFound, `no program "roundcube".*client list`, "client", "show", "roundcube")
	c.want(exitOK, `\w+\tdelete\tclient\tRoundcube`, "audit", "list", "--kind", "client")
}

func TestSecretsAreExchangedOnTheCommandLine(t *testing.T) {
	c := openCounter(t)
	first := regexp.MustCompile(`client_id=(\S+)\nclient_secret=(\S+)\n`).FindStringSubmatch(c.want(exitOK, ``, "client", "add", "Webmail", "--redirect", "https://w.example.org/cb", "--confidential"))
	id, right := first[1], func(secret string) bool { return c.clients.Authenticate(first[1], secret) }
	c.want(exitOK, `Proof +its secret\nSecret +made \S+\nAnswered`, "client", "show", "webmail")
	rotated := func(says string, args ...string) string {
		t.Helper()
		out := c.want(exitOK, says, append([]string{"client", "secret", "webmail"}, args...)...)
		m := regexp.MustCompile(`^client_id=` + id + `\nclient_secret=(prclient_\w+)\n$`).FindStringSubmatch(out)
		if m == nil || !right(m[1]) {
			t.Fatalf("printed %q", out)
		}
		return m[1]
	}
	second := rotated(`Webmail has a new secret, shown this once; the old one is good until `)
	if !right(first[2]) {
		t.Error("the old secret is wrong at once")
	}
	shown := c.want(exitOK, `Secret +made \S+\nOld secret +made \S+, good until \S+; .portreeve client secret `+id+` --end-old. ends it`, "client", "show", "webmail")
	if strings.Contains(shown, second) || strings.Contains(shown, first[2]) {
		t.Error("a secret is shown again")
	}
	c.want(exitConflict, `good until \S+Z: end it first.*next: .portreeve client secret webmail --end-old. ends it`, "client", "secret", "webmail", "--overlap", "1h")
	c.want(exitUsage, `^error: --overlap: an old secret is good for 30 days more at most\n$`, "client", "secret", "webmail", "--overlap", "31d")
	c.want(exitOK, `ended the old secret of Webmail`, "client", "secret", "webmail", "--end-old")
	if right(first[2]) || !right(second) {
		t.Error("the wrong one was ended")
	}
	c.want(exitConflict, `Webmail has one secret`, "client", "secret", "webmail", "--end-old")
	rotated(`no other is good any more`, "--overlap", "0")
	if right(second) {
		t.Error("an old secret without an overlap is good")
	}
	c.want(exitUsage, `--overlap: .*30 days`, "client", "secret", "webmail", "--overlap", "31d")
	c.want(exitUsage, `--overlap: "7" has no unit`, "client", "secret", "webmail", "--overlap", "7")
	c.want(exitUsage, `overlap`, "client", "secret", "webmail", "--overlap", "1h", "--end-old")
	c.want(exitConflict, `is public: it has no secret`, "client", "secret", "portreeve-mail")
	c.want(exitOK, `rotate secret\tclient\tWebmail.*end old secret\tclient\tWebmail.*rotate secret\tclient`, "audit", "list", "--kind", "client")
}

func TestStrangersProgramsOnTheCommandLine(t *testing.T) {
	c := openCounter(t)
	for _, name := range []string{"Ltt.rs", "Thunderbird"} {
		if _, err := c.clients.Register(t.Context(), netip.MustParseAddr("2001:db8::1"), oauthclient.Metadata{Name: name, Redirects: []string{"http://127.0.0.1/"}, URI: "https://ltt.rs/"}); err != nil {
			t.Fatal(err)
		}
	}
	c.want(exitOK, `reg-\w+\tLtt.rs\tregistered\tunverified, refused\t\t0\t\t2001:db8::/48`, "client", "list")
	c.want(exitOK, `registered itself, from 2001:db8::/48.*Its page +ltt.rs, as it says`, "client", "show", "ltt.rs")
	c.want(exitUsage, `2 programs are called "Thunderbird"`, "client", "allow", "Thunderbird")
	c.want(exitOK, `allowed Ltt.rs`, "client", "allow", "ltt.rs")
	c.want(exitOK, `\tverified\t`, "client", "list", "--state", "allowed")
	c.granted(oauthclient.Token)
	c.granted(oauthclient.Token)
	c.want(exitOK, `Grants +2;`, "client", "show", "portreeve-token")
	c.want(exitOK, `forbade portreeve token \(portreeve-token\), and ended 2 grants`, "client", "forbid", "portreeve-token")
	c.want(exitOK, `^portreeve-token\tportreeve token\tbuiltin\tforbidden\t`, "client", "list", "--state", "forbidden")
	c.want(exitOK, `allowed portreeve token`, "client", "allow", "portreeve-token")
}

func TestGrantsAmongSessions(t *testing.T) {
	c := openCounter(t)
	g, other := c.granted(oauthclient.Token), c.granted(oauthclient.Mail)
	c.want(exitOK, `^`+g.ID+`\tana@example.org\tportreeve token\t\S+Z\t\S*\timap offline_access\t\w+, \w+\t192.0.2.0/24\n`+other.ID, "session", "list", "--grants", "--user", "ana@example.org")
	c.want(exitOK, `^`+other.ID+`[^\n]*\n$`, "session", "list", "--grants", "--client", oauthclient.Mail)
	c.want(exitUsage, `--client goes with --grants`, "session", "list", "--client", oauthclient.Mail)
	c.want(exitOK, `ended 1 grant, and what was opened with it\n$`, "session", "kill", g.ID)
	c.want(exitNotFound, `no open connection and no grant`, "session", "kill", g.ID)
	c.want(exitOK, `^closed 0 connections\nnote: 1 program of this person's may sign in again without asking: .portreeve session list --grants --user ana@example.org. `, "session", "kill", "--user", "ana@example.org")
	c.want(exitOK, `^`+other.ID+`[^\n]*\n$`, "session", "list", "--grants")
	c.want(exitOK, `ended 1 grant`, "session", "kill", other.ID)
	c.want(exitOK, `^closed 0 connections\n$`, "session", "kill", "--user", "ana@example.org")
}

// What one browser was signed in to a page with, again and again, is one line, and
// ended as one.
func TestSignInsOfOneBrowserAreOneLine(t *testing.T) {
	c := openCounter(t)
	s, err := scope.Parse("openid email")
	if err != nil {
		t.Fatal(err)
	}
	var last grant.Grant
	for range 3 {
		if last, err = c.grants.Issue(t.Context(), grant.Grant{Person: c.ana.ID, Address: c.ana.Address, Client: oauthclient.Mail, Scope: s, Methods: policy.MethodPassword, AuthTime: time.Now(), Kind: grant.KindCode, Session: "browser-1"}); err != nil {
			t.Fatal(err)
		}
	}
	c.want(exitOK, `^`+last.ID+`\tana@example.org\tMail program ×3\t[^\n]*\n$`, "session", "list", "--grants")
	c.want(exitOK, `ended 3 grants, and what was opened with it\n$`, "session", "kill", last.ID)
	c.want(exitOK, `^$|no grant|none`, "session", "list", "--grants")
}

func TestKeysOnTheCommandLine(t *testing.T) {
	c := openCounter(t)
	before := c.want(exitOK, `ES256\tfor programs\tcurrent\t.*RS256\tfor programs\tcurrent`, "key", "list")
	c.want(exitOK, `for programs: new key \S+\nfor programs: new key \S+\n`, "key", "rotate")
	c.want(exitUsage, `not for "nothing"\n  usage: portreeve key rotate \[programs\|backends\]\n`, "key", "rotate", "nothing")
	c.want(exitConflict, `no backend takes tokens`, "key", "rotate", "backends")
	after := c.want(exitOK, `retired`, "key", "list")
	if strings.Count(before, "\n") != 2 || strings.Count(after, "\n") != 4 {
		t.Errorf("%s\nthen\n%s", before, after)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(c.want(exitOK, ``, "key", "export", "--jwks")), &set); err != nil || len(set.Keys) != 4 || set.Keys[0]["d"] != "" {
		t.Errorf("%v, %v", set, err)
	}
	c.want(exitUsage, `say for whom`, "key", "export")
}

// Without an issuer each command says why there is nothing.
func TestProgramsWithoutAnIssuer(t *testing.T) {
	c := &counter{t: t, socket: serveForTest(t, t.Cleanup, "")}
	for _, args := range [][]string{{"client", "list"}, {"session", "list", "--grants"}, {"key", "export", "--jwks"}} {
		c.want(exitConflict, `issues no tokens itself.*public_url`, args...)
	}
	c.want(exitNotFound, `no open connection and no grant`, "session", "kill", "01234567-0123-0123-0123-0123456789ab")
}
