package relay

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Tune is the Control of a net.Dialer, or of a net.ListenConfig whose accepted
// connections inherit what it sets; NewTuned takes them over.
func Tune(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { tune(int(fd)) })
}

// tune sets on a descriptor what keepAlive sets on a connection, and a bound on
// unanswered data. Errors are left alone: a socket that takes none of it still works.
func tune(fd int) {
	for _, o := range [...]struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAliveIdle.Seconds())},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAliveInterval.Seconds())},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveCount},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds())},
	} {
		_ = unix.SetsockoptInt(fd, o.level, o.name, o.value)
	}
}

// limitUnanswered sets the bound on unanswered data alone.
func limitUnanswered(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
}
