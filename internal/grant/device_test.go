package grant_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

func (h *house) device(from netip.Addr) grant.Device {
	h.Helper()
	d, err := h.StartDevice(context.Background(), grant.DeviceRequest{Client: "mutt", ClientName: "Mutt", Scope: scopes(h, "imap offline_access"), From: from, Agent: "curl/8"})
	if err != nil {
		h.Fatal(err)
	}
	return d
}

func (h *house) poll(d grant.Device, from netip.Addr) (grant.Grant, error) {
	return h.PollDevice(context.Background(), d.DeviceCode, "mutt", from, nil)
}

// approval is what the person allows, in the network of the program.
func (h *house) approval(userCode string) grant.Grant {
	h.Helper()
	q, ok := h.Device(userCode)
	if !ok {
		h.Fatalf("no device waits with %s", userCode)
	}
	return grant.Grant{Person: h.person, Address: "anna@example.org", Offline: true, Methods: policy.MethodFIDO2, Network: network.Of(q.From)}
}

func TestADeviceCodeIsApprovedAndRedeemedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		d := h.device(home)
		if len(d.UserCode) != 9 || d.UserCode[4] != '-' || d.Expires < time.Minute || d.Interval != 5*time.Second {
			t.Errorf("%+v", d)
		}
		_, err := h.poll(d, home)
		wantRefusal(t, err, signin.FactorNeeded, grant.AuthorizationPending)
		typed := strings.ToLower(strings.ReplaceAll(d.UserCode, "-", " "))
		if err := h.ApproveDevice(t.Context(), typed, h.approval(typed)); err != nil {
			t.Fatal(err)
		}
		if _, ok := h.Device(d.UserCode); ok || h.ApproveDevice(t.Context(), d.UserCode, grant.Grant{Person: h.person}) == nil || h.DenyDevice(d.UserCode) == nil {
			t.Error("a user code is good for two")
		}
		h.restart() // what was approved is not lost
		g, err := h.poll(d, near)
		if err != nil {
			t.Fatal(err)
		}
		if g.Client != "mutt" || g.Kind != grant.KindDevice || g.Flow != policy.DeviceCodeFlow || g.Scope.String() != "imap offline_access" || g.Network != network.Of(home) {
			t.Errorf("%+v", g)
		}
		for range 2 {
			_, err = h.poll(d, home)
			wantRefusal(t, err, signin.TokenInvalid, grant.InvalidGrant)
			h.restart()
		}
		// What was won by it stays bound to the program's network.
		if err := h.standing(g.ID); err != nil {
			t.Error(err)
		}
		_, err = h.Standing(g.ID, scopes(t, "imap").Protocols()[0], away)
		wantRefusal(t, err, signin.GrantElsewhere, grant.InvalidGrant)
		text, _ := h.RefreshToken(g)
		_, _, err = h.Refresh(t.Context(), text, "mutt", away, yes)
		wantRefusal(t, err, signin.GrantElsewhere, grant.InvalidGrant)
		if _, _, err = h.Refresh(t.Context(), text, "mutt", near, yes); err != nil {
			t.Error(err)
		}
	})
}

func TestADeviceCodeFromElsewhereIsRefused(t *testing.T) {
	h := newHouse(t, grant.Options{})
	d := h.device(home)
	if err := h.ApproveDevice(context.Background(), d.UserCode, h.approval(d.UserCode)); err != nil {
		t.Fatal(err)
	}
	_, err := h.poll(d, away)
	wantRefusal(t, err, signin.FlowNotAllowed, grant.AccessDenied)
	if len(h.List()) != 0 {
		t.Error("a grant lives")
	}
	wide := h.device(home)
	g := h.approval(wide.UserCode)
	g.Network = netip.Prefix{} // as a policy allows
	if err := h.ApproveDevice(context.Background(), wide.UserCode, g); err != nil {
		t.Fatal(err)
	}
	if _, err := h.poll(wide, away); err != nil {
		t.Error(err)
	}
}

func TestDevicesThatAreNotApprovedGetNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		d := h.device(home)
		_, err := h.PollDevice(t.Context(), d.DeviceCode, "other", home, nil)
		wantRefusal(t, err, signin.TokenOfAnother, grant.InvalidGrant)
		for _, pace := range []struct {
			wait time.Duration
			word string
		}{
			{0, grant.AuthorizationPending}, {time.Second, grant.SlowDown}, {5 * time.Second, grant.SlowDown},
			{15 * time.Second, grant.AuthorizationPending}, {16 * time.Second, grant.AuthorizationPending},
		} {
			time.Sleep(pace.wait)
			_, err := h.poll(d, home)
			wantRefusal(t, err, signin.FactorNeeded, pace.word)
		}
		wide := h.approval(d.UserCode)
		wide.Scope = scopes(t, "imap smtp")
		if err := h.ApproveDevice(t.Context(), d.UserCode, wide); err == nil {
			t.Error("more was approved than was asked for")
		}
		if err := h.DenyDevice(d.UserCode); err != nil {
			t.Fatal(err)
		}
		_, err = h.poll(d, home)
		wantRefusal(t, err, signin.BlockedByPolicy, grant.AccessDenied)

		late := h.device(home)
		time.Sleep(11 * time.Minute)
		if _, ok := h.Device(late.UserCode); ok {
			t.Error("a user code does not run out")
		}
		_, err = h.poll(late, home)
		wantRefusal(t, err, signin.TokenExpired, grant.ExpiredToken)

		lost := h.device(home)
		h.restart()
		_, err = h.poll(lost, home)
		wantRefusal(t, err, signin.TokenExpired, grant.ExpiredToken)

		for _, wrong := range []string{"", "BCDF", "BCDF-GHJK", strings.Repeat("B", 1<<20), "%00", "ſ"} {
			if _, ok := h.Device(wrong); ok || !errors.Is(h.DenyDevice(wrong), grant.ErrUnknown) {
				t.Errorf("%.20q is a user code", wrong)
			}
		}
	})
}

func TestOfManyAtOnceOneRedeemsADeviceCode(t *testing.T) {
	h := newHouse(t, grant.Options{})
	for range 5 {
		d := h.device(home)
		approvals := make([]error, 10)
		g := h.approval(d.UserCode)
		atOnce(10, func(i int) { approvals[i] = h.ApproveDevice(context.Background(), d.UserCode, g) })
		good := 0
		for _, err := range approvals {
			if err == nil {
				good++
			}
		}
		if good != 1 {
			t.Fatalf("%d approved one device", good)
		}
		var mu sync.Mutex
		var won []string
		atOnce(50, func(int) {
			if g, err := h.poll(d, home); err == nil {
				mu.Lock()
				won = append(won, g.ID)
				mu.Unlock()
			}
		})
		if len(won) != 1 {
			t.Fatalf("%d redeemed one device code", len(won))
		}
		h.restart()
		if _, err := h.poll(d, home); err == nil {
			t.Error("a device code is good again after a restart")
		}
		if err := h.standing(won[0]); err != nil {
			t.Error(err)
		}
	}
}

// Nobody who asks is refused, and nobody's request falls out because a neighbour
// asks as often as one address is heard.
func TestStrangersCannotFillTheRoomForDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{})
		ask := func(program string, a netip.Addr) {
			if _, err := h.StartDevice(t.Context(), grant.DeviceRequest{Client: program, Scope: scopes(t, "imap"), From: a}); err != nil {
				t.Fatal(err)
			}
		}
		waits := func(d grant.Device) bool { _, ok := h.Device(d.UserCode); return ok }
		neighbour := h.device(home)
		for range 1800 { // in ten minutes, behind the same address
			ask("mutt", home)
		}
		other := h.device(home)
		for range 3000 { // by another program, and at another address of the network
			ask("rclone", home)
			ask("mutt", home.Next())
		}
		if !waits(neighbour) || !waits(other) {
			t.Error("a neighbour's request fell out")
		}
		for range 2048 {
			ask("mutt", home)
		}
		if waits(neighbour) || waits(other) {
			t.Error("there is no bound")
		}
		if _, err := h.poll(neighbour, home); err == nil {
			t.Error("what fell out is worth something")
		} else {
			wantRefusal(t, err, signin.TokenExpired, grant.ExpiredToken)
		}
		time.Sleep(11 * time.Minute)
		long := grant.DeviceRequest{Client: "mutt", Scope: scopes(t, "imap"), From: home, Agent: strings.Repeat("ä", 1<<20)}
		d, err := h.StartDevice(t.Context(), long)
		if err != nil {
			t.Fatal(err)
		}
		if q, ok := h.Device(d.UserCode); !ok || len(q.Agent) > 256 || !utf8.ValidString(q.Agent) {
			t.Errorf("%d bytes of a program's name are kept", len(q.Agent))
		}
		long.Resource = []string{strings.Repeat("x", 1<<20)}
		if _, err := h.StartDevice(t.Context(), long); err == nil {
			t.Error("a megabyte is kept for a stranger")
		}
	})
}

// Who fills the room from one network pushes out their own, however many addresses
// they have.
func TestTheFullestNetworkMakesRoom(t *testing.T) {
	h := newHouse(t, grant.Options{})
	first := h.device(away)
	for i := range 9000 {
		h.device(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	if _, ok := h.Device(first.UserCode); !ok {
		t.Error("a flood from one network pushed out another's")
	}
}

// A request that falls out while, or after, somebody says yes to it is lost to nobody.
func TestWhatWasApprovedDoesNotFallOut(t *testing.T) {
	h := newHouse(t, grant.Options{})
	d := h.device(home)
	if err := h.ApproveDevice(t.Context(), d.UserCode, h.approval(d.UserCode)); err != nil {
		t.Fatal(err)
	}
	for range 1100 {
		h.device(home)
	}
	if g, err := h.poll(d, home); err != nil || g.Person != h.person {
		t.Errorf("%+v, %v", g, err)
	}
}

// Strangers of many networks push out nobody but the oldest, and take no more room.
func TestTheRoomForDevicesIsBounded(t *testing.T) {
	h := newHouse(t, grant.Options{})
	first := h.device(home)
	second := h.device(home)
	for i := range 8191 {
		h.device(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
	}
	if _, ok := h.Device(first.UserCode); ok {
		t.Error("the room is not bounded")
	}
	if _, ok := h.Device(second.UserCode); !ok {
		t.Error("more than the oldest made room")
	}
}
