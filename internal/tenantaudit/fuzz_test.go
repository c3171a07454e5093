package tenantaudit_test

import (
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/portreeve/portreeve/internal/tenant"
	"github.com/portreeve/portreeve/internal/tenantaudit"
)

// FuzzAudit: whatever a folder holds, the audit ends, its report is JSON and its
// page is written; no finding is named twice.
func FuzzAudit(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		archive.Comment = nil
		f.Add(txtar.Format(archive))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		folder := fstest.MapFS{}
		for _, file := range txtar.Parse(data).Files {
			if name := filepath.Base(file.Name); len(folder) < 20 && name != "." && name != "/" {
				folder[name] = &fstest.MapFile{Data: file.Data}
			}
		}
		x, err := tenant.Read(folder)
		if err != nil {
			return
		}
		r := tenantaudit.Audit(x, tenantaudit.Options{})
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
		if err := tenantaudit.WritePage(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, found := range r.Findings {
			key := found.Kind + "\x00" + found.Subject
			if seen[key] {
				t.Errorf("%s of %q is named twice", found.Kind, found.Subject)
			}
			seen[key] = true
		}
	})
}
