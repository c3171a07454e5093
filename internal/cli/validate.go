package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/policyset"
)

// placedNote is one thing to say of a place in a file, as -o json has it.
type placedNote struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	// ID, Severity and Fix are lint's, of a warning.
	ID       string        `json:"id,omitempty"`
	Severity lint.Severity `json:"severity,omitempty"`
	Fix      string        `json:"fix,omitempty"`
	whole    string        // with its lines and the caret
}

func noteOf(err error) placedNote {
	var f *policyfile.Fault
	if errors.As(err, &f) {
		return placedNote{File: f.File, Line: f.Pos.Line, Column: f.Pos.Column, Message: f.Message, whole: f.Error()}
	}
	return placedNote{Message: err.Error(), whole: err.Error()}
}

// warningNote is a warning without its lines.
func warningNote(w *policyset.Warning) placedNote {
	pos := w.Object.Pos(w.Pointer)
	return placedNote{File: w.Object.File, Line: pos.Line, Column: pos.Column, Message: w.Text, ID: w.ID, Severity: w.Severity, Fix: w.Fix}
}

// validity is what `validate -o json` prints.
type validity struct {
	Files    []string      `json:"files"`
	Objects  []validObject `json:"objects"`
	Faults   []placedNote  `json:"faults"`
	Warnings []placedNote  `json:"warnings"`
}

type validObject struct {
	Kind policyset.Kind `json:"kind"`
	ID   string         `json:"id,omitempty"`
	Name string         `json:"name,omitempty"`
	File string         `json:"file"`
	Line int            `json:"line"`
}

// validate reads policy files and says what is wrong with them.
func (a *app) validate() *cobra.Command {
	var strict bool
	c := verb("validate DIR", "Check a folder of policy files by itself, without a server", cobra.ExactArgs(1), func(_ *cobra.Command, args []string) error {
		v, err := validated(args[0])
		if err != nil {
			return err
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		if err := a.output().object(r, func(w io.Writer) { a.tellValidity(w, v) }); err != nil {
			return err
		}
		switch {
		case len(v.Faults) > 0:
			return &failure{exit: exitUsage, what: fmt.Sprintf("%s in %s", counted(float64(len(v.Faults)), "fault"), printable(args[0]))}
		case strict && v.serious() > 0:
			return &failure{exit: exitFailed, what: fmt.Sprintf("%s in %s", counted(float64(v.serious()), "warning"), printable(args[0]))}
		}
		return nil
	})
	c.Long = `Check a folder (or one file) of policy files by itself: whether each can be read, whether ids
and names are told apart, whether tests name policies that there are; and warn of what is read
and will not be enforced as it stands, such as a location that is in no file. People and groups
are not looked up: they are a server's.
Exit codes: 0 valid, 1 warnings with --strict, 2 a fault.`
	c.Example = "  portreeve validate ./policy"
	c.Flags().BoolVar(&strict, "strict", false, "take warnings for faults: exit 1")
	return c
}

// mostWarnings is how many warnings are shown; -o json has all.
const mostWarnings = 100

// validated reads a folder and gathers what there is to say.
func validated(name string) (*validity, error) {
	v := &validity{Files: []string{}, Objects: []validObject{}, Faults: []placedNote{}, Warnings: []placedNote{}}
	set, err := readSet(name)
	if err == nil {
		_, err = checkedSet(set)
	}
	var all policyset.Errors
	switch {
	case errors.As(err, &all):
		for _, one := range flat(all) {
			v.Faults = append(v.Faults, noteOf(one))
		}
		return v, nil
	case err != nil:
		return nil, err
	}
	v.Files = append(v.Files, set.Files...)
	for _, o := range set.Objects {
		v.Objects = append(v.Objects, validObject{o.Kind, o.ID, o.Name, o.File, o.Line})
	}
	warnings, err := set.Warnings(time.Now())
	if err != nil {
		return nil, err
	}
	for i, w := range warnings {
		n := warningNote(&w)
		if i < mostWarnings {
			n.whole = w.Fault().Error()
		}
		v.Warnings = append(v.Warnings, n)
	}
	return v, nil
}

// serious are the warnings that are more than notes.
func (v *validity) serious() (n int) {
	for _, w := range v.Warnings {
		if w.Severity != lint.Note {
			n++
		}
	}
	return n
}

// readSet reads a folder of policy files.
func readSet(name string) (*policyset.Set, error) {
	set, err := policyset.ReadPath(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noFile(err)
	}
	return set, err
}

// checkedSet holds a folder's objects together: switches that are said twice,
// tests that name what there is not.
func checkedSet(set *policyset.Set) (*testable, error) {
	src, err := set.Source()
	if err != nil {
		return nil, err
	}
	suites, err := set.Suites(&src)
	if err != nil {
		return nil, err
	}
	return &testable{src, suites}, nil
}

// flat takes faults of faults apart.
func flat(all policyset.Errors) (out []error) {
	for _, one := range all {
		var more policyset.Errors
		if errors.As(one, &more) {
			out = append(out, flat(more)...)
			continue
		}
		out = append(out, one)
	}
	return out
}

func (a *app) tellValidity(w io.Writer, v *validity) {
	for _, f := range v.Faults {
		fmt.Fprintln(w, safeLines(f.whole))
	}
	for i, f := range v.Warnings {
		if i == mostWarnings {
			fmt.Fprintf(w, "and %d more (-o json shows all)\n", len(v.Warnings)-i)
			break
		}
		fmt.Fprintf(w, "%s: %s\n", f.Severity, safeLines(f.whole))
		if f.Fix != "" {
			fmt.Fprintf(w, "  fix: %s\n", printable(f.Fix))
		}
	}
	if len(v.Faults) > 0 {
		return
	}
	counts := map[policyset.Kind]float64{}
	for _, o := range v.Objects {
		counts[o.Kind]++
	}
	var parts []string
	for _, k := range policyset.Kinds {
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", text(counts[k]), plural(k, counts[k])))
		}
	}
	if len(parts) == 0 {
		parts = []string{"no objects"}
	}
	a.done("valid: %s in %s; %s", strings.Join(parts, ", "), counted(float64(len(v.Files)), "file"), counted(float64(v.serious()), "warning"))
}

// plural is what people call several objects of a kind.
func plural(k policyset.Kind, n float64) string {
	word := k.Word()
	switch {
	case n == 1 || k == policyset.Switches:
		return word
	case strings.HasSuffix(word, "y"):
		return strings.TrimSuffix(word, "y") + "ies"
	}
	return word + "s"
}
