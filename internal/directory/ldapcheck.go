package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/portreeve/portreeve/internal/secret"
)

const maxPassword = 1024 // bytes; no directory takes longer ones

// prints tells passwords apart, under a key of this process alone.
var prints = secret.NewPrints()

// CheckPassword says whether a password is a person's: from memory, or by
// signing in with it at the directory.
func (l *LDAP) CheckPassword(ctx context.Context, p Person, password []byte, from secret.Source) error {
	if !sendable(password) {
		return ErrWrong
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("checking the password of %s: %w", p.Address, err)
	}
	a, known := l.accounts.Load().byPerson[p.ID]
	if !known { // they may have been mirrored this moment
		if err := l.load(ctx); err != nil {
			return err
		}
		if a, known = l.accounts.Load().byPerson[p.ID]; !known {
			return ErrWrong
		}
	}
	print := prints.Of([]byte(l.Name), []byte(p.ID), password)
	f, mine, err := l.secrets.begin(p.ID, print, from.Familiar)
	if err != nil || f == nil {
		return err
	}
	if mine {
		q := &question{l: l, person: p.ID, account: a, password: string(password), print: print, from: from}
		l.flights.Go(func() { l.secrets.land(p.ID, print, f, q.ask(context.WithoutCancel(ctx))) })
	}
	select {
	case <-f.done:
		err = f.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	switch {
	case err == nil, err == ErrWrong, err == ErrSpent, err == ErrExpired:
		return err
	}
	return fmt.Errorf("checking the password of %s at %s: %w", p.Address, l.Name, err)
}

// sendable says that a directory would compare the password. An empty one makes
// a bind that proves nothing and succeeds (RFC 4513, 5.1.2).
func sendable(password []byte) bool {
	return len(password) > 0 && len(password) <= maxPassword && !bytes.ContainsAny(password, "\x00\r\n")
}

// question is one password on its way up.
type question struct {
	l        *LDAP
	person   string
	account  account
	password string
	print    secret.Print
	from     secret.Source
}

// Format prints whose it is only.
func (q question) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "a password of %q", q.person) }

// ask waits for its turn and asks one server. Whoever waits for it may have
// gone: it is carried out nevertheless, or a spent part of the budget would be
// in doubt.
func (q *question) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*q.l.Timeout)
	defer cancel()
	var err error
	if busy := q.l.asking.Do(ctx, q.from, func() {
		err = q.l.eachServer(ctx, func(s *server) error { return q.at(ctx, s) })
	}); busy != nil {
		return busy
	}
	return err
}

// at asks a server: what it says of the person now, and only if there is room
// for one more wrong password, whether this one is right.
func (q *question) at(ctx context.Context, s *server) error {
	var now record
	err := s.with(ctx, searching, func(k *link) (err error) {
		now, err = q.current(k)
		return err
	})
	switch {
	case errors.Is(err, errNobody):
		q.l.soon()
		return ErrWrong // gone, or another entry stands in its place: the next look sees to it
	case err != nil && !broken(err):
		return fmt.Errorf("%s: %v", s.url, err)
	case err != nil:
		return err
	}
	q.l.secrets.stamped(q.person, now.stamp)
	epoch, err := q.l.secrets.spend(q.person, q.print, q.from.Familiar, s.url, now.failures)
	if err != nil {
		return err
	}
	err = s.with(ctx, binding, func(k *link) error { return q.bind(k, now.dn) })
	a, err := judged(err, now.locked)
	q.l.secrets.settle(q.person, q.print, s.url, epoch, a)
	return err
}

// errNobody says that the entry is no longer there.
var errNobody = errors.New("the entry is not there")

// current reads the person's entry anew. It must be the same one by its lasting
// id: its place may have been given to somebody else.
func (q *question) current(k *link) (record, error) {
	e, err := q.l.entryAt(k, q.account.dn)
	if err != nil {
		return record{}, err
	}
	if e == nil || entryID(e) != q.account.entry {
		return record{}, errNobody
	}
	return q.l.personOf(e), nil
}

// bind signs in with the password, on a connection that is used for nothing else.
func (q *question) bind(k *link, dn string) error {
	var controls []ldap.Control
	if !q.l.AD {
		controls = append(controls, ldap.NewControlBeheraPasswordPolicy())
	}
	res, err := k.SimpleBind(ldap.NewSimpleBindRequest(dn, q.password, controls))
	if res == nil {
		return err
	}
	c, ok := ldap.FindControl(res.Controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy)
	switch {
	case !ok:
	case err == nil && c.Error == ldap.BeheraChangeAfterReset, c.Error == ldap.BeheraPasswordExpired:
		return ErrExpired
	case err != nil && c.Error == ldap.BeheraAccountLocked:
		return errBarred
	}
	return err
}

// errBarred says that the directory would not say whether the password is right.
var errBarred = errors.New("the directory lets this person in at no password just now")

// What Active Directory says behind "data" where it refuses with result 49.
var adReasons = map[string]error{
	"530": errBarred, "531": errBarred, "533": errBarred, "701": errBarred, "775": errBarred, // hours, machine, disabled, expired, locked
	"532": ErrExpired, "773": ErrExpired, // the password has run out, or must be changed
}

// judged reads the answer to a bind. Only a plain refusal says that the password
// is wrong; what is no answer about it is trouble.
func judged(err error, locked bool) (answer, error) {
	if errors.Is(err, errBarred) {
		return isBarred, ErrWrong
	}
	if errors.Is(err, ErrExpired) {
		return isBarred, ErrExpired
	}
	if err == nil {
		return isRight, nil
	}
	var said *ldap.Error
	if broken(err) || !errors.As(err, &said) {
		if errors.Is(err, errSent) {
			return notAnswered, err
		}
		return notAsked, err
	}
	switch said.ResultCode {
	case ldap.LDAPResultInvalidCredentials:
		if why, ok := adReasons[adData(said)]; ok {
			return judged(why, locked)
		}
		if locked {
			return isBarred, ErrWrong
		}
		return isWrong, ErrWrong
	case ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultNoSuchObject:
		return notAsked, ErrWrong // it keeps no password for them
	case ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultConstraintViolation, ldap.LDAPResultInsufficientAccessRights:
		return isBarred, ErrWrong
	}
	return notAsked, fmt.Errorf("the directory said: %v", said) // busy, a referral, stronger authentication wanted
}

// adData is the reason in "… AcceptSecurityContext error, data 52e, v4563".
func adData(e *ldap.Error) string {
	if e.Err == nil {
		return ""
	}
	_, rest, found := strings.Cut(e.Err.Error(), ", data ")
	if !found {
		return ""
	}
	code, _, _ := strings.Cut(rest, ",")
	return strings.ToLower(strings.TrimSpace(code))
}

// soon has a look taken without waiting for it.
func (l *LDAP) soon() {
	select {
	case l.kick <- make(chan struct{}):
	default:
	}
}

// known finds out whether the directory has somebody of a name that is not
// mirrored yet, and has them mirrored. Names it has not are remembered for a
// while, and few are looked for at a time: anybody can type names.
func (l *LDAP) known(ctx context.Context, address string) (bool, error) {
	if !l.Serves(address) || l.misses.has(address) {
		return false, nil
	}
	select {
	case l.looking <- struct{}{}:
		defer func() { <-l.looking }()
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(l.Timeout):
		return false, secret.ErrBusy
	}
	if l.misses.has(address) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*l.Timeout)
	defer cancel()
	there := false
	err := l.eachServer(ctx, func(s *server) error {
		return s.with(ctx, searching, func(k *link) error {
			entries, err := l.find(k, address)
			there = len(entries) > 0
			return err
		})
	})
	if err != nil {
		return false, fmt.Errorf("looking for somebody in %s: %w", l.Name, err)
	}
	l.misses.add(address) // if the look does not bring them, another one soon will not either
	if !there {
		return false, nil
	}
	return true, l.lookNow(ctx)
}
