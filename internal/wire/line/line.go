// Package line reads what a mail program may say before it has signed in: lines
// of bounded length out of a connection of bounded length, and the few octets
// of a literal in between. The grammars above it (imap, pop3, smtp, sieve) share
// it, its errors and its small pieces: quoted strings, literals, base64, xtext.
//
// It reads ahead, so whoever takes the connection over asks for Buffered: those
// octets belong to the relay after a sign-in, and after a STARTTLS they are a
// reason to close. Deadlines belong to the reader it is given.
package line

import (
	"bytes"
	"io"
)

// Limits of one connection before sign-in.
const (
	MaxLine  = 8 << 10 // octets of an ordinary line with its end; Dovecot's IMAP_LOGIN_MAX_LINE_LENGTH
	MaxSASL  = 12288   // octets of a line that carries SASL; RFC 4954, section 4
	MaxTotal = 64 << 10
)

// smallBuffer holds nearly every command there is, so that an idle connection
// costs no more than this. A longer line takes a buffer of its own, given back
// as soon as the line has been dealt with.
const smallBuffer = 256

// emptyReads is how many reads without an octet and without an error are borne.
const emptyReads = 100

// Limits says how much is read; a zero field takes the constant above.
type Limits struct {
	Line   int  // octets of a line with its end, unless ReadLine is given another maximum
	Total  int  // octets in all, over every line and literal
	BareLF bool // takes LF alone as a line's end; otherwise that is ErrBareLF
}

// Reader reads lines and literals. It is for one goroutine.
type Reader struct {
	src        io.Reader
	lim        Limits
	buf        []byte // small[:] or a longer one of its own; nil before the first octet
	start, end int    // what is read but not yet taken
	used       int    // octets taken
	small      [smallBuffer]byte
}

// New returns a reader that holds no buffer but its own small one.
func New(src io.Reader, lim Limits) *Reader {
	if lim.Line <= 0 {
		lim.Line = MaxLine
	}
	if lim.Total <= 0 {
		lim.Total = MaxTotal
	}
	return &Reader{src: src, lim: lim}
}

// ReadLine returns the next line without its end, which counts towards max (0
// means the limit for lines). The slice is good until the next call. A line
// with a forbidden octet is taken and comes along with its error, which is not
// Fatal: the program may be told and go on.
func (r *Reader) ReadLine(max int) ([]byte, error) {
	if max <= 0 {
		max = r.lim.Line
	}
	for seen := 0; ; {
		have := r.buf[r.start:r.end]
		if i := bytes.IndexByte(have[seen:], '\n'); i >= 0 {
			return r.takeLine(seen+i+1, max)
		}
		if len(have) >= max {
			return nil, ErrTooLong
		}
		if len(have) >= r.lim.Total-r.used {
			return nil, ErrBudget
		}
		seen = len(have)
		if err := r.fill(max); err != nil {
			return nil, r.cut(err)
		}
	}
}

func (r *Reader) takeLine(n, max int) ([]byte, error) {
	if n > max {
		return nil, ErrTooLong
	}
	b, err := r.take(n)
	if err != nil {
		return nil, err
	}
	b = b[:n-1]
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	} else if !r.lim.BareLF {
		return b, ErrBareLF
	}
	return b, check(b)
}

func check(b []byte) error {
	switch {
	case bytes.IndexByte(b, 0) >= 0:
		return ErrNUL
	case bytes.IndexByte(b, '\r') >= 0:
		return ErrBareCR
	case isHTTP(b):
		return ErrHTTP
	}
	return nil
}

// isHTTP knows a browser that was led to a mail port: nothing it goes on to say
// may be taken for mail (ALPACA, CVE-2021-3618).
func isHTTP(b []byte) bool {
	i := bytes.LastIndexByte(b, ' ')
	return i > 0 && bytes.HasPrefix(b[i+1:], []byte("HTTP/")) && len(b)-i <= len(" HTTP/1.1")
}

// ReadN returns the next n octets, the body of a literal, good until the next call.
func (r *Reader) ReadN(n int) ([]byte, error) {
	if n < 0 || n > r.lim.Total-r.used {
		return nil, ErrBudget
	}
	for r.end-r.start < n {
		if err := r.fill(n); err != nil {
			return nil, r.cut(err)
		}
	}
	return r.take(n)
}

func (r *Reader) take(n int) ([]byte, error) {
	if n > r.lim.Total-r.used {
		return nil, ErrBudget
	}
	b := r.buf[r.start : r.start+n : r.start+n]
	r.start += n
	r.used += n
	return b, nil
}

// cut tells an end in the middle of something from an end between two things.
func (r *Reader) cut(err error) error {
	if err == io.EOF && r.end > r.start {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fill reads once more, into a buffer that can hold want octets in the end.
func (r *Reader) fill(want int) error {
	r.makeRoom(want)
	for range emptyReads {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		if n > 0 {
			return nil // an error that came along will come again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

func (r *Reader) makeRoom(want int) {
	if r.start == r.end { // nothing held: wipe the long buffer, it may have held a secret, and let it go
		if len(r.buf) > smallBuffer {
			clear(r.buf)
		}
		r.buf, r.start, r.end = r.small[:], 0, 0
		return
	}
	if r.end < len(r.buf) {
		return
	}
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
		return
	}
	longer := make([]byte, min(4*len(r.buf), max(want, len(r.buf))+smallBuffer))
	copy(longer, r.buf)
	clear(r.buf)
	r.buf = longer
}

// Pending says how many octets were read but not yet taken. After STARTTLS was
// answered any number but 0 was sent in clear to be read as if it were sealed.
func (r *Reader) Pending() int { return r.end - r.start }

// Buffered takes what was read ahead, for whoever goes on with the connection;
// nil if nothing was.
func (r *Reader) Buffered() []byte {
	b := bytes.Clone(r.buf[r.start:r.end])
	if len(b) == 0 {
		b = nil
	}
	r.Forget()
	return b
}

// Forget wipes and drops everything held. The budget stays spent.
func (r *Reader) Forget() {
	clear(r.buf)
	r.buf, r.start, r.end = nil, 0, 0
}

// Reset goes on with another source, the same connection inside TLS: what was
// held is forgotten, what was spent of the budget stays spent.
func (r *Reader) Reset(src io.Reader) {
	r.Forget()
	r.src = src
}

// Used says how many octets have been taken in all.
func (r *Reader) Used() int { return r.used }
