package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// password verifies a password against what the directory keeps, or at the
// mail server if it keeps none. An authorization identity of somebody else is
// refused before the secret is looked at, or guesses at one person could be
// spread over the budgets of many.
func (v *Verifier) password(ctx context.Context, q *claim) (signin.Principal, error) {
	who, known, err := v.whose(ctx, q)
	if err != nil {
		return signin.Principal{}, err
	}
	if len(q.cred.Secret()) == 0 {
		return signin.Principal{}, refuse(signin.WrongCredentials, "the password is empty") // LDAP and others take it for "anonymous"
	}
	if !known && v.Backends == nil {
		return signin.Principal{}, v.nobody(ctx, q)
	}
	err = directory.ErrNoPassword
	if known {
		err = v.Directory.CheckPassword(ctx, who, q.cred.Secret(), v.source(q, who))
	}
	switch {
	case err == nil:
		return q.principal(who, policy.MethodPassword)
	case errors.Is(err, directory.ErrWrong):
		return signin.Principal{}, refuse(signin.WrongCredentials, "wrong password")
	case errors.Is(err, directory.ErrExpired):
		return signin.Principal{}, refuse(signin.PasswordExpired, "the directory says that the password must be changed first")
	case errors.Is(err, directory.ErrSpent):
		return signin.Principal{}, refuse(signin.Throttled, "%v", err)
	case !errors.Is(err, directory.ErrNoPassword):
		return signin.Principal{}, trouble(signin.DirectoryAway, err)
	case v.Backends == nil:
		return signin.Principal{}, v.nobody(ctx, q)
	}
	return v.atBackend(ctx, q, who)
}

// whose is the person who shows the password, as far as anybody has that name.
func (v *Verifier) whose(ctx context.Context, q *claim) (directory.Person, bool, error) {
	address, err := v.authenticating(q)
	if err != nil {
		return directory.Person{}, false, err
	}
	if address == q.mailbox.Address {
		return q.mailbox, q.known, nil
	}
	who, known, err := v.lookup(ctx, address)
	if err != nil {
		return directory.Person{}, false, err
	}
	return who, known, v.mayOpen(who, q, signin.IdentityOfAnother)
}

// nobody spends on a name without a password what a real check costs.
func (v *Verifier) nobody(ctx context.Context, q *claim) error {
	if err := v.Pool.Do(ctx, v.source(q, q.mailbox), q.waste); err != nil {
		return err
	}
	if q.known {
		return refuse(signin.WrongCredentials, "%s has no password here, and no mail server checks it", q.mailbox.Address)
	}
	return refuse(signin.UserUnknown, "nobody has this name")
}

// appPassword verifies one of ours. It is known by its form, so no directory
// and no mail server ever sees it.
func (v *Verifier) appPassword(ctx context.Context, q *claim) (signin.Principal, error) {
	who, known, err := v.whose(ctx, q)
	if err != nil {
		return signin.Principal{}, err
	}
	if v.AppPasswords == nil || !known {
		return signin.Principal{}, refuse(signin.AppPasswordUnknown, "nobody here has this app password")
	}
	checked, err := v.AppPasswords.Check(ctx, q.attempt, who, q.cred.Secret())
	if err != nil {
		return signin.Principal{}, err
	}
	p, err := q.principal(who, checked.Methods)
	p.Grant, p.Until, p.Sending = checked.Grant, earlier(q.until, checked.Until), checked.Sending
	return p, err
}

// factor verifies a passkey or a temporary access pass, which stand in for the
// password in front of a page.
func (v *Verifier) factor(ctx context.Context, q *claim) (signin.Principal, error) {
	if q.attempt.Protocol != protocol.Portal || v.Factors == nil || !q.known || q.cred.Authzid != "" {
		return signin.Principal{}, refuse(signin.WrongCredentials, "nobody here has this passkey or pass")
	}
	if q.cred.Kind == policy.CredentialPass {
		return v.pass(ctx, q)
	}
	methods, err := v.Factors.Passkey(ctx, q.mailbox.ID, q.cred.Secret())
	if err != nil {
		return signin.Principal{}, err
	}
	return q.principal(q.mailbox, methods)
}

// pass verifies a temporary access pass. What it opens ends with it.
func (v *Verifier) pass(ctx context.Context, q *claim) (signin.Principal, error) {
	methods, err := v.Factors.Pass(ctx, q.mailbox.ID, q.cred.Secret())
	if err != nil {
		return signin.Principal{}, err
	}
	grant, until, err := v.Factors.PassGrant(ctx, q.mailbox.ID, q.cred.Secret())
	var refusal *Refusal
	if errors.As(err, &refusal) { // taken back, or replaced, since
		return signin.Principal{}, err
	}
	if err != nil {
		return signin.Principal{}, trouble(signin.InternalFault, fmt.Errorf("finding the pass that was used: %w", err))
	}
	p, err := q.principal(q.mailbox, methods)
	p.Grant, p.Until = grant, until
	return p, err
}

// atBackend lets the mail server check the password. Its first yes makes the
// person.
func (v *Verifier) atBackend(ctx context.Context, q *claim, who directory.Person) (signin.Principal, error) {
	a := &q.attempt
	err := v.Backends.Login(ctx, backend.Request{ID: a.ID, Address: who.Address, Protocol: a.Protocol, Client: a.Client, Local: a.Local,
		TLS: a.TLS.Version != 0, EHLO: a.Hints.EHLO, Password: q.cred.Secret(), Backend: who.Backend})
	if err != nil {
		return signin.Principal{}, backendError(err)
	}
	if who.ID == "" {
		if who, err = v.newcomer(ctx, q, who.Address); err != nil {
			v.Release(a.ID)
			return signin.Principal{}, err
		}
	}
	p, err := q.principal(who, policy.MethodPassword)
	if p.Held = err == nil && who.ID == q.mailbox.ID; !p.Held {
		v.Release(a.ID) // signed in as somebody else than whose mailbox is opened, or not to be opened at all
	}
	return p, err
}

// newcomer makes a person of a name that somebody vouched for, and of the
// claim's mailbox with it.
func (v *Verifier) newcomer(ctx context.Context, q *claim, address string) (directory.Person, error) {
	if v.Newcomers == nil {
		return directory.Person{}, refuse(signin.UserUnknown, "proven, but people are not made by their first sign-in here")
	}
	who, err := v.Newcomers.Create(ctx, address)
	if err != nil {
		return directory.Person{}, trouble(signin.DirectoryAway, err)
	}
	if address == q.mailbox.Address {
		q.mailbox, q.known = who, true
	}
	return who, nil
}

func backendError(err error) error {
	var other *backend.OtherName
	switch {
	case errors.Is(err, backend.ErrRefused):
		return refuse(signin.WrongCredentials, "the mail server refused the password")
	case errors.As(err, &other):
		return refuse(signin.BackendName, "%v", other)
	case errors.Is(err, backend.ErrNoBackend):
		return refuse(signin.NoBackend, "no mail server is routed for this name and protocol")
	}
	return trouble(signin.BackendAway, err)
}
