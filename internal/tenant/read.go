package tenant

import (
	"io/fs"
	"strings"

	"github.com/portreeve/portreeve/internal/policy/exchange"
)

// Read reads every file of a folder. The error is one of the folder itself:
// what single files have wrong with them are notes.
func Read(fsys fs.FS) (*Tenant, error) {
	r := &reader{t: &Tenant{SignIns: NewSignInLog()}, fsys: fsys}
	if err := r.folder(); err != nil {
		return nil, err
	}
	return r.t, nil
}

type reader struct {
	t    *Tenant
	fsys fs.FS
}

func (r *reader) folder() error { return nil }

var switchNumbers = func() map[string]int {
	numbers := map[string]int{}
	for i, s := range exchange.Switches() {
		numbers[strings.ToLower(s.Name)] = i
	}
	return numbers
}()

func switchNumber(name string) (int, bool) {
	i, ok := switchNumbers[strings.ToLower(name)]
	return i, ok && i < len(Settings{})
}
