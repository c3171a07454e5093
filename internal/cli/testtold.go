package cli

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policycheck"
	"github.com/portreeve/portreeve/internal/policyset"
)

// testsRun is a run of tests, to be told.
type testsRun struct {
	tests  []*policyset.Object
	report *policycheck.Report
	o      *testFlags
	// findings are lint's, of the folder's rules.
	findings []placedNote
}

// place is where a result's test stands: file and line.
func (t *testsRun) place(r *policycheck.Result) string {
	if r.At >= len(t.tests) {
		return r.Place
	}
	return fmt.Sprintf("%s:%d", t.tests[r.At].File, t.tests[r.At].Pos(r.Pointer).Line)
}

func (a *app) tellTests(t *testsRun) error {
	switch a.format {
	case "json":
		for i := range t.report.Results {
			t.report.Results[i].Place = t.place(&t.report.Results[i])
		}
		raw, err := json.Marshal(struct {
			*policycheck.Report
			Findings []placedNote `json:"findings"`
		}{t.report, t.findings})
		if err != nil {
			return err
		}
		return a.output().body(raw)
	case "tap":
		return t.tap(a.out)
	case "junit":
		return t.junit(a.out)
	}
	t.table(a.out, a.quiet)
	return nil
}

var statusWords = map[policycheck.Status]string{policycheck.Passed: "ok", policycheck.Failed: "FAIL", policycheck.NotRun: "not run"}

// table is for people: tests by name, and of each failing sign-in why.
func (t *testsRun) table(w io.Writer, quiet bool) {
	s := sheet{w: w}
	var rows [][]string
	for i := 0; i < len(t.report.Results); {
		n := i
		bad := 0
		for ; n < len(t.report.Results) && t.same(i, n); n++ {
			r := &t.report.Results[n]
			if r.Status != policycheck.Passed {
				bad++
			}
			if t.o.list && r.Case != "" {
				rows = append(rows, []string{statusWords[r.Status], r.Title(), r.Got})
			}
		}
		r := &t.report.Results[i]
		status, more := r.Status, r.Got
		if n-i > 1 {
			if more = fmt.Sprintf("%d sign-ins", n-i); bad > 0 {
				status, more = policycheck.Failed, fmt.Sprintf("%d of %d sign-ins", bad, n-i)
			}
		}
		if status == policycheck.NotRun {
			more = strings.Join(r.Problems, "; ")
		}
		if !t.o.list || r.Case == "" {
			rows = append(rows, []string{statusWords[status], r.Name, more})
		}
		i = n
	}
	if !quiet {
		s.table("", rows)
	}
	for i := range t.report.Results {
		if r := &t.report.Results[i]; r.Status == policycheck.Failed {
			t.failure(&s, r)
		}
	}
	if quiet {
		return
	}
	t.summary(&s)
}

// same says that two results are of one test.
func (t *testsRun) same(i, k int) bool {
	x, y := &t.report.Results[i], &t.report.Results[k]
	return x.At == y.At && x.Pointer == y.Pointer
}

// failure tells one sign-in that did not end as expected.
func (t *testsRun) failure(s *sheet, r *policycheck.Result) {
	s.head("FAIL  " + r.Title())
	s.text(t.place(r))
	for _, p := range r.Problems {
		s.text(p)
	}
	if r.Reply != "" {
		fmt.Fprintln(s.w, "  on the wire:")
		for _, line := range strings.Split(strings.TrimRight(r.Reply, "\r\n"), "\r\n") {
			fmt.Fprintln(s.w, "    "+printable(line))
		}
	}
	if r.Explanation == nil {
		return
	}
	x, left := narrowed(r.Explanation)
	raw, err := json.Marshal(x)
	if err != nil {
		return
	}
	if row, err := newRow(raw); err == nil {
		tellExplanation(s, row.fields)
	}
	if left > 0 {
		s.text(fmt.Sprintf("and %s that do not apply (-o json shows all)", counted(float64(left), "policy")))
	}
}

// mostLadders is how many policies are shown of one sign-in; of more, only
// those that have something to do with it.
const mostLadders = 20

func narrowed(x *policy.Explanation) (policy.Explanation, int) {
	out := *x
	if len(x.Policies) <= mostLadders {
		return out, 0
	}
	out.Policies = nil
	for _, p := range x.Policies {
		switch p.Result {
		case policy.NotApplied.String(), policy.ReportOnlyNotApplied.String(), policy.NotEnabled.String():
		default:
			out.Policies = append(out.Policies, p)
		}
	}
	return out, len(x.Policies) - len(out.Policies)
}

// summary tells how many, and what no test touches.
func (t *testsRun) summary(s *sheet) {
	c := &t.report.Coverage
	if len(c.Gaps) > 0 {
		s.head("No test touches")
		var rows [][]string
		for _, g := range c.Gaps[:min(len(c.Gaps), mostGaps)] {
			rows = append(rows, []string{g.Name, g.Condition, g.Text})
		}
		s.table("  ", rows)
		if left := len(c.Gaps) - mostGaps; left > 0 {
			s.text(fmt.Sprintf("and %d more (-o json shows all)", left))
		}
	}
	for _, n := range t.report.Notes {
		fmt.Fprintln(s.w, "\nnote: "+printable(n))
	}
	if len(t.findings) > 0 {
		s.head("Lint")
	}
	for i, f := range t.findings {
		if i == mostGaps {
			s.text(fmt.Sprintf("and %d more (-o json shows all)", len(t.findings)-i))
			break
		}
		s.item("  ", fmt.Sprintf("%s: %s:%d: %s", f.Severity, f.File, f.Line, f.Message))
	}
	parts := []string{fmt.Sprintf("%d passed", t.report.Passed)}
	if t.report.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", t.report.Failed))
	}
	if t.report.NotRun > 0 {
		parts = append(parts, fmt.Sprintf("%d not run", t.report.NotRun))
	}
	fmt.Fprintf(s.w, "\ntests: %s; %s\n", strings.Join(parts, ", "), coverageWords(c))
}

func coverageWords(c *policycheck.Coverage) string {
	if !c.Counted {
		return "coverage not counted"
	}
	return fmt.Sprintf("coverage %.1f %% (%d of %d)", c.Percent, c.Covered, c.Points)
}

// mostGaps is how many gaps of the coverage, and how many findings, are shown.
const mostGaps = 40

// tap writes the Test Anything Protocol, version 14.
func (t *testsRun) tap(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "TAP version 14\n1..%d\n", len(t.report.Results))
	for i := range t.report.Results {
		r := &t.report.Results[i]
		ok, directive := "ok", ""
		switch r.Status {
		case policycheck.Failed:
			ok = "not ok"
		case policycheck.NotRun:
			directive = " # SKIP " + tapText(strings.Join(r.Problems, "; "))
		}
		fmt.Fprintf(&b, "%s %d - %s%s\n", ok, i+1, tapText(r.Title()), directive)
		if r.Status == policycheck.Failed {
			b.WriteString("  ---\n")
			for _, line := range []struct{ name, value string }{{"at", t.place(r)}, {"message", strings.Join(r.Problems, "; ")}, {"got", r.Got}, {"reply", r.Reply}} {
				if quoted, err := json.Marshal(line.value); err == nil && line.value != "" {
					fmt.Fprintf(&b, "  %s: %s\n", line.name, quoted)
				}
			}
			b.WriteString("  ...\n")
		}
	}
	c := &t.report.Coverage
	fmt.Fprintf(&b, "# %s\n", coverageWords(c))
	_, err := io.WriteString(w, b.String())
	return err
}

// tapText keeps a title from being taken for a directive.
func tapText(s string) string {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(printable(s))
}

// The shape that continuous integration reads as JUnit's.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    string        `xml:"line,attr,omitempty"`
		Failure *junitMessage `xml:"failure"`
		Skipped *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func (t *testsRun) junit(w io.Writer) error {
	out := junitSuites{Tests: len(t.report.Results), Failures: t.report.Failed, Skipped: t.report.NotRun}
	for i := range t.report.Results {
		r := &t.report.Results[i]
		if i == 0 || r.At != t.report.Results[i-1].At {
			out.Suites = append(out.Suites, junitSuite{Name: printable(r.Suite)})
		}
		suite := &out.Suites[len(out.Suites)-1]
		file, line, _ := strings.Cut(t.place(r), ":")
		c := junitCase{Class: printable(r.Suite), Name: printable(r.Title()), File: file, Line: line}
		problems := printable(strings.Join(r.Problems, "; "))
		suite.Tests++
		switch r.Status {
		case policycheck.Failed:
			var ladder strings.Builder
			t.failure(&sheet{w: &ladder}, r)
			suite.Failures++
			c.Failure = &junitMessage{problems, ladder.String()}
		case policycheck.NotRun:
			suite.Skipped++
			c.Skipped = &junitMessage{Message: problems}
		}
		suite.Cases = append(suite.Cases, c)
	}
	raw, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, raw)
	return err
}
