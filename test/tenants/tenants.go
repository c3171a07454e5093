// Package tenants writes sample tenants of another vendor as an administrator
// would export them, with known holes planted in them: what an audit of such a
// folder must name, and what it must not.
//
// It knows nothing of the audit. The truth is by construction: every planted
// person belongs to a department of their own kind, which the policies that guard
// everybody else either cover whole or leave alone, and beside each hole stands a
// near miss of the same look that one more gate closes. All is drawn from a seed:
// names, numbers, the kind of organisation, and the form of each file.
package tenants

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Options say what tenant to make.
type Options struct {
	Seed      uint64
	Mailboxes int // about; a tenant with every disguise needs some 400
}

// Finding is what the audit must name.
type Finding struct {
	Kind      string   `json:"kind"`
	Subject   string   `json:"subject"`
	Protocols []string `json:"protocols,omitempty"` // sorted
	Where     []string `json:"where,omitempty"`     // sorted
	By        string   `json:"by,omitempty"`        // the policy that lets it through, where one does
	Disguise  string   `json:"disguise"`            // for the reader of a failed test
}

// NearMiss looks like a finding and is none.
type NearMiss struct {
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
	Why     string `json:"why"`
}

// Expected is the truth about one tenant.
type Expected struct {
	About      string     `json:"about"` // what kind of organisation was drawn
	End        time.Time  `json:"end"`   // of the log, a moment's fraction short
	Findings   []Finding  `json:"findings"`
	NearMisses []NearMiss `json:"nearMisses"`
}

// The folder and the file that Make writes.
const (
	Export = "export"
	Truth  = "expected.json"
)

// Make writes the tenant's files to dir/export and the truth about it to
// dir/expected.json, beside them.
func Make(dir string, o Options) (*Expected, error) {
	if o.Mailboxes < 20 {
		return nil, errors.New("a tenant needs at least 20 mailboxes")
	}
	b := newBuilder(o)
	b.plant()
	b.populate()
	b.guard()
	truth, err := b.truth()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, Export)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("making the export's folder: %w", err)
	}
	if err := b.write(folder); err != nil {
		return nil, fmt.Errorf("writing the export: %w", err)
	}
	text, err := json.MarshalIndent(truth, "", "  ")
	if err != nil {
		return nil, err
	}
	return truth, os.WriteFile(filepath.Join(dir, Truth), append(text, '\n'), 0o644)
}

// truth is what was planted, held against itself: a near miss that is also a
// finding, or a disguise that names nobody, is a fault of the generator.
func (b *builder) truth() (*Expected, error) {
	e := &Expected{About: b.about(), End: b.end}
	for _, f := range b.findings {
		if b.tells(f) {
			e.Findings = append(e.Findings, *f)
		}
	}
	slices.SortFunc(e.Findings, func(x, y Finding) int { return strings.Compare(x.Kind+"\x00"+x.Subject, y.Kind+"\x00"+y.Subject) })
	for _, m := range b.misses {
		if f, both := b.findings[key{m.Kind, m.Subject}]; both {
			return nil, fmt.Errorf("%s of %s is a near miss (%s) and a finding (%s)", m.Kind, m.Subject, m.Why, f.Disguise)
		}
		e.NearMisses = append(e.NearMisses, m)
	}
	return e, nil
}

// tells says whether the files that were exported tell of a finding.
func (b *builder) tells(f *Finding) bool {
	switch b.draw.missing {
	case "signIns":
		return !slices.Contains([]string{"passed-without-mfa", "breaks-legacy-block", "breaks-smtp-end", "breaks-ews-end", "activesync-phone", "unknown-client", "unused-exclusion"}, f.Kind)
	case "userRegistrationDetails":
		return f.Kind != "unregistered"
	case "MobileDevice":
		return f.Kind != "activesync-phone"
	case "authenticationStrengths":
		return f.Kind != "deleted-reference" || f.Disguise != deletedStrength
	}
	return true
}
