// Package directory says who a canonical name is, which groups they are in,
// and whether a password is theirs. Local answers from the store; other sources
// join at the same interface, which one suite of tests describes.
//
// A directory neither locks nor throttles nor logs a sign-in, and gives no
// password or hash away.
package directory

import (
	"context"
	"errors"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
)

// Person is somebody with a mailbox, as far as a sign-in needs to know. Its
// slices are shared: nobody writes to them.
type Person struct {
	ID          string
	Address     string // canonical
	DisplayName string
	Groups      []string // ids, nesting resolved, sorted
	Roles       []string // ids, sorted
	Guest       policy.GuestTypes
	Disabled    bool
	Backend     string // the mail server's name in the configuration, empty where the domain's serves
	Source      string // the directory they come from, empty for our own people
}

// Directory is one source of people.
type Directory interface {
	// Lookup finds a person by canonical address or alias. An error means that
	// the source could not be asked, never that there is nobody.
	Lookup(ctx context.Context, address string) (Person, bool, error)
	// CheckPassword returns nil if the password is the person's, ErrWrong if
	// not, ErrNoPassword if the source keeps none for them, ErrExpired and
	// ErrSpent for what they say, secret.ErrBusy if there is no room, and
	// anything else if the source could not be asked.
	CheckPassword(ctx context.Context, p Person, password []byte, from secret.Source) error
}

// What a directory says of a password.
var (
	ErrWrong      = errors.New("the password is not this person's")
	ErrNoPassword = errors.New("the directory keeps no password for this person")
	// ErrExpired says that it is theirs, but must be changed before it is of use.
	ErrExpired = errors.New("the password has run out")
	// ErrSpent says that it was not compared: one more wrong one, and another
	// program's directory might lock the person out.
	ErrSpent = errors.New("so many wrong passwords were sent to the directory that this one was not")
)
