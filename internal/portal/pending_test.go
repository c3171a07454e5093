package portal

import (
	"net/netip"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

func TestAThiefDoesNotPushOutTheOwnersSignIn(t *testing.T) {
	l, now := newPendings(), time.Now()
	from := func(addr string, known bool) string {
		var o signin.Outcome
		o.Facts.Person, o.Facts.Addr, o.Facts.KnownNetwork = leela, netip.MustParseAddr(addr), known
		now = now.Add(time.Millisecond)
		return l.add(o, "/", false, now)
	}
	home, office, abroad := from("192.0.2.1", true), from("198.51.100.1", true), from("203.0.113.1", false)
	for range 10 * pendingOf {
		from("203.0.113.66", false) // a stranger who has the password
		from("198.51.100.66", true) // and one in the office
	}
	if l.find(home, now) == nil {
		t.Error("the sign-in at home is gone")
	}
	if l.find(office, now) != nil || l.find(abroad, now) != nil || len(l.all) != 2*pendingOf+1 {
		t.Errorf("%d sign-ins wait", len(l.all))
	}
}
