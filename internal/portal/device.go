package portal

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// maxUserCode bounds what is typed as a code, in bytes: people put spaces and
// hyphens into it.
const maxUserCode = 40

type devicePage struct {
	web.Page
	Code, Error string
}

// devicePage asks for the code that a program shows. One that stands in the
// link is filled in and nothing more: the person presses the button.
func (c *call) devicePage() {
	c.askCode(http.StatusOK, typed(c.r.URL.Query().Get("user_code"), maxUserCode), "")
}

func (c *call) askCode(status int, code, fault string) {
	d := devicePage{Page: c.framed(""), Code: code, Error: fault}
	if code != "" {
		d.Path = devicePath(code)
	}
	c.show(status, "device", d)
}

func devicePath(code string) string { return "/device?user_code=" + url.QueryEscape(code) }

// waitingDevice is a program that waits for its code to be typed in.
type waitingDevice struct {
	grant.DeviceRequest
	code    string
	program client.Client
	name    string // for people
}

// waitingDevice finds the program whose code a form holds. Codes that nobody was
// given are counted, as whoever looks for one has to try them.
func (c *call) waitingDevice() *waitingDevice {
	code := strings.ToUpper(typed(c.value("user_code"), maxUserCode))
	if code == "" {
		c.askCode(http.StatusUnprocessableEntity, "", c.page.T("device.incomplete"))
		return nil
	}
	if !c.guesses.take(c.visit.person(), c.from().Addr(), c.now) {
		c.askCode(http.StatusTooManyRequests, code, c.page.T("device.toooften"))
		return nil
	}
	asked, ok := c.OAuth.Grants.Device(code)
	if !ok {
		c.askCode(http.StatusNotFound, code, c.page.T("device.unknown"))
		return nil
	}
	c.guesses.give(c.visit.person(), c.from().Addr())
	d := &waitingDevice{DeviceRequest: asked, code: code}
	if d.program, ok = c.OAuth.Clients.Find(asked.Client); !ok || c.OAuth.Clients.Admit(d.program) != nil {
		c.problem(http.StatusForbidden, "program")
		return nil
	}
	d.name = c.named(&d.program)
	return d
}

type deviceAskPage struct {
	web.Page
	Program, Code, Place        string
	At                          time.Time
	May                         []string
	Verified, Imitates, Lasting bool
}

// device names the program whose code was typed in, and asks.
func (c *call) device() {
	d := c.waitingDevice()
	if d == nil {
		return
	}
	c.show(http.StatusOK, "deviceask", deviceAskPage{Page: c.framed(""), Program: d.name, Code: d.code, Place: c.whereIs(d.From), At: d.At, May: c.abilities(d.Scope), Verified: d.program.Verified(), Imitates: d.program.Imitates(), Lasting: d.program.Stays(d.Scope)})
}

// whereIs is an address and what is known of where it is.
func (c *call) whereIs(a netip.Addr) string {
	var at geoip.Place
	if c.OAuth.Places != nil {
		at = c.OAuth.Places.Lookup(a)
	}
	return c.placeOf(at.Country, at.Owner, a.String())
}

// allowDevice is the person's yes. It is judged for where the program is, too,
// and what the program gets works from its own network only.
func (c *call) allowDevice() {
	d := c.waitingDevice()
	if d == nil {
		return
	}
	id := store.NewID().String()
	asked := c.granting(d.Scope, id, gate.DeviceCode, d.program.Name)
	asked.From, asked.Principal.Flow = d.From, asked.Principal.Flow|policy.DeviceCodeFlow
	out := c.Gate.Grant(c.ctx(), c.attempt(), asked)
	switch {
	case out.Allowed():
		g := c.granted(&d.program, d.Scope, id)
		g.Resource, g.Kind, g.Flow, g.Network = d.Resource, grant.KindDevice, asked.Principal.Flow, network.Of(d.From)
		switch err := c.OAuth.Grants.ApproveDevice(c.ctx(), d.code, g); {
		case errors.Is(err, grant.ErrUnknown): // it ran out meanwhile, or was answered
			c.askCode(http.StatusNotFound, "", c.page.T("device.unknown"))
		case err != nil:
			c.trouble("approving a program's code", err)
		default:
			c.done("/programs", "device.allowed", d.name)
		}
	case out.Verdict.Effect == policy.Interrupt && factorHelps(out.Code):
		c.proveMore(&out, onward{Path: devicePath(d.code), Program: d.name, At: d.At})
	default:
		if out.Reply.Tone != signin.Trouble { // so that the program does not ask for ever
			_ = c.OAuth.Grants.DenyDevice(d.code) // it may be over already
		}
		c.refuseProgram(&out, d.name, "")
	}
}

// denyDevice is their no.
func (c *call) denyDevice() {
	d := c.waitingDevice()
	if d == nil {
		return
	}
	_ = c.OAuth.Grants.DenyDevice(d.code) // it may be over already
	c.done("/programs", "device.denied", d.name)
}
