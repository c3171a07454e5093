package policyset

import (
	"fmt"
	"maps"
	"slices"
)

// ReadTexts is Read for a folder that is not on this machine: the texts of its
// files by name. What is no policy file by its name is a fault.
func ReadTexts(texts map[string]string) (*Set, error) {
	if len(texts) > maxFiles {
		return nil, fmt.Errorf("a folder of policies has at most %d files", maxFiles)
	}
	r := reader{set: &Set{Files: slices.Sorted(maps.Keys(texts))}}
	for _, name := range r.set.Files {
		if !IsFile(name) || len(name) > maxName {
			return nil, fmt.Errorf("%q is no name of a policy file: it ends in .yaml, .yml or .json", name)
		}
		if r.bytes += len(texts[name]); r.bytes > maxBytes {
			return nil, fmt.Errorf("reading %s: a folder of policies has at most %d MB", name, maxBytes>>20)
		}
		r.text(name, []byte(texts[name]))
	}
	return r.done()
}

// Placed shows the faults that a reader found in the object's JSON where they
// stand in the file.
func (o *Object) Placed(err error) error { return o.placed(err) }
