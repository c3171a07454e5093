package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Some things can only be seen from outside: what a relay costs, and thousands
// of pairs, whose far ends would not fit into one process's descriptors. So this
// test binary also plays a relay, or a crowd of far ends, in a process of its own.
const (
	roleVariable = "RELAY_TEST_ROLE" // relay ADDRESS OF BACKEND [goroutines] | crowd N ADDRESS
	pairsAtOnce  = 16
)

func TestMain(m *testing.M) {
	role := strings.Fields(os.Getenv(roleVariable))
	if len(role) == 0 {
		os.Exit(m.Run())
	}
	var err error
	switch role[0] {
	case "relay":
		err = playRelay(role[1], len(role) > 2)
	case "crowd":
		n, _ := strconv.Atoi(role[1])
		err = playCrowd(n, role[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is such a process: a line to its input is answered by one on its output.
type child struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

func spawn(t testing.TB, role string, env ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cmd.Process.Kill(); c.cmd.Wait() })
	c.in, c.out = in, bufio.NewScanner(out)
	return c
}

func (c *child) hear(t testing.TB) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatalf("the child says nothing: %v", c.out.Err())
	}
	return c.out.Text()
}

func (c *child) ask(t testing.TB, line string) string {
	t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		t.Fatal(err)
	}
	return c.hear(t)
}

// playRelay carries everything between two listeners (plaintext, TLS), whose
// addresses it prints, and a plaintext backend. It answers "memory" by giving
// back what it can and telling heap, stacks and goroutines, "len" by the pairs.
func playRelay(to string, goroutines bool) error {
	pool, err := NewPool(Options{Goroutines: goroutines})
	if err != nil {
		return err
	}
	go pool.Run(context.Background())
	var addresses []string
	for _, secure := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses = append(addresses, l.Addr().String())
		go acceptPairs(pool, l, to, secure)
	}
	fmt.Println(strings.Join(addresses, " "))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "memory":
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			fmt.Println(m.HeapAlloc, m.StackInuse, runtime.NumGoroutine())
		case "len":
			fmt.Println(pool.Len())
		}
	}
	return nil
}

func acceptPairs(pool *Pool, l net.Listener, to string, secure bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			pair := Pair{Client: Side{Socket: NewSocket(c.(*net.TCPConn))}}
			if secure {
				pair.Client.TLS = tls.Server(pair.Client.Socket, tlsConfig())
				if pair.Client.TLS.Handshake() != nil {
					c.Close()
					return
				}
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				c.Close()
				return
			}
			pair.Backend.Socket = NewSocket(b.(*net.TCPConn))
			pool.Carry(pair)
		}()
	}
}

// playCrowd connects n times to an address and accepts the backends' sides on a
// listener of its own, which it prints first; it says "gone" when told of every end.
func playCrowd(n int, to string) error {
	// On a small machine the crowd's own work must not look like the relay's delay.
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	var ends, dialling sync.WaitGroup
	wait := func(c net.Conn) { io.Copy(io.Discard, c); c.Close() }
	ends.Go(func() {
		for range n {
			if c, err := l.Accept(); err == nil {
				ends.Go(func() { wait(c) })
			}
		}
	})
	for i := range pairsAtOnce {
		dialling.Go(func() {
			for k := i; k < n; k += pairsAtOnce {
				if c, err := net.Dial("tcp", to); err == nil {
					ends.Go(func() { wait(c) })
				}
			}
		})
	}
	dialling.Wait()
	ends.Wait()
	fmt.Println("gone")
	return nil
}

// pss is a process's share of memory, in bytes.
func (c *child) pss(t testing.TB) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == "Pss:" {
			kb, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb * 1024
		}
	}
	t.Fatal("no Pss")
	return 0
}

// cpu is what a process's threads have used, in nanoseconds.
func (c *child) cpu(t testing.TB) (ns float64) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		t.Fatal("no threads", err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // ended meanwhile
		}
		k, err := strconv.ParseFloat(strings.Fields(string(b))[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		ns += k
	}
	return ns
}
