package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/tenant"
	"github.com/portreeve/portreeve/internal/tenantaudit"
)

// tenantFormats are what -o takes here: a page besides what all commands print.
var tenantFormats = []string{"table", "json", "ndjson", "csv", "yaml", "html"}

// tenantFlags are the command's own.
type tenantFlags struct {
	at, last string
	kinds    []string
	all      bool
	exitCode bool
}

// auditTenant looks for holes in what another vendor's mail service exported.
func (a *app) auditTenant() *cobra.Command {
	var o tenantFlags
	c := verb("tenant DIR", "Look for holes in what an Office 365 or Exchange organisation exported of itself; asks nobody, stores nothing", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		options, err := o.options(time.Now())
		if err != nil {
			return err
		}
		if len(a.fields) > 0 && a.format != "csv" {
			return usage("--fields is for -o csv here")
		}
		report, err := a.readTenant(args[0], options)
		if err != nil {
			return err
		}
		if len(o.kinds) > 0 {
			report.Only(o.kinds)
		}
		if err := a.tellTenant(report, &o); err != nil {
			return err
		}
		if o.exitCode && len(report.Findings) > 0 {
			return &ended{exitPending}
		}
		return nil
	})
	c.Long = `Look for holes in what an Office 365 or Exchange organisation exported of itself: who can be
got into with a password alone, by which protocol and from where, each with a witness; which
sign-ins of the log did; what breaks when legacy authentication, SMTP AUTH or EWS end; and rules
that do not do what they seem to. DIR is a folder of exports, or a zip of one; docs/audit-tenant.md
says how to make it. Works without a server and without a network.`
	c.Example = `  portreeve audit tenant ./export
  portreeve audit tenant ./export -o html > report.html
  portreeve audit tenant ./export --kind password-only -o csv`
	f := c.Flags()
	f.StringVar(&o.at, "at", "", "the log counts up to this time: 2026-11-20, 2026-11-20T09:00:00Z; without it up to its newest sign-in")
	f.StringVar(&o.last, "last", "30d", "so much of the log counts: 7d, 12w, 1y")
	f.StringSliceVar(&o.kinds, "kind", nil, "findings of these kinds only, such as password-only,no-mfa")
	f.BoolVar(&o.all, "all", false, "on a terminal: every finding, not the first ten of each kind; in a pipe there are all")
	f.BoolVar(&o.exitCode, "exit-code", false, "exit with 3 if anything is found")
	complete(c, "kind", tenantaudit.Kinds()...)
	c.PersistentPreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(tenantFormats, a.format) {
			return usage("-o takes one of %s, not %q", strings.Join(tenantFormats, ", "), a.format)
		}
		return nil
	}
	return c
}

func (o *tenantFlags) options(now time.Time) (options tenantaudit.Options, err error) {
	if o.at != "" {
		if options.At, err = span.UpTo(o.at, now); err != nil {
			return options, usage("--at: %v", err)
		}
	}
	if options.Last, err = span.Parse(o.last); err != nil {
		return options, usage("--last: %v", err)
	}
	if options.Last <= 0 {
		return options, usage("--last is a length of time such as 30d, not %q", o.last)
	}
	for _, k := range o.kinds {
		if !slices.Contains(tenantaudit.Kinds(), k) {
			return options, usage("there is no kind %q; there are %s", k, strings.Join(tenantaudit.Kinds(), ", "))
		}
	}
	return options, nil
}

// whatToExport is told to who has nothing.
const whatToExport = `the least: conditionalAccessPolicies.json, users.json and CASMailbox.csv, such as
    Get-MgIdentityConditionalAccessPolicy -All | ConvertTo-Json -Depth 20 > conditionalAccessPolicies.json
    Get-MgUser -All -Property id,userPrincipalName,displayName,accountEnabled,userType,mail | ConvertTo-Json > users.json
    Get-CASMailbox -ResultSize Unlimited | Export-Csv CASMailbox.csv -NoTypeInformation -Encoding UTF8
  docs/audit-tenant.md has the whole list`

func (a *app) readTenant(path string, options tenantaudit.Options) (*tenantaudit.Report, error) {
	files, closer, err := tenant.Open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &failure{exit: exitNotFound, what: "there is no folder " + path}
	case err != nil:
		return nil, err
	}
	defer closer.Close()
	bar := a.progressBar()
	t, err := tenant.Read(newReading(files, bar.show))
	bar.clear()
	if err != nil {
		return nil, err
	}
	known := slices.ContainsFunc(t.Files, func(f tenant.File) bool { return f.Kind != "" })
	if !known {
		what := "the folder " + path + " is empty"
		if len(t.Files) > 0 {
			what = "nothing in " + path + " is an export that is known here (" + counted(float64(len(t.Files)), "file") + ")"
			for i, n := range t.Notes {
				if i == 5 {
					break
				}
				what += "\n  " + n.File + ": " + n.Text
			}
		}
		return nil, &failure{exit: exitUsage, what: what, next: whatToExport}
	}
	return tenantaudit.Audit(t, options), nil
}

// tellTenant prints the report.
func (a *app) tellTenant(r *tenantaudit.Report, o *tenantFlags) error {
	w := bufio.NewWriterSize(a.out, 1<<16)
	defer w.Flush()
	switch a.format {
	case "html":
		if err := tenantaudit.WritePage(w, r); err != nil {
			return err
		}
		return w.Flush()
	case "csv":
		return a.tenantCSV(w, r)
	case "table":
		a.tenantTable(r, o)
		return nil
	case "ndjson":
		for _, f := range r.Findings {
			raw, err := marshal(f)
			if err != nil {
				return err
			}
			if _, err := w.Write(raw); err != nil {
				return err
			}
		}
		return w.Flush()
	}
	raw, err := marshal(r)
	if err != nil {
		return err
	}
	out := a.output()
	out.w = w
	if err := out.body(raw); err != nil {
		return err
	}
	return w.Flush()
}

// tenantCSV is one line for each finding.
func (a *app) tenantCSV(w *bufio.Writer, r *tenantaudit.Report) error {
	var rows []row
	for _, f := range r.Findings {
		seen, witness, evidence := "", "", []string{}
		if f.LastSeen != nil {
			seen = f.LastSeen.UTC().Format(time.RFC3339)
		}
		if f.Witness != nil {
			witness = f.Witness.LetBy
		}
		for _, e := range f.Evidence {
			evidence = append(evidence, place(e))
		}
		rows = append(rows, row{fields: map[string]any{"kind": f.Kind, "severity": string(f.Severity), "subject": f.Subject, "name": f.Name, "title": f.Title,
			"protocols": strings.Join(f.Protocols, " "), "where": strings.Join(f.Where, "; "), "signIns": strconv.Itoa(f.SignIns), "lastSeen": seen, "programs": strings.Join(f.Programs, "; "),
			"letBy": witness, "evidence": strings.Join(evidence, "; "), "do": f.Remedy.Do, "command": f.Remedy.Command, "harm": strconv.Itoa(f.Remedy.Harm)}})
	}
	out := a.output()
	out.w = w
	var columns []column
	for _, name := range []string{"kind", "severity", "subject", "name", "title", "protocols", "where", "signIns", "lastSeen", "programs", "letBy", "evidence", "do", "command", "harm"} {
		columns = append(columns, field(name, name))
	}
	if len(a.fields) > 0 {
		columns = nil
		for _, name := range a.fields {
			columns = append(columns, field(name, name))
		}
	}
	if err := out.csv(rows, columns); err != nil {
		return err
	}
	return w.Flush()
}

// place is where evidence stands, on one line.
func place(e tenantaudit.Evidence) string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	if e.SignIn != "" {
		s += " sign-in " + e.SignIn
	}
	return strings.TrimSpace(s)
}

// mostShownRows is how many findings of a kind the terminal shows unless all are asked for.
const mostShownRows = 10

// tenantTable is the summary, then what to do, then the findings by kind.
func (a *app) tenantTable(r *tenantaudit.Report, o *tenantFlags) {
	s := &sheet{a.out}
	t := &r.Tenant
	if _, terminal := terminalWidth(a.out); !terminal {
		o.all = true
	}
	s.text(r.Headline())
	fmt.Fprintln(s.w)
	s.line("people", fmt.Sprintf("%d, %d enabled, %d mailboxes", t.People, t.Enabled, t.Mailboxes))
	s.line("policies", fmt.Sprintf("%d, %d on; %d named locations", t.Policies, t.PoliciesOn, t.Locations))
	if t.From != nil {
		s.line("log", fmt.Sprintf("%d sign-ins counted of %d, from %s to %s", t.SignInsCounted, t.SignIns, t.From.Format(time.DateOnly), t.To.Format(time.DateOnly)))
	} else {
		s.line("log", "no sign-ins: what is in use is not known")
	}
	if len(t.Missing) > 0 {
		s.item("", "not exported  "+strings.Join(t.Missing, ", "))
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(s.w, "\nNothing found.")
	}
	a.tenantKinds(s, r)
	a.tenantFindings(s, r, o)
	if len(r.Notes) > 0 {
		s.head(counted(float64(len(r.Notes)), "note"))
		for i, n := range r.Notes {
			if i == mostShownRows && !o.all {
				s.text(fmt.Sprintf("and %d more: --all shows them", len(r.Notes)-i))
				break
			}
			at := n.File
			if n.Line > 0 {
				at += ":" + strconv.Itoa(n.Line)
			}
			s.item(gap, strings.TrimPrefix(strings.TrimSpace(at+" "+n.Object)+": ", ": ")+n.Text)
		}
	}
}

// tenantKinds counts by kind and says what to do first.
func (a *app) tenantKinds(s *sheet, r *tenantaudit.Report) {
	rows := [][]string{}
	for _, k := range tenantaudit.Kinds() {
		if n := r.Tenant.ByKind[k]; n > 0 {
			rows = append(rows, []string{strconv.Itoa(n), k, tenantaudit.TitleOf(k)})
		}
	}
	if len(rows) > 0 {
		s.head("Found")
		s.table(gap, rows)
	}
	if len(r.Plan) == 0 {
		return
	}
	s.head("What to do, what harms nobody first")
	for i := range r.Plan {
		p := &r.Plan[i]
		harm := "nobody is seen to be hit"
		switch {
		case r.Tenant.From == nil:
			harm = "without a log nobody knows who would be hit"
		case p.Harmed > 0:
			harm = fmt.Sprintf("%s would be hit: %s of the log", persons(float64(p.Harmed)), counted(float64(p.Harm), "sign-in"))
		}
		s.item(gap, fmt.Sprintf("%d. %s (%d of %s; %s)", i+1, p.Do, p.Findings, p.Kind, harm))
	}
}

func (a *app) tenantFindings(s *sheet, r *tenantaudit.Report, o *tenantFlags) {
	kind, shown, command := "", 0, ""
	for _, f := range r.Findings {
		if f.Kind != kind {
			kind, shown, command = f.Kind, 0, ""
			s.head(fmt.Sprintf("%s (%s): %d", tenantaudit.TitleOf(kind), kind, r.Tenant.ByKind[kind]))
		}
		if shown++; shown > mostShownRows && !o.all {
			if shown == mostShownRows+1 {
				s.text(fmt.Sprintf("and %d more: --all shows them, -o csv or html has them too", r.Tenant.ByKind[kind]-mostShownRows))
			}
			continue
		}
		a.tenantFinding(s, f, f.Remedy.Command == command)
		command = f.Remedy.Command
	}
}

// tenantFinding is one finding: who, by what, and what lets it through.
// A command that is the one above is not said again.
func (a *app) tenantFinding(s *sheet, f *tenantaudit.Finding, again bool) {
	head := f.Subject
	if f.Kind == tenantaudit.ReportOnly || f.Kind == tenantaudit.DeletedReference || f.Kind == tenantaudit.UnusedExclusion {
		head = f.Title + " (" + f.Subject + ")"
	}
	if len(f.Protocols) > 0 {
		head += ": " + strings.Join(f.Protocols, ", ")
	}
	if len(f.Where) > 0 {
		head += " from " + strings.Join(f.Where, ", ")
	}
	if f.SignIns > 0 && f.LastSeen != nil {
		head += fmt.Sprintf(", %s, last %s", counted(float64(f.SignIns), "sign-in"), f.LastSeen.Format(time.DateOnly))
	}
	if len(f.Programs) > 0 {
		head += ", " + strings.Join(f.Programs[:min(3, len(f.Programs))], ", ")
	}
	s.item(gap, head)
	deeper := strings.Repeat(gap, 3)
	if w := f.Witness; w != nil && f.SignIns == 0 {
		s.item(deeper, fmt.Sprintf("witness: %s, %s, with %s: %s", w.Person, w.Place, w.Program, w.LetBy))
	}
	for i, e := range f.Evidence {
		if i == 2 {
			break
		}
		s.item(deeper, "evidence: "+strings.TrimSpace(place(e)+" "+e.Says))
	}
	if !again {
		fmt.Fprintln(s.w, deeper+"mend: "+printable(f.Remedy.Command)) // in one line, to be copied
	}
}

// reading counts the bytes read of a folder's files and tells the share.
type reading struct {
	fs.FS
	total, done int64
	tell        func(share float64)
}

func newReading(files fs.FS, tell func(share float64)) *reading {
	r := &reading{FS: files, tell: tell}
	_ = fs.WalkDir(files, ".", func(_ string, d fs.DirEntry, err error) error { // who reads the files says what is wrong with them
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			r.total += info.Size()
		}
		return nil
	})
	return r
}

// Open counts what is read of a file; folders are as they are.
func (r *reading) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return f, nil
	}
	return &countedFile{f, r}, nil
}

type countedFile struct {
	fs.File
	of *reading
}

func (f *countedFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	before := f.of.done
	f.of.done += int64(n)
	if hundredth := f.of.total / 100; hundredth > 0 && before/hundredth != f.of.done/hundredth {
		f.of.tell(min(float64(f.of.done)/float64(f.of.total), 1))
	}
	return n, err
}
