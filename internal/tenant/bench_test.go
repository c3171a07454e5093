package tenant

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/fstest"
)

// BenchmarkSignIns reads a beta log of the examples' rows.
func BenchmarkSignIns(b *testing.B) {
	one, err := os.ReadFile("testdata/examples/06-signin-imap-basic-blocked.json")
	if err != nil {
		b.Fatal(err)
	}
	const rows = 20_000
	all := make([][]byte, rows)
	for i := range all {
		all[i] = bytes.Replace(one, []byte("88f7c0de-0008-4a00-9b00-000000000011"), fmt.Appendf(nil, "88f7c0de-0008-4a00-9b00-%012x", i), 1)
	}
	log := fstest.MapFS{"signIns.json": {Data: slices.Concat([]byte("["), bytes.Join(all, []byte(",")), []byte("]"))}}
	b.SetBytes(int64(len(log["signIns.json"].Data)))
	b.ReportAllocs()
	for b.Loop() {
		t, err := Read(log)
		if err != nil || t.SignIns.Len() != rows {
			b.Fatal(err, t.SignIns.Len())
		}
	}
}
