package line

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestReadLine(t *testing.T) {
	long := strings.Repeat("a", MaxLine)
	cases := []struct {
		name, in string
		lim      Limits
		max      int
		want     string
		err      error
	}{
		{name: "a line", in: "a b\r\n", want: "a b"},
		{name: "an empty line", in: "\r\n", want: ""},
		{name: "bare LF refused", in: "a\n", want: "a", err: ErrBareLF},
		{name: "bare LF borne", in: "a\n", lim: Limits{BareLF: true}, want: "a"},
		{name: "bare CR", in: "a\rb\r\n", want: "a\rb", err: ErrBareCR},
		{name: "two CR", in: "a\r\r\n", want: "a\r", err: ErrBareCR},
		{name: "NUL", in: "a\x00b\r\n", want: "a\x00b", err: ErrNUL},
		{name: "0x01 passes", in: "\x01\r\n", want: "\x01"},
		{name: "8 bit passes", in: "p\xe4ss\r\n", want: "p\xe4ss"},
		{name: "as long as allowed", in: long[:MaxLine-2] + "\r\n", want: long[:MaxLine-2]},
		{name: "one octet too long", in: long[:MaxLine-1] + "\r\n", err: ErrTooLong},
		{name: "endless", in: long + long, err: ErrTooLong},
		{name: "its own maximum", in: "abcdef\r\n", max: 7, err: ErrTooLong},
		{name: "SASL maximum", in: long + "\r\n", max: MaxSASL, want: long},
		{name: "budget", in: "abcdef\r\n", lim: Limits{Total: 7}, err: ErrBudget},
		{name: "budget, endless", in: long, lim: Limits{Total: 7}, err: ErrBudget},
		{name: "browser", in: "GET / HTTP/1.1\r\n", want: "GET / HTTP/1.1", err: ErrHTTP},
		{name: "end", in: "", err: io.EOF},
		{name: "end in a line", in: "a", err: io.ErrUnexpectedEOF},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, wrap := range []func(io.Reader) io.Reader{
				func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
			} {
				got, err := New(wrap(strings.NewReader(c.in)), c.lim).ReadLine(c.max)
				if string(got) != c.want || err != c.err {
					t.Errorf("%q, %v; want %q, %v", got, err, c.want, c.err)
				}
			}
		})
	}
}

func TestFatal(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, ErrNUL: false, ErrBareCR: false, ErrBareLF: false, Syntax("x"): false,
		ErrTooLong: true, ErrBudget: true, ErrHTTP: true, io.EOF: true, errors.Join(ErrNUL): false,
	} {
		if Fatal(err) != want {
			t.Errorf("Fatal(%v) = %v", err, !want)
		}
	}
}

func TestWhatWasReadAheadIsHandedOverExactly(t *testing.T) {
	for _, rest := range []string{"", "x", "b2 IDLE\r\n", strings.Repeat("z", 200)} {
		r := New(strings.NewReader("a1 NOOP\r\n"+rest), Limits{})
		if _, err := r.ReadLine(0); err != nil {
			t.Fatal(err)
		}
		if r.Pending() != len(rest) {
			t.Errorf("%d pending, want %d", r.Pending(), len(rest))
		}
		if got := r.Buffered(); string(got) != rest || got == nil != (rest == "") {
			t.Errorf("got %q, want %q", got, rest)
		}
		if r.Pending() != 0 || r.Buffered() != nil {
			t.Error("taken twice")
		}
	}
}

// One read fills at most the buffer; what lies behind it is still in the source.
func TestNothingIsLostBetweenReaderAndSource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3*smallBuffer).Draw(t, "n")
		tail := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "tail")
		src := bytes.NewReader(append([]byte(strings.Repeat("a", n)+"\r\n"), tail...))
		r := New(src, Limits{})
		if _, err := r.ReadLine(0); err != nil {
			t.Fatal(err)
		}
		left, _ := io.ReadAll(src)
		if got := append(r.Buffered(), left...); !bytes.Equal(got, tail) {
			t.Fatalf("%d octets, want %d", len(got), len(tail))
		}
	})
}

func TestLinesAndLiteralsAreReadBackWhateverTheChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type item struct {
			literal bool
			b       []byte
		}
		items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) item {
			return item{rapid.Bool().Draw(t, "literal"), []byte(rapid.StringMatching(`[ -~]{0,900}`).Draw(t, "b"))}
		}), 1, 8).Draw(t, "items")
		var in bytes.Buffer
		for _, it := range items {
			in.Write(it.b)
			if !it.literal {
				in.WriteString("\r\n")
			}
		}
		total := in.Len()
		r := New(&chunked{in.Bytes(), rapid.IntRange(1, 700).Draw(t, "chunk")}, Limits{})
		for _, it := range items {
			var b []byte
			var err error
			if it.literal {
				b, err = r.ReadN(len(it.b))
			} else {
				b, err = r.ReadLine(0)
			}
			if err == ErrHTTP {
				err = nil
			}
			if err != nil || !bytes.Equal(b, it.b) {
				t.Fatalf("%q, %v; want %q", b, err, it.b)
			}
		}
		if r.Used() != total {
			t.Fatalf("used %d of %d", r.Used(), total)
		}
	})
}

type chunked struct {
	b []byte
	n int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b[:min(c.n, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}

func TestTheBudgetOutlivesEveryReset(t *testing.T) {
	r := New(strings.NewReader("12345678\r\n"), Limits{Total: 15})
	if _, err := r.ReadLine(0); err != nil {
		t.Fatal(err)
	}
	r.Reset(strings.NewReader("1234\r\n"))
	if _, err := r.ReadLine(0); err != ErrBudget {
		t.Errorf("got %v", err)
	}
	if _, err := r.ReadN(6); err != ErrBudget {
		t.Errorf("got %v", err)
	}
}

func TestAHundredThousandPipelinedLinesMeetTheBudget(t *testing.T) {
	r := New(strings.NewReader(strings.Repeat("a NOOP\r\n", 100_000)), Limits{})
	n := 0
	for ; ; n++ {
		if _, err := r.ReadLine(0); err == ErrBudget {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n != MaxTotal/len("a NOOP\r\n") {
		t.Errorf("%d lines", n)
	}
}

func TestALongBufferIsWipedAndGivenBack(t *testing.T) {
	r := New(io.MultiReader(strings.NewReader(strings.Repeat("s", 5000)+"\r\n"), strings.NewReader("x\r\n")), Limits{})
	b, err := r.ReadLine(0)
	if err != nil || len(b) != 5000 {
		t.Fatal(len(b), err)
	}
	if _, err := r.ReadLine(0); err != nil || len(r.buf) != smallBuffer {
		t.Fatalf("buffer of %d, %v", len(r.buf), err)
	}
	if bytes.IndexByte(b, 's') >= 0 {
		t.Error("the old buffer still holds the line")
	}
}

func TestAnErrorOfTheConnectionComesThrough(t *testing.T) {
	want := errors.New("i/o timeout")
	r := New(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(want)), Limits{})
	if _, err := r.ReadLine(0); err != want {
		t.Errorf("got %v", err)
	}
	if _, err := New(stuck{}, Limits{}).ReadLine(0); err != io.ErrNoProgress {
		t.Errorf("got %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func FuzzReadLine(f *testing.F) {
	for _, s := range []string{"a1 NOOP\r\n", "a\n", "\r\r\n", "\x00\r\n", "GET / HTTP/1.1\r\n\r\n"} {
		f.Add([]byte(s), 3, true)
	}
	f.Fuzz(func(t *testing.T, in []byte, chunk int, bareLF bool) {
		chunk = 1 + int(uint(chunk)%300)
		r := New(&chunked{in, chunk}, Limits{Line: 100, Total: 1000, BareLF: bareLF})
		for {
			b, err := r.ReadLine(0)
			if len(b) > 100 || r.Used() > 1000 {
				t.Fatalf("line of %d, %d used", len(b), r.Used())
			}
			if err == nil && bytes.ContainsAny(b, "\x00\r\n") {
				t.Fatalf("%q", b)
			}
			if Fatal(err) {
				return
			}
		}
	})
}
