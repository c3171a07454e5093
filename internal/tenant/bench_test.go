package tenant

import (
	"bytes"
	"os"
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
	log := fstest.MapFS{"signIns.json": {Data: append(append([]byte("["), bytes.Join([][]byte{bytes.Repeat(append(one, ','), rows-1), one}, nil)...), ']')}}
	b.SetBytes(int64(len(log["signIns.json"].Data)))
	b.ReportAllocs()
	for b.Loop() {
		t, err := Read(log)
		if err != nil || t.SignIns.Len() != rows {
			b.Fatal(err, t.SignIns.Len())
		}
	}
}
