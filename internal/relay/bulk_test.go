package relay

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pour writes n bytes that never repeat, in pieces of changing size, and returns
// their checksum.
func pour(w io.Writer, n int) (uint32, error) {
	block := pattern(1<<20, 0)
	var sum uint32
	for sent, size := 0, 1; sent < n; size = size*5%(1<<20) + 1 {
		b := block[:min(size, n-sent)]
		if len(b) >= 8 {
			binary.LittleEndian.PutUint64(b, uint64(sent))
		}
		sum = crc32.Update(sum, castagnoli, b)
		if _, err := w.Write(b); err != nil {
			return 0, fmt.Errorf("after %d bytes: %w", sent, err)
		}
		sent += len(b)
	}
	return sum, nil
}

func drink(r io.Reader) (sum uint32, n int, err error) {
	buf := make([]byte, 256<<10)
	for {
		k, err := r.Read(buf)
		sum = crc32.Update(sum, castagnoli, buf[:k])
		n += k
		if err == io.EOF {
			return sum, n, nil
		} else if err != nil {
			return sum, n, err
		}
	}
}

// bothWays pours n bytes through a pair in each direction at once.
func bothWays(t *testing.T, j *joint, n int) {
	t.Helper()
	var work sync.WaitGroup
	defer work.Wait()
	for _, p := range []*peer{j.client, j.backend} {
		p.SetDeadline(time.Now().Add(2 * time.Minute))
	}
	for _, way := range [][2]*peer{{j.client, j.backend}, {j.backend, j.client}} {
		sum := make(chan uint32, 1)
		work.Go(func() {
			s, err := pour(way[0], n)
			if err == nil {
				err = way[0].closeWrite()
			}
			if err != nil {
				t.Error(err)
			}
			sum <- s
		})
		work.Go(func() {
			got, k, err := drink(way[1])
			if want := <-sum; err != nil || k != n || got != want {
				t.Errorf("%d of %d bytes, checksum %08x, want %08x: %v", k, n, got, want, err)
			}
		})
	}
}

func TestBulkBothWaysAtOnce(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		n := 16 << 20
		if !testing.Short() && !raceEnabled && !k.backendTLS {
			n = 256 << 20
		}
		j := r.join(k)
		bothWays(t, j, n)
		res := j.result(t)
		if res.FromClient != uint64(n) || res.FromBackend != uint64(n) || res.Err != nil {
			t.Errorf("ended as %+v", res)
		}
	})
}

// TestStress pours through many pairs with pauses, slow readers, early bytes and
// single bytes mixed, so that every border between small, bulk, blocked and idle
// is crossed many times.
func TestStress(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		var work sync.WaitGroup
		defer work.Wait()
		for i := range 12 {
			j := r.join(k)
			for _, way := range [][2]*peer{{j.client, j.backend}, {j.backend, j.client}} {
				seed := rand.New(rand.NewPCG(uint64(i), 1))
				total := 200_000 + seed.IntN(1_500_000)
				work.Go(func() { pourUnevenly(t, way[0], total, seed) })
				slow := i%3 == 0
				work.Go(func() { drinkUnevenly(t, way[1], total, slow) })
			}
		}
	})
}

func pourUnevenly(t *testing.T, p *peer, total int, chance *rand.Rand) {
	for sent := 0; sent < total; {
		n := 1 + chance.IntN(20)
		if chance.IntN(4) == 0 {
			n = 1 + chance.IntN(300_000)
		}
		n = min(n, total-sent)
		if _, err := p.Write(pattern(n, sent)); err != nil {
			t.Error(err)
			return
		}
		if sent += n; chance.IntN(8) == 0 {
			time.Sleep(time.Duration(chance.IntN(800)) * time.Microsecond)
		}
	}
	if err := p.closeWrite(); err != nil {
		t.Error(err)
	}
}

func drinkUnevenly(t *testing.T, p *peer, total int, slow bool) {
	buf := make([]byte, 30_011)
	for got := 0; ; {
		n, err := p.Read(buf)
		for i, b := range buf[:n] {
			if k := got + i; b != byte(k^k>>8*7^k>>16*31) {
				t.Errorf("byte %d is wrong", k)
				return
			}
		}
		if got += n; err == io.EOF {
			if got != total {
				t.Errorf("%d bytes of %d", got, total)
			}
			return
		} else if err != nil {
			t.Errorf("after %d of %d bytes: %v", got, total, err)
			return
		}
		if slow && got%7 == 0 {
			time.Sleep(500 * time.Microsecond)
		}
	}
}
