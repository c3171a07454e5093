package backend

import (
	"context"
	"errors"
	"net"
	"sync"
)

// breakerLimit is how many connections in a row must have found nobody, each
// after waiting in vain, before the next ones are no longer let wait with them.
const breakerLimit = 3

// breaker keeps people from waiting for a server that does not answer. Once it
// is open, one sign-in at a time finds out whether that is still so, in our own
// name: a server may be slow over one client only (Postfix looks up the names of
// addresses before it greets), who must not close the door for all. The first
// that is answered closes the breaker, so it costs nothing when the server is
// back. A server that refuses at once opens nothing: that is as quick as we could be.
type breaker struct {
	mu     sync.Mutex
	silent int  // connections in a row that were not answered
	trying bool // one finds out, and the breaker is open
}

var errSilent = errors.New("it has not answered lately")

// enter says whether this sign-in may try; done must be called with how it
// went. probe tries in our own name.
func (b *breaker) enter(probe func() error) (done func(error), err error) {
	b.mu.Lock()
	if b.silent < breakerLimit {
		b.mu.Unlock()
		return b.done, nil
	}
	if b.trying {
		b.mu.Unlock()
		return nil, errSilent
	}
	b.trying = true
	b.mu.Unlock()
	err = probe()
	b.mu.Lock()
	b.trying = false
	b.mu.Unlock()
	if errors.Is(err, context.Canceled) || timedOut(err) {
		return nil, errSilent
	}
	b.done(err)
	return b.done, nil
}

func (b *breaker) done(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled): // the client went: that says nothing
	case timedOut(err):
		b.silent++
	default:
		b.silent = 0
	}
}

func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}
