package gate

import (
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// Reply is what these words tell of a refusal under rules that need not be in
// force: for tests of policies, where no gate stands.
func (w Words) Reply(s *policy.Snapshot, o *signin.Outcome) signin.Reply {
	return (&Gate{Options: Options{Words: w}}).reply(s, o)
}
