package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is many signed-in IDLE connections, opened from many addresses.
type crowd struct {
	conns []*Conn
	mu    sync.Mutex
}

// join opens n more, 32 at a time; who gives each its options.
func (c *crowd) join(t Target, n int, who func(i int) Opt) error {
	_, err := pooled(n, 32, func(_, i int) error {
		o := who(i)
		o.Source = source(i)
		k, err := open(t, o)
		if err == nil {
			err = k.Idle()
		}
		if err != nil {
			return err
		}
		rawConn(k.c).SetDeadline(time.Now().Add(10 * time.Minute))
		c.mu.Lock()
		c.conns = append(c.conns, k)
		c.mu.Unlock()
		return nil
	})
	return err
}

func (c *crowd) leave() {
	for _, k := range c.conns {
		k.Close()
	}
	c.conns = nil
}

// source spreads a crowd over 120 addresses: one has 28,000 ports, and no proxy
// lets everybody come from one place.
func source(i int) string { return fmt.Sprintf("127.0.2.%d", 1+i%120) }

// emptyScenario is what a proxy takes before anybody comes.
func emptyScenario() Scenario {
	return Scenario{
		Name: "empty", Doc: "memory of the proxy as it is now; meant for one just started", Cols: []string{"rss_MB", "pss_MB", "procs"}, Once: true,
		Run: func(t Target) (Result, error) {
			m := t.Mem()
			return Result{"rss_MB": float64(m.RSS) / 1024, "pss_MB": float64(m.PSS) / 1024, "procs": float64(m.Procs)}, nil
		},
	}
}

// descriptorsScenario counts a proxy's descriptors all the while that a crowd
// comes, idles and goes. More than two for each connection is a fault.
func descriptorsScenario(name string, useTLS bool) Scenario {
	return Scenario{
		Name: name, Doc: "descriptors while -descriptors connections come at once and idle; more than 2 each is a fault",
		Cols: []string{"fds/conn", "conns", "most_fds", "base_fds"}, Once: true,
		Run: func(t Target) (Result, error) {
			base := t.descriptors()
			var most atomic.Int64
			stop := make(chan bool)
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
						most.Store(max(most.Load(), int64(t.descriptors())))
					}
				}
			})
			var c crowd
			defer c.leave()
			err := c.join(t, *flagDescriptors, func(int) Opt { return Opt{Proto: "imap", TLS: useTLS, Mech: "login"} })
			time.Sleep(2 * time.Second)
			close(stop)
			wg.Wait()
			if err != nil {
				return nil, fmt.Errorf("%w: %v", errSkip, err)
			}
			each := float64(int(most.Load())-base) / float64(*flagDescriptors)
			r := Result{"fds/conn": each, "conns": float64(*flagDescriptors), "most_fds": float64(most.Load()), "base_fds": float64(base)}
			if each > 2 {
				faults = append(faults, fmt.Sprintf("%s %s: %.3f descriptors for each connection", name, t.Name, each))
			}
			return r, nil
		},
	}
}

// descriptors counts those of all processes of a target.
func (t Target) descriptors() (n int) {
	pids, _ := t.Pids()
	for _, p := range pids {
		if d, err := os.Open(fmt.Sprintf("/proc/%d/fd", p)); err == nil {
			names, _ := d.Readdirnames(-1)
			n += len(names)
			d.Close()
		}
	}
	return n
}

// returnScenario looks at what is left of a crowd's memory a minute after it went.
func returnScenario() Scenario {
	return Scenario{
		Name: "memory-return", Doc: "memory before a crowd of TLS connections comes (the last of -idle), while it idles, and 60 s after it went",
		Cols: []string{"after/before", "conns", "before_rss_MB", "full_rss_MB", "after_rss_MB"}, Once: true,
		Run: func(t Target) (Result, error) {
			all := steps(t)
			n := all[len(all)-1]
			before := t.Mem()
			var c crowd
			defer c.leave()
			if err := c.join(t, n, func(int) Opt { return Opt{Proto: "imap", TLS: true, Mech: "login"} }); err != nil {
				return nil, fmt.Errorf("%w: %v", errSkip, err)
			}
			time.Sleep(time.Duration(*flagSettle) * time.Second)
			full := t.Mem()
			c.leave()
			time.Sleep(time.Minute)
			after := t.Mem()
			return Result{"after/before": float64(after.RSS) / float64(before.RSS), "conns": float64(n), "before_rss_MB": float64(before.RSS) / 1024,
				"full_rss_MB": float64(full.RSS) / 1024, "after_rss_MB": float64(after.RSS) / 1024}, nil
		},
	}
}
