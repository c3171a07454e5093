package tenants

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kinds are all that an audit may name, and whether an organisation may rule a
// kind out by itself.
var kinds = map[string]bool{"password-only": false, "password-only-from": false, "no-mfa": false, "unregistered": false, "passed-without-mfa": false, "breaks-legacy-block": false,
	"breaks-smtp-end": false, "breaks-ews-end": false, "activesync-phone": false, "rpc-over-http": true, "unknown-client": false, "unused-exclusion": false, "report-only": false, "deleted-reference": false}

// Every kind of finding is planted in three disguises at least, and beside them
// are near misses; no near miss is a finding; whatever the seed.
func TestEveryKindIsPlanted(t *testing.T) {
	t.Parallel()
	ruledOut := 0
	for seed := range uint64(40) {
		truth, err := Make(t.TempDir(), Options{Seed: seed, Mailboxes: roomForAll})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(truth.About, "security defaults true") || !strings.HasSuffix(truth.About, `missing ""`) {
			continue // which leaves fewer kinds
		}
		disguises, misses := map[string]map[string]bool{}, map[string]int{}
		for _, f := range truth.Findings {
			if _, known := kinds[f.Kind]; !known {
				t.Errorf("seed %d: kind %q is none", seed, f.Kind)
			}
			if disguises[f.Kind] == nil {
				disguises[f.Kind] = map[string]bool{}
			}
			disguises[f.Kind][f.Disguise] = true
		}
		for _, m := range truth.NearMisses {
			misses[m.Kind]++
		}
		for kind, byOrganisation := range kinds {
			switch n := len(disguises[kind]); {
			case n == 0 && byOrganisation:
				ruledOut++
			case n < 3:
				t.Errorf("seed %d: %s in %d disguises", seed, kind, n)
			}
			if misses[kind] < 2 && kind != "breaks-legacy-block" {
				t.Errorf("seed %d: %s has %d near misses", seed, kind, misses[kind])
			}
		}
	}
	if ruledOut > 35 {
		t.Errorf("kinds were ruled out %d times by the organisation in 40 tenants", ruledOut)
	}
}

// One seed makes one tenant, byte for byte; another makes another.
func TestASeedMakesOneTenant(t *testing.T) {
	t.Parallel()
	sum := func(seed uint64) []byte {
		t.Helper()
		dir := t.TempDir()
		if _, err := Make(dir, Options{Seed: seed, Mailboxes: 60}); err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			rel, _ := filepath.Rel(dir, path)
			fmt.Fprintf(h, "%s %d\n%s", rel, len(text), text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return h.Sum(nil)
	}
	if !bytes.Equal(sum(3), sum(3)) {
		t.Error("seed 3 made two tenants")
	}
	if bytes.Equal(sum(3), sum(4)) {
		t.Error("seeds 3 and 4 made the same tenant")
	}
}

// Small tenants hold what there is room for, and nothing contradicts itself.
func TestSmallTenants(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		truth, err := Make(t.TempDir(), Options{Seed: 1000 + seed, Mailboxes: 50})
		if err != nil {
			t.Fatal(err)
		}
		if len(truth.Findings) < 5 {
			t.Errorf("seed %d: %d findings", 1000+seed, len(truth.Findings))
		}
	}
}
