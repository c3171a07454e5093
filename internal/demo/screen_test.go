package demo

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWithinAnActEnterIsWaitedFor checks that the wait counts for no limit of
// time, ends with the demo, and is none where nobody is there.
func TestWithinAnActEnterIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		keys := make(chan struct{})
		s := &screen{out: &out, keys: keys, began: time.Now()}
		go func() { time.Sleep(time.Minute); keys <- struct{}{} }()
		if err := s.offer(t.Context(), "The code is typed for you."); err != nil || s.played() != 0 {
			t.Errorf("%v; %s played", err, s.played())
		}
		if line := out.String(); len(line) != width || !strings.HasPrefix(line, "     The code") || !strings.HasSuffix(line, " [Enter]") {
			t.Errorf("%q", line)
		}
		ctx, ctrlC := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); ctrlC() }()
		if err := s.offer(ctx, "Again."); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		out.Reset()
		s.fast = true
		if err := s.offer(t.Context(), "Typed."); err != nil || out.String() != "     Typed.\n" {
			t.Errorf("%v: %q", err, out.String())
		}
	})
}
