package relay

import (
	"crypto/tls"
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"time"
)

// Side is one of the two connections of a pair.
type Side struct {
	Socket *Socket   // the bare connection
	TLS    *tls.Conn // the tls.Conn over Socket, its handshake complete; nil for plaintext
	Early  []byte    // payload already read from this side; goes to the other side first
}

// Pair is what Carry takes over.
type Pair struct {
	Client, Backend Side

	// Peek sees the client's first bytes in passing; it may be nil.
	Peek Peeker
	// Filter may overwrite the client's bytes, not their number, before they go
	// to the backend. A pair with a Filter is never spliced.
	Filter func(fromClient []byte)
	// Watch sees the backend's bytes before the client can, and must neither
	// keep nor change them. A pair with a Watch is never spliced. It may be called
	// while Peek or Filter is.
	Watch func(fromBackend []byte)
	// Owner is told of the end; it may be nil.
	Owner Owner
}

// Peeker sees the client's bytes in passing and must not keep them. When Peek
// returns false it has seen enough and is not called again.
type Peeker interface {
	Peek(fromClient []byte) (more bool)
}

// Owner is who a pair belongs to. Done is called exactly once, after both
// connections are closed. Other pairs wait for it, so it must be quick.
type Owner interface {
	Done(Result)
}

// Result tells how a pair ended.
type Result struct {
	Reason                  Reason
	Note                    string // what End was told
	FromClient, FromBackend uint64 // payload bytes, early ones included
	Err                     error  // beside the reason, where the kernel or TLS gave one
}

// Reason is what came first.
type Reason uint8

// The ways in which a pair ends.
const (
	Unknown       Reason = iota
	ClientClosed         // the client closed or reset its connection
	BackendClosed        // the backend closed or reset its connection
	ClientDead           // the client's connection timed out, became unreachable or broke TLS
	BackendDead          // the same for the backend's
	Ended                // End was called
	Idle                 // no byte for Options.Idle
	Stopped              // the pool was closed
	Failed               // the pair could not be taken over, or a callback panicked
)

var reasonNames = [...]string{"unknown", "client closed", "backend closed", "client dead", "backend dead",
	"ended", "idle", "stopped", "failed"}

func (r Reason) String() string {
	if int(r) >= len(reasonNames) {
		return reasonNames[Unknown]
	}
	return reasonNames[r]
}

// The two sides, as indexes; the other of s is 1-s.
const (
	client  = 0
	backend = 1
)

// lost is the reason for an error, or nil at a clean end, on one side.
func lost(side int, err error) Reason {
	closed := err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case closed && side == client:
		return ClientClosed
	case closed:
		return BackendClosed
	case side == client:
		return ClientDead
	}
	return BackendDead
}

// Handle is a pair being carried.
type Handle struct {
	mover  mover
	peek   Peeker
	filter func([]byte)
	watch  func([]byte)
	owner  Owner

	from   [2]atomic.Uint64     // payload bytes that came from each side
	moved  atomic.Int64         // Unix nanoseconds of the last byte, as coarse as a worker's turn
	half   atomic.Bool          // one side has finished
	order  atomic.Pointer[stop] // set once: the pair is to be closed
	reason Reason               // what came first; the mover's
	err    error
}

// mover moves the bytes of one pair. It is told, and must return at once, that
// the order to stop has been given.
type mover interface {
	interrupt()
}

// stop is an order from outside to close a pair.
type stop struct {
	reason Reason
	note   string
}

// End closes both connections soon, without a goodbye. It never waits and may be
// called from anywhere at any time; the first note counts.
func (h *Handle) End(note string) { h.stop(Ended, note) }

func (h *Handle) stop(r Reason, note string) {
	if h.order.Load() == nil && h.order.CompareAndSwap(nil, &stop{r, note}) {
		h.mover.interrupt()
	}
}

// Bytes is the payload that came from each side so far.
func (h *Handle) Bytes() (fromClient, fromBackend uint64) {
	return h.from[client].Load(), h.from[backend].Load()
}

func (h *Handle) init(m mover, pair Pair, now time.Time) {
	h.mover, h.peek, h.filter, h.watch, h.owner = m, pair.Peek, pair.Filter, pair.Watch, pair.Owner
	h.moved.Store(now.UnixNano())
}

// pass counts bytes from one side and shows the client's to Peek and Filter,
// the backend's to Watch.
func (h *Handle) pass(side int, b []byte) {
	h.from[side].Add(uint64(len(b)))
	if side != client {
		if h.watch != nil {
			h.watch(b)
		}
		return
	}
	if h.peek != nil && !h.peek.Peek(b) {
		h.peek = nil
	}
	if h.filter != nil {
		h.filter(b)
	}
}

// blame notes why the pair ends; the first cause counts.
func (h *Handle) blame(r Reason, err error) {
	if h.reason == Unknown {
		h.reason = r
		if !errors.Is(err, io.EOF) {
			h.err = err
		}
	}
}

// result is what Done is told. An order that only cut short what had already
// begun (the wait of a half-closed pair) does not replace the reason.
func (h *Handle) result() Result {
	r := Result{Reason: h.reason, Err: h.err}
	if o := h.order.Load(); o != nil && (r.Reason == Unknown || o.reason == Ended) {
		r.Reason, r.Note = o.reason, o.note
	}
	return r
}
