// Package mailtest starts real servers for tests: a private Dovecot, Postfix,
// Cyrus, Exim, OpenLDAP or Samba, as Debian packages them, each in a folder of
// its own, on loopback and high ports (but for Samba, which knows its usual ones
// only), without touching the machine's own configuration.
//
// What a test starts is ended when the test ends, by process id. A program that
// is not installed is a failure that names the Debian package, never a skip: a
// test that was not run has not passed.
package mailtest

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	host      = "127.0.0.1"
	startTime = 10 * time.Second       // for a server to open its ports; takes 0.1 s on an idle machine
	stopTime  = 100 * time.Millisecond // for it to end by itself after SIGTERM; Dovecot dawdles 5 s if it has only just started
	pollTime  = 5 * time.Millisecond
	toolTime  = time.Minute // for a program that changes or reads something and ends
	portTries = 5           // how often other free ports are tried after a race for one was lost
)

// program finds a program or fails the test, naming its Debian package.
func program(t testing.TB, name, pkg string, places ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range append(places, "/usr/sbin", "/usr/lib/postfix/sbin") {
		if path := filepath.Join(dir, name); executable(path) {
			return path
		}
	}
	t.Fatalf("%s is not installed: apt-get install %s", name, pkg)
	return ""
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode()&0o111 != 0
}

// folder makes a folder with a short path (unix sockets stand in it, and their
// paths may have 107 bytes) that the server's user can reach.
func folder(t testing.TB, kind string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "portreeve-"+kind)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// bounded runs a program that must succeed within a time, and returns what it said.
func bounded(t testing.TB, cmd *exec.Cmd, within time.Duration) string {
	t.Helper()
	timer := time.AfterFunc(within, func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out)
	}
	return string(out)
}

// servant is who a server that will not serve as root runs as: nobody, when
// the tests run as root, else whoever runs them.
type servant struct {
	name, group string
	uid, gid    int
	credential  *syscall.Credential // nil: as we are
}

func newServant(t testing.TB) servant {
	t.Helper()
	u, err := user.Current()
	if err == nil && u.Uid == "0" {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	s := servant{name: u.Username, group: g.Name}
	s.uid, _ = strconv.Atoi(u.Uid)
	s.gid, _ = strconv.Atoi(u.Gid)
	if os.Getuid() == 0 {
		s.credential = &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.gid)}
	}
	return s
}

// own gives a folder and all in it to the servant.
func (s servant) own(t testing.TB, dir string) {
	t.Helper()
	if s.credential == nil {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, s.uid, s.gid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// process is a server that was started.
type process struct {
	cmd  *exec.Cmd
	over chan struct{}
}

// start runs cmd and ends it with the test. The server's whole process group
// is ours, so what outlives its master is ended too.
func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, over: make(chan struct{})}
	go func() {
		defer close(p.over)
		_ = cmd.Wait()
	}()
	t.Cleanup(p.stop)
	return p
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.over:
	case <-time.After(stopTime):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.over
	// Its children hold the same sockets until they are gone, too.
	for end := time.Now().Add(stopTime); syscall.Kill(-p.cmd.Process.Pid, 0) == nil && time.Now().Before(end); {
		time.Sleep(pollTime)
	}
}

func (p *process) running() bool {
	select {
	case <-p.over:
		return false
	default:
		return true
	}
}

// listening waits until every address accepts connections; false if the
// server ended first.
func (p *process) listening(t testing.TB, addresses ...string) bool {
	t.Helper()
	end := time.Now().Add(startTime)
	for _, a := range addresses {
		for !accepts(a) {
			if !p.running() {
				return false
			}
			if time.Now().After(end) {
				t.Errorf("nothing listens on %s after %v", a, startTime)
				return false
			}
			time.Sleep(pollTime)
		}
	}
	return p.running()
}

func accepts(address string) bool {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	c, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func readFile(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}
