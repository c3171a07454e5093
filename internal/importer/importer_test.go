package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// The stories that real_test.go tells the real servers, and their samples hold.
var (
	dovecotStoryEvents = []string{
		"1 imap mary@example.org PLAIN password 127.0.0.1 PR0 tls thunderbird",
		"2 imap mary@example.org PLAIN password 127.0.0.1 PR50126",
		"1 pop3 nobody@example.org PLAIN password 127.0.0.1 PR50034 tls",
		"1 pop3 anna@example.org PLAIN password 127.0.0.1 PR0",
		"1 sieve mary@example.org PLAIN password 127.0.0.1 PR0",
		"1 submission mary@example.org PLAIN password 127.0.0.1 PR0",
		"1 imap x>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2, session=<y PLAIN password 127.0.0.1 PR1040",
	}
	postfixStoryEvents = []string{
		"1 submission mary@example.org PLAIN password 127.0.0.1 PR0",
		"1 submission mary@example.org PLAIN password 127.0.0.1 PR1040",
		"1 submission nobody@example.org LOGIN password 127.0.0.1 PR1040",
	}
)

func story(e *signin.Event) string {
	s := fmt.Sprintf("%d %s %s %s %s %s %s", e.Count, e.Facts.Protocol, e.Typed, e.Mechanism, e.Facts.Credential, e.Client, e.Code)
	if e.TLS.Version != 0 {
		s += " tls"
	}
	if e.Facts.Program != "" {
		s += " " + e.Facts.Program
	}
	return s
}

func checkEvents(t *testing.T, l *Log, want []string, withTime bool) {
	t.Helper()
	var got []string
	for e, err := range l.All() {
		if err != nil {
			t.Fatal(err)
		}
		if !e.Observed || e.Source == "" || e.ID.IsZero() || e.Succeeded() != e.Facts.Proven || e.Facts.Addr.IsValid() == (e.Client == "") {
			t.Errorf("%+v", e)
		}
		s := story(&e)
		if withTime {
			s = e.At.Format(time.RFC3339) + " " + s
		}
		got = append(got, s)
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if l.Events != len(got) || l.Events+l.Other+l.Unreadable != l.Lines {
		t.Errorf("%d lines: %d events, %d other, %d unreadable", l.Lines, l.Events, l.Other, l.Unreadable)
	}
}

func open(t testing.TB, file string, o Options) *Log {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if o.Latest.IsZero() {
		o.Latest = time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)
	}
	source, _, _ := strings.Cut(file, "-")
	return Sources[source](bytes.NewReader(b), o)
}

func TestSamplesOfRealServers(t *testing.T) {
	checkEvents(t, open(t, "dovecot-2.3.log", Options{}), dovecotStoryEvents, false)
	checkEvents(t, open(t, "postfix-3.7.log", Options{}), postfixStoryEvents, false)
}

func TestWordingsOfDovecot(t *testing.T) {
	l := open(t, "dovecot-syslog.log", Options{})
	checkEvents(t, l, []string{
		"2026-11-01T06:30:02Z 1 imap ana@example.org PLAIN password 2001:db8::7 PR0 tls",
		"2026-11-01T06:30:58Z 3 pop3 bjorn LOGIN password 203.0.113.7 PR1040",
		"2026-11-01T06:31:58Z 1 imap leela@example.org CRAM-MD5 password 203.0.113.8 PR1040 tls",
		"2026-11-01T06:33:00Z 1 imap   unknown 203.0.113.9 PR1040",
		"2026-11-01T06:31:02Z 1 imap ana@example.org PLAIN password 203.0.113.7 PR50126 tls",
		"2026-11-01T06:35:00Z 1 imap ana@example.org XOAUTH2 bearer 198.51.100.4 PR0 tls",
		"2026-11-01T06:36:00Z 1 imap ana@example.org PLAIN password 198.51.100.4 PR1014 tls",
	}, true)
	if l.Unreadable != 1 || l.First[0].Line != 10 || !strings.Contains(l.First[0].Reason, "rip=") {
		t.Errorf("%+v", l.First)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	checkEvents(t, open(t, "dovecot-2.4.log", Options{Location: berlin}), []string{
		"2026-03-28T23:59:59Z 1 imap ana@example.org OAUTHBEARER bearer 198.51.100.4 PR0 tls",
		"2026-03-29T00:59:52Z 2 imap bjorn@example.org PLAIN password 203.0.113.7 PR1040 tls",
		"2026-03-29T01:00:03Z 1 sieve leela@example.org EXTERNAL certificate 203.0.113.7 PR50057 tls",
	}, true)
}

func TestWordingsOfPostfix(t *testing.T) {
	want := []string{
		"2025-12-31T23:59:59Z 1 submission ana@example.org XOAUTH2 bearer [2001:db8::7]:50123 PR0 tls",
		"2026-01-01T00:00:03Z 1 submission  LOGIN password 203.0.113.7 PR1040",
		"2026-01-01T00:00:03Z 1 submission  LOGIN password 203.0.113.7 PR1040",
		"2026-01-01T00:00:04Z 1 submission x, sasl_username=y PLAIN password 203.0.113.7 PR1040",
	}
	l := open(t, "postfix-syslog.log", Options{})
	checkEvents(t, l, want, true)
	if l.Unreadable != 1 || l.First[0].Line != 8 {
		t.Errorf("%+v", l.First)
	}
	for i := range want {
		year := map[bool]string{true: "2019", false: "2020"}[i == 0]
		want[i] = year + want[i][4:]
	}
	checkEvents(t, open(t, "postfix-syslog.log", Options{Year: 2019}), want, true)
}

func TestFactsAreWhatTheLineTells(t *testing.T) {
	for e, err := range open(t, "dovecot-syslog.log", Options{}).All() {
		if err != nil {
			t.Fatal(err)
		}
		f := e.Facts
		if f.Address != "ana@example.org" || f.Domain != "example.org" || f.Methods != policy.MethodPassword || e.Methods != f.Methods ||
			f.AuthTime != e.At || f.Person != "" || f.Device != nil || e.Correlation.IsZero() || f.At != e.At {
			t.Errorf("%+v", e)
		}
		break
	}
	n := 0
	for e := range open(t, "dovecot-syslog.log", Options{}).All() {
		if strings.Contains(fmt.Sprintf("%+v", e), "hunter2") {
			t.Errorf("a password of auth_verbose_passwords stands in the event: %+v", e)
		}
		n++
	}
	if n != 7 {
		t.Errorf("%d events", n)
	}
}

func TestASecondImportAddsNothing(t *testing.T) {
	for _, file := range []string{"dovecot-2.3.log", "dovecot-2.4.log", "dovecot-syslog.log", "postfix-3.7.log", "postfix-syslog.log"} {
		ids := map[signin.ID]int{}
		for _, o := range []Options{{}, {Latest: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}} { // imported again later
			for e := range open(t, file, o).All() {
				ids[e.ID]++
			}
		}
		l := open(t, file, Options{})
		for range l.All() {
		}
		if len(ids) != l.Events {
			t.Errorf("%s: %d events have %d ids", file, l.Events, len(ids))
		}
		for id, n := range ids {
			if n != 2 {
				t.Errorf("%s: %s was met %d times", file, id, n)
			}
		}
	}
}

func TestYears(t *testing.T) {
	at := func(s string) time.Time {
		when, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct{ stamp, latest, want string }{
		{"Nov 21 12:00:00", "2026-11-21T11:00:00Z", "2026-11-21T12:00:00Z"},
		{"Nov 22 12:00:00", "2026-11-21T13:00:00Z", "2026-11-22T12:00:00Z"}, // clocks differ
		{"Nov 23 12:00:00", "2026-11-21T11:00:00Z", "2025-11-23T12:00:00Z"},
		{"Dec 31 23:59:59", "2026-01-01T00:00:10Z", "2025-12-31T23:59:59Z"},
		{"Jan  1 00:00:01", "2025-12-31T23:59:50Z", "2026-01-01T00:00:01Z"},
		{"Feb 29 12:00:00", "2026-11-21T11:00:00Z", "2024-02-29T12:00:00Z"},
		{"Nov 31 12:00:00", "2026-11-21T11:00:00Z", ""},
		{"Nov 21 25:00:00", "2026-11-21T11:00:00Z", ""},
		{"2026-13-01T00:00:00Z", "2026-11-21T11:00:00Z", ""},
	} {
		clock := newClock(Options{Latest: at(c.latest)})
		got, err := clock.read(c.stamp)
		if c.want == "" != (err != nil) || err == nil && !got.Equal(at(c.want)) {
			t.Errorf("%s before %s: %v %v", c.stamp, c.latest, got, err)
		}
	}
	clock := newClock(Options{})
	if _, err := clock.read("Nov 21 12:00:00"); err == nil {
		t.Error("a year was made up")
	}
}

const goodLine = "2026-11-21T12:00:00Z mx1 dovecot: imap-login: Login: user=<ana>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, session=<a>\n"

func TestLongLinesAreCountedAndSkipped(t *testing.T) {
	l := Dovecot(strings.NewReader(goodLine+strings.Repeat("x", 3*maxLine)+"\n"+strings.Replace(goodLine, "<ana>", "<"+strings.Repeat("a", 2000)+">", 1)), Options{})
	n := 0
	for e := range l.All() {
		if n++; len(e.Typed) > 640 {
			t.Errorf("a name of %d bytes", len(e.Typed))
		}
	}
	if n != 2 || l.Lines != 3 || l.Unreadable != 1 || len(l.First[0].Excerpt) > maxExcerpt+len("…") {
		t.Errorf("%d events, %d lines, %+v", n, l.Lines, l.First)
	}
	endless := Dovecot(strings.NewReader(strings.Repeat("x", 3*maxLine)), Options{})
	for range endless.All() {
		t.Error("an event was made of an endless line")
	}
	if endless.Unreadable != 1 {
		t.Errorf("%d unreadable", endless.Unreadable)
	}
}

func TestAFaultInReadingIsYielded(t *testing.T) {
	broken := errors.New("disk on fire")
	l := Dovecot(io.MultiReader(strings.NewReader(goodLine), iotest.ErrReader(broken)), Options{})
	var last error
	n := 0
	for _, err := range l.All() {
		n, last = n+1, err
	}
	if n != 2 || !errors.Is(last, broken) {
		t.Errorf("%d, %v", n, last)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	d, p := &dovecot{sessions: map[string]note{}}, &postfix{processes: map[string]process{}}
	for i := range 3 * maxNotes {
		d.authLine(fmt.Sprintf("passwd-file(a,192.0.2.7,<s%d>): unknown user", i))
		if _, err := p.parse(line{program: "smtpd", pid: fmt.Sprint(i), message: "Anonymous TLS connection established from x[192.0.2.7]: TLSv1.3 with"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.sessions) > maxNotes || len(p.processes) > maxNotes || len(d.sessions) == 0 {
		t.Errorf("%d sessions, %d processes", len(d.sessions), len(p.processes))
	}
}

func TestExcerptsAreSafeToPrint(t *testing.T) {
	if got := excerpt("a\x1b[31m\u202eb\xff\u0085ä"); got != "a?[31m?b??ä" {
		t.Errorf("%q", got)
	}
}

func FuzzDovecot(f *testing.F) {
	fuzz(f, "dovecot", "dovecot-2.3.log", "dovecot-2.4.log", "dovecot-syslog.log")
}

func FuzzPostfix(f *testing.F) { fuzz(f, "postfix", "postfix-3.7.log", "postfix-syslog.log") }

func fuzz(f *testing.F, source string, samples ...string) {
	for _, name := range samples {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		for _, text := range strings.Split(string(b), "\n") {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := Options{Latest: time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)}
		l := Sources[source](strings.NewReader(text), o)
		for e, err := range l.All() {
			if err != nil {
				t.Fatal(err)
			}
			if e.ID.IsZero() || e.At.IsZero() || e.At.After(e.Last) || e.Count < 1 || !e.Facts.Addr.IsValid() || !e.Observed {
				t.Fatalf("%q: %+v", text, e)
			}
		}
		if l.Events+l.Other+l.Unreadable != l.Lines {
			t.Fatalf("%q: %d lines, %d+%d+%d", text, l.Lines, l.Events, l.Other, l.Unreadable)
		}
	})
}
