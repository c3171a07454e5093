package admin

import (
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/signin"
)

// WireReply is what a mail program would read of an outcome under the rules
// given, to the byte; empty where the protocol is no line protocol.
func WireReply(s *policy.Snapshot, o *signin.Outcome, w gate.Words, set proxy.Settings) string {
	if o.Code == signin.OK {
		return accepted(o.Attempt.Protocol)
	}
	return refused(o.Attempt.Protocol, w.Reply(s, o), set)
}
