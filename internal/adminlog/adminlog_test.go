package adminlog

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// daemon listens where journald or syslogd would.
func daemon(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	_ = os.Remove(path)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func receive(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 64<<10)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func writer(t *testing.T, o Options) *Writer {
	t.Helper()
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func signIn(code signin.Code, name string) *signin.Event {
	id, err := signin.ParseID("0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6978")
	if err != nil {
		panic(err)
	}
	at := time.Date(2026, 3, 4, 9, 30, 15, 250e6, time.UTC)
	return &signin.Event{ID: id, At: at, Last: at, Count: 1, Source: "gate", Typed: name, Mechanism: "PLAIN", Code: code,
		TLS: signin.TLS{Version: 0x304},
		Facts: policy.Facts{Person: "p1", Address: name, Protocol: protocol.IMAP, Credential: policy.CredentialPassword,
			Addr: netip.MustParseAddr("192.0.2.7"), Country: "DE", Program: "Thunderbird", ProgramVersion: "128.3"}}
}

func TestSyslogHearsALine(t *testing.T) {
	for target, want := range map[Target]string{
		Syslog:  `^<21>[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d portreeve\[\d+\]: imap: wrong secret: rip=192\.0\.2\.7, user=<leela@example\.org>, method=PLAIN, credential=password, code=PR50126, ref=[0-9A-Z-]{14}, country=DE, program=<Thunderbird 128\.3>$`,
		RFC5424: `^<21>1 2026-03-04T09:30:15\.250000Z \S+ portreeve \d+ signIn - imap: wrong secret: rip=192\.0\.2\.7, user=<leela@example\.org>,`,
	} {
		path := filepath.Join(t.TempDir(), "log")
		d := daemon(t, path)
		w := writer(t, Options{Target: target, Socket: path})
		w.Record(signIn(signin.WrongCredentials, "leela@example.org"))
		if got := receive(t, d); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %q", target, got)
		}
	}
}

// fields reads journald's native protocol.
func fields(t *testing.T, s string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for s != "" {
		head, rest, ok := strings.Cut(s, "\n")
		if !ok {
			t.Fatalf("a field without its end: %q", s)
		}
		if name, value, plain := strings.Cut(head, "="); plain {
			all[name], s = value, rest
			continue
		}
		n := binary.LittleEndian.Uint64([]byte(rest[:8]))
		all[head], s = rest[8:8+n], rest[8+n+1:]
	}
	return all
}

func TestJournaldHearsFields(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	d := daemon(t, path)
	w := writer(t, Options{Socket: path})
	w.Record(signIn(signin.BlockedByPolicy, "leela@example.org"))
	got := fields(t, receive(t, d))
	for name, want := range map[string]string{"PRIORITY": "5", "SYSLOG_IDENTIFIER": "portreeve", "PORTREEVE_WHY": "refused by policy",
		"PORTREEVE_CODE": "PR53003", "PORTREEVE_RIP": "192.0.2.7", "PORTREEVE_USER": "leela@example.org", "PORTREEVE_PROTOCOL": "imap"} {
		if got[name] != want {
			t.Errorf("%s=%q, want %q", name, got[name], want)
		}
	}
	if !strings.HasPrefix(got["MESSAGE"], "imap: refused by policy: rip=192.0.2.7, user=<leela@example.org>") {
		t.Errorf("MESSAGE=%q", got["MESSAGE"])
	}
	if b := appendField(nil, "A", "x\nB=y"); fields(t, string(b))["A"] != "x\nB=y" {
		t.Errorf("a value with a line end became %q", b)
	}
}

func TestTheWordsTellAGuesserFromTheRest(t *testing.T) {
	seen := map[Why]bool{}
	for _, m := range signin.Meanings() {
		why := WhyOf(signIn(m.Code, "x"))
		seen[why] = true
		if guess := why == WrongSecret || why == UnknownName || why == TooManyWrong; guess !=
			(m.Code == signin.WrongCredentials || m.Code == signin.UserUnknown || m.Code == signin.Throttled) {
			t.Errorf("%v reads as %q", m.Code, why)
		}
	}
	for _, why := range []Why{SignedIn, WrongSecret, Policy, StaleClient, Trouble} {
		if !seen[why] {
			t.Errorf("no code reads as %q", why)
		}
	}
	e := signIn(signin.WrongCredentials, "x")
	e.Facts.KnownNetwork = true
	if WhyOf(e) != StaleClient {
		t.Errorf("an old secret from a known network reads as %q", WhyOf(e))
	}
}

// Who is asked for more is neither refused nor a guesser; a mail program that
// cannot be asked is refused.
func TestAnInterruptionHasAWordOfItsOwn(t *testing.T) {
	e := signIn(signin.MFARequired, "x")
	if got := WhyOf(e); got != Policy {
		t.Errorf("at a mail program's door: %q", got)
	}
	e.Facts.Proven, e.Verdict.Effect = true, policy.Interrupt
	if got := WhyOf(e); got != Interrupted {
		t.Errorf("in a browser: %q", got)
	}
}

// nasty are names that would forge or turn a line.
var nasty = []string{
	"leela\nMar  4 09:30:15 host portreeve[1]: imap: wrong secret: rip=198.51.100.1, user=<x>",
	"a>, rip=198.51.100.1, user=<b",
	"\u202egro.elpmaxe@aleel",
	"tab\tnul\x00bell\aescape\x1b[2J",
	"line\u2028paragraph\u2029nel\u0085",
	"half \xff\xfe utf-8",
	`back\slash "quoted"`,
	"tag \U000e0041 and \u200b zero width",
	strings.Repeat("ü", 5000),
}

func TestANameCanNeitherForgeNorTurnALine(t *testing.T) {
	filter := filterRegexp(t)
	for _, form := range []Form{Line, JSON} {
		for _, name := range nasty {
			e := signIn(signin.WrongCredentials, name)
			e.Facts.Program, e.Facts.Country, e.Mechanism = name, name, name
			w, err := New(Options{Target: Syslog, Form: form})
			if err != nil {
				t.Fatal(err)
			}
			line := string(w.record(e))
			for _, r := range line {
				if !unicode.IsPrint(r) {
					t.Errorf("%s: %U of %q is in the line", form, r, name)
				}
			}
			if len(line) > 8192 {
				t.Errorf("%s: a line of %d bytes", form, len(line))
			}
			if form == JSON {
				_, text, _ := strings.Cut(line, "]: ")
				var back map[string]any
				if err := json.Unmarshal([]byte(text), &back); err != nil {
					t.Errorf("%q: %v", text, err)
				} else if len(name) <= maxName && !strings.Contains(name, "\xff") && back["user"] != name {
					t.Errorf("user %q came back as %q", name, back["user"])
				}
				continue
			}
			if m := filter.FindStringSubmatch(line); m == nil || m[1] != "192.0.2.7" {
				t.Errorf("the filter read %q from %q", m, line)
			}
		}
	}
}

// filterRegexp is the shipped filter's expression as Go reads it, with
// fail2ban's own parts filled in.
func filterRegexp(t *testing.T) *regexp.Regexp {
	t.Helper()
	b, err := os.ReadFile("../../packaging/fail2ban/portreeve.conf")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^failregex = (.*)$`).FindSubmatch(b)
	if m == nil {
		t.Fatal("the filter has no failregex")
	}
	expr := strings.NewReplacer(`%(__prefix_line)s`, `<\d+>\w{3} [ \d]\d [\d:]{8} portreeve\[\d+\]: `, `<ADDR>`, `([0-9a-f.:]+)`,
		`<F-USER>`, `(?P<user>`, `</F-USER>`, `)`).Replace(string(m[1]))
	re, err := regexp.Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	return re
}

func TestTheShippedFilterBansGuessersOnly(t *testing.T) {
	filter := filterRegexp(t)
	w, err := New(Options{Target: Syslog})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*signin.Event)
		banned bool
	}{
		"wrong secret":              {func(*signin.Event) {}, true},
		"unknown name":              {func(e *signin.Event) { e.Code = signin.UserUnknown }, true},
		"too many":                  {func(e *signin.Event) { e.Code = signin.Throttled }, true},
		"an address of version 6":   {func(e *signin.Event) { e.Facts.Addr = netip.MustParseAddr("2001:db8::7") }, true},
		"signed in":                 {func(e *signin.Event) { e.Code = signin.OK }, false},
		"policy":                    {func(e *signin.Event) { e.Code = signin.BlockedByPolicy }, false},
		"trouble":                   {func(e *signin.Event) { e.Code = signin.BackendAway }, false},
		"an expired token":          {func(e *signin.Event) { e.Code = signin.TokenExpired }, false},
		"an old secret at home":     {func(e *signin.Event) { e.Facts.KnownNetwork = true }, false},
		"a webmail host's own":      {func(e *signin.Event) { e.Forwarder, e.Facts.ViaWebmail, e.Unnamed = "roundcube", true, true }, false},
		"through a webmail host":    {func(e *signin.Event) { e.Forwarder, e.Facts.ViaWebmail = "roundcube", true }, true},
		"a success's forged reason": {func(e *signin.Event) { e.Code, e.Facts.Address = 0, "imap: wrong secret: rip=192.0.2.7, user=<x>" }, false},
	} {
		e := signIn(signin.WrongCredentials, "leela@example.org")
		c.change(e)
		line := string(w.record(e))
		if got := filter.MatchString(line); got != c.banned {
			t.Errorf("%s: banned %v: %s", name, got, line)
		}
	}
}

func TestADaemonThatDoesNotReadStopsNobodyAndIsToldWhatWasDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	d := daemon(t, path)
	w := writer(t, Options{Target: Syslog, Socket: path})
	begun := time.Now()
	for range 4 * queueRoom {
		w.Record(signIn(signin.OK, "leela@example.org"))
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("recording took %v", took)
	}
	if w.Dropped() == 0 {
		t.Fatal("nothing was dropped although nobody read")
	}
	got, notice := int64(0), false
	for !notice && got < 5*queueRoom {
		if strings.Contains(receive(t, d), "sign-in lines were dropped") {
			notice = true
			break
		}
		got++
		if len(w.queue) == 0 {
			w.Record(signIn(signin.OK, "leela@example.org"))
		}
	}
	if !notice {
		t.Error("what was dropped was never told")
	}
}

func TestADaemonThatIsStartedAnewIsFoundAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := writer(t, Options{Target: Syslog, Socket: path})
	w.Record(signIn(signin.OK, "early@example.org"))
	for end := time.Now().Add(5 * time.Second); w.Dropped() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	time.Sleep(redialAfter + 50*time.Millisecond)
	for i := range 2 {
		d := daemon(t, path)
		name := fmt.Sprintf("p%d@example.org", i)
		w.Record(signIn(signin.OK, name))
		line := receive(t, d)
		if i == 0 && strings.Contains(line, "1 sign-in lines were dropped") {
			line = receive(t, d)
		}
		if !strings.Contains(line, name) {
			t.Errorf("start %d: %q", i, line)
		}
		_ = d.Close()
	}
}

func TestUnknownTargetsAndFormsAreRefused(t *testing.T) {
	for _, o := range []Options{{Target: "eventlog"}, {Form: "xml"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := escape(s)
		for _, r := range out {
			if !unicode.IsPrint(r) || strings.ContainsRune(`<>"`, r) {
				t.Errorf("%U of %q came through", r, s)
			}
		}
	})
}
