package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/admin"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policycheck"
	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/signin"
)

// testFormats are what -o takes here.
var testFormats = []string{"table", "tap", "junit", "json"}

// testFlags is how tests are run and what they must come to.
type testFlags struct {
	server, skipReplay, list bool
	below                    float64
	helpURL                  string
}

// testable is a folder made ready to be tested.
type testable struct {
	source policy.Source
	suites []*policycheck.Suite
}

// test runs the tests of a folder of policy files.
func (a *app) test() *cobra.Command {
	var o testFlags
	c := verb("test DIR", "Run the tests of a folder of policy files, without a server", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.runTests(cmd.Context(), args[0], &o)
	})
	c.Long = `Run the tests (PolicyTest) of a folder of policy files under the policies of the same folder.
Nothing but the files is needed: people, groups and places are the tests' own fixtures. Of each
failing sign-in the ladder is shown: every stage and every policy, each condition with what it
needs and what it saw. Tests over recorded sign-ins (replay) need a server and are run with
--server; without it they are listed as not run, which is a failure unless --skip-replay.
Exit codes: 0 every test was run and passed, 1 a test was not run, 2 a fault in a file, 4 a test
failed or the coverage is too low, 8 no server.`
	c.Example = "  portreeve test ./policy\n  portreeve test ./policy -o junit > report.xml\n  portreeve test ./policy --server --coverage-below 80"
	c.PersistentPreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(testFormats, a.format) {
			return usage("-o takes one of %s here, not %q", strings.Join(testFormats, ", "), a.format)
		}
		return nil
	}
	f := c.Flags()
	f.BoolVar(&o.server, "server", false, "ask the running server for recorded sign-ins, for tests that replay them")
	f.BoolVar(&o.skipReplay, "skip-replay", false, "that tests over recorded sign-ins are not run is no failure")
	f.Float64Var(&o.below, "coverage-below", 0, "fail if the tests cover less than so many percent of policies and conditions")
	f.BoolVar(&o.list, "list", false, "list each sign-in of each test, not only those that fail")
	f.StringVar(&o.helpURL, "help-url", "", "the address in refusals, as the server has it: text is tested against the reply with it")
	return c
}

func (a *app) runTests(ctx context.Context, name string, o *testFlags) error {
	if !(o.below >= 0 && o.below <= 100) { // NaN is neither
		return usage("--coverage-below is a percentage, from 0 to 100")
	}
	set, err := readSet(name)
	if err != nil {
		return brokenSet(err)
	}
	t, err := checkedSet(set)
	if err != nil {
		return brokenSet(err)
	}
	if len(t.suites) == 0 {
		return &failure{exit: exitFailed, what: "there is no test in " + printable(name), next: "write a document of kind PolicyTest"}
	}
	words := gate.Words{HelpURL: o.helpURL}
	options := policycheck.Options{Now: time.Now(), Reply: func(s *policy.Snapshot, out *signin.Outcome) string {
		return admin.WireReply(s, out, words, proxy.Settings{})
	}}
	log := &recorded{a: a, ctx: ctx, set: set, groups: map[string][]string{}}
	if o.server {
		options.Recorded = log.replay
	}
	run := &testsRun{tests: set.Of(policyset.Test), o: o}
	if run.findings, err = findingsOf(set); err != nil {
		return err
	}
	run.report = policycheck.Run(t.source, t.suites, options)
	report := run.report
	if err := a.tellTests(run); err != nil {
		return err
	}
	if report.Failed == 0 && log.away != nil {
		return log.away
	}
	return verdictOfTests(report, o)
}

// findingsOf are what lint finds in a folder, without its notes.
func findingsOf(set *policyset.Set) ([]placedNote, error) {
	out := []placedNote{}
	warnings, err := set.Warnings(time.Now())
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		if w.Severity != lint.Note {
			out = append(out, warningNote(&w))
		}
	}
	return out, nil
}

// verdictOfTests turns a report into an exit code.
func verdictOfTests(r *policycheck.Report, o *testFlags) error {
	switch {
	case r.Failed > 0:
		return &failure{exit: exitTestFailed, what: fmt.Sprintf("%s failed", counted(float64(r.Failed), "test"))}
	case o.below > 0 && !r.Coverage.Counted:
		return &failure{exit: exitTestFailed, what: "the coverage was not counted: there are too many sign-ins and policies"}
	case r.Coverage.Percent < o.below:
		return &failure{exit: exitTestFailed, what: fmt.Sprintf("the tests cover %.1f %% of policies and conditions, and %.1f %% are asked for", r.Coverage.Percent, o.below)}
	case r.NotRun > 0 && o.server:
		return &failure{exit: exitFailed, what: fmt.Sprintf("%s not run", counted(float64(r.NotRun), "test"))}
	case r.NotRun > 0 && !o.skipReplay:
		return &failure{exit: exitFailed, what: fmt.Sprintf("%s not run", counted(float64(r.NotRun), "test")), next: "add --server where a server runs, or --skip-replay where none does"}
	}
	return nil
}

// brokenSet is a fault in a folder: each message has its line and caret.
func brokenSet(err error) error {
	var all policyset.Errors
	if !errors.As(err, &all) {
		return err
	}
	var lines []string
	for _, one := range flat(all) {
		lines = append(lines, one.Error())
	}
	return &failure{exit: exitUsage, what: strings.Join(lines, "\n")}
}
