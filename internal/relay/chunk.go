package relay

import "sync"

const (
	recordSize = 16 << 10          // bytes of payload in a full TLS record (RFC 8446, section 5.1)
	bulkSize   = 4 * recordSize    // bytes read at once, and encrypted into one write
	smallSize  = recordSize + 1024 // one record with header, tag and padding
	largeSize  = bulkSize + 8<<10  // four of those; the rest is for key updates and alerts behind them
)

// chunk is a pooled buffer; b[off:end] is still to be sent.
type chunk struct {
	b        []byte
	off, end int
}

var (
	smallChunks = sync.Pool{New: func() any { return &chunk{b: make([]byte, smallSize)} }}
	largeChunks = sync.Pool{New: func() any { return &chunk{b: make([]byte, largeSize)} }}
)

func newChunk(size int) *chunk {
	pool := &largeChunks
	if size <= smallSize {
		pool = &smallChunks
	}
	c := pool.Get().(*chunk)
	c.off, c.end = 0, 0
	return c
}

func (c *chunk) free() {
	switch len(c.b) {
	case smallSize:
		smallChunks.Put(c)
	case largeSize:
		largeChunks.Put(c)
	}
}

func (c *chunk) unsent() []byte { return c.b[c.off:c.end] }

// add appends p if there is room, moving what is unsent to the front if that helps.
func (c *chunk) add(p []byte) bool {
	if len(c.b)-c.end < len(p) && c.off > 0 {
		c.end = copy(c.b, c.unsent())
		c.off = 0
	}
	if len(c.b)-c.end < len(p) {
		return false
	}
	c.end += copy(c.b[c.end:], p)
	return true
}
