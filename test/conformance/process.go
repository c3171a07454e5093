package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	startTime = 3 * time.Minute // that a program has to listen; Java on a busy machine takes one
	stopTime  = 10 * time.Second
	pollTime  = 200 * time.Millisecond
)

// process is a program that runs until it is stopped or we end.
type process struct {
	cmd  *exec.Cmd
	over chan struct{}
}

// start starts a program and waits until it listens on an address. What it says
// goes to a file of its name.
func (r *run) start(ctx context.Context, name, listens string, cmd *exec.Cmd) error {
	log, err := os.Create(filepath.Join(r.folder, "logs", name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{cmd, make(chan struct{})}
	r.started = append(r.started, p)
	go func() {
		defer close(p.over)
		_ = cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if c, err := new(net.Dialer).DialContext(ctx, "tcp", listens); err == nil {
			return c.Close()
		}
		select {
		case <-p.over:
			return fmt.Errorf("%s has ended: see %s", name, log.Name())
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: see %s", name, log.Name())
		case <-time.After(pollTime):
		}
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.over:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.over
	}
}

// freePort is one of an address of loopback that nobody listens on.
func freePort(host string) (string, error) {
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}
