// Package demo shows the product on embedded defaults: a small mail server,
// people, policies and a month of sign-ins in a folder that goes away again,
// the real gate in front, and a story played through it by real IMAP programs.
//
// Whatever the story says it has checked: each sentence with a tick is a claim
// that was asserted, so that the demo is the product's end-to-end test too. It
// listens on loopback only and needs neither root nor configuration.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// The times that the demo itself must keep.
const (
	readyWithin   = 2 * time.Second
	refusedWithin = 10 * time.Second // the first refusal
	storyWithin   = 60 * time.Second // at reading speed
	checkWithin   = 20 * time.Second
	closedWithin  = time.Second // an open connection, after a change of policy
)

// Options say how the demo is played.
type Options struct {
	Version string
	// Check plays without pauses, then ends; it takes at most 20 s.
	Check bool
	// Fast makes no pauses and asks for no key.
	Fast bool
	// NoStory only serves.
	NoStory bool
	// Keep is a folder for the state, which then stays; empty is one that goes.
	Keep string
	// Record is a file for the conversations and claims, as JSON.
	Record string

	In  io.Reader
	Out io.Writer
	// Terminal says that somebody sits in front: the story then waits for Enter,
	// and the demo serves on after it.
	Terminal bool
	// Colour says that the terminal may be given colours.
	Colour bool

	slack int // widens the limits of time; 0 is 1
}

// ErrClaims says that the story told something that is not so.
var ErrClaims = errors.New("not every claim holds")

// ErrInterrupted says that the story was ended before its end.
var ErrInterrupted = errors.New("interrupted before the story was over")

// Run plays the demo until ctx ends, or until the story is over where nobody
// sits in front. Nothing is left behind.
func Run(ctx context.Context, o Options) (err error) {
	s := &screen{out: o.Out, colour: o.Colour, fast: o.Fast || o.Check, began: time.Now()}
	if o.Terminal && !o.Check {
		s.keys = enters(o.In)
	}
	if o.Check {
		var cancel context.CancelFunc
		limit := checkWithin * time.Duration(max(1, o.slack))
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("the check took longer than %s", limit))
		defer cancel()
	}
	w, err := open(ctx, o)
	if err != nil {
		return o.because(ctx, err)
	}
	defer func() { err = errors.Join(err, w.close()) }()
	ready := time.Since(s.began)
	w.banner(s, ready)
	if !o.NoStory {
		if err := tell(ctx, w, s, ready, o.slack); err != nil {
			return o.because(ctx, err)
		}
		if err := s.record(o.Record); err != nil {
			return err
		}
	}
	if o.Check || !o.Terminal && !o.NoStory {
		return s.verdict(o.Check)
	}
	w.yours(s, !o.NoStory)
	select {
	case <-ctx.Done():
		s.print("\n")
		return nil
	case err := <-w.done:
		w.done <- err
		return err
	}
}

// because names why ctx ended, where that is why err came. Ctrl-C is how
// somebody at a terminal ends the demo; elsewhere nothing was shown to the end,
// and nobody may take that for success.
func (o *Options) because(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err
	case errors.Is(cause, context.Canceled) && (o.Check || !o.Terminal):
		return ErrInterrupted
	default:
		return cause
	}
}

// enters tells of each Enter. Its goroutine waits in a read that nothing can
// interrupt, and ends with the input or the process.
func enters(in io.Reader) <-chan struct{} {
	keys := make(chan struct{})
	go func() {
		for one := make([]byte, 1); ; {
			if n, err := in.Read(one); err != nil {
				return
			} else if n == 1 && one[0] == '\n' {
				keys <- struct{}{}
			}
		}
	}()
	return keys
}

// verdict sums up the claims.
func (s *screen) verdict(check bool) error {
	failed := s.failed()
	if check || len(failed) > 0 {
		s.print("\n%d claims, %d failed, in %.1f s\n", len(s.claims), len(failed), time.Since(s.began).Seconds())
	}
	for _, c := range failed {
		s.print("FAILED  %s: %s\n", c.Act, c.Text)
	}
	if len(failed) > 0 {
		return ErrClaims
	}
	return nil
}

// record writes the conversations and claims.
func (s *screen) record(path string) error {
	if path == "" {
		return nil
	}
	raw, err := json.MarshalIndent(map[string]any{"lines": s.lines, "claims": s.claims}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	return nil
}
