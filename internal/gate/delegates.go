package gate

import (
	"context"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Delegates says who may open whose mailbox. None of its methods waits.
type Delegates interface {
	// MayOpen says whether, and until when; zero is without end.
	MayOpen(person, mailbox string, p protocol.Protocol, at time.Time) (until time.Time, may bool)
	// Shared says that somebody else may open a mailbox at all.
	Shared(mailbox string) bool
}

// Whoever opens another's mailbox is judged as who they are: their policies,
// their budget of guesses, the networks they are known on. The mailbox has only
// its switches. It enters the facts with the right to open it and not before, so
// that nothing of a mailbox can be learnt by naming it.

// typed is the name as it was typed: both where two were given.
func typed(c signin.Credential) string {
	if c.Authzid != "" && c.Authcid != "" && c.Authcid != c.Authzid {
		return c.Authcid + `\` + c.Authzid
	}
	return c.Name()
}

// split takes a name that names two apart, as if the program had given an
// authorization identity.
func (t *telling) split() {
	if t.cred.Authzid != "" || t.out.Facts.Protocol == protocol.Portal {
		return
	}
	if person, mailbox, ok := t.g.Names.Delegated(t.out.Attempt.Listener, t.cred.Authcid); ok {
		t.cred.Authcid, t.cred.Authzid = person, mailbox
	}
}

// actsForAnother settles who signs in, where they are named beside the mailbox.
func (t *telling) actsForAnother(ctx context.Context) bool {
	c, f := t.cred, &t.out.Facts
	if c.Authzid == "" || c.Authcid == "" || c.Authcid == c.Authzid {
		return false
	}
	address, err := t.g.Names.Canonical(t.out.Attempt.Listener, c.Authcid)
	if err != nil {
		return t.refuse(signin.StepWho, signin.CredentialMalformed, err.Error())
	}
	if address == f.Address {
		return false
	}
	person, known, err := t.g.People.Lookup(ctx, address)
	if err != nil {
		return t.fault(signin.StepWho, signin.DirectoryAway, err)
	}
	t.person, t.known, t.named = person, known, true
	if _, may := t.may(); may {
		t.opens()
		return false
	}
	f.Address, f.Domain = address, domainOf(address) // the credential is refused; until then it is theirs alone
	return false
}

// may says whether the person may open the mailbox now, and until when.
func (t *telling) may() (until time.Time, may bool) {
	if t.g.Delegates == nil || !t.known || !t.exists {
		return time.Time{}, false
	}
	return t.g.Delegates.MayOpen(t.person.ID, t.mailbox.ID, t.out.Facts.Protocol, t.out.Facts.At)
}

// opens puts the mailbox into the facts of who may open it.
func (t *telling) opens() {
	f, m := &t.out.Facts, t.mailbox
	f.Address, f.Domain, f.Mailbox, f.MailboxGroups = m.Address, domainOf(m.Address), m.ID, m.Groups
	t.out.Actor = t.person.Address
}

// unsaid says that who signs in will be known from what they show and not
// before: a token or a certificate at a mailbox that others may open. Then
// nothing can be judged without it, nor need be: it cannot be guessed.
func (t *telling) unsaid() bool {
	kind := t.cred.Kind
	return !t.named && t.exists && (kind == policy.CredentialBearer || kind == policy.CredentialCertificate) &&
		t.g.Delegates != nil && t.g.Delegates.Shared(t.mailbox.ID)
}

// locked refuses somebody proven to whom the mailbox is not open after all.
func (t *telling) locked() bool {
	if t.person.ID == t.mailbox.ID {
		return false
	}
	if _, may := t.may(); !may {
		return t.refuse(signin.StepVerify, signin.IdentityOfAnother, t.person.Address+" may not open "+t.mailbox.Address)
	}
	t.opens()
	if t.g.Lends != nil && !t.g.Lends(t.mailbox) {
		return t.refuse(signin.StepVerify, signin.NotLent, "")
	}
	return false
}

// closed looks once more at the mailbox that a delegate opens.
func (t *telling) closed(ctx context.Context) bool {
	m, exists, err := t.g.People.Lookup(ctx, t.out.Facts.Address)
	switch {
	case err != nil:
		return t.fault(signin.StepWho, signin.DirectoryAway, err)
	case !exists || m.ID != t.out.Facts.Mailbox:
		return t.refuse(signin.StepWho, signin.UserUnknown, "the mailbox was deleted while signing in")
	}
	t.mailbox, t.exists = m, true
	until, may := t.may()
	if !may {
		return t.refuse(signin.StepWho, signin.IdentityOfAnother, "the right was taken back while signing in")
	}
	if p := &t.out.Principal; p.Until.IsZero() || !until.IsZero() && until.Before(p.Until) {
		p.Until = until
	}
	t.opens()
	return false
}
