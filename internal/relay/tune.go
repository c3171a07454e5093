package relay

import (
	"net"
	"time"
)

// How a peer that is gone is noticed: after four quiet minutes the kernel asks
// every thirty seconds, and gives up after four questions without an answer.
// Go's own default of 15 s would wake a sleeping phone's radio all the time.
// userTimeout is the same span for data that is not acknowledged, or that a deaf
// peer has no room for (tcp(7), TCP_USER_TIMEOUT); it also overrides the count
// of questions, so it must not be shorter.
const (
	keepAliveIdle     = 4 * time.Minute
	keepAliveInterval = 30 * time.Second
	keepAliveCount    = 4
	userTimeout       = keepAliveIdle + keepAliveCount*keepAliveInterval
)

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount}

// NoKeepAlive goes into KeepAlive of a net.ListenConfig or net.Dialer whose
// Control is Tune, so that Go does not set its own default first: that and
// setting ours again later are 13 system calls for each sign-in.
const NoKeepAlive = -1
