package tenantaudit

import (
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/tenant"
)

// wayIn is a protocol that takes passwords.
type wayIn struct {
	name, label string
	program     string // a thief's
	suffix      string // of an authentication policy's switches
	eas         bool   // conditional access calls it exchangeActiveSync
	rule        string // in client access rules; empty: they never cover it
	online      bool   // Exchange Online still takes passwords on it
}

// waysIn in the order of their names.
var waysIn = [...]wayIn{
	{"activesync", "ActiveSync", "a phone's mail program, by hand", "ActiveSync", true, "ExchangeActiveSync", false},
	{"ews", "Exchange Web Services", "an EWS script", "WebServices", false, "ExchangeWebServices", false},
	{"imap", "IMAP", "any IMAP program", "Imap", false, "IMAP4", false},
	{"mapi", "MAPI over HTTP", "Outlook with basic authentication", "Mapi", false, "OutlookAnywhere", false},
	{"pop", "POP3", "any POP3 program", "Pop", false, "POP3", false},
	{"rpc", "RPC over HTTP", "an old Outlook", "Rpc", false, "OutlookAnywhere", false},
	{"smtp", "SMTP AUTH", "any program that sends mail", "Smtp", false, "", true},
}

const wayCount = len(waysIn)

// gates are the four that are not conditional access, for the whole tenant.
type gates struct {
	a        *audit
	policies map[string]*tenant.AuthPolicy // by name, DN, GUID and identity, in lower case
	standard *tenant.AuthPolicy            // the organisation's default
	memo     map[string]*doors
	devices  deviceGate
	rules    []clientRule
}

// doors is what all gates come to for mailboxes that are alike in all of them.
type doors struct {
	password [wayCount]bool // open from anywhere, with the password alone
	way      [wayCount]way
	saidBy   [wayCount]string
	ladder   [wayCount][]Rung
	view     map[string]*Door
	places   []int // named locations from which one of them is open
	from     [wayCount]bool
	fromAt   int // the class of address and the protocol of the witness
	fromBy   int
	mailbox  int // how many
	example  *person
}

func newGates(a *audit) *gates {
	g := &gates{a: a, policies: map[string]*tenant.AuthPolicy{}, memo: map[string]*doors{}}
	for i := range a.t.AuthPolicies {
		p := &a.t.AuthPolicies[i]
		for _, word := range []string{p.DN, p.Identity, p.ID, p.Name} {
			if word = lower(word); word != "" && g.policies[word] == nil {
				g.policies[word] = p
			}
		}
	}
	if o := a.t.Organization; o != nil && o.DefaultAuthenticationPolicy != "" {
		if g.standard = g.find(o.DefaultAuthenticationPolicy); g.standard == nil {
			a.note(o.DefaultAuthenticationPolicy, "the organisation's default authentication policy is not in the export: it is not counted on to refuse anything", o.Source)
		}
	}
	g.devices = newDeviceGate(a)
	g.rules = newClientRules(a)
	return g
}

// find is an authentication policy by its name, DN or GUID. Of a DN that is not
// known as such the first part is the name.
func (g *gates) find(word string) *tenant.AuthPolicy {
	word = lower(word)
	if p := g.policies[word]; p != nil {
		return p
	}
	if first, _, dn := strings.Cut(word, ","); dn && strings.HasPrefix(first, "cn=") {
		return g.policies[strings.TrimPrefix(first, "cn=")]
	}
	if at := strings.LastIndexAny(word, `/\`); at >= 0 {
		return g.policies[word[at+1:]]
	}
	return nil
}

// authPolicy is the one in force for somebody and how it came to be.
func (g *gates) authPolicy(p *person) (found *tenant.AuthPolicy, how string) {
	if p.exchange != nil && p.exchange.AuthenticationPolicy != "" {
		if own := g.find(p.exchange.AuthenticationPolicy); own != nil {
			return own, "their own"
		}
		return nil, "their own, " + p.exchange.AuthenticationPolicy + ", is not in the export"
	}
	if g.standard != nil {
		return g.standard, "the organisation's default"
	}
	return nil, "none"
}

// passwords says whether an authentication policy lets passwords pass; where it
// says nothing of a protocol, it does.
func passwords(p *tenant.AuthPolicy, suffix string) bool {
	if p == nil {
		return true
	}
	allow, block := p.Switches["AllowBasicAuth"+suffix], p.Switches["BlockLegacyAuth"+suffix]
	return (allow == nil || *allow) && (block == nil || !*block)
}

func tokens(p *tenant.AuthPolicy, suffix string) bool {
	if p == nil {
		return true
	}
	block := p.Switches["BlockModernAuth"+suffix]
	return block == nil || !*block
}

// judge finds what holds for a mailbox, once for all that are alike.
func (g *gates) judge(p *person) *doors {
	auth, how := g.authPolicy(p)
	var key strings.Builder
	fmt.Fprintf(&key, "%p %p %s %t|", p.class, auth, how, p.disabled)
	for _, name := range mailboxSwitches {
		key.WriteByte('0' + byte(p.setting(name)))
	}
	for i := range g.rules {
		key.WriteByte('0' + byte(g.rules[i].meant(p)))
	}
	d := g.memo[key.String()]
	if d == nil {
		d = g.make(p, auth, how)
		g.memo[key.String()] = d
	}
	d.mailbox++
	return d
}

// mailboxSwitches are those that a door hangs on.
var mailboxSwitches = []string{"ActiveSyncEnabled", "EwsEnabled", "ImapEnabled", "MAPIEnabled", "MapiHttpEnabled", "MAPIBlockOutlookRpcHttp", "PopEnabled", "SmtpClientAuthenticationDisabled", "OWAEnabled"}

func (p *person) setting(name string) exchange.Setting {
	if p.mailbox == nil {
		return exchange.Absent
	}
	return p.mailbox.Settings.Get(name)
}

// closedBySwitch is the organisation's and then the mailbox's switch that
// closes a protocol, for passwords and tokens alike. A switch that nobody knows closes nothing.
func (g *gates) closedBySwitch(p *person, w *wayIn) (organisation, mailbox string) {
	org, transport := g.a.t.Organization, g.a.t.Transport
	off := func(name string) bool { return p.setting(name) == exchange.Off }
	said := func(name string) bool { s := p.setting(name); return s == exchange.On || s == exchange.Off }
	switch w.name {
	case "activesync":
		if off("ActiveSyncEnabled") {
			mailbox = "ActiveSyncEnabled is False"
		}
	case "imap":
		if off("ImapEnabled") {
			mailbox = "ImapEnabled is False"
		}
	case "pop":
		if off("PopEnabled") {
			mailbox = "PopEnabled is False"
		}
	case "ews":
		if org.Get("EwsEnabled") == exchange.Off {
			organisation = "EwsEnabled is False"
		}
		if off("EwsEnabled") {
			mailbox = "EwsEnabled is False"
		}
	case "smtp":
		const name = "SmtpClientAuthenticationDisabled"
		switch {
		case p.setting(name) == exchange.On:
			mailbox = name + " is True"
		case !said(name) && p.setting(name) != exchange.Hidden && transport.Get(name) == exchange.On:
			organisation = name + " is True, and the mailbox says nothing else"
		}
	case "mapi":
		switch {
		case off("MAPIEnabled"):
			mailbox = "MAPIEnabled is False"
		case off("MapiHttpEnabled"):
			mailbox = "MapiHttpEnabled is False"
		case !said("MapiHttpEnabled") && p.setting("MapiHttpEnabled") != exchange.Hidden && org.Get("MapiHttpEnabled") == exchange.Off:
			organisation = "MapiHttpEnabled is False, and the mailbox says nothing else"
		}
	case "rpc":
		switch {
		case off("MAPIEnabled"):
			mailbox = "MAPIEnabled is False"
		case p.setting("MAPIBlockOutlookRpcHttp") == exchange.On:
			mailbox = "MAPIBlockOutlookRpcHttp is True"
		}
	}
	return organisation, mailbox
}

// make asks the five gates for each protocol.
func (g *gates) make(p *person, auth *tenant.AuthPolicy, how string) *doors {
	d := &doors{view: map[string]*Door{}, example: p}
	anyFrom := false
	for i := range waysIn {
		w := &waysIn[i]
		ladder, closed := g.fixed(p, w, auth, how)
		d.ladder[i] = ladder
		d.way[i] = g.a.thief.old(p.class, w.eas, 0)
		d.saidBy[i] = closed
		if closed == "" {
			anyFrom = true
			d.ladder[i], d.saidBy[i], d.password[i] = g.place(p, w, d.way[i], ladder)
		}
		d.view[w.name] = g.door(p, w, d.password[i], d.saidBy[i], auth)
	}
	d.view["owa"] = g.webmail(p)
	if anyFrom && !opens(d.password) {
		g.fromPlaces(p, d, auth, how)
	}
	return d
}

// fixed asks the gates that do not hang on the place. closed names the one
// that closes, in the order in which they are met.
func (g *gates) fixed(p *person, w *wayIn, auth *tenant.AuthPolicy, how string) (ladder []Rung, closed string) {
	organisation, mailbox := g.closedBySwitch(p, w)
	add := func(gate string, shut bool, object, open string) {
		says := "open"
		if shut {
			says = "closed"
			if closed == "" {
				closed = gate + ": " + object
			}
		} else {
			object = open
		}
		ladder = append(ladder, Rung{gate, says, object})
	}
	if g.a.online && !w.online {
		add("organisation", true, "Exchange Online refuses passwords on "+w.label, "")
	} else {
		open := "nothing closes " + w.label
		if g.a.t.Organization == nil {
			open = "Get-OrganizationConfig was not exported"
		}
		add("organisation", organisation != "", organisation, open)
	}
	name, open := "", "no authentication policy is assigned: nothing refuses passwords on "+w.label
	switch {
	case auth != nil:
		name = fmt.Sprintf("authentication policy %q (%s)", auth.Name, how)
		open = name + " lets passwords pass on " + w.label
	case how != "none":
		open = "the authentication policy that is assigned is not in the export: it is not counted on"
	}
	add("authentication policy", !passwords(auth, w.suffix), name+" refuses passwords on "+w.label, open)
	add("account", p.disabled, "the account is disabled", "the account is enabled")
	add("mailbox", mailbox != "", mailbox, "the mailbox leaves "+w.label+" on")
	if w.eas {
		add("device access", g.devices.closed != "", g.devices.closed, g.devices.open)
	}
	return ladder, closed
}

// place asks the gates that hang on where the thief is: client access rules and
// conditional access.
func (g *gates) place(p *person, w *wayIn, got way, before []Rung) (ladder []Rung, saidBy string, open bool) {
	ladder = append(ladder, before...)
	if rule := g.denied(p, w, 0); rule != "" {
		return append(ladder, Rung{"client access rule", "closed", rule}), "client access rule: " + rule, false
	}
	rung, open := g.access(got)
	ladder = append(ladder, rung)
	if !open {
		return ladder, "conditional access: " + rung.Object, false
	}
	return ladder, rung.Object, true
}

// access is conditional access's rung.
func (g *gates) access(got way) (Rung, bool) {
	const gate = "conditional access"
	switch {
	case g.a.thief.defaults:
		return Rung{gate, "closed", "security defaults refuse passwords"}, false
	case !got.open:
		return Rung{gate, "closed", g.a.policyName(got.by)}, false
	case !g.a.thief.asked:
		return Rung{gate, "not read", "no policies were exported"}, true
	}
	return Rung{gate, "open", "no policy in force stops this sign-in"}, true
}

func opens(all [wayCount]bool) bool { return all != [wayCount]bool{} }

// fromPlaces finds the named locations from which a password alone opens a
// mailbox that is closed to the world.
func (g *gates) fromPlaces(p *person, d *doors, auth *tenant.AuthPolicy, how string) {
	th := g.a.thief
	found := map[int]bool{}
	for class := 1; class < th.locator.Classes(); class++ {
		if !th.addresses[class].IsValid() {
			continue
		}
		var named []int
		for _, at := range th.locator.Members(class) {
			if at < th.named {
				named = append(named, at)
			}
		}
		if len(named) == 0 {
			continue
		}
		for i := range waysIn {
			w := &waysIn[i]
			if _, closed := g.fixed(p, w, auth, how); closed != "" || g.denied(p, w, class) != "" {
				continue
			}
			got := th.old(p.class, w.eas, class)
			if !got.open {
				continue
			}
			if len(found) == 0 {
				d.fromAt, d.fromBy = class, i
			}
			d.from[i] = true
			for _, at := range named {
				found[at] = true
			}
		}
	}
	for at := range th.named {
		if found[at] {
			d.places = append(d.places, at)
		}
	}
}

// door is the view of one protocol.
func (g *gates) door(p *person, w *wayIn, password bool, saidBy string, auth *tenant.AuthPolicy) *Door {
	view := &Door{Password: "closed", Token: "closed", SaidBy: saidBy}
	if password {
		view.Password = "open"
	}
	organisation, mailbox := g.closedBySwitch(p, w)
	modern := g.a.t.Organization.Get("OAuth2ClientProfileEnabled") != exchange.Off
	if organisation == "" && mailbox == "" && modern && !p.disabled && w.name != "rpc" && tokens(auth, w.suffix) {
		view.Token = g.token(p.class.modern.open, p.class.modernAfter.open)
	}
	return view
}

func (g *gates) token(open, after bool) string {
	switch {
	case open:
		return "open"
	case after || g.a.thief.defaults:
		return "asks"
	}
	return "closed"
}

func (g *gates) webmail(p *person) *Door {
	view := &Door{Password: "closed", Token: "closed", SaidBy: "account: the account is disabled"}
	switch {
	case p.disabled:
	case p.setting("OWAEnabled") == exchange.Off:
		view.SaidBy = "mailbox: OWAEnabled is False"
	default:
		view.Token, view.SaidBy = g.token(p.class.browser.open, p.class.browserAfter.open), "conditional access"
		if p.class.browser.by != "" {
			view.SaidBy = "conditional access: " + g.a.policyName(p.class.browser.by)
		}
		if view.Token == "open" {
			view.Password = "open"
		}
	}
	return view
}

// policyName is a conditional access policy as a person knows it.
func (a *audit) policyName(id string) string {
	for i := range a.t.Policies {
		if a.t.Policies[i].ID == id {
			return fmt.Sprintf("policy %q", a.t.Policies[i].DisplayName)
		}
	}
	return "policy " + id
}
