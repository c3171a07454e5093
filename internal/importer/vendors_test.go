package importer

import (
	"os"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

func vendorLog(t *testing.T, from, file string) (*Log, []signin.Event) {
	t.Helper()
	f, err := os.Open("testdata/vendors/" + file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	l := Sources[from](f, Options{})
	var all []signin.Event
	for e, err := range l.All() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return l, all
}

func TestVendorsLogs(t *testing.T) {
	for _, c := range []struct {
		from, file string
		want       string // one line for each event
		other      int
		unreadable int
	}{
		{"entra", "entra-beta.json", "1 imap ana.silva@example.org  password 198.51.100.201 PR53003", 0, 0},
		{"entra", "entra-page.json", `1 imap ana.silva@example.org  password 2001:db8:ffff:1::25 PR50126
1 pop3 bjorn.ek@example.org  password 2001:db8:ffff:2::25 PR50126
1 submission ana.silva@example.org  password 2001:db8:ffff:3::25 PR50053
1 imap nobody@example.org  password 2001:db8:ffff:4::25 PR50034
1 submission mfp-scan@example.org  password 203.0.113.15 PR0
1 activesync bjorn.ek@example.org  password 2001:db8:ffff:6::25 PR50126`, 0, 0},
		{"entra", "entra-ios.json", "1 activesync bjorn.ek@example.org  bearer 203.0.113.200 PR0", 2, 0},
		{"entra", "entra-portal.csv", "1 imap ana.silva@example.org  password 203.0.113.7 PR0\n1 unknown bjorn.ek@example.org  bearer 203.0.113.8 PR0", 1, 0},
		{"okta", "okta-system-log.json", "1 unknown ana.silva@example.org  password 203.0.113.7 PR0\n1 unknown bjorn.ek@example.org  password 203.0.113.8 PR50126\n1 unknown bjorn.ek@example.org  unknown 2001:db8::1 PR53003", 1, 1},
	} {
		t.Run(c.file, func(t *testing.T) {
			l, all := vendorLog(t, c.from, c.file)
			var got []string
			for i := range all {
				e := &all[i]
				if !e.Observed || e.Source != c.from || e.ID.IsZero() || e.Succeeded() != e.Facts.Proven {
					t.Errorf("%+v", e)
				}
				got = append(got, strings.Join(strings.SplitN(story(e), " ", 8)[:7], " "))
			}
			if s := strings.Join(got, "\n"); s != c.want {
				t.Errorf("events:\n%s\nwant:\n%s", s, c.want)
			}
			if l.Other != c.other || l.Unreadable != c.unreadable || l.Events != len(all) || l.Lines != l.Events+l.Other+min(l.Unreadable, 1) {
				t.Errorf("%d lines, %d events, %d others, %d unreadable: %+v", l.Lines, l.Events, l.Other, l.Unreadable, l.First)
			}
			_, again := vendorLog(t, c.from, c.file)
			for i := range again {
				if again[i].ID != all[i].ID {
					t.Errorf("the second time event %d has another id", i)
				}
			}
		})
	}
}

func TestWhatAVendorDoesNotTellIsUnknown(t *testing.T) {
	_, ios := vendorLog(t, "entra", "entra-ios.json")
	if f := ios[0].Facts; f.Device != nil || f.Person != "" || f.Platform != policy.PlatformIOS || f.Methods != policy.MethodFederatedMultiFactor {
		t.Errorf("%+v", f)
	}
	l := Entra(strings.NewReader(`{"dear":"diary"}`), Options{})
	failed := false
	for _, err := range l.All() {
		failed = failed || err != nil && strings.Contains(err.Error(), "no log of sign-ins")
	}
	if !failed {
		t.Error("what is no log is taken for one")
	}
	l = Entra(strings.NewReader(`[{"createdDateTime":"2026-09-14T06:41:12Z","clientAppUsed":"IMAP4","userPrincipalName":"a@example.org","status":{"errorCode":0}},{"createdDa`), Options{})
	for range l.All() {
	}
	if l.Events != 1 || l.Unreadable != 1 || !strings.Contains(l.First[0].Reason, "cut off") {
		t.Errorf("a log that was cut off: %+v", l)
	}
}

func FuzzEntra(f *testing.F) {
	for _, name := range []string{"entra-beta.json", "entra-portal.csv"} {
		b, err := os.ReadFile("testdata/vendors/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, s string) { anyLog(t, Entra(strings.NewReader(s), Options{})) })
}

func FuzzOkta(f *testing.F) {
	b, err := os.ReadFile("testdata/vendors/okta-system-log.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Fuzz(func(t *testing.T, s string) { anyLog(t, Okta(strings.NewReader(s), Options{})) })
}

func anyLog(t *testing.T, l *Log) {
	n := 0
	for e, err := range l.All() {
		if err != nil {
			break
		}
		n++
		if e.At.IsZero() || !e.Observed || e.Succeeded() && !e.Facts.Proven {
			t.Errorf("%+v", e)
		}
	}
	if n != l.Events {
		t.Errorf("%d events, and %d are told of", n, l.Events)
	}
}
