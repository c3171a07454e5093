package store

import (
	"context"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Usage is how often somebody signed in one way: the row of the report on who
// still uses passwords.
type Usage struct {
	Person     string // id, empty for names that nobody has
	Address    string
	Protocol   protocol.Protocol
	Credential policy.CredentialKind
	Program    string
	Succeeded  int64
	Refused    int64
	First      time.Time
	Last       time.Time
}

// Usages adds up the sign-ins of people between two times, zero is open, by
// person, protocol, kind of credential and program.
func (s *Store) Usages(ctx context.Context, from, to time.Time) ([]Usage, error) {
	f := EventFilter{From: from, To: to}
	where, args := f.where()
	return collect(ctx, s, func(r scanner) (u Usage, err error) {
		var p, c string
		var first, last int64
		err = r.Scan(&u.Person, &u.Address, &p, &c, &u.Program, &u.Succeeded, &u.Refused, &first, &last)
		u.Protocol, _ = protocol.Parse(p)
		u.Credential, _ = policy.ParseCredentialKind(c)
		u.First, u.Last = fromNanos(first), fromNanos(last)
		return u, err
	}, `SELECT person, max(mailbox), protocol, credential, program, sum(CASE code WHEN 0 THEN count ELSE 0 END),
		sum(CASE code WHEN 0 THEN 0 ELSE count END), min(at), max(last)
		FROM events WHERE person <> '' AND `+where+` GROUP BY person, protocol, credential, program ORDER BY 2, protocol, credential, program`, args...)
}
