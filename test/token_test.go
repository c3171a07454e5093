package test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

const (
	ownerOfTokens = "tess@example.org"
	answerTime    = 3 * time.Second // for a refused token
)

// A person signs in once by their browser; then programs of the terminal sign in
// by the lines that the helper prints for them, and a token that the door does
// not know is refused to each of them at once, in words where they show words.
func TestProgramsOfTheTerminalSignInByToken(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: map[string]string{ownerOfTokens: password},
		Door: doorOptions{Portal: true, Hostname: "localhost"}})
	s.do(t, "user", "add", ownerOfTokens)
	s.deliver(t, ownerOfTokens, "listed")
	h, origin := newTokenHome(t, s), "https://localhost:"+portOf(s.Public)

	if _, errs, exit := h.token(t, "--server", origin, "--ca", s.CA); exit != 1 || !strings.Contains(errs, "once in a terminal") {
		t.Errorf("before anybody has signed in: exit %d, %q", exit, errs)
	}
	b := s.browser(t)
	token := h.signIn(t, b, "--server", origin, "--ca", s.CA)
	if again := h.current(t); again != token {
		t.Errorf("the next call gives another token while the first is good")
	}
	refused := h.withToken(t, s.use(token[:len(token)-8]+"AAAAAAAA"))
	t.Run("signs in", func(t *testing.T) {
		for _, p := range tokenPrograms {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				lines := h.lines(t, p.lines())
				if printed, ok := p.run(t, h, lines); !ok {
					t.Errorf("it printed:\n%s\nwith the lines:\n%s", printed, lines)
				}
			})
		}
	})
	s.arrived(t, token)
	t.Run("signs in by STARTTLS", func(t *testing.T) {
		other := h.withToken(t, token)
		for _, p := range tokenPrograms {
			if p.name == "getmail" {
				continue // knows none, and --setup says so
			}
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				lines := other.lines(t, p.lines(), "--imap", "imap://localhost:"+portOf(s.IMAP), "--smtp", "smtp://localhost:"+portOf(s.Submission))
				if printed, ok := p.run(t, other, lines); !ok {
					t.Errorf("it printed:\n%s\nwith the lines:\n%s", printed, lines)
				}
			})
		}
	})
	refused.areRefused(t, "is refused", "PR50126", func(p tokenProgram) bool { return p.silent })
	s.answersQuickly(t, refused.current(t))
	if rows := s.aercRefused(t); len(rows) != 1 || rows[0].Portreeve.Count < 2 || rows[0].Portreeve.Code != "PR1022" {
		t.Errorf("aerc's attempts are not one row: %+v", rows)
	}
	if out, err := s.feed(noProgramsByToken, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	h.areRefused(t, "is refused by policy", "PR53003", func(p tokenProgram) bool { return p.name == "curl" })
	s.do(t, "policy", "delete", "No programs by token")
	s.passwordsPlace(t, h)

	s.oneRefresh(t, h)
	first := h.current(t)
	old := h.withToken(t, first)
	h.desktop(t)
	h.signInByDevice(t, s.browser(t), "--keyring")
	if raw, err := os.ReadFile(h.file()); err != nil || strings.Contains(string(raw), "refreshToken") {
		t.Errorf("the keyring was to keep the tokens, and the file holds %s, %v", raw, err)
	}
	if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: first, token: true}); ok {
		t.Error("a new sign-in leaves the one before open")
	}
	token = h.current(t)
	if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: token, token: true}); !ok {
		t.Error("a sign-in by another device opens no door")
	}
	if out, errs, exit := h.token(t, "--forget"); exit != 0 || !strings.Contains(out, "revoked") {
		t.Errorf("--forget: exit %d, %q %q", exit, out, errs)
	}
	if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: token, token: true}); ok {
		t.Error("a token of what was forgotten still opens the door")
	}
	if _, errs, exit := h.token(t); exit != 1 || !strings.Contains(errs, "once in a terminal") {
		t.Errorf("after --forget: exit %d, %q", exit, errs)
	}
	old.doubt()
	before := time.Now().Add(-time.Minute)
	check(t, os.Chtimes(old.file(), before, before))
	if out, errs, exit := old.token(t); exit != 3 || out != "" || !strings.Contains(errs, "asks for a new sign-in") || !strings.Contains(errs, "--login") {
		t.Errorf("with an access token that outlives its sign-in: exit %d, %q, %q", exit, out, errs)
	}
	old.kept(t, func(tokens map[string]any) { tokens["expiry"] = time.Now() })
	if _, errs, exit := old.token(t); exit != 3 || !strings.Contains(errs, "asks for a new sign-in") {
		t.Errorf("with a sign-in that has ended: exit %d, %q", exit, errs)
	}
}

const noProgramsByToken = `{"displayName": "No programs by token", "state": "enabled",
  "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["mobileAppsAndDesktopClients"]},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`

// areRefused runs all programs, which must end, and show the code unless they
// are silent.
func (h *tokenHome) areRefused(t *testing.T, name, code string, silent func(tokenProgram) bool) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		for _, p := range tokenPrograms {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				printed, ok := p.run(t, h, h.lines(t, p.lines()))
				if ok || !silent(p) && !strings.Contains(drawn(printed), code) {
					t.Errorf("it went well: %v; it printed:\n%s", ok, printed)
				}
			})
		}
	})
}

func (p tokenProgram) lines() string {
	if p.setup != "" {
		return p.setup
	}
	return p.name
}

// arrived looks for the mails that the programs sent.
func (s *site) arrived(t testing.TB, token string) {
	t.Helper()
	c, err := imapclient.DialTLS(s.IMAPS, &imapclient.Options{TLSConfig: s.tls()})
	check(t, err)
	defer c.Close()
	check(t, c.Authenticate(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: ownerOfTokens, Token: token})))
	_, err = c.Select("INBOX", nil).Wait()
	check(t, err)
	for _, p := range tokenPrograms {
		if p.sends == "" {
			continue
		}
		found := 0
		for end := time.Now().Add(doorStop); found == 0 && time.Now().Before(end); time.Sleep(10 * pollTime) {
			check(t, c.Noop().Wait())
			all, err := c.Search(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: subjectOfTokens + p.sends}}}, nil).Wait()
			check(t, err)
			found = len(all.AllSeqNums())
		}
		if found == 0 {
			t.Errorf("what %s sent has not arrived", p.sends)
		}
	}
}

// answersQuickly measures the door's answer itself, without a program's start.
func (s *site) answersQuickly(t testing.TB, token string) {
	t.Helper()
	fastest := time.Hour
	for range 3 {
		began := time.Now()
		if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: token, token: true}); ok {
			t.Fatal("the door took a token that nobody issued")
		}
		fastest = min(fastest, time.Since(began))
	}
	if fastest > answerTime {
		t.Errorf("a refused token was answered in %v", fastest)
	}
}

// oneRefresh has eight programs ask at once when the access token is over.
func (s *site) oneRefresh(t testing.TB, h *tokenHome) {
	t.Helper()
	h.kept(t, func(tokens map[string]any) {
		tokens["expiry"] = time.Now()
		s.use(tokens["refreshToken"].(string))
	})
	before, err := os.ReadFile(h.file())
	check(t, err)
	tokens := make(chan string, 8)
	for range cap(tokens) {
		go func() {
			out, _, _ := h.token(t)
			tokens <- out
		}()
	}
	first := s.use(strings.TrimSpace(<-tokens))
	for range cap(tokens) - 1 {
		if next := strings.TrimSpace(<-tokens); next != first || first == "" {
			t.Errorf("of eight programs at once, one got %d bytes and another %d of another token", len(first), len(next))
		}
	}
	if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: first, token: true}); !ok {
		t.Error("the next token opens no door")
	}
	// As if the machine had been switched off before the answer was written down.
	check(t, os.WriteFile(h.file(), before, 0o600))
	if again := s.use(h.current(t)); again == "" {
		t.Error("an answer that was lost is not given again")
	}
	h.kept(t, func(tokens map[string]any) { s.use(tokens["refreshToken"].(string)) })
}

// passwordsPlace has getmail show a token over POP3, which it can as a password
// only: once the door takes that, and not before.
func (s *site) passwordsPlace(t testing.TB, h *tokenHome) {
	t.Helper()
	lines := h.lines(t, "getmail-pop3")
	if printed, ok := getmailByToken(t, h, lines); ok || !strings.Contains(printed, "PR50126") {
		t.Errorf("a token in the password's place: %v\n%s", ok, printed)
	}
	raw, err := os.ReadFile(s.config)
	check(t, err)
	check(t, os.WriteFile(s.config, append(raw, "oauth: {token_as_password: true}\n"...), 0o600))
	s.stop(t)
	s.begin(t)
	if printed, ok := getmailByToken(t, h, lines); !ok {
		t.Errorf("a token in the password's place is not taken:\n%s", printed)
	}
	row := s.signIn(t, ownerOfTokens, "PR0")
	if row.Portreeve.Protocol != "pop3" || row.Portreeve.Credential != "bearer" {
		t.Errorf("the log says %+v", row)
	}
	if said := s.do(t, "signins", "show", row.Portreeve.Reference); !strings.Contains(said, "a token in the password's place") {
		t.Errorf("the log does not say so:\n%s", said)
	}
}
