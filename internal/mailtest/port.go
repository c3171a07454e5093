package mailtest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// The ports of servers: below those that the kernel gives to connections and to
// listeners on port 0 (32768 and up), so that none is taken between its being
// chosen and its being listened on, which for a server of several ports would
// end it after the first of them had answered.
const firstPort, lastPort = 10_000, 32_000

var lastGiven atomic.Int64

// FreeAddress is an address of loopback where nobody listens, and which nobody
// else of this process is given; other processes begin elsewhere.
func FreeAddress(t testing.TB) string {
	t.Helper()
	numbers, release := ports(t, 1)
	release()
	return address(numbers[0])
}

// ports reserves n free ports of loopback until release is called.
func ports(t testing.TB, n int) (numbers []int, release func()) {
	t.Helper()
	lastGiven.CompareAndSwap(0, int64(firstPort+rand.IntN((lastPort-firstPort)/2)))
	var open []net.Listener
	for len(open) < n {
		port := int(lastGiven.Add(1))
		if port > lastPort {
			t.Fatal("no more ports")
		}
		if l, err := net.Listen("tcp", address(port)); err == nil {
			open, numbers = append(open, l), append(numbers, port)
		}
	}
	return numbers, func() {
		for _, l := range open {
			_ = l.Close()
		}
	}
}

func address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
