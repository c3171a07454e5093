package gate

import (
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// Words is how refusals are told: settings of the site.
type Words struct {
	// HelpURL is the public address under which /r/REF stands; empty: no link is told.
	HelpURL string
	// Floors is, by listener, how long after its credential was read a refusal
	// leaves. It must be no shorter than what a wrong password takes there.
	Floors map[string]time.Duration
	// DefaultFloor holds for listeners not named.
	DefaultFloor time.Duration
}

// Floor is the listener's floor.
func (w Words) Floor(listener string) time.Duration {
	if d, ok := w.Floors[listener]; ok {
		return d
	}
	return w.DefaultFloor
}

// maxReply is the longest refusal that all programs tried show whole, in bytes.
const maxReply = 200

// reply chooses what may be told of a refusal. Trouble of ours is told as such.
// Everything else is told in the words that the stranger would get, so that
// refusals are no list of the exempt; the particular reason is told only where
// the stranger's is the same, or where this person has signed in before.
//
// Trouble over a person counts as everything else where the stranger would have
// been refused before it: only the exempt come so far, and a guesser can make
// trouble (a full pool, a slow mail server) to see who they are.
func (g *Gate) reply(s *policy.Snapshot, o *signin.Outcome) signin.Reply {
	f := stranger(o.Facts)
	if o.Actor != "" {
		f.Domain = domainOf(o.Actor) // or the words would tell that there is a right to the mailbox
	}
	nobody := policy.Preauth(s, &f)
	if trouble(o.Code) && (nobody.Allowed() || o.Facts.KnownNetwork || o.Facts.Person == "") {
		return g.say(signin.Trouble, o.Code, o.Reference)
	}
	switch {
	case o.Facts.KnownNetwork:
		return g.particular(s, o)
	case !nobody.Allowed():
		return g.say(signin.Early, signin.Code(nobody.Code), o.Reference)
	}
	return g.say(signin.Uniform, signin.WrongCredentials, o.Reference)
}

// particular is what is told where this person has signed in before: their own
// reason, and nothing of a secret that is wrong or was not looked at.
func (g *Gate) particular(s *policy.Snapshot, o *signin.Outcome) signin.Reply {
	if o.Facts.Proven {
		return g.say(signin.Uniform, o.Code, o.Reference)
	}
	f := o.Facts
	if own := policy.Preauth(s, &f); !own.Allowed() {
		return g.say(signin.Early, signin.Code(own.Code), o.Reference)
	}
	return g.say(signin.Uniform, signin.WrongCredentials, o.Reference)
}

// stranger is nobody in particular at the same door, with the same kind of
// credential, from the same network.
func stranger(f policy.Facts) policy.Facts {
	return policy.Facts{At: f.At, Domain: f.Domain, Protocol: f.Protocol, Credential: f.Credential, Mechanism: f.Mechanism,
		Addr: f.Addr, ViaWebmail: f.ViaWebmail, Country: f.Country, ASN: f.ASN,
		Platform: f.Platform, Program: f.Program, ProgramVersion: f.ProgramVersion, ProgramConfidence: f.ProgramConfidence}
}

// trouble says that a code is our own or the backend's fault, which is never
// told in the words of a wrong password, or programs forget right ones.
func trouble(c signin.Code) bool {
	switch c {
	case signin.BackendAway, signin.BackendName, signin.LogUnavailable, signin.Busy, signin.DirectoryAway, signin.InternalFault, signin.NoBackend, signin.AppPasswordBackend:
		return true
	}
	return false
}

// say composes the line: code first, one sentence, the reference, and the link if there is one.
func (g *Gate) say(tone signin.Tone, code signin.Code, ref signin.Reference) signin.Reply {
	tail := " Ref " + string(ref)
	if g.Words.HelpURL != "" {
		tail = " " + strings.TrimSuffix(g.Words.HelpURL, "/") + "/r/" + string(ref)
	}
	text := code.String() + " " + code.Meaning().User
	if len(text)+len(tail) > maxReply {
		text = text[:max(0, maxReply-len(tail))]
	}
	return signin.Reply{Tone: tone, Code: code, Text: text + tail}
}

// Trouble is the reply to a fault that has no outcome of its own, such as a
// backend that went away after the sign-in was allowed.
func (g *Gate) Trouble(code signin.Code, ref signin.Reference) signin.Reply {
	return g.say(signin.Trouble, code, ref)
}

func domainOf(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}
