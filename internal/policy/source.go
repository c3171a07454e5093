package policy

import (
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Source is all rules as they are stored; Compile makes a Snapshot of it.
type Source struct {
	Version                uint64
	Policies               []Policy // bits count in this order
	Locations              []location.Named
	Strengths              []Strength // custom ones; the built-in ones are known
	Organization           Organization
	AuthenticationPolicies []AuthenticationPolicy
	Domains                map[string]Switches // by domain, in lower case
	Groups                 map[string]Settings // by id
	Mailboxes              map[string]Settings // by person id
	Names                  Names
	// Zone finds a time zone by its name; nil knows UTC only.
	Zone func(name string) (*time.Location, error)
}

// Organization is what holds for everybody.
type Organization struct {
	Switches
	DefaultAuthenticationPolicy string // id or name
	// MFAAlsoAccepts widens the control mfa by combinations beyond Entra's built-in strength.
	MFAAlsoAccepts []Combination
}

// Settings are what one group or mailbox has of its own.
type Settings struct {
	Switches
	AuthenticationPolicy string // id or name
}

// Names tells what people, groups and roles are known, so that references to
// unknown ones are named. Keys are ids, addresses and names, all in lower
// case; values are ids. A nil map knows nothing: references are taken as ids.
type Names struct{ People, Groups, Roles map[string]string }

// Warning is something that was read and will not be enforced as it stands.
type Warning struct {
	Object  string `json:"object"` // "policy", "location", "strength", "authenticationPolicy", "organization"
	ID      string `json:"id"`
	Name    string `json:"name"`
	Pointer string `json:"pointer,omitempty"` // into the object's JSON
	Text    string `json:"text"`
}

func (w Warning) String() string {
	s := w.Object + " " + w.Name
	if w.Name == "" {
		s = w.Object + " " + w.ID
	}
	if w.Pointer != "" {
		s += " " + w.Pointer
	}
	return s + ": " + w.Text
}

// Well-known application ids and words.
const (
	ExchangeOnline = "00000002-0000-0ff1-ce00-000000000000"
	wordAll        = "All"
	wordNone       = "None"
	wordTrusted    = "AllTrusted"
	wordOffice365  = "Office365"
	wordUnknown    = "unknown"
)

// ClientAppTypeOf is the client app type of a sign-in: it follows the
// credential, not the protocol's name. A kind or door that is not known counts
// as every type, so that no policy is missed.
func ClientAppTypeOf(f *Facts) ClientAppTypes {
	switch {
	case f.Protocol == protocol.Webmail || f.Protocol == protocol.Portal:
		return ClientAppBrowser
	case f.Credential == CredentialUnknown || f.Protocol == protocol.Unknown:
		return ClientAppAll | ClientAppEasSupported
	case f.Credential.Modern():
		return ClientAppMobileAppsAndDesktopClients
	case !f.Protocol.Row().BasicIsActiveSync:
		return ClientAppOther
	case f.Platform == PlatformAndroid || f.Platform == PlatformIOS || f.Platform == PlatformWindows:
		return ClientAppExchangeActiveSync | ClientAppEasSupported
	}
	return ClientAppExchangeActiveSync
}

var clientAppNames = [...]string{"browser", "mobileAppsAndDesktopClients", "exchangeActiveSync", "easSupported", "other"}

// ParseClientAppType reads one word of clientAppTypes. easUnsupported is
// Graph's dead word for exchangeActiveSync.
func ParseClientAppType(s string) (ClientAppTypes, bool) {
	switch {
	case equalFold(s, "all"):
		return ClientAppAll, true
	case equalFold(s, "easUnsupported"):
		return ClientAppExchangeActiveSync, true
	}
	for i, n := range clientAppNames {
		if equalFold(s, n) {
			return 1 << i, true
		}
	}
	return 0, false
}

// Names are Graph's words for the types.
func (c ClientAppTypes) Names() []string {
	if c&ClientAppAll == ClientAppAll {
		return []string{"all"}
	}
	var names []string
	for i, n := range clientAppNames {
		if c&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}
