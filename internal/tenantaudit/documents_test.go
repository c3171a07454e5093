package tenantaudit_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/portreeve/portreeve/internal/tenant"
	"github.com/portreeve/portreeve/internal/tenantaudit"
)

// TestDocuments audits small tenants: of each kind that a document speaks of it
// names exactly the findings wanted. A line "none" is a near miss, told for the
// reader; it must not be wanted too.
func TestDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 12 {
		t.Fatalf("%v %v", err, files)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runDocument(t, file) })
	}
}

func read(t *testing.T, files fstest.MapFS) *tenant.Tenant {
	t.Helper()
	x, err := tenant.Read(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range x.Files {
		if f.Failed || f.Kind == "" {
			t.Errorf("%s was not read: %v", f.Path, x.Notes)
		}
	}
	return x
}

func runDocument(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, f := range archive.Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	report := tenantaudit.Audit(read(t, files), tenantaudit.Options{})
	spoken, wanted := map[string]bool{}, map[string]string{}
	for line := range strings.Lines(string(archive.Comment)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "want" && words[0] != "none" {
			continue
		}
		if !slices.Contains(tenantaudit.Kinds(), words[1]) {
			t.Fatalf("no kind %s", words[1])
		}
		spoken[words[1]] = true
		if key := words[1] + " " + words[2]; words[0] == "want" {
			wanted[key] = strings.Join(words[3:], " ")
		} else if _, both := wanted[key]; both {
			t.Errorf("%s is wanted and not wanted", key)
		}
	}
	for _, f := range report.Findings {
		key := f.Kind + " " + f.Subject
		want, ok := wanted[key]
		delete(wanted, key)
		switch {
		case !ok && spoken[f.Kind]:
			t.Errorf("%s %v from %v: not wanted; %+v", key, f.Protocols, f.Where, f.Witness)
		case ok:
			checkFinding(t, f, want)
		}
	}
	for key := range wanted {
		t.Errorf("%s was not found", key)
	}
}

// checkFinding holds a finding to what is wanted of it, and to what every finding has.
func checkFinding(t *testing.T, f *tenantaudit.Finding, want string) {
	t.Helper()
	if f.Title == "" || f.Severity == "" || f.Remedy.Do == "" || f.Remedy.Command == "" {
		t.Errorf("%s %s has no title, severity or remedy: %+v", f.Kind, f.Subject, f)
	}
	if len(f.Evidence) == 0 {
		t.Errorf("%s %s has no evidence", f.Kind, f.Subject)
	}
	for part := range strings.SplitSeq(want, " ") {
		name, value, ok := strings.Cut(part, "=")
		switch {
		case name == "protocols" && ok:
			if got := strings.ReplaceAll(strings.Join(f.Protocols, ","), " ", "_"); got != value {
				t.Errorf("%s %s: protocols %s, not %s", f.Kind, f.Subject, got, value)
			}
		case name == "where" && ok:
			if got := strings.ReplaceAll(strings.Join(f.Where, ","), " ", "_"); got != value {
				t.Errorf("%s %s: from %s, not %s", f.Kind, f.Subject, got, value)
			}
		}
	}
	if f.Kind != tenantaudit.DeletedReference && f.Kind != tenantaudit.UnusedExclusion && (f.Witness == nil || f.Witness.LetBy == "" || len(f.Witness.Ladder) == 0) {
		t.Errorf("%s %s has no witness: %+v", f.Kind, f.Subject, f.Witness)
	}
}
