package grant_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/store"
)

// Nothing comes to life unjudged, were it approved in the moment between the look
// at its code and the use of it: here the request fell out of the room while its
// approval was being written, and the program asked just then.
func TestNothingIsRedeemedUnjudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		d := h.device(home)
		allowed := h.approval(d.UserCode)
		busy, free := make(chan struct{}), make(chan struct{})
		go func() {
			_ = h.store.Write(context.Background(), func(*store.Tx) error { close(busy); <-free; return nil })
		}()
		<-busy
		approved := make(chan error)
		go func() { approved <- h.ApproveDevice(context.Background(), d.UserCode, allowed) }()
		synctest.Wait()
		for range 2048 {
			h.device(home)
		}
		judged := 0
		judge := func(grant.Grant) error { judged++; return nil }
		polled := make(chan error)
		go func() {
			_, err := h.PollDevice(context.Background(), d.DeviceCode, "mutt", home, judge)
			polled <- err
		}()
		synctest.Wait()
		close(free)
		if err := <-approved; err != nil {
			t.Fatal(err)
		}
		if err := <-polled; err == nil && judged == 0 {
			t.Error("tokens for what nobody judged")
		}
		if _, err := h.PollDevice(context.Background(), d.DeviceCode, "mutt", home, judge); judged == 0 {
			t.Errorf("judged %d times: %v", judged, err)
		}
	})
}
