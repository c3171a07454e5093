package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// waitingWith is a program on a device that shows a code.
func (w *world) waitingWith(t testing.TB, from string) grant.Device {
	t.Helper()
	d, err := w.grants.StartDevice(t.Context(), grant.DeviceRequest{Client: client.Token, ClientName: "portreeve token", Scope: scopes(t, "imap smtp offline_access"), From: netip.MustParseAddr(from), Agent: "curl/8", At: time.Now()})
	must(t, err)
	return d
}

func TestADeviceNearbyIsConnectedByItsCode(t *testing.T) {
	w := newWorld(t)
	d := w.waitingWith(t, "192.0.2.200")
	b := w.browser(t)
	b.get("/device?user_code="+d.UserCode).contains(t, "Sign in")
	b.submit("/signin", "address", "leela", "password", right).contains(t, "Connect a device", "If somebody sent you this code", `value="`+d.UserCode+`"`)
	b.submit("/device", "user_code", strings.ToLower(d.UserCode)).contains(t, "Connect portreeve token?", "192.0.2.200", "in front of you", "read and delete your mail")
	b.submit("/device/allow").contains(t, "portreeve token is connected")
	g, err := w.grants.PollDevice(t.Context(), d.DeviceCode, client.Token, netip.MustParseAddr("192.0.2.200"), nil)
	must(t, err)
	if g.Person != leela || g.Network != netip.MustParsePrefix("192.0.2.0/24") || g.Flow != policy.DeviceCodeFlow || g.Kind != grant.KindDevice {
		t.Errorf("granted %+v", g)
	}
	b.get("/programs").contains(t, "only from 192.0.2.0/24", "signed in with a code from the device")
}

func TestADeviceElsewhereIsRefused(t *testing.T) {
	w := newWorld(t)
	d := w.waitingWith(t, "198.51.100.9")
	b := w.browser(t)
	b.signIn("leela", right)
	b.get("/device")
	b.submit("/device", "user_code", d.UserCode).contains(t, "198.51.100.9")
	b.submit("/device/allow").contains(t, "portreeve token was not connected", signin.FlowNotAllowed.String())
	if len(w.grants.Of(leela)) != 0 {
		t.Error("something was granted")
	}
	_, err := w.grants.PollDevice(t.Context(), d.DeviceCode, client.Token, netip.MustParseAddr("198.51.100.9"), nil)
	var r *grant.Refusal
	if !errors.As(err, &r) || r.OAuth != grant.AccessDenied {
		t.Errorf("the program is told %v", err)
	}
	d = w.waitingWith(t, "192.0.2.200")
	b.get("/device")
	b.submit("/device", "user_code", d.UserCode)
	b.submit("/device/deny").contains(t, "was not connected")
	if _, err := w.grants.PollDevice(t.Context(), d.DeviceCode, client.Token, netip.MustParseAddr("192.0.2.200"), nil); !errors.As(err, &r) || r.OAuth != grant.AccessDenied {
		t.Errorf("the program is told %v", err)
	}
}

// Ten wrong codes of a person in an hour, and no more are looked at, wherever they
// are. Right ones take nothing, and a neighbour's is served.
func TestCodesOfDevicesAreNotFoundByTrying(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	d := w.waitingWith(t, homeAddr)
	for range 20 {
		b.get("/device")
		b.submit("/device", "user_code", d.UserCode).contains(t, "Connect portreeve token?")
	}
	for n := range guessesEach + 1 {
		b.get("/device")
		a := b.post("/device", "user_code", fmt.Sprintf("BCDFGHJ%c", "BCDFGHJKLMNP"[n]))
		want := http.StatusNotFound
		if n == guessesEach {
			want = http.StatusTooManyRequests
		}
		if a.status != want {
			t.Errorf("code %d: %d", n, a.status)
		}
	}
	b.submit("/device", "user_code", d.UserCode).contains(t, "Too many codes were wrong")
	near := w.browser(t)
	near.signIn("fry", right)
	near.get("/device")
	near.submit("/device", "user_code", d.UserCode).contains(t, "Connect portreeve token?") // from the same address
	far := w.browser(t)
	far.from = "198.51.100.20"
	far.signIn("leela", right)
	far.get("/device")
	far.submit("/device", "user_code", d.UserCode).contains(t, "Too many codes were wrong") // the same person
	w.guesses.sweep(time.Now().Add(guessesFor + time.Minute))
	far.get("/device")
	far.submit("/device", "user_code", d.UserCode).contains(t, "Connect portreeve token?")
}

// Tries at the same moment count, too.
func TestCodesAreCountedBeforeTheyAreLookedAt(t *testing.T) {
	g := newGuesses()
	var passed atomic.Int32
	var all sync.WaitGroup
	now := time.Now()
	for n := range 50 {
		all.Go(func() {
			if g.take(leela, netip.AddrFrom4([4]byte{10, byte(n), 0, 1}), now) { // from fifty networks
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != guessesEach {
		t.Errorf("%d of 50 were looked at", passed.Load())
	}
	if len(g.networks) > guessesEach {
		t.Errorf("somebody who has no try left was counted in %d networks", len(g.networks))
	}
	for n := range guessesMost + 100 { // as if there were so many people
		g.take(strconv.Itoa(n), netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), 1}), now.Add(time.Duration(n)))
	}
	if len(g.people) > guessesMost || len(g.networks) > guessesMost {
		t.Errorf("%d people and %d networks are remembered", len(g.people), len(g.networks))
	}
	if !g.take("somebody else", netip.AddrFrom4([4]byte{12, 0, 0, 1}), now) {
		t.Error("who comes when the table is full is not heard")
	}
}

// Who has many people's passwords tries no more for it from one network, and
// silences nobody in it: an office behind one address goes on typing codes.
func TestWhoTriesCodesSilencesNoNeighbour(t *testing.T) {
	g, now, office := newGuesses(), time.Now(), netip.MustParseAddr("198.51.100.7")
	looked := 0
	for thief := range 100 {
		for range 50 {
			if g.take("thief "+strconv.Itoa(thief), office, now) {
				looked++
			}
		}
	}
	if most := guessesNetwork + 100*guessesOwn; looked > most {
		t.Errorf("%d tries of a hundred stolen passwords were looked at; %d are enough", looked, most)
	}
	for n := range 500 {
		person := "neighbour " + strconv.Itoa(n)
		for range guessesOwn - 1 { // mistyped
			if !g.take(person, office, now) {
				t.Fatalf("%s is not heard", person)
			}
		}
		for range 20 {
			if !g.take(person, office, now) {
				t.Fatalf("a right code of %s is not heard", person)
			}
			g.give(person, office)
		}
	}
	if g.take("thief 0", office, now.Add(guessesFor/2)) || !g.take("thief 0", office, now.Add(guessesFor+time.Minute)) {
		t.Error("an hour is not an hour")
	}
}
