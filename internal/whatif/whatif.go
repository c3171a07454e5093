// Package whatif judges recorded sign-ins under two sets of rules and says
// what a change would have done to each: who would newly be refused, who asked
// for more and able to answer, who asked and unable, who newly let in.
//
// Of an imagined sign-in it says on which facts that nobody stated the answer
// hangs, and which single change would turn it round.
//
// It reads no log: it is given events and their recorded facts, and everything
// else (who is in which group, who has which factor) comes in as a value. A
// fact that an event lacks is unknown: the event is judged with each value it
// may have had, and unless all of them come to the same, the answer is unknown.
package whatif

import (
	"net/netip"
	"slices"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Bucket is what a change does to one sign-in.
type Bucket uint8

// The buckets. The zero value is what most sign-ins are.
const (
	Unchanged Bucket = iota
	Refused          // newly refused
	Asked            // newly asked for more, and able to answer
	Unable           // asked for more, but without a factor, or by a program that cannot ask
	Allowed          // newly allowed
	Unknown          // it hangs on something that was not recorded
	Buckets          // how many there are
)

var bucketNames = [Buckets]string{"unchanged", "newlyRefused", "newlyAsked", "askedUnable", "newlyAllowed", "unknown"}

// String is the bucket's name in answers.
func (b Bucket) String() string { return bucketNames[min(b, Unknown)] }

// ParseBucket is String's inverse.
func ParseBucket(s string) (Bucket, bool) {
	for i, n := range bucketNames {
		if n == s {
			return Bucket(i), true
		}
	}
	return Unknown, false
}

// Shown is the order in which buckets are shown: the harm first.
var Shown = [Buckets]Bucket{Refused, Unable, Asked, Allowed, Unknown, Unchanged}

// Side is one set of rules, and who is beside their recorded groups in others,
// or no longer in some: ids of groups by id of person.
type Side struct {
	Rules       *policy.Snapshot
	Join, Leave map[string][]string
}

// Change is what is compared, with what is known of people today.
type Change struct {
	Before, After Side
	// Groups are a person's groups today, in place of those recorded; nil: as recorded.
	Groups func(person string) (groups []string, known bool)
	// Able are the methods a person could show if asked; nil: none.
	Able func(person string) policy.Methods
	// Granted are the methods that a password program has of its owner beforehand; nil: as recorded.
	Granted func(*signin.Event) policy.Methods
}

// Answer is what a change does to one sign-in, and why.
type Answer struct {
	Bucket        Bucket
	Before, After policy.Verdict
}

// Judge judges one sign-in after the other. It is for one goroutine; the Change
// may be shared.
type Judge struct {
	c             *Change
	before, after policy.Facts // worked in
	tried         policy.Facts
	groups        [2][2][]string // of the person and of the mailbox
	looked        bool           // the last answer asked what was granted
}

// NewJudge makes a judge.
func NewJudge(c *Change) *Judge { return &Judge{c: c} }

// Answer says what the change does to a recorded sign-in.
func (j *Judge) Answer(e *signin.Event) Answer {
	j.looked = false
	switch basisOf(e) {
	case ended:
		return Answer{}
	case unseen:
		return j.unseen(e)
	}
	if lacks(e) != 0 {
		return j.guess(e)
	}
	return j.judge(e, &e.Facts)
}

// basis is what a recorded sign-in can be judged on.
type basis uint8

const (
	proven basis = iota // everything was known
	unseen              // refused before the secret was looked at
	ended               // it proved nobody, and no policy would have let it in
)

func basisOf(e *signin.Event) basis {
	return basisBy(e.Observed, e.Code, e.Facts.Proven, e.Verdict.Stage)
}

func (x *kept) basis() basis { return basisBy(x.observed, x.code, x.facts.Proven, x.stage) }

func basisBy(observed bool, code signin.Code, known bool, s policy.Stage) basis {
	switch {
	case observed && code != signin.OK:
		return ended // the other server knew why
	case known:
		return proven
	case s == policy.StageSwitch, s == policy.StageAuthenticationPolicy, s == policy.StageEarlyBlock:
		return unseen
	}
	return ended
}

// state is where a sign-in ends.
type state uint8

const (
	in     state = iota
	asked        // asked for more, which the person has
	unable       // everything a person could show would let it in, but this one cannot show it
	out
)

// between is what it means to go from one state to another: who was out and
// stays out has not been changed, whatever the reason now is.
func between(before, after state) Bucket {
	switch {
	case before == after, before >= unable && after >= unable:
		return Unchanged
	case after == in:
		return Allowed
	case after == asked:
		return Asked
	case after == unable:
		return Unable
	}
	return Refused
}

// judge compares both sides on facts that are all known.
func (j *Judge) judge(e *signin.Event, f *policy.Facts) (a Answer) {
	before, after := j.facts(&j.before, 0, &j.c.Before, f), j.facts(&j.after, 1, &j.c.After, f)
	a.Before, a.After = policy.Judge(j.c.Before.Rules, before, nil), policy.Judge(j.c.After.Rules, after, nil)
	if a.Before.Allowed() && a.After.Allowed() {
		return a
	}
	if more := j.granted(e, f); more != 0 {
		j.before.Methods |= more
		j.after.Methods |= more
		a.Before, a.After = policy.Judge(j.c.Before.Rules, &j.before, nil), policy.Judge(j.c.After.Rules, &j.after, nil)
	}
	if a.Before.Effect == a.After.Effect && a.Before.Effect != policy.Interrupt {
		return a
	}
	a.Bucket = between(j.state(j.c.Before.Rules, &j.before, a.Before), j.state(j.c.After.Rules, &j.after, a.After))
	return a
}

// facts are a sign-in's as one side sees them.
func (j *Judge) facts(into *policy.Facts, n int, s *Side, f *policy.Facts) *policy.Facts {
	*into = *f
	into.Groups = j.grouped(&j.groups[n][0], s, f.Person, f.Groups)
	if f.Mailbox != "" {
		into.MailboxGroups = j.grouped(&j.groups[n][1], s, f.Mailbox, f.MailboxGroups)
	}
	return into
}

// grouped are somebody's groups as one side sees them; room may be worked in.
func (j *Judge) grouped(room *[]string, s *Side, person string, groups []string) []string {
	if j.c.Groups != nil && person != "" {
		if today, known := j.c.Groups(person); known {
			groups = today
		}
	}
	if len(s.Join)+len(s.Leave) == 0 {
		return groups
	}
	join, leave := s.Join[person], s.Leave[person]
	if len(join)+len(leave) == 0 {
		return groups
	}
	*room = regrouped((*room)[:0], groups, join, leave)
	return *room
}

// regrouped appends groups, with those joined and without those left, sorted
// as long as groups and join are.
func regrouped(to, groups, join, leave []string) []string {
	for _, g := range groups {
		for len(join) > 0 && join[0] <= g {
			if join[0] != g {
				to = append(to, join[0])
			}
			join = join[1:]
		}
		if !slices.Contains(leave, g) {
			to = append(to, g)
		}
	}
	return append(to, join...)
}

// granted are the methods that a password program has beforehand today and had
// not when it was recorded.
func (j *Judge) granted(e *signin.Event, f *policy.Facts) policy.Methods {
	if j.c.Granted == nil || f.Credential != policy.CredentialPassword || policy.Promptable(f) || f.Person == "" {
		return 0
	}
	j.looked = true
	return j.c.Granted(e) &^ f.Methods
}

func (j *Judge) able(person string) policy.Methods {
	if j.c.Able == nil || person == "" {
		return 0
	}
	return j.c.Able(person)
}

// state says where a verdict leaves somebody.
func (j *Judge) state(s *policy.Snapshot, f *policy.Facts, v policy.Verdict) state {
	if v.Allowed() {
		own := j.able(f.Person)
		if f.Protocol == protocol.Portal && !policy.MultiFactor(f.Methods) && policy.MultiFactor(f.Methods|own) {
			return asked // the portal asks whoever has a second factor
		}
		return in
	}
	if v.Stage == policy.StageSwitch || v.Stage == policy.StageAuthenticationPolicy {
		return out
	}
	if v.Effect == policy.Interrupt {
		j.tried = *f
		j.tried.Methods, j.tried.AuthTime = f.Methods|j.able(f.Person), f.At
		if policy.Evaluate(s, &j.tried, nil).Allowed() {
			return asked
		}
	}
	j.tried = policy.ShownEverything(*f)
	if policy.Evaluate(s, &j.tried, nil).Allowed() {
		return unable
	}
	return out
}

// unseen judges a sign-in whose secret nobody looked at. If it was wrong the
// sign-in stays refused; if it was right, some of these methods were proven. It
// is unchanged only if that holds for each.
func (j *Judge) unseen(e *signin.Event) Answer {
	f := &e.Facts
	before, after := j.facts(&j.before, 0, &j.c.Before, f), j.facts(&j.after, 1, &j.c.After, f)
	a := Answer{Before: policy.Preauth(j.c.Before.Rules, before), After: policy.Preauth(j.c.After.Rules, after)}
	if !a.Before.Allowed() && !a.After.Allowed() || j.c.Before.Rules == j.c.After.Rules && len(j.c.After.Join)+len(j.c.After.Leave) == 0 {
		return a
	}
	may, known := completions(f)
	if !known || lacks(e) != 0 {
		a.Bucket = Unknown
		return a
	}
	right := *f
	right.Proven, right.AuthTime = true, f.At
	for _, m := range may {
		right.Methods = m
		if j.judge(e, &right).Bucket != Unchanged {
			a.Bucket = Unknown
			return a
		}
	}
	return a
}

// completions are the methods that a right secret of this kind may prove;
// known is false where there is more to it than methods.
func completions(f *policy.Facts) (may []policy.Methods, known bool) {
	if policy.Promptable(f) {
		return nil, false
	}
	switch f.Credential {
	case policy.CredentialPassword:
		const password, window, program = policy.MethodPassword, policy.MethodApprovalWindow, policy.MethodKnownProgram
		return []policy.Methods{password, password | window, password | program, password | window | program}, true
	case policy.CredentialAppPassword:
		return []policy.Methods{0, policy.MethodBoundAppPassword}, true
	case policy.CredentialCertificate:
		const single, multi = policy.MethodX509SingleFactor, policy.MethodX509MultiFactor
		return []policy.Methods{0, single, multi, single | multi}, true
	}
	return nil, false
}

// lacking is what an event does not say, and policies may ask.
type lacking uint8

const (
	noProtocol lacking = 1 << iota
	noCredential
	noAddress
	noMethods // another server let somebody in and did not say by what
)

func lacks(e *signin.Event) (l lacking) {
	f := &e.Facts
	if f.Protocol == protocol.Unknown {
		l |= noProtocol
	}
	if f.Credential == policy.CredentialUnknown {
		l |= noCredential
	}
	if !f.Addr.IsValid() {
		l |= noAddress
	}
	if e.Observed && f.Proven && f.Methods == 0 {
		l |= noMethods
	}
	return l
}

// maxGuesses bounds how many values are tried for one event.
const maxGuesses = 4096

// guess judges an event with each value that what it lacks may have had.
func (j *Judge) guess(e *signin.Event) Answer {
	first := j.judge(e, &e.Facts)
	l, f := lacks(e), e.Facts
	protocols, kinds, addrs, all := []protocol.Protocol{f.Protocol}, []policy.CredentialKind{f.Credential}, []netip.Addr{f.Addr}, []bool{false}
	if l&noProtocol != 0 {
		protocols = append(protocols, protocol.All()...)
	}
	if l&noCredential != 0 {
		kinds = append(kinds, policy.CredentialPassword, policy.CredentialAppPassword, policy.CredentialBearer, policy.CredentialCertificate,
			policy.CredentialPasskey, policy.CredentialPass)
	}
	if l&noAddress != 0 {
		addrs = append(append(addrs, j.c.Before.Rules.Networks()...), j.c.After.Rules.Networks()...)
	}
	if l&noMethods != 0 {
		all = append(all, true)
	}
	if len(protocols)*len(kinds)*len(addrs)*len(all) > maxGuesses {
		first.Bucket = Unknown
		return first
	}
	for _, f.Protocol = range protocols {
		for _, f.Credential = range kinds {
			for _, f.Addr = range addrs {
				for _, every := range all {
					if f.Methods = e.Facts.Methods; every { // whatever such a sign-in can prove
						f.Methods = policy.Attainable(&f)
					}
					if j.judge(e, &f).Bucket != first.Bucket {
						first.Bucket = Unknown
						return first
					}
				}
			}
		}
	}
	return first
}
