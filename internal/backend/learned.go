package backend

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

// probeTime is how often the backends are asked what they can do, and
// returnTime how soon one that was away is asked again: until it has answered,
// its extensions are not offered.
const (
	probeTime  = 5 * time.Minute
	returnTime = 10 * time.Second
)

// learned is what all backends can do together, per protocol, in a snapshot
// that is replaced whole.
type learned struct {
	now   atomic.Pointer[map[protocol.Protocol][]string]
	mu    sync.Mutex                                // one refresh at a time; guards last
	last  map[string]map[protocol.Protocol][]string // per backend, what it said when it was last there
	state atomic.Pointer[[]State]
}

// State is how one endpoint of a backend was found last.
type State struct {
	Backend  string            `json:"backend"`
	Protocol protocol.Protocol `json:"protocol"`
	Address  string            `json:"address"`
	Fault    string            `json:"fault,omitempty"` // empty: it was there
	Took     time.Duration     `json:"tookNanoseconds"`
	At       time.Time         `json:"at"`
}

// Capabilities is what every backend offers before sign-in, less what we
// replace (mechanisms, STARTTLS, XCLIENT): words of IMAP, lines of POP3 and
// SMTP, ManageSieve's names each with its value behind a space, unquoted. Nil
// until a backend was there.
func (p *Pool) Capabilities(proto protocol.Protocol) []string {
	return (*p.known.now.Load())[proto]
}

// States is how every endpoint was found last.
func (p *Pool) States() []State {
	if s := p.known.state.Load(); s != nil {
		return *s
	}
	return nil
}

func (k *learned) start(p *Pool) {
	k.last = map[string]map[protocol.Protocol][]string{}
	for name, b := range p.backends {
		k.last[name] = map[protocol.Protocol][]string{}
		for proto, fixed := range b.options.Capabilities {
			k.last[name][proto] = fixed
		}
	}
	k.publish(p)
}

// pause is how long until the endpoints are to be asked again.
func (k *learned) pause() time.Duration {
	for _, s := range *k.state.Load() {
		if s.Fault != "" {
			return returnTime
		}
	}
	return probeTime
}

// refresh asks every endpoint. One that is away keeps what it said before, and
// nobody waits for it.
func (k *learned) refresh(ctx context.Context, p *Pool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var states []State
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, name := range p.names {
		for proto, s := range p.backends[name].servers {
			all.Go(func() {
				begin := time.Now()
				caps, err := s.probe(ctx)
				mu.Lock()
				defer mu.Unlock()
				state := State{Backend: name, Protocol: proto, Address: s.endpoint.Address, Took: time.Since(begin), At: begin}
				if err != nil {
					state.Fault = err.Error()
				} else if _, fixed := p.backends[name].options.Capabilities[proto]; !fixed {
					k.last[name][proto] = caps
					k.publish(p)
				}
				states = append(states, state)
			})
		}
	}
	all.Wait()
	slices.SortFunc(states, func(a, b State) int {
		if c := strings.Compare(a.Backend, b.Backend); c != 0 {
			return c
		}
		return int(a.Protocol) - int(b.Protocol)
	})
	k.state.Store(&states)
}

// probe asks one endpoint what it can do, and leaves.
func (s *server) probe(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.LoginTimeout)
	defer cancel()
	t, d, err := s.open(ctx, &Request{Protocol: s.protocol})
	if err != nil {
		return nil, err
	}
	_ = t.send(d.goodbye())
	t.abandon()
	return d.offered(), nil
}

// publish makes the intersection over the backends that have a protocol and
// were ever there.
func (k *learned) publish(p *Pool) {
	out := map[protocol.Protocol][]string{}
	for _, name := range p.names {
		for proto, caps := range k.last[name] {
			if have, ok := out[proto]; ok {
				out[proto] = intersect(have, caps)
			} else {
				out[proto] = slices.Clone(caps)
			}
		}
	}
	k.now.Store(&out)
}

// intersect keeps the lines whose first word both have, with the other words
// that both have; of a number (SMTP's SIZE) the smaller.
func intersect(a, b []string) []string {
	var out []string
	for _, line := range a {
		word, rest, _ := strings.Cut(line, " ")
		for _, other := range b {
			w, r, _ := strings.Cut(other, " ")
			if !strings.EqualFold(w, word) {
				continue
			}
			out = append(out, strings.TrimSpace(word+" "+common(rest, r)))
			break
		}
	}
	return out
}

func common(a, b string) string {
	if a == b {
		return a
	}
	n, errA := strconv.ParseUint(a, 10, 63)
	m, errB := strconv.ParseUint(b, 10, 63)
	if errA == nil && errB == nil {
		return strconv.FormatUint(smaller(n, m), 10)
	}
	words := strings.Fields(b)
	return strings.Join(slices.DeleteFunc(strings.Fields(a), func(w string) bool { return !slices.Contains(words, w) }), " ")
}

// smaller of two limits, where 0 means that there is none (RFC 1870, section 3).
func smaller(n, m uint64) uint64 {
	if n == 0 || m == 0 {
		return n + m
	}
	return min(n, m)
}
