package directory

import (
	"sync"
	"time"
)

const (
	missedFor  = 30 * time.Second // somebody new is mirrored by the next look anyway
	missesMost = 10_000           // names; any is forgotten for a new one
)

// misses are names that a directory does not have.
type misses struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (m *misses) has(address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Before(m.until[address])
}

func (m *misses) add(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for old := range m.until {
		if len(m.until) < missesMost {
			break
		}
		delete(m.until, old)
	}
	m.until[address] = time.Now().Add(missedFor)
}
