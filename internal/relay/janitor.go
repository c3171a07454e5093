package relay

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// The collector gives memory back only slowly: a relay that had held 9,500 TLS
// pairs still kept 230 MB minutes after the last had closed, and what their
// handshakes had littered costs 2.5 KB for each while they are open. So when a
// crowd has come or gone the pool asks for it once; never periodically, as it
// costs a full collection.
const (
	crowdPairs = 512         // pairs; below this there is nothing worth returning
	comePart   = 8           // a crowd has come when there are more than at the last return, by this part and by crowdPairs
	goneFactor = 4           // and has gone when this fraction of its peak is left
	settleTime = time.Second // it has settled when in this time fewer came and went than
	stragglers = 64          // so many, looked at
	settleMin  = 2           // at least twice, for what refers to ended pairs, and
	settleMax  = 30          // at most so often
	sweepParts = 4           // sweeps per shortest timeout: pairs end at most a quarter late
	shortest   = 5 * time.Millisecond
)

// returner notices when far more or far fewer pairs are open than there were.
type returner struct {
	peak, base atomic.Int64 // most pairs since, and pairs at, the last return
	due        chan struct{}
}

func (r *returner) grown(open int64) {
	for peak := r.peak.Load(); open > peak && !r.peak.CompareAndSwap(peak, open); peak = r.peak.Load() {
	}
	if base := r.base.Load(); open >= base+max(crowdPairs, base/comePart) {
		r.ask(open)
	}
}

func (r *returner) shrunk(open int64) {
	if peak := r.peak.Load(); peak >= crowdPairs && open*goneFactor <= peak {
		r.peak.Store(open)
		r.ask(open)
	}
}

func (r *returner) ask(open int64) {
	r.base.Store(open)
	select {
	case r.due <- struct{}{}:
	default:
	}
}

// tend ends pairs that were silent for too long and returns memory after crowds.
func (p *Pool) tend(ctx context.Context) {
	period := p.options.HalfClosed
	if p.options.Idle > 0 {
		period = min(period, p.options.Idle)
	}
	tick := time.NewTicker(max(period/sweepParts, shortest))
	defer tick.Stop()
	var crowd settling
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.sweep(time.Now())
		case <-p.memory.due:
			crowd.begin(p.open.Load())
		case <-crowd.next:
			if open := p.open.Load(); crowd.over(open) {
				p.memory.base.Store(open)
				p.memory.peak.Store(open)
				debug.FreeOSMemory()
			}
		}
	}
}

// settling waits until a crowd is there, or gone: what the rest of it litters
// would stay.
type settling struct {
	next   <-chan time.Time // nil while there is none
	was    int64
	looked int
}

func (s *settling) begin(open int64) {
	if s.next == nil {
		*s = settling{next: time.After(settleTime), was: open}
	}
}

func (s *settling) over(open int64) bool {
	s.looked++
	quiet := max(open-s.was, s.was-open) < stragglers
	if s.looked >= settleMax || quiet && s.looked >= settleMin {
		s.next = nil
		return true
	}
	s.was, s.next = open, time.After(settleTime)
	return false
}

func (p *Pool) sweep(now time.Time) {
	if p.open.Load() == 0 {
		return
	}
	p.engine.each(func(h *Handle) {
		limit := p.options.Idle
		if h.half.Load() && (limit == 0 || p.options.HalfClosed < limit) {
			limit = p.options.HalfClosed
		}
		quiet := now.UnixNano() - h.moved.Load()
		if limit > 0 && quiet >= int64(limit) {
			h.stop(Idle, "")
		}
	})
}
