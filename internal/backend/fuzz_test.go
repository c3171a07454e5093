package backend

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/wire/line"
)

// FuzzAuthSocket reads whatever an auth socket might say: an OK needs a name,
// and no answer is of two kinds.
func FuzzAuthSocket(f *testing.F) {
	f.Add([]byte("OK\t1\tuser=mary@example.org\n"))
	f.Add([]byte("FAIL\t1\tuser=mary\tcode=temp_fail\treason=a\x01tb\n"))
	f.Add([]byte("OK\t1\tnologin\tuser=mary\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := &authConn{lines: line.New(bytes.NewReader(b), line.Limits{BareLF: true})}
		fields, err := a.fields()
		if err != nil {
			return
		}
		if len(fields) == 0 {
			t.Fatal("a line without a field")
		}
		r := authReply{fields[0], fields[1:]}
		final, err := r.verdict()
		if named, _ := r.field("user"); err == nil && (r.word != "OK" || final != named) {
			t.Errorf("%q: %q", b, final)
		}
		if errors.Is(err, ErrAway) == errors.Is(err, ErrRefused) && err != nil {
			t.Errorf("%q is of both kinds or of none: %v", b, err)
		}
		if err != nil && (strings.ContainsAny(err.Error(), "\r\n\x00") || len(err.Error()) > maxWords+200) {
			t.Errorf("%q came into the log as it was", b)
		}
	})
}

// FuzzIntersect: what several backends offer is offered by each.
func FuzzIntersect(f *testing.F) {
	f.Add("SIZE 1000\nPIPELINING", "SIZE 0\npipelining")
	f.Add("SIEVE fileinto reject", "SIEVE reject vacation")
	f.Fuzz(func(t *testing.T, a, b string) {
		both := intersect(strings.Split(a, "\n"), strings.Split(b, "\n"))
		for _, l := range both {
			word, _, _ := strings.Cut(l, " ")
			if !strings.Contains(strings.ToLower(b), strings.ToLower(word)) {
				t.Errorf("%q is not in %q", word, b)
			}
		}
	})
}
