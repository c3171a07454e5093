package lockout

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/network"
)

// identity is a knock in the tables' own terms.
type identity struct {
	person uint64
	budget uint64 // whose budget it spends
	window int32  // of that budget, seconds
	bad    uint64
	print  uint64
	spends []spending // on the sources it comes from
}

// spending is one source's counter and its limit.
type spending struct {
	id    uint64
	from  netip.Prefix
	limit int16
}

func (g *Guard) spending(kind string, from netip.Prefix, limit int16) spending {
	at := from.Addr().As16()
	return spending{g.hash(kind, string(at[:])), from, limit}
}

func (g *Guard) identify(k Key) *identity {
	person := g.hash("person", k.Person, k.Name)
	id := &identity{person: person, bad: g.hash("bad", k.Person, k.Name, string(k.Secret[:])),
		print: binary.LittleEndian.Uint64(k.Secret[:])}
	if k.Familiar {
		at := k.place().Addr().As16()
		id.budget, id.window = g.hash("familiar", k.Person, string(at[:]), k.Program), seconds(familiarWindow)
		return id
	}
	id.budget, id.window = g.hash("strangers", k.Person, k.Name), seconds(strangersWindow)
	if !k.Forwarder {
		id.spends = []spending{
			g.spending("address", network.Host(k.Addr), perAddress),
			g.spending("network", network.Of(k.Addr), perNetwork),
		}
	}
	return id
}

// hash is keyed with a seed of this process, so that nobody outside can choose
// names that fall on one place of a table.
func (g *Guard) hash(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(g.seed)
	for _, p := range parts {
		var length [4]byte
		binary.LittleEndian.PutUint32(length[:], uint32(len(p)))
		_, _ = h.Write(length[:])
		_, _ = h.WriteString(p)
	}
	return max(h.Sum64(), 1) // 0 marks an empty place
}

// budget is the distinct secrets that one person, or one familiar place of one
// person, was guessed at with and that count still.
type budget struct {
	id     uint64
	window int32        // seconds
	person string       // for lists; empty for a name that nobody has
	place  netip.Prefix // the familiar place, zero for strangers
	guess  [guesses]guess
}

// guess is one secret. While open is above zero it is being checked by so many.
type guess struct {
	print uint64
	at    int32 // seconds; 0 is an empty place
	open  uint16
	wrong bool
}

func (x *guess) live(now, window int32) bool {
	if x.at == 0 {
		return false
	}
	if x.wrong && now-x.at < window {
		return true
	}
	return x.open > 0 && now-x.at < seconds(unsettled)
}

func (b *budget) find(print uint64, now int32) *guess {
	for i := range b.guess {
		if x := &b.guess[i]; x.print == print && x.live(now, b.window) {
			return x
		}
	}
	return nil
}

func (b *budget) count(now int32) (n int) {
	for i := range b.guess {
		if b.guess[i].live(now, b.window) {
			n++
		}
	}
	return n
}

func (b *budget) full(now int32) bool { return b.count(now) == guesses }

// hold counts a secret that is about to be checked. The caller has seen that
// there is room, or that it counts already.
func (b *budget) hold(print uint64, now int32) {
	x := b.find(print, now)
	if x == nil {
		x = b.empty(now)
		*x = guess{print: print, at: now}
	}
	if x.open < 1<<15 {
		x.open++
	}
	if !x.wrong {
		x.at = now
	}
}

// empty is a place for a new secret: one that counts no more, else the oldest.
func (b *budget) empty(now int32) *guess {
	oldest := &b.guess[0]
	for i := range b.guess {
		x := &b.guess[i]
		if !x.live(now, b.window) {
			return x
		}
		if x.at < oldest.at {
			oldest = x
		}
	}
	return oldest
}

// settle ends one check of a secret and says whether it counts no more. Another
// check of the same secret that is still under way keeps it counted, and so
// does one that found it wrong: nobody can take a guess back by sending it
// again in a form that is refused unseen.
func (b *budget) settle(print uint64, now int32, wrong bool) (returned bool) {
	x := b.find(print, now)
	if x == nil && wrong {
		x = b.empty(now)
		*x = guess{print: print, at: now, open: 1}
	}
	if x == nil {
		return false
	}
	if x.open > 0 {
		x.open--
	}
	if wrong {
		x.wrong, x.at = true, now
		return false
	}
	if x.wrong || x.open > 0 {
		return false
	}
	*x = guess{}
	return true
}

func (b budget) key() uint64         { return b.id }
func (b budget) worth(now int32) int { return b.count(now) }

// span is how a minute is counted: the running ten seconds and the six tens
// before it, so that no minute whatever holds more than the limit.
const (
	span  = 10 // seconds
	spans = int32(time.Minute/time.Second)/span + 1
)

// counter is how many secrets were let through from one source.
type counter struct {
	id    uint64
	from  netip.Prefix
	limit int16
	last  int32 // the running span's number
	count [spans]int16
}

func (c *counter) roll(now int32) {
	current := now / span
	for n := max(c.last+1, current-spans+1); n <= current; n++ {
		c.count[n%spans] = 0
	}
	c.last = max(c.last, current)
}

func (c *counter) sum(now int32) (n int) {
	c.roll(now)
	for _, x := range c.count {
		n += int(x)
	}
	return n
}

func (c *counter) exhausted(now int32) bool { return c.sum(now) >= int(c.limit) }

// add counts one more or gives one back; what is given back after its span has
// ended is taken from the newest one that has any.
func (c *counter) add(now int32, n int16) {
	c.roll(now)
	for back := range spans {
		at := &c.count[(c.last-back+spans)%spans]
		if n > 0 || *at > 0 {
			*at += n
			return
		}
	}
}

func (c counter) key() uint64         { return c.id }
func (c counter) worth(now int32) int { return c.sum(now) }

// known is a secret that was found wrong.
type known struct {
	id, person uint64
	at         int32
}

func (k known) key() uint64 { return k.id }
func (k known) worth(now int32) int {
	return max(0, int(seconds(knownBadFor)-(now-k.at))+1)
}
