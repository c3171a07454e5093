package relay

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// The benchmarks drive a relay in a process of its own and report what that
// process used; the far ends' work is not in the figures.

// course is a relay between this process's clients and its backend.
type course struct {
	*child
	plain, secure string
}

// newCourse starts one before a backend that answers with serve.
func newCourse(b *testing.B, serve func(net.Conn), form string) *course {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	role := "relay " + l.Addr().String()
	if form == "goroutines" {
		role += " " + form
	}
	c := &course{child: spawn(b, role)}
	c.plain, c.secure, _ = strings.Cut(c.hear(b), " ")
	return c
}

func (c *course) dial(b *testing.B, secure bool, from byte) net.Conn {
	b.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 4, 1+from%4)}}
	to := c.plain
	if secure {
		to = c.secure
	}
	nc, err := d.Dial("tcp", to)
	if err != nil {
		b.Fatal(err)
	}
	if !secure {
		return nc
	}
	t := tls.Client(nc, tlsConfig())
	if err := t.Handshake(); err != nil {
		b.Fatal(err)
	}
	return t
}

func eachCourse(b *testing.B, serve func(net.Conn), run func(*testing.B, *course, bool)) {
	for _, form := range []string{"parked", "goroutines"} {
		for _, secure := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/%s", form, map[bool]string{false: "plain", true: "tls"}[secure]), func(b *testing.B) {
				run(b, newCourse(b, serve, form), secure)
			})
		}
	}
}

func echo(c net.Conn) { io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) }

// BenchmarkRoundTrip is a NOOP and its answer on 1 and on 16 connections.
func BenchmarkRoundTrip(b *testing.B) {
	for _, conns := range []int{1, 16} {
		b.Run(fmt.Sprintf("conns-%d", conns), func(b *testing.B) {
			eachCourse(b, echo, func(b *testing.B, c *course, secure bool) {
				all := make([]net.Conn, conns)
				for i := range all {
					all[i] = c.dial(b, secure, 0)
					defer all[i].Close()
					pingPong(b, all[i], 20)
				}
				before := c.cpu(b)
				b.ResetTimer()
				var work sync.WaitGroup
				for i := range all {
					work.Go(func() { pingPong(b, all[i], (b.N+i)/conns) })
				}
				work.Wait()
				b.StopTimer()
				b.ReportMetric((c.cpu(b)-before)/float64(b.N)/1000, "cpu-us/op")
			})
		})
	}
}

func pingPong(b *testing.B, c net.Conn, n int) {
	line := []byte("a123 NOOP and its answer\r\n")
	buf := make([]byte, len(line))
	for range n {
		if _, err := c.Write(line); err != nil {
			b.Error(err)
			return
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Error(err)
			return
		}
	}
}

// BenchmarkBulk is a download of 64 MB on one connection, as a FETCH of a literal.
func BenchmarkBulk(b *testing.B) {
	const size = 64 << 20
	junk := pattern(1<<20, 0)
	source := func(c net.Conn) {
		one := make([]byte, 1)
		for {
			if _, err := c.Read(one); err != nil {
				return
			}
			for n := 0; n < size; n += len(junk) {
				if _, err := c.Write(junk); err != nil {
					return
				}
			}
		}
	}
	eachCourse(b, source, func(b *testing.B, c *course, secure bool) {
		conn := c.dial(b, secure, 0)
		defer conn.Close()
		buf := make([]byte, 256<<10)
		before := c.cpu(b)
		b.SetBytes(size)
		b.ResetTimer()
		for range b.N {
			conn.Write([]byte("x"))
			for n := 0; n < size; {
				k, err := conn.Read(buf)
				if err != nil {
					b.Fatal(err)
				}
				n += k
			}
		}
		b.StopTimer()
		b.ReportMetric((c.cpu(b)-before)/float64(b.N)/float64(size), "cpu-s/GB")
	})
}

// BenchmarkIdlePair opens 5,000 pairs, says one line through each and leaves
// them: memory per pair at once and when it has settled, and what remains of the
// whole when they have gone (run it with -benchtime 1x).
func BenchmarkIdlePair(b *testing.B) {
	const pairs = 5000
	eachCourse(b, echo, func(b *testing.B, c *course, secure bool) {
		for range b.N {
			c.ask(b, "memory")
			empty := c.pss(b)
			conns := crowd(b, c, secure, pairs)
			atOnce := c.pss(b)
			time.Sleep((settleMin + 1) * settleTime)
			open := c.pss(b)
			var heap, stacks, goroutines float64
			fmt.Sscan(c.ask(b, "memory"), &heap, &stacks, &goroutines)
			for _, conn := range conns {
				conn.Close()
			}
			eventually(b, "all pairs are closed", func() bool { return c.ask(b, "len") == "0" })
			time.Sleep((settleMin + 1) * settleTime)
			b.ReportMetric((open-empty)/pairs/1024, "KB/pair")
			b.ReportMetric((atOnce-empty)/pairs/1024, "KB/pair-at-once")
			b.ReportMetric(goroutines, "goroutines")
			b.ReportMetric(empty/(1<<20), "MB-before")
			b.ReportMetric(c.pss(b)/(1<<20), "MB-afterwards")
		}
	})
}

func crowd(b *testing.B, c *course, secure bool, n int) []net.Conn {
	b.Helper()
	conns := make([]net.Conn, n)
	var work sync.WaitGroup
	for i := range pairsAtOnce {
		work.Go(func() {
			for k := i; k < n; k += pairsAtOnce {
				conns[k] = c.dial(b, secure, byte(k))
				pingPong(b, conns[k], 1)
			}
		})
	}
	work.Wait()
	return conns
}
