package portal

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/store"
)

// OAuth is our own issuer of tokens, as far as people meet it.
type OAuth struct {
	Grants  Grants
	Clients Clients
	Issuer  Issuer
	// Places says where an address is; nil: that is not known.
	Places Places
}

// Grants are what people allow programs.
type Grants interface {
	Unseal(sealed string) (grant.Request, error)
	Answer(q grant.Request, code, errorCode, description string) string
	Fields(q grant.Request, code, errorCode, description string) url.Values
	IssueCode(ctx context.Context, q grant.Request, g grant.Grant) (code string, err error)
	Of(person string) []grant.Grant
	End(ctx context.Context, who store.Actor, id, reason string) error
	Disconnect(ctx context.Context, who store.Actor, id, reason string) error
	Dismissed(ctx context.Context, person, client string) (time.Time, error)
	consenting
	devices
}

// consenting keeps what people have allowed once and for all.
type consenting interface {
	Consented(person, client string, asked scope.Set) bool
	Consent(ctx context.Context, person, client string, asked scope.Set) error
	Withdraw(ctx context.Context, who store.Actor, person, client string) error
	Consents(person string) []grant.Consent
}

// devices are programs that show a code to type in here (RFC 8628).
type devices interface {
	Device(userCode string) (grant.DeviceRequest, bool)
	ApproveDevice(ctx context.Context, userCode string, g grant.Grant) error
	DenyDevice(userCode string) error
}

// Clients knows programs by their ids.
type Clients interface {
	Find(id string) (client.Client, bool)
	Admit(client.Client) error
}

// Issuer hears of sessions that end, and says where people go on afterwards.
type Issuer interface {
	// SessionEnded tells that a browser's session is over, by the id that its
	// grants have. It must not wait.
	SessionEnded(session string)
	// AfterSignOut opens what the issuer sealed for after signing out.
	AfterSignOut(sealed string) (address string, ok bool)
}

// Places says where an address is.
type Places interface {
	Lookup(netip.Addr) geoip.Place
}

// maxProgram bounds how much of a program's name for itself is shown, in characters.
const maxProgram = 60

// named is a program as people know it: by the name that it gives itself, and
// whether anybody has checked that. A name is a stranger's: what turns letters
// around or cannot be seen is left out of it.
func (c *call) named(p *client.Client) string {
	seen := []rune(strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return -1
		}
		return r
	}, p.Name)))
	name := string(seen[:min(len(seen), maxProgram)])
	if name == "" {
		name = c.page.T("program.unknown")
	}
	if !p.Verified() {
		name = c.page.T("connect.unverified", name)
	}
	return name
}

// namedID is a program by its id; one that is forgotten has no other name left.
func (c *call) namedID(id string) string {
	if p, ok := c.OAuth.Clients.Find(id); ok {
		return c.named(&p)
	}
	return c.named(&client.Client{Name: id})
}

// abilities are what scopes let a program do, in words.
func (c *call) abilities(s scope.Set) (list []string) {
	for _, k := range s.Kinds() {
		if key, ok := abilityWords[k]; ok {
			list = append(list, c.page.T("ability."+key))
		}
	}
	return slices.Compact(list)
}

var abilityWords = map[scope.Kind]string{
	scope.OpenID: "openid", scope.Email: "email", scope.Profile: "profile", scope.Mail: "mail", scope.Read: "read", scope.POP: "pop", scope.Send: "send",
	scope.Filters: "filters", scope.Contacts: "contacts", scope.Calendars: "calendars", scope.Exchange: "exchange",
}
