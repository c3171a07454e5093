package relay

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// The collector gives a storm's memory back only slowly: a relay that had held
// 9,500 TLS pairs still kept 230 MB minutes after the last had closed. So after
// a big drop the pool asks for it once; never periodically, as it costs a full
// collection.
const (
	stormPairs  = 512             // pairs; below this there is nothing worth returning
	stormFactor = 4               // a storm is over when this fraction of its peak is left
	settleTime  = 2 * time.Second // for sessions and log rows of the ended pairs to be let go
	sweepParts  = 4               // sweeps per shortest timeout: pairs end at most a quarter late
	shortest    = 5 * time.Millisecond
)

// returner notices when far fewer pairs are open than there were.
type returner struct {
	peak    atomic.Int64
	dropped chan struct{}
}

func (r *returner) grown(open int64) {
	for {
		peak := r.peak.Load()
		if open <= peak || r.peak.CompareAndSwap(peak, open) {
			return
		}
	}
}

func (r *returner) shrunk(open int64) {
	peak := r.peak.Load()
	if peak < stormPairs || open*stormFactor > peak || !r.peak.CompareAndSwap(peak, open) {
		return
	}
	select {
	case r.dropped <- struct{}{}:
	default:
	}
}

// tend ends pairs that were silent for too long and returns memory after storms.
func (p *Pool) tend(ctx context.Context) {
	period := p.options.HalfClosed
	if p.options.Idle > 0 {
		period = min(period, p.options.Idle)
	}
	tick := time.NewTicker(max(period/sweepParts, shortest))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.sweep(time.Now())
		case <-p.memory.dropped:
			select {
			case <-ctx.Done():
				return
			case <-time.After(settleTime):
				debug.FreeOSMemory()
			}
		}
	}
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
		if limit > 0 && now.UnixNano()-h.moved.Load() >= int64(limit) {
			h.stop(Idle, "")
		}
	})
}
