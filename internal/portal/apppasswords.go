package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// AppPasswords are the passwords of single programs.
type AppPasswords interface {
	MayCreate(person string, now time.Time) error
	Create(ctx context.Context, who store.Actor, person, name string, s apppassword.Scope) (text string, p apppassword.Password, err error)
	List(ctx context.Context, person string) ([]apppassword.Password, error)
	Revoke(ctx context.Context, who store.Actor, person, id string) error
	Approve(ctx context.Context, who store.Actor, person, id, mark string) error
}

type appPasswordsPage struct {
	web.Page
	Living    []passwordRow
	Fresh     bool
	Forbidden string // why none can be made now
	Error     string
	Form      *passwordForm
	Protocols []protocolChoice
	Countries bool // addresses have countries here
	New       *newPassword
	Apple     bool
}

type passwordRow struct {
	ID, Name, Scope     string
	Created, LastUsed   time.Time
	Expires             time.Time
	LastProgram, LastAt string
	Pending             bool
	PendingProgram      string
	PendingPlace        string
	PendingMark         string
}

type protocolChoice struct {
	Name, Label string
	Chosen      bool
}

// newPassword is one that was just made: it is shown this once.
type newPassword struct {
	Name, Text string
	Picture    picture
	Pastes     []paste
}

// paste is what one program is told.
type paste struct{ Label, Text string }

// appProtocols are what app passwords are made for.
var appProtocols = []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.Submission, protocol.Sieve}

// Lives of an app password.
const (
	// idleDays is when an unused one dies: a program that reads mail is used more often.
	idleDays      = 90
	longestExpiry = 10 * 366 // days
)

func (c *call) appPasswordsPage() { c.showAppPasswords(http.StatusOK, appPasswordsPage{}) }

func (c *call) showAppPasswords(status int, d appPasswordsPage) {
	if c.AppPasswords == nil {
		c.problem(http.StatusNotFound, "notfound")
		return
	}
	list, err := c.AppPasswords.List(c.ctx(), c.visit.person())
	if err != nil {
		c.trouble("listing app passwords", err)
		return
	}
	for i := range list {
		if p := &list[i]; p.Revoked.IsZero() && (p.Expires.IsZero() || p.Expires.After(c.now)) {
			d.Living = append(d.Living, c.passwordRow(p))
		}
	}
	d.Page, d.Fresh, d.Apple = c.framed("apppasswords"), c.recent() && c.twoFactors(), c.apple()
	d.Forbidden, d.Countries = c.mayNotCreate(c.AppPasswords.MayCreate(c.visit.person(), c.now)), c.Countries
	if d.Form == nil {
		d.Form = &passwordForm{Chosen: []string{protocol.IMAP.String(), protocol.Submission.String()}}
	}
	for _, p := range appProtocols {
		d.Protocols = append(d.Protocols, protocolChoice{p.String(), protocolLabel(&c.page, p), slices.Contains(d.Form.Chosen, p.String())})
	}
	c.show(status, "apppasswords", d)
}

// mayNotCreate says in words why no app password can be made, empty if one can.
func (c *call) mayNotCreate(err error) string {
	var early *apppassword.TooEarly
	var closed *apppassword.NoWayIn
	switch {
	case err == nil:
		return ""
	case errors.Is(err, apppassword.ErrNoFactor):
		return c.page.T("apppasswords.nofactor")
	case errors.As(err, &early):
		return c.page.T("apppasswords.early", c.page.Time(early.Until))
	case errors.As(err, &closed):
		return c.page.T("apppasswords.nowayin")
	}
	return c.page.T("problem.trouble.text")
}

func (c *call) passwordRow(p *apppassword.Password) passwordRow {
	r := passwordRow{ID: p.ID, Name: p.Name, Scope: c.scopeLine(&p.Scope), Created: p.Created, LastUsed: p.LastUsed, Expires: p.Expires,
		LastProgram: c.page.Program(p.LastProgram), LastAt: p.LastAddr, Pending: p.Pending}
	if p.Pending {
		r.PendingMark = p.PendingMark
		r.PendingProgram, r.PendingPlace = c.page.Program(p.PendingProgram), c.placeOf("", p.PendingOwner, p.PendingAddr)
	}
	return r
}

// newAppPassword makes one and shows it, this once.
func (c *call) newAppPassword() {
	if !c.mayCreate() {
		return
	}
	f := c.passwordForm()
	s, err := f.scope(c.now)
	if err != nil {
		c.appPasswordFault(err, f)
		return
	}
	text, p, err := c.AppPasswords.Create(c.ctx(), c.actor(), c.visit.person(), f.Name, s)
	if err != nil {
		c.appPasswordFault(err, f)
		return
	}
	c.showAppPasswords(http.StatusOK, appPasswordsPage{New: c.newPassword(p.Name, text)})
}

// newPassword is what is shown of one that was just made.
func (c *call) newPassword(name, text string) *newPassword {
	n := &newPassword{Name: name, Text: text}
	o := apppassword.Owner{Address: c.visit.address()}
	if code, err := apppassword.QR(c.Mail, o, text); err == nil {
		n.Picture = pictureOf(code)
	}
	for _, p := range apppassword.Programs() {
		if p.Reads && c.Mail.IMAP.Host == "" && c.Mail.POP3.Host == "" || p.Sends && c.Mail.Submission.Host == "" {
			continue
		}
		if t, ok := apppassword.Paste(p.ID, c.Mail, o, text); ok {
			n.Pastes = append(n.Pastes, paste{p.Label, t})
		}
	}
	return n
}

// mayCreate says that this session may make app passwords: it was opened with a
// second factor, and the factor is not too new.
func (c *call) mayCreate() bool {
	switch {
	case c.AppPasswords == nil:
		c.problem(http.StatusNotFound, "notfound")
	case !c.twoFactors():
		c.showAppPasswords(http.StatusForbidden, appPasswordsPage{Error: c.page.T("apppasswords.nofactor")})
	default:
		return true
	}
	return false
}

// appPasswordFault tells what was wrong, beside what was typed if it was a form.
func (c *call) appPasswordFault(err error, f *passwordForm) {
	d := appPasswordsPage{Form: f}
	var taken *apppassword.NameTaken
	var invalid *apppassword.Invalid
	switch {
	case errors.As(err, &taken):
		d.Error = c.page.T("apppasswords.taken")
	case errors.As(err, &invalid):
		d.Error = c.page.T(cmp.Or(invalidFields[invalid.Member], "apppasswords.invalid"))
		if f != nil {
			f.Field = invalid.Member
		}
	case errors.Is(err, apppassword.ErrTooMany):
		d.Error = c.page.T("apppasswords.toomany")
	case errors.Is(err, apppassword.ErrNothingPending), errors.Is(err, store.ErrNotFound):
		d.Error = c.page.T("apppasswords.gone")
	case errors.Is(err, apppassword.ErrNoFactor), errors.As(err, new(*apppassword.TooEarly)), errors.As(err, new(*apppassword.NoWayIn)):
		d.Error = c.mayNotCreate(err)
	default:
		c.trouble("changing app passwords", err)
		return
	}
	c.showAppPasswords(http.StatusConflict, d)
}

// apple says that there is what a profile needs.
func (c *call) apple() bool {
	return c.AppPasswords != nil && c.Mail.IMAP.Host != "" && c.Mail.Submission.Host != ""
}

// appleProfile makes an app password and hands it out in a file that an iPhone
// or Mac sets itself up with.
func (c *call) appleProfile() {
	if !c.mayCreate() {
		return
	}
	if !c.apple() {
		c.problem(http.StatusNotFound, "notfound")
		return
	}
	p, err := c.People.Person(c.ctx(), c.visit.person())
	if err != nil {
		c.trouble("making a profile", err)
		return
	}
	name := c.page.T("apppasswords.apple.name", c.now.Local().Format("2006-01-02 15:04:05"))
	text, _, err := c.AppPasswords.Create(c.ctx(), c.actor(), p.ID, name, apppassword.Scope{Protocols: []protocol.Protocol{protocol.IMAP, protocol.Submission},
		IdleDays: idleDays, Binding: apppassword.BindProgram, FirstUseBy: c.now.Add(apppassword.ProfileLife)})
	if err != nil {
		c.appPasswordFault(err, nil)
		return
	}
	file, err := apppassword.MobileConfig(c.Mail, apppassword.Owner{Address: p.Address, Name: p.DisplayName}, text, c.Signer)
	if err != nil {
		c.trouble("making a profile", err)
		return
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/x-apple-aspen-config")
	h.Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	h.Set("Cache-Control", "no-store")
	_, _ = c.w.Write(file)
}

func (c *call) revokeAppPassword() { c.changeAppPassword("apppasswords.revoked", AppPasswords.Revoke) }

// approveAppPassword lets an app password be used by the program that was refused.
func (c *call) approveAppPassword() {
	if c.mayCreate() {
		c.changeAppPassword("apppasswords.approved", func(s AppPasswords, ctx context.Context, who store.Actor, person, id string) error {
			return s.Approve(ctx, who, person, id, c.value("pending"))
		})
	}
}

func (c *call) changeAppPassword(key string, do func(AppPasswords, context.Context, store.Actor, string, string) error) {
	if c.AppPasswords == nil {
		c.problem(http.StatusNotFound, "notfound")
		return
	}
	if err := do(c.AppPasswords, c.ctx(), c.actor(), c.visit.person(), c.value("id")); err != nil {
		c.appPasswordFault(err, nil)
		return
	}
	c.done("/apppasswords", key)
}
