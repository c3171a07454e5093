package admin

import (
	"time"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// narrow gives the database what it can answer of a filter: those of its
// conjuncts that compare an indexed column. What is left is asked of each event.
func (q *signInQuery) narrow(e *filter.Expr) {
	if e.Op == filter.And {
		for _, k := range e.Kids {
			q.narrow(k)
		}
		return
	}
	if !e.Negated && len(e.Values) == 1 && q.column(e.Name, e.Op, e.Values[0]) {
		return
	}
	if q.rest == nil {
		q.rest = e
		return
	}
	q.rest = &filter.Expr{Op: filter.And, Kids: []*filter.Expr{q.rest, e}}
}

// column takes over one comparison; false if it cannot.
func (q *signInQuery) column(name string, op filter.Op, v filter.Value) bool {
	f := &q.stored
	if name == "createdDateTime" && v.Kind() == filter.KindTime {
		return q.between(op, v.Time())
	}
	if op != filter.Eq {
		return false
	}
	switch name {
	case "protocol":
		p, ok := protocol.Parse(v.Text())
		return ok && once(&f.Protocols, p)
	case "credential":
		k, ok := policy.ParseCredentialKind(v.Text())
		return ok && once(&f.Credentials, k)
	case "code", "status/errorCode":
		c, ok := signin.ParseCode(v.Text())
		return ok && once(&f.Codes, c)
	case "outcome":
		o, ok := signin.ParseEnding(v.Text())
		if !ok || f.Outcome != signin.EndAny {
			return false
		}
		f.Outcome = o
		return true
	case "userPrincipalName", "userId":
		if f.User != "" {
			return false
		}
		f.User = v.Text()
		return true
	case "mailbox":
		if f.Mailbox != "" {
			return false
		}
		f.Mailbox = v.Text()
		return true
	case "ipAddress":
		p, ok := network.Parse(v.Text())
		if !ok || f.Network.IsValid() {
			return false
		}
		f.Network = p
		return true
	case "correlationId":
		id, err := signin.ParseID(v.Text())
		if err != nil || !f.Correlation.IsZero() {
			return false
		}
		f.Correlation = id
		return true
	}
	return false
}

// once sets a list to one value; a second conjunct on the same column is left
// to be asked of each event.
func once[T any](list *[]T, v T) bool {
	if len(*list) > 0 {
		return false
	}
	*list = []T{v}
	return true
}

func (q *signInQuery) between(op filter.Op, t time.Time) bool {
	f := &q.stored
	switch {
	case op == filter.Gt && f.From.IsZero():
		f.From = t.Add(1)
	case op == filter.Ge && f.From.IsZero():
		f.From = t
	case op == filter.Lt && f.To.IsZero():
		f.To = t
	case op == filter.Le && f.To.IsZero():
		f.To = t.Add(1)
	default:
		return false
	}
	return true
}
