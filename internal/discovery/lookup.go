package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Resolver asks one DNS server, over UDP and then over TCP. It is the only thing
// that a check talks to. What it answers is bounded and not believed further
// than it answers the question.
type Resolver struct {
	address string
	timeout time.Duration
}

// Bounds of what is asked and read.
const (
	lookupTime  = 2 * time.Second // for one packet to be answered
	tries       = 2               // over UDP: one packet may be lost
	packetSize  = 1232            // bytes of an answer over UDP; the DNS Flag Day of 2020
	maxAnswers  = 64              // records of one answer that are looked at
	maxAliases  = 8               // CNAMEs that are followed
	maxShown    = 4               // records of one name that are told
	maxShownTXT = 255             // bytes of a TXT record that are told
)

var (
	// ErrSilent says that nothing came back: further questions are in vain.
	ErrSilent  = errors.New("the resolver does not answer")
	errAliases = errors.New("its CNAMEs lead on and on")
	errLoop    = errors.New("its CNAMEs go in a circle")
	errMany    = fmt.Errorf("the answer has more than %d records", maxAnswers)
	errOther   = errors.New("the resolver answered another question")
)

// NewResolver reads ADDRESS or ADDRESS:PORT; a name is none, since looking it up
// would ask another resolver.
func NewResolver(typed string) (*Resolver, error) {
	if a, err := netip.ParseAddr(strings.Trim(typed, "[]")); err == nil {
		return &Resolver{net.JoinHostPort(a.String(), "53"), lookupTime}, nil
	}
	ap, err := netip.ParseAddrPort(typed)
	if err != nil || ap.Port() == 0 {
		return nil, fmt.Errorf("%q is no address of a resolver: write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353", typed)
	}
	return &Resolver{ap.String(), lookupTime}, nil
}

func (r *Resolver) String() string { return r.address }

// found is what a name has of one type, at the end of its CNAMEs.
type found struct {
	records []dns.RR
	aliases []string // the names that CNAMEs led to, the last one has the records
}

// lookup follows a name's CNAMEs, in the answer as far as it goes and by further
// questions then.
func (r *Resolver) lookup(ctx context.Context, name string, kind uint16) (found, error) {
	var f found
	at := dns.CanonicalName(name)
	seen := []string{at}
	for {
		answer, err := r.ask(ctx, at, kind)
		if err != nil {
			return f, err
		}
		asked := at
		for {
			next := ""
			for _, rr := range answer {
				if dns.CanonicalName(rr.Header().Name) != at {
					continue
				}
				if rr.Header().Rrtype == kind {
					f.records = append(f.records, rr)
				} else if c, ok := rr.(*dns.CNAME); ok && next == "" {
					next = dns.CanonicalName(c.Target)
				}
			}
			if next == "" || len(f.records) > 0 {
				break
			}
			if slices.Contains(seen, next) {
				return f, errLoop
			}
			if len(f.aliases) == maxAliases {
				return f, errAliases
			}
			at = next
			seen, f.aliases = append(seen, at), append(f.aliases, at)
		}
		if at == asked || len(f.records) > 0 {
			return f, nil
		}
	}
}

// ask asks one question. A name that there is not has no records.
func (r *Resolver) ask(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	q := new(dns.Msg).SetQuestion(name, kind)
	q.SetEdns0(packetSize, false)
	var m *dns.Msg
	var err error
	for range tries {
		if m, err = r.exchange(ctx, "udp", q); err == nil || !silent(err) {
			break
		}
	}
	if err == nil && m.Truncated || err != nil && !silent(err) { // somebody is there
		if m, err = r.exchange(ctx, "tcp", q); err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("asking over TCP: %v", err)
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w (%s)", ErrSilent, r.address)
	case len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, name) || m.Question[0].Qtype != kind || !m.Response:
		return nil, errOther
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("the resolver answered %s", rcode(m.Rcode))
	case len(m.Answer) > maxAnswers:
		return nil, errMany
	}
	return m.Answer, nil
}

func (r *Resolver) exchange(ctx context.Context, network string, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	c := &dns.Client{Net: network, Timeout: r.timeout, UDPSize: packetSize}
	m, _, err := c.ExchangeContext(ctx, q, r.address)
	return m, err
}

// silent says that nothing came back, or that nobody listens there.
func silent(err error) bool {
	var n net.Error
	var o *net.OpError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout() || errors.As(err, &o)
}

func rcode(n int) string {
	if word, ok := dns.RcodeToString[n]; ok {
		return word
	}
	return "code " + strconv.Itoa(n)
}
