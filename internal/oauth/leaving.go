package oauth

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/store"
)

// Bounds of telling programs that somebody left.
const (
	maxWatched   = 100_000         // grants
	maxWaiting   = 1000            // programs that are still to be told; more are not
	tellers      = 4               // that tell at once
	tellTime     = 5 * time.Second // that a program has for an answer
	tellAgain    = 5 * time.Second // once, after it could not be told
	lookEvery    = time.Minute     // at grants that ran out by themselves
	maxTellReply = 4 << 10         // bytes that are read of an answer
)

// leaving knows which programs want to hear that somebody left (OpenID Connect
// Back-Channel Logout), and tells them.
type leaving struct {
	client *http.Client
	queue  chan goodbye

	mu      sync.Mutex
	watched map[string]goodbye // by grant
}

// goodbye is one program to be told of one sign-in, which is the grant that its
// tokens hang on.
type goodbye struct{ clientID, to, algorithm, person, grant, browser string }

func newLeaving(c *http.Client) *leaving {
	if c == nil {
		c = &http.Client{Timeout: tellTime, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: tellTime,
			MaxResponseHeaderBytes: 16 << 10}}
	}
	follows := *c
	follows.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &leaving{client: &follows, queue: make(chan goodbye, maxWaiting), watched: map[string]goodbye{}}
}

// watch remembers a grant of a program that wants to hear of its end.
func (l *leaving) watch(c client.Client, g grant.Grant) {
	to := backChannel(&c)
	if to == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.watched) < maxWatched {
		l.watched[g.ID] = goodbye{c.ID, to, idAlgorithm(&c), g.Person, g.ID, g.Session}
	}
}

// take removes and returns the watched grants that are over.
func (l *leaving) take(over func(id string, b goodbye) bool) (list []goodbye) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, b := range l.watched {
		if over(id, b) {
			delete(l.watched, id)
			list = append(list, b)
		}
	}
	return list
}

// SessionEnded tells the programs that somebody was signed in to from a browser
// session that this is over. It does not wait.
func (s *Server) SessionEnded(session string) {
	if session == "" {
		return
	}
	var list []goodbye
	s.leaving.mu.Lock()
	for _, b := range s.leaving.watched {
		if b.browser == session {
			list = append(list, b)
		}
	}
	s.leaving.mu.Unlock()
	s.say(list)
}

func (s *Server) say(list []goodbye) {
	for _, b := range list {
		select {
		case s.leaving.queue <- b:
		default:
			s.Fault.Warn("too many programs are to be told that somebody left: this one is not", "client", b.clientID)
		}
	}
}

// Run tells programs of sign-ins that end, until ctx does.
func (s *Server) Run(ctx context.Context) error {
	if s.Changes == nil {
		<-ctx.Done()
		return nil
	}
	changes, stop := s.Changes()
	defer stop()
	for _, g := range s.Grants.List() {
		if c, known := s.Clients.Find(g.Client); known {
			s.leaving.watch(c, g)
		}
	}
	var telling sync.WaitGroup
	defer telling.Wait()
	for range tellers {
		telling.Go(func() { s.tellers(ctx) })
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case c, open := <-changes:
			if !open {
				return nil
			}
			s.say(s.leaving.take(ended(c)))
		case <-tick.C:
			s.say(s.leaving.take(func(id string, _ goodbye) bool {
				_, stands := s.Grants.ByID(id)
				return !stands
			}))
		}
	}
}

// ended says which grants a change has ended.
func ended(c store.Change) func(string, goodbye) bool {
	return func(id string, b goodbye) bool {
		return slices.Contains(c.Grants, grant.Prefix+id) || slices.Contains(c.Revoked, b.person)
	}
}

func (s *Server) tellers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-s.leaving.queue:
			s.tellOne(ctx, b)
		}
	}
}

// tellOne tells one program, and once more if that fails.
func (s *Server) tellOne(ctx context.Context, b goodbye) {
	for try := range 2 {
		if try > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(tellAgain):
			}
		}
		err := s.sayGoodbye(ctx, b)
		if err == nil {
			return
		}
		s.Fault.Warn("a program could not be told that somebody left", "client", b.clientID, "try", try+1, "err", err)
	}
}

// sayGoodbye posts one logout token. Nothing that the program answers is
// believed or followed.
func (s *Server) sayGoodbye(ctx context.Context, b goodbye) error {
	signed, err := s.Grants.LogoutToken(b.clientID, b.person, b.grant, b.algorithm)
	if err != nil {
		return fmt.Errorf("making a logout token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.to, strings.NewReader(url.Values{"logout_token": {signed}}.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := s.leaving.client.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	_, _ = io.CopyN(io.Discard, a.Body, maxTellReply)
	if a.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %d", a.StatusCode)
	}
	return nil
}
