package admin

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Putting ids in the place of words leaves JSON, and every byte where there is
// nothing to put.
func FuzzReferences(f *testing.F) {
	for _, s := range []string{`{"conditions":{"locations":{"includeLocations":["All"],"excludeLocations":["office", "x"]}}}`, `{"conditions":null}`, `{"conditions":{"locations":[]}}`,
		`{"conditions" : {"locations":{"excludeLocations":"office"}},"é":1e999}`, `{}`, `{"a":1,"a":2}`, `[]`, `{"conditions":{"locations":{"excludeLocations":[1]}}}`} {
		f.Add([]byte(s))
	}
	path := []string{"conditions", "locations", "excludeLocations"}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		same, err := within(text, path, func(raw []byte) ([]byte, error) { return renamed(raw, nil) })
		if err != nil || !bytes.Equal(same, text) {
			t.Errorf("%q became %q, %v", text, same, err)
		}
		put, err := within(text, path, func(raw []byte) ([]byte, error) { return renamed(raw, map[string]string{"office": "1"}) })
		if err != nil || !json.Valid(put) {
			t.Errorf("%q became %q, %v", text, put, err)
		}
		if d := essentials(text, text); len(d) != 0 {
			t.Errorf("%q differs from itself in %v", text, d)
		}
	})
}
