package test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/portreeve/portreeve/test/tenants"
)

// auditTime bounds one audit; bench-quick says how long it takes.
const auditTime = 10 * time.Minute

// auditOf runs the audit of an export.
func auditOf(t testing.TB, folder, format string, more ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), auditTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{"audit", "tenant", folder, "-o", format}, more...)...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("audit tenant: %v\n%s", err, complaints.String())
	}
	return out.Bytes()
}

// finding is one as the audit prints it.
type finding struct {
	Kind, Subject, Severity, Title string
	Protocols, Where               []string
	Remedy                         struct{ Do string }
	Witness                        struct{ Person, Program, Place, LetBy string }
}

func (f finding) key() string { return f.Kind + " of " + f.Subject }

// audited holds the audit of one generated tenant against the truth, in both
// directions.
func audited(t *testing.T, seed uint64, mailboxes int) {
	t.Helper()
	dir := t.TempDir()
	truth, err := tenants.Make(dir, tenants.Options{Seed: seed, Mailboxes: mailboxes})
	check(t, err)
	started := time.Now()
	raw := auditOf(t, filepath.Join(dir, tenants.Export), "json")
	t.Logf("%s: %d findings expected, audited in %v", truth.About, len(truth.Findings), time.Since(started).Round(time.Millisecond))
	var report struct{ Findings []finding }
	check(t, json.Unmarshal(raw, &report))
	if faults := differences(truth, report.Findings); len(faults) > 0 {
		const most = 60
		t.Errorf("%s\nrepeat with PORTREEVE_TENANT=%d:%d; %d differences:\n%s", truth.About, seed, mailboxes, len(faults), strings.Join(faults[:min(most, len(faults))], "\n"))
	}
}

// differences are what the audit missed, named falsely, or told wrongly.
func differences(truth *tenants.Expected, found []finding) []string {
	misses := map[string]string{}
	for _, m := range truth.NearMisses {
		misses[m.Kind+" of "+m.Subject] = m.Why
	}
	named := map[string]finding{}
	var faults []string
	for _, f := range found {
		if _, twice := named[f.key()]; twice {
			faults = append(faults, "twice:  "+f.key())
		}
		named[f.key()] = f
		if f.Severity == "" || f.Title == "" || f.Remedy.Do == "" {
			faults = append(faults, "bare:   "+f.key()+" lacks a severity, a title or a remedy")
		}
	}
	for _, want := range truth.Findings {
		key := want.Kind + " of " + want.Subject
		got, is := named[key]
		delete(named, key)
		switch {
		case !is:
			faults = append(faults, fmt.Sprintf("missed: %s (%s)", key, want.Disguise))
		case want.Protocols != nil && !slices.Equal(want.Protocols, got.Protocols):
			faults = append(faults, fmt.Sprintf("wrong:  %s (%s): protocols %v, not %v", key, want.Disguise, got.Protocols, want.Protocols))
		case want.Where != nil && !slices.Equal(want.Where, got.Where):
			faults = append(faults, fmt.Sprintf("wrong:  %s (%s): where %q, not %q", key, want.Disguise, got.Where, want.Where))
		case want.By != "" && (got.Witness.Person != want.Subject || got.Witness.Program == "" || got.Witness.Place == "" || !strings.Contains(got.Witness.LetBy, strconv.Quote(want.By))):
			faults = append(faults, fmt.Sprintf("wrong:  %s (%s): the witness %+v does not show that %q lets it through", key, want.Disguise, got.Witness, want.By))
		}
	}
	for key, f := range named {
		why := misses[key]
		if why == "" {
			why = "nothing of the kind was planted"
		}
		faults = append(faults, fmt.Sprintf("false:  %s: %s (%s)", key, f.Title, why))
	}
	slices.Sort(faults)
	return faults
}

// The audit names exactly what was planted in generated tenants: every kind of
// hole in its disguises, and none of the near misses beside them.
func TestAuditTenantNamesWhatWasPlanted(t *testing.T) {
	t.Parallel()
	if repeat := os.Getenv("PORTREEVE_TENANT"); repeat != "" {
		var seed uint64
		var mailboxes int
		if _, err := fmt.Sscanf(repeat, "%d:%d", &seed, &mailboxes); err != nil {
			t.Fatalf("PORTREEVE_TENANT=%s is not SEED:MAILBOXES", repeat)
		}
		audited(t, seed, mailboxes)
		return
	}
	type size struct {
		seed      uint64
		mailboxes int
	}
	cases := []size{{2, 500}, {3, 500}, {5, 500}, {8, 500}, {11, 400}, {12, 450}, {16, 500}, {19, 400}, {21, 50}, {22, 50}, {23, 60}, {24, 150}, {7, 5000}}
	if long() {
		cases = append(cases, size{9, 5000}, size{10, 100_000}, size{7, 100_000})
	}
	// One that nobody has seen yet.
	cases = append(cases, size{rand.Uint64N(1 << 40), 50 + rand.IntN(451)})
	for _, c := range cases {
		t.Run(fmt.Sprintf("seed %d, %d mailboxes", c.seed, c.mailboxes), func(t *testing.T) {
			t.Parallel()
			audited(t, c.seed, c.mailboxes)
		})
	}
}

// leaf is a browser that shows files: it notes every request and every complaint.
func leaf(t testing.TB) (b *chromium, requests func() []string) {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:0:0],
		chromedp.ExecPath("chromium"), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("headless", "new"), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-extensions", true), chromedp.Flag("disable-sync", true), chromedp.Flag("lang", "en"))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	axe, err := os.ReadFile(axePath)
	check(t, err)
	b = &chromium{TB: t, axe: string(axe)}
	var mu sync.Mutex
	var seen []string
	check(t, chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			seen = append(seen, e.Request.URL)
		case *runtime.EventExceptionThrown:
			t.Errorf("the page fails: %s", e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
				t.Errorf("the page complains on the console: %v", e.Args)
			}
		case *log.EventEntryAdded:
			t.Errorf("the browser complains: %s: %s", e.Entry.Source, e.Entry.Text)
		case *page.EventJavascriptDialogOpening:
			t.Errorf("the page opens a dialog: %s", e.Message)
		}
	}))
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithTimeout(ctx, browserTime)
	t.Cleanup(cancel)
	send(b, runtime.Enable, cdp.Empty{})
	send(b, page.Enable, page.EnableParams{})
	send(b, log.Enable, cdp.Empty{})
	send(b, network.Enable, network.EnableParams{})
	return b, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// The audit's page stands alone: Chromium shows it from a file without asking
// anybody for anything, without a complaint, by day and by night, on a phone and
// a screen; and everybody can use it.
func TestAuditTenantPageStandsAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	truth, err := tenants.Make(dir, tenants.Options{Seed: 3, Mailboxes: 40})
	check(t, err)
	path := filepath.Join(dir, "audit & report.html")
	check(t, os.WriteFile(path, auditOf(t, filepath.Join(dir, tenants.Export), "html"), 0o600))

	b, requests := leaf(t)
	b.origin = "file://"
	b.open(strings.ReplaceAll(path, " ", "%20"))
	for end := time.Now().Add(pageTime); !evaluate[bool](b, `document.readyState === "complete"`) && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	evaluate[bool](b, `document.querySelectorAll("details").forEach(d => d.open = true); true`)
	whole := evaluate[string](b, `document.documentElement.textContent`)
	for _, f := range truth.Findings {
		if !strings.Contains(whole, f.Subject) {
			t.Errorf("the page does not name %s of %s (%s)", f.Kind, f.Subject, f.Disguise)
			break
		}
	}
	if !strings.Contains(whole, "<img src=") || evaluate[int](b, `document.images.length`) > 0 {
		t.Error("a policy's name that is markup is not shown as it is")
	}
	if n := evaluate[int](b, `document.querySelectorAll("svg").length`); n == 0 {
		t.Error("the page has no plot")
	}
	grounds := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		grounds[scheme] = evaluate[string](b, `(e => getComputedStyle(e).backgroundColor)(getComputedStyle(document.body).backgroundColor === "rgba(0, 0, 0, 0)" ? document.documentElement : document.body)`)
	}
	if grounds["light"] == grounds["dark"] {
		t.Errorf("by night the page is as by day: %s", grounds["light"])
	}
	b.accessible("the audit's page")
	for _, url := range requests() {
		if !strings.HasPrefix(url, "file://"+dir) && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:") {
			t.Errorf("the page asks for %s", url)
		}
	}
}

// The other forms tell the same: the table how many there are of each kind, the
// list of values every one of them.
func TestAuditTenantForms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	truth, err := tenants.Make(dir, tenants.Options{Seed: 8, Mailboxes: 120})
	check(t, err)
	counts := map[string]int{}
	for _, f := range truth.Findings {
		counts[f.Kind]++
	}
	table := string(auditOf(t, filepath.Join(dir, tenants.Export), "table"))
	for kind, n := range counts {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^ *%d +%s `, n, kind)).MatchString(table) {
			t.Errorf("the table does not tell of %d %s:\n%s", n, kind, table[:min(2000, len(table))])
		}
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(auditOf(t, filepath.Join(dir, tenants.Export), "csv"), []byte("\ufeff")))).ReadAll()
	check(t, err)
	kind, subject := slices.Index(rows[0], "kind"), slices.Index(rows[0], "subject")
	if kind < 0 || subject < 0 {
		t.Fatalf("the columns are %q", rows[0])
	}
	listed := map[string]bool{}
	for _, row := range rows[1:] {
		listed[row[kind]+" of "+row[subject]] = true
	}
	for _, f := range truth.Findings {
		if !listed[f.Kind+" of "+f.Subject] {
			t.Errorf("the list does not name %s of %s (%s)", f.Kind, f.Subject, f.Disguise)
		}
	}
	if len(listed) != len(truth.Findings) {
		t.Errorf("the list names %d findings, not %d", len(listed), len(truth.Findings))
	}
}

// The window of the log that counts can be moved: what lies before it is found
// when it is longer or ends earlier, and then what lies after it is not.
func TestAuditTenantWindow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	truth, err := tenants.Make(dir, tenants.Options{Seed: 12, Mailboxes: 450})
	check(t, err)
	did := func(more ...string) map[string]bool {
		var report struct{ Findings []finding }
		check(t, json.Unmarshal(auditOf(t, filepath.Join(dir, tenants.Export), "json", more...), &report))
		all := map[string]bool{}
		for _, f := range report.Findings {
			if f.Kind == "breaks-legacy-block" {
				all[f.Subject] = true
			}
		}
		return all
	}
	var before, within []string
	for _, m := range truth.NearMisses {
		if m.Kind == "breaks-legacy-block" && strings.Contains(m.Why, "more than 30 days before") {
			before = append(before, m.Subject)
		}
	}
	for _, f := range truth.Findings {
		if f.Kind == "breaks-legacy-block" {
			within = append(within, f.Subject)
		}
	}
	if len(before) == 0 || len(within) == 0 {
		t.Fatalf("%d old sign-ins were planted and %d new ones", len(before), len(within))
	}
	longer, earlier, today := did("--last", "60d"), did("--at", truth.End.AddDate(0, 0, -31).Format(time.RFC3339)), did()
	for _, p := range before {
		if !longer[p] || !earlier[p] || today[p] {
			t.Errorf("the old sign-in of %s: in 60 days %v, in a month that ended a month ago %v, in the last month %v", p, longer[p], earlier[p], today[p])
		}
	}
	for _, p := range within {
		if !longer[p] || earlier[p] || !today[p] {
			t.Errorf("the sign-in of %s: in 60 days %v, in a month that ended a month ago %v, in the last month %v", p, longer[p], earlier[p], today[p])
		}
	}
}

// Each finding of an open mailbox agrees with the view of all gates in one.
func TestAuditTenantViewAgrees(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	truth, err := tenants.Make(dir, tenants.Options{Seed: 12, Mailboxes: 450})
	check(t, err)
	var report struct {
		Mailboxes []struct {
			User      string
			Protocols map[string]struct{ Password, SaidBy string }
		}
	}
	check(t, json.Unmarshal(auditOf(t, filepath.Join(dir, tenants.Export), "json"), &report))
	open := map[string][]string{}
	for _, f := range truth.Findings {
		if f.Kind == "password-only" {
			open[f.Subject] = f.Protocols
		}
	}
	if len(open) == 0 || len(report.Mailboxes) < 450 {
		t.Fatalf("%d open mailboxes were planted, %d are shown", len(open), len(report.Mailboxes))
	}
	for _, m := range report.Mailboxes {
		for _, protocol := range []string{"activesync", "ews", "imap", "mapi", "pop", "rpc", "smtp"} {
			p := m.Protocols[protocol]
			want := "closed"
			if slices.Contains(open[m.User], protocol) {
				want = "open"
			}
			if p.Password != want || p.SaidBy == "" {
				t.Errorf("%s of %s: a password finds it %q, not %q, as %q says", protocol, m.User, p.Password, want, p.SaidBy)
			}
		}
	}
}
