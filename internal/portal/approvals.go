package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// Approvals are the programs that know only a password.
type Approvals interface {
	Requests(ctx context.Context, person string) ([]approval.Request, error)
	Windows(ctx context.Context, person string) ([]approval.Window, error)
	Denials(ctx context.Context, person string) ([]approval.Denial, error)
	Approve(ctx context.Context, who store.Actor, person, request string, a approval.Approver) (approval.Window, error)
	Deny(ctx context.Context, who store.Actor, person, request string) error
	WithdrawOf(ctx context.Context, who store.Actor, person, id string) error
}

type approvalsPage struct {
	web.Page
	Waiting  []requestRow
	Past     []requestRow
	Fresh    bool
	Factor   bool // has a second factor, which approving needs
	Denied   bool // a program was just denied: offer to change the password
	Password string
	Error    string
	Days     []int
}

type requestRow struct {
	ID, Program, Protocol, Place string
	Reference                    signin.Reference
	Last                         time.Time
	Count                        int
	Near                         bool // in the network of this browser: no reference need be typed
	State                        string
}

// defaultWindowDays is how long a window lasts where the site says nothing.
const defaultWindowDays = 30

// daysOffered are the lives of a window to choose from; the first, the site's
// own, is offered.
func (p *Portal) daysOffered() []int {
	days := []int{cmp.Or(p.WindowDays, defaultWindowDays)}
	for _, d := range []int{7, 1} {
		if d < days[0] {
			days = append(days, d)
		}
	}
	return days
}

func (c *call) approvalsPage() { c.showApprovals(http.StatusOK, approvalsPage{}) }

func (c *call) showApprovals(status int, d approvalsPage) {
	d.Page, d.Fresh, d.Factor, d.Days, d.Password = c.framed("approvals"), c.recent() && c.twoFactors(), c.Factors.Has(c.visit.person()), c.daysOffered(), c.passwordURL()
	if c.Approvals != nil {
		all, err := c.Approvals.Requests(c.ctx(), c.visit.person())
		if err != nil {
			c.trouble("reading requests", err)
			return
		}
		for i := range all {
			if row := c.requestRow(&all[i]); row.State == store.RequestWaiting {
				d.Waiting = append(d.Waiting, row)
			} else {
				d.Past = append(d.Past, row)
			}
		}
	}
	c.show(status, "approvals", d)
}

func (c *call) requestRow(r *approval.Request) requestRow {
	return requestRow{ID: r.ID, Program: c.page.Program(r.Program), Protocol: protocolLabel(&c.page, r.Protocol), Place: c.placeOf(r.Country, r.Owner, r.Addr.String()),
		Reference: r.Reference, Last: r.Last, Count: r.Count, Near: network.Of(r.Addr) == network.Of(c.from().Addr()), State: r.State}
}

// allow approves a program. That the person is where the program is, or has
// read what it shows, keeps anybody from being talked into approving a stranger's.
func (c *call) allow() {
	if c.Approvals == nil {
		c.problem(http.StatusNotFound, "notfound")
		return
	}
	days, err := strconv.Atoi(c.value("days"))
	if err != nil || days < 1 {
		days = c.daysOffered()[0]
	}
	_, err = c.Approvals.Approve(c.ctx(), c.actor(), c.visit.person(), c.value("id"), approval.Approver{
		Addr: c.from().Addr(), MultiFactor: c.twoFactors(), Reference: typed(c.value("reference"), maxReference), Days: days})
	if err != nil {
		c.approvalFault("approving a program", err)
		return
	}
	c.done("/approvals", "approvals.allowed")
}

// maxReference bounds a typed reference, in bytes.
const maxReference = 64

// deny says that a program is not the person's.
func (c *call) deny() {
	if c.Approvals == nil {
		c.problem(http.StatusNotFound, "notfound")
		return
	}
	if err := c.Approvals.Deny(c.ctx(), c.actor(), c.visit.person(), c.value("id")); err != nil {
		c.approvalFault("denying a program", err)
		return
	}
	c.Fault.Warn("a person says that a sign-in was not theirs", "user", c.visit.address(), "request", c.value("id"))
	c.showApprovals(http.StatusOK, approvalsPage{Denied: true})
}

// approvalFaults are the words for what the service says no to.
var approvalFaults = []struct {
	err error
	key string
}{
	{approval.ErrNoRequest, "approvals.gone"},
	{approval.ErrAnswered, "approvals.answered"},
	{approval.ErrExpired, "approvals.expired"},
	{approval.ErrFactor, "approvals.factor"},
	{approval.ErrElsewhere, "approvals.elsewhere"},
	{approval.ErrReference, "approvals.reference"},
	{approval.ErrSource, "approvals.source"},
	{approval.ErrRoom, "approvals.room"},
	{approval.ErrOwnNetwork, "approvals.ownnetwork"},
}

func (c *call) approvalFault(what string, err error) {
	for _, f := range approvalFaults {
		if errors.Is(err, f.err) {
			c.showApprovals(http.StatusConflict, approvalsPage{Error: c.page.T(f.key)})
			return
		}
	}
	c.trouble(what, err)
}
