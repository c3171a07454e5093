package cli

import (
	"encoding/xml"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// exampleFacts are what docs/programs.md shows.
var exampleFacts = setupFacts{User: helped, Path: "portreeve", IMAP: mailServer{"mail.example.org", 993, true},
	POP3: mailServer{"mail.example.org", 995, true}, SMTP: mailServer{"mail.example.org", 465, true}}

// TestTheProgramsPageShowsWhatSetupPrints keeps the lines to paste true.
func TestTheProgramsPageShowsWhatSetupPrints(t *testing.T) {
	raw, err := os.ReadFile("../../docs/programs.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range setupPrograms {
		text, err := p.text(exampleFacts)
		if err != nil {
			t.Fatal(err)
		}
		if block := "\n```\n" + text + "```\n"; !strings.Contains(string(raw), block) {
			t.Errorf("docs/programs.md lacks the lines of %s:%s", p.name, block)
		}
		if !strings.Contains(string(raw), "--setup "+p.name+"`") {
			t.Errorf("docs/programs.md does not say `--setup %s`", p.name)
		}
	}
}

func TestSetupTakesTheServersOwnNames(t *testing.T) {
	w := newTokenWorld(t)
	exit, out, errs := w.call("--setup", "mutt", "--server", w.issuer.URL, "--ca", w.issuer.CA)
	if exit != exitOK || !strings.Contains(out, "'imaps://mail.example.org:993/'") || !strings.Contains(out, "'smtps://leela%40example.org@mail.example.org:465/'") ||
		!strings.Contains(out, "ssl_ca_certificates_file = '"+w.issuer.CA+"'") || errs != "" {
		t.Errorf("exit %d, %q\n%s", exit, errs, out)
	}
	if exit, out, errs = w.call("--setup", "getmail", "--server", w.issuer.URL, "--ca", w.issuer.CA, "--imap", "localhost:1143"); exit != exitOK || !strings.Contains(out, "server = localhost\nport = 1143\n") {
		t.Errorf("exit %d, %q\n%s", exit, errs, out)
	}
	if exit, out, errs = w.call("--setup", "getmail", "--imap", "localhost:143"); exit != exitFailed || !strings.Contains(errs, "STARTTLS") {
		t.Errorf("exit %d, %q\n%s", exit, errs, out)
	}
	// Once somebody has signed in, the server is known.
	w.signedIn()
	for _, p := range setupPrograms {
		exit, out, errs := w.call("--setup", p.name)
		if exit != exitOK || !strings.Contains(out, helped) || strings.Contains(out, "{{") || strings.Contains(out, "<no value>") {
			t.Errorf("%s: exit %d, %q\n%s", p.name, exit, errs, out)
		}
	}
	w.issuer.instead(func(w http.ResponseWriter, q *http.Request) bool { http.NotFound(w, q); return true })
	if exit, out, errs := w.call("--setup", "mutt"); exit != exitFailed || out != "" || !strings.Contains(errs, "--imap") {
		t.Errorf("without autoconfig: exit %d, %q, %q", exit, out, errs)
	}
	for _, hostile := range []string{"<", autoconfigOf("a'\nset x='b"), autoconfigOf("`id`"), strings.ReplaceAll(autoconfigOf("h"), "993", "99300"), strings.ReplaceAll(autoconfigOf("h"), "SSL", "plain"), strings.Repeat("<a>", 100_000)} {
		w.issuer.instead(func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte(hostile)); return true })
		if exit, out, errs := w.call("--setup", "getmail-pop3", "--pop3", "h:995"); exit != exitOK {
			t.Errorf("typed: exit %d, %q, %q", exit, out, errs)
		}
		if exit, out, _ := w.call("--setup", "mutt"); exit == exitOK && strings.ContainsAny(out, "`\x1b") || strings.Contains(out, "set x=") {
			t.Errorf("%.60q: exit %d\n%s", hostile, exit, out)
		}
	}
}

func TestServersAreTyped(t *testing.T) {
	for typed, want := range map[string]mailServer{
		"mail.example.org:993": {"mail.example.org", 993, true}, "mail.example.org:143": {"mail.example.org", 143, false},
		"imap://localhost:1": {"localhost", 1, false}, "imaps://localhost:143/": {"localhost", 143, true}, "[::1]:993": {"::1", 993, true},
	} {
		if got, err := typedServer("imap", typed); err != nil || got != want {
			t.Errorf("%s: %+v, %v", typed, got, err)
		}
	}
	for _, typed := range []string{"", "host", "host:", ":993", "host:0", "host:99999", "host:-1", "smtp://host:1", "imap://host", "ho st:1", "h'x:1", "h\nx:1", "imap://u@host:1"} {
		if got, err := typedServer("imap", typed); err == nil {
			t.Errorf("%q: %+v", typed, got)
		}
	}
}

// No name that a server gives breaks out of a program's settings.
func TestServersNamesStayWhereTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a autoconfig
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z.'"\x60$\\\n;#% -]{1,12}`), rapid.SampledFrom([]string{"mail.example.org", "::1", "192.0.2.1", "[::1]"}))
		for _, kind := range []string{"imap", "pop3", "smtp"} {
			a.Provider.Incoming = append(a.Provider.Incoming, autoconfigServer{kind, name.Draw(t, "host"), rapid.Int().Draw(t, "port"), rapid.SampledFrom([]string{"SSL", "STARTTLS", "plain", ""}).Draw(t, "socket")},
				autoconfigServer{kind, name.Draw(t, "host"), rapid.IntRange(1, 65535).Draw(t, "port"), "SSL"})
		}
		body, err := xml.Marshal(a)
		read := &autoconfig{}
		if err := errors.Join(err, xml.Unmarshal(body, read)); err != nil { // what no XML can hold has been replaced in writing
			t.Fatal(err)
		}
		facts := exampleFacts
		for kind, place := range map[string]*mailServer{"imap": &facts.IMAP, "pop3": &facts.POP3, "smtp": &facts.SMTP} {
			if m, ok := read.find(kind); ok {
				*place = m
			}
		}
		for _, p := range setupPrograms {
			want, err := p.text(exampleFacts)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.text(facts)
			if err != nil || strings.Count(got, "'") != strings.Count(want, "'") || strings.Count(got, `"`) != strings.Count(want, `"`) || strings.ContainsAny(got, "\r\x1b`;") {
				t.Fatalf("%s: %v\n%s", p.name, err, got)
			}
		}
	})
}
