// Package client knows the programs that may ask for tokens: those that come
// with the server, those that register themselves, and those that an
// administrator made. It says to which addresses a program may have its answers
// sent, proves the secrets of confidential ones, and bounds what strangers can
// fill by registering.
//
// Every program is kept in memory, since each request of the token endpoints
// asks for one. What changes in the store reaches the registry by Apply.
package client

import (
	"net/netip"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/scope"
)

// The clients that every installation has.
const (
	Mail        = "portreeve-mail"                       // any mail program
	Token       = "portreeve-token"                      // `portreeve token`, which mutt, aerc, mbsync and others call
	FairEmail   = "portreeve-fairemail"                  // FairEmail, by its providers.xml
	Thunderbird = "9e5f94bc-e8a4-4e73-b8be-63364c29d753" // Thunderbird's own at Microsoft, for whoever types it into its Exchange dialog
)

// The grant types that there are.
const (
	GrantCode        = "authorization_code"
	GrantRefresh     = "refresh_token"
	GrantDevice      = "urn:ietf:params:oauth:grant-type:device_code"
	GrantCredentials = "client_credentials"
)

// Kind is where a client comes from.
type Kind string

// The kinds.
const (
	Builtin    Kind = "builtin"    // comes with the server
	Registered Kind = "registered" // registered itself (RFC 7591)
	Managed    Kind = "managed"    // made by an administrator
)

// State is what an administrator said about a client.
type State string

// The states.
const (
	Unjudged  State = "open" // nothing
	Allowed   State = "allowed"
	Forbidden State = "forbidden"
)

// Client is one program. Its slices are shared: nobody may change them.
type Client struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	State  State  `json:"state"`
	Public bool   `json:"public"` // has no secret; PKCE is required
	// Consent says that people are asked before the client gets its first token.
	Consent           bool         `json:"consent"`
	Redirects         []string     `json:"redirects"`
	PostLogout        []string     `json:"postLogoutRedirects"`
	BackChannelLogout string       `json:"backChannelLogout,omitempty"`
	Grants            []string     `json:"grantTypes"`
	Limit             scope.Set    `json:"-"` // empty: whatever policy lets it have
	URI               string       `json:"uri,omitempty"`
	SoftwareID        string       `json:"softwareId,omitempty"`
	SoftwareVersion   string       `json:"softwareVersion,omitempty"`
	IDTokenAlg        string       `json:"idTokenAlg,omitempty"` // ES256 or RS256; empty: the issuer's
	Account           string       `json:"account,omitempty"`    // person's id, for client_credentials
	Network           netip.Prefix `json:"network,omitzero"`     // registered from
	Created           time.Time    `json:"created,omitzero"`
	Used              time.Time    `json:"used,omitzero"` // for a sign-in, last, to the hour
	SecretMade        time.Time    `json:"secretMade,omitzero"`
	// OldSecretMade and OldSecretUntil are of the secret before, which is good
	// until then.
	OldSecretMade  time.Time `json:"oldSecretMade,omitzero"`
	OldSecretUntil time.Time `json:"oldSecretUntil,omitzero"`

	imitates bool // its name looks like that of a client that can be trusted
}

// Verified says that somebody who may say so stands for what the client calls
// itself: it came with the server, or an administrator made or allowed it.
func (c *Client) Verified() bool {
	return c.State != Forbidden && (c.Kind == Builtin || c.Kind == Managed || c.State == Allowed)
}

// Imitates says that an unverified client's name looks like a verified one's.
func (c *Client) Imitates() bool { return c.imitates && !c.Verified() }

// HasGrant says that a client may use a grant type.
func (c *Client) HasGrant(grant string) bool { return slices.Contains(c.Grants, grant) }

// Stays says that a client is given a refresh token with some scopes: one that
// asks to stay, and a public one that opens a mailbox, which has no other way to
// stay signed in.
func (c *Client) Stays(s scope.Set) bool {
	return c.HasGrant(GrantRefresh) && (s.Has(scope.Offline) || c.Public && len(s.Protocols()) > 0)
}
