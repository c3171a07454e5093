package proxy

import (
	"errors"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/line"
)

// Talk is the conversation before sign-in, as every dialect has it.
type Talk struct {
	// Next reads and answers one command; shown says that cred is to be judged.
	Next func() (cred signin.Credential, shown bool, err error)
	// Bad answers a fault of the client's.
	Bad func(error) error
	// Bye says goodbye where nothing more can be read; nil if there are no words for it.
	Bye func(error) error
}

// Listen answers commands until one shows a credential. Faults of the client's
// are answered and counted; what is no such fault ends the connection, and so
// does one after which nothing can be read.
func (c *Conn) Listen(t Talk) (signin.Credential, error) {
	for {
		cred, shown, err := t.Next()
		if shown {
			return cred, nil
		}
		if err == nil {
			continue
		}
		if !SASLFault(err) {
			var grammar *line.Error
			if !errors.As(err, &grammar) {
				return signin.Credential{}, err
			}
			if line.Fatal(err) {
				if t.Bye != nil {
					_ = t.Bye(err)
				}
				return signin.Credential{}, err
			}
		}
		if err := t.Bad(err); err != nil {
			return signin.Credential{}, err
		}
		if err := c.Bad(); err != nil {
			return signin.Credential{}, err
		}
	}
}
