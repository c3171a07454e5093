package apppassword

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

func TestBindings(t *testing.T) {
	const here, there = "192.0.2.1", "198.51.100.1"
	resumed := strings.Replace(swaks, "t13d3410", "t13d3411", 1) // one extension more
	for binding, want := range map[string]map[string]bool{       // is it let in?
		BindNone:    {"same": true, "program": true, "owner": true},
		BindProgram: {"same": true, "program": false, "owner": true},
		BindOwner:   {"same": true, "program": true, "owner": false},
		BindStrict:  {"same": true, "program": false, "owner": false},
	} {
		h := open(t, t.TempDir())
		text, made := h.issue(t, "phone", Scope{Binding: binding})
		if got := h.show(t, knockAt(here, protocol.IMAP, swaks), h.mary, text); got != signin.OK {
			t.Fatalf("%s: first use: %s", binding, got)
		}
		for what, a := range map[string]signin.Attempt{"same": knockAt("192.0.2.77", protocol.Submission, resumed), "program": knockAt(here, protocol.IMAP, thunderbird), "owner": knockAt(there, protocol.IMAP, swaks)} {
			got := h.show(t, a, h.mary, text)
			if let := got == signin.OK; let != want[what] || !let && got != signin.AppPasswordProgram {
				t.Errorf("%s, another %s: %s", binding, what, got)
			}
			if want[what] {
				continue
			}
			list, _ := h.List(t.Context(), h.mary.ID)
			if !list[0].Pending || list[0].PendingAddr != a.Client.Addr().String() {
				t.Errorf("%s, another %s: it does not wait for approval: %+v", binding, what, list[0])
			}
			if err := h.Approve(t.Context(), admin, h.pete.ID, made.ID, list[0].PendingMark); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("somebody else approves: %v", err)
			}
			if err := h.Approve(t.Context(), admin, h.mary.ID, made.ID, list[0].PendingMark); err != nil {
				t.Fatal(err)
			}
			if got := h.show(t, a, h.mary, text); got != signin.OK {
				t.Errorf("%s, another %s, approved: %s", binding, what, got)
			}
			if got := h.show(t, knockAt(here, protocol.IMAP, swaks), h.mary, text); got != signin.OK {
				t.Errorf("%s: the first one, after another %s was approved: %s", binding, what, got)
			}
			if err := h.Approve(t.Context(), admin, h.mary.ID, made.ID, list[0].PendingMark); !errors.Is(err, ErrNothingPending) {
				t.Errorf("approved twice: %v", err)
			}
		}
	}
}

// A thief who knocks between the owner's look and click is not approved in the
// place of the owner's own program.
func TestNobodyElseIsApprovedThanWasShown(t *testing.T) {
	h := open(t, t.TempDir())
	text, made := h.issue(t, "phone", Scope{})
	h.show(t, knockAt("192.0.2.1", protocol.IMAP, swaks), h.mary, text)
	h.show(t, knockAt("192.0.2.1", protocol.IMAP, thunderbird), h.mary, text) // updated: its owner looks at this
	seen, _ := h.List(t.Context(), h.mary.ID)
	thief := knockAt("198.51.100.66", protocol.IMAP, "t13d1811h1_85036bcba153_d41ae481755e")
	h.show(t, thief, h.mary, text)
	for _, mark := range []string{seen[0].PendingMark, ""} {
		if err := h.Approve(t.Context(), admin, h.mary.ID, made.ID, mark); !errors.Is(err, ErrNothingPending) {
			t.Errorf("approved by %q: %v", mark, err)
		}
	}
	if got := h.show(t, thief, h.mary, text); got != signin.AppPasswordProgram {
		t.Errorf("the thief: %s", got)
	}
	h.show(t, knockAt("198.51.100.9", protocol.IMAP, thunderbird), h.mary, text) // the same program, at another place
	if err := h.Approve(t.Context(), admin, h.mary.ID, made.ID, seen[0].PendingMark); err != nil {
		t.Errorf("what was seen: %v", err)
	}
}

// Without a file of network owners the network stands for its owner, and still
// does once there is one.
func TestANetworkStandsForAnUnknownOwner(t *testing.T) {
	h := open(t, t.TempDir())
	h.Places = nil
	text, _ := h.issue(t, "scanner", Scope{Binding: BindOwner})
	for addr, want := range map[string]signin.Code{"192.0.2.9": signin.OK, "198.51.100.9": signin.AppPasswordProgram} {
		if first := h.show(t, knockAt("192.0.2.1", protocol.IMAP, swaks), h.mary, text); first != signin.OK {
			t.Fatal(first)
		}
		if got := h.show(t, knockAt(addr, protocol.IMAP, swaks), h.mary, text); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	h.Places = atlas{}
	if got := h.show(t, knockAt("192.0.2.9", protocol.IMAP, swaks), h.mary, text); got != signin.OK {
		t.Errorf("with a file of owners: %s", got)
	}
}

func TestParallelFirstUsesBindOnce(t *testing.T) {
	h := open(t, t.TempDir())
	text, _ := h.issue(t, "phone", Scope{})
	const each = 25
	codes := make(chan [2]int, 2*each)
	var wg sync.WaitGroup
	for i := range 2 * each {
		ja4 := []string{swaks, thunderbird}[i%2]
		wg.Go(func() { codes <- [2]int{i % 2, int(h.show(t, knockAt("192.0.2.1", protocol.IMAP, ja4), h.mary, text))} })
	}
	wg.Wait()
	close(codes)
	let := [2]int{}
	for c := range codes {
		switch signin.Code(c[1]) {
		case signin.OK:
			let[c[0]]++
		case signin.AppPasswordProgram:
		default:
			t.Errorf("code %d", c[1])
		}
	}
	if let != [2]int{each, 0} && let != [2]int{0, each} {
		t.Errorf("%v of %d uses of each program were let in: it was bound more than once", let, each)
	}
	rows, err := h.store.AppPasswordsOf(t.Context(), h.mary.ID)
	if err != nil || len(rows) != 1 || strings.Count(string(rows[0].Bound), `"key"`) != 1 {
		t.Errorf("the row is bound to %s, %v", rows[0].Bound, err)
	}
}

// What outlives a hard stop: the first use and what it bound, and a revocation.
func TestANewServiceKnowsWhatWasBound(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir)
	text, _ := h.issue(t, "phone", Scope{})
	gone, p := h.issue(t, "old phone", Scope{})
	here := knockAt("192.0.2.1", protocol.IMAP, swaks)
	if got := h.show(t, here, h.mary, text); got != signin.OK {
		t.Fatal(got)
	}
	if err := h.Revoke(t.Context(), admin, "", p.ID); err != nil {
		t.Fatal(err)
	}
	// Nothing is flushed or closed: the second service sees what was durable.
	again, err := New(t.Context(), h.Options)
	if err != nil {
		t.Fatal(err)
	}
	h.Service = again
	for _, c := range []struct {
		a    signin.Attempt
		text string
		want signin.Code
	}{{here, text, signin.OK}, {knockAt("192.0.2.1", protocol.IMAP, thunderbird), text, signin.AppPasswordProgram}, {here, gone, signin.AppPasswordRevoked}} {
		if got := h.show(t, c.a, h.mary, c.text); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
