package oauth

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
)

// Bounds on the names of programs that nobody here knows. Whoever asks makes them
// up, and each would be a row of the log.
const (
	strangersNamed = 20        // of them, in
	strangersFor   = time.Hour // which is as long as equal rows of the log are one
	strangerName   = 64        // bytes
	// placesNamed is how many browsers and addresses of one person are told apart,
	// in strangersFor: whoever is signed in asks as often as they like, and says
	// what they like of their browser.
	placesNamed = 20
)

// Why a program is turned away where people are sent by it.
const (
	whyUnknown = "not known here"
	whyLimited = "none of what it asks for is within its limit, "
)

// turnAway writes down that a program was turned away before anybody was asked
// who they are. Whoever is signed in at that browser finds it among their
// sign-ins. Of anybody else nothing stands there that they can make up as they
// like: their equal requests are one row.
func (s *Server) turnAway(r *http.Request, name, why string) {
	a := knock(r.Context())
	q := gate.Asked{Mechanism: gate.AuthorizationCode, Client: name, Correlation: a.Correlation}
	var who signin.Principal
	known := false
	if s.Visitor != nil {
		who, known = s.Visitor(r)
	}
	if known {
		q.Principal = who
	}
	if !known || !s.strangers.place(who.Person, a.Client.Addr().String()+" "+a.Hints.UserAgent, a.At) {
		a.Hints = signin.Hints{}
		a.Client = netip.AddrPortFrom(network.Host(a.Client.Addr()).Addr(), a.Client.Port())
		a.Peer = a.Client
	}
	s.Gate.Withhold(r.Context(), a, q, signin.ClientForbidden, why)
}

// reason is why a program is not let in, for administrators.
func reason(err error) string {
	if no := (*signin.Refusal)(nil); errors.As(err, &no) {
		return no.Detail
	}
	return err.Error()
}

// beyond says that a program asks for nothing but what its limit excludes.
func beyond(c *client.Client, form url.Values) bool {
	asked, err := scope.Parse(form.Get("scope"))
	return err == nil && !asked.Empty() && asked.Only(c.Limit).Empty()
}

// strangers are the programs, unknown here, that were named in the log lately.
type strangers struct {
	mu     sync.Mutex
	named  map[string]bool
	places map[string]map[string]bool // of people that were named, by id
	since  time.Time
}

// begin forgets what was named long enough ago; the caller holds the lock.
func (l *strangers) begin(now time.Time) {
	if l.named == nil || now.Sub(l.since) >= strangersFor {
		l.named, l.places, l.since = map[string]bool{}, map[string]map[string]bool{}, now
	}
}

// place says that a browser and an address stand in the log as somebody's own.
func (l *strangers) place(person, browser string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin(now)
	had := l.places[person]
	if had == nil {
		had = map[string]bool{}
		l.places[person] = had
	}
	if !had[browser] && len(had) >= placesNamed {
		return false
	}
	had[browser] = true
	return true
}

// plainID is an id that a stranger made up, as people may read it: any page
// elsewhere can have it stand among somebody's sign-ins, where it is to be no
// sentence, and to turn no letters round.
func plainID(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~:/@+", r) {
			return r
		}
		return '?'
	}, id[:min(len(id), strangerName)])
}

// name is the name of an unknown program for the log; empty once there are so
// many that somebody makes them up.
func (l *strangers) name(id string, now time.Time) string {
	id = plainID(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin(now)
	if !l.named[id] && len(l.named) >= strangersNamed {
		return ""
	}
	l.named[id] = true
	return id
}
