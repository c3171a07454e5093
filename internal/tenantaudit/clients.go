package tenantaudit

import (
	"regexp"
	"strings"

	"github.com/portreeve/portreeve/internal/tenant"
)

// client is what a sign-in's clientAppUsed means.
type client uint8

const (
	clientUnnamed client = iota // empty, or the word for it
	clientBrowser
	clientModern
	clientEAS
	clientSMTP
	clientEWS
	clientIMAP
	clientPOP
	clientMAPI
	clientLegacy // another protocol that takes passwords
	clientOthers // the words "Other clients" alone
	clientNamed  // words that nobody here knows
)

// legacy says that it is one of the old ways to sign in.
func (c client) legacy() bool { return c >= clientEAS && c <= clientOthers }

// words spells clientAppUsed's values alike: letters and digits only, since
// surfaces differ in case, spaces and brackets. Older rows have the short ones.
var words = map[string]client{
	"": clientUnnamed, "unknown": clientUnnamed, "null": clientUnnamed, "none": clientUnnamed,
	"browser":                     clientBrowser,
	"mobileappsanddesktopclients": clientModern, "mobileappsanddesktopclient": clientModern,
	"exchangeactivesync": clientEAS, "exchangeactivesyncsupported": clientEAS, "exchangeactivesyncunsupported": clientEAS, "activesync": clientEAS, "eas": clientEAS,
	"authenticatedsmtp": clientSMTP, "smtp": clientSMTP,
	"exchangewebservices": clientEWS, "ews": clientEWS,
	"imap4": clientIMAP, "imap": clientIMAP, "pop3": clientPOP, "pop": clientPOP,
	"mapioverhttp": clientMAPI, "mapi": clientMAPI,
	"autodiscover": clientLegacy, "exchangeonlinepowershell": clientLegacy, "offlineaddressbook": clientLegacy,
	"outlookanywhererpcoverhttp": clientLegacy, "outlookanywhere": clientLegacy, "rpcoverhttp": clientLegacy, "outlookservice": clientLegacy,
	"reportingwebservices": clientLegacy, "universaloutlook": clientLegacy,
	"otherclients": clientOthers, "other": clientOthers,
}

// clientOf reads clientAppUsed. "Other clients; IMAP" names the client behind
// the semicolon.
func clientOf(s string) client {
	first, second, two := strings.Cut(s, ";")
	if c, ok := words[plain(second)]; two && ok && plain(first) == "otherclients" && c.legacy() {
		return c
	} else if two && plain(first) == "otherclients" {
		return clientLegacy
	}
	if c, ok := words[plain(s)]; ok {
		return c
	}
	return clientNamed
}

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, s)
}

// toExchange says that the sign-in was to mail. A row without a resource tells
// by its application.
func toExchange(s *tenant.SignIn) bool {
	id, name := lower(s.ResourceID), s.Resource
	if id == "" && name == "" {
		id, name = lower(s.AppID), s.App
	}
	if id != "" {
		return id == exchangeID
	}
	name = plain(name)
	return name == "office365exchangeonline" || name == "exchangeonline" || name == "microsoftexchangeonline" || name == "microsoftexchange"
}

// ewsWords tell Exchange Web Services in a program's name or user agent: the
// managed API's agent, the Python library's, and the letters EWS as a word.
var ewsWords = regexp.MustCompile(`(?i:exchange[ _-]?web[ _-]?services|exchangeservicesclient|exchangelib|(?:^|[^a-z])ews(?:[^a-z]|$))|(?:^|[^A-Za-z])(?:EWS|Ews)[A-Z]|[a-z](?:EWS|Ews)(?:[^a-z]|$)`)

func tellsEWS(text string) bool { return ewsWords.MatchString(text) }

// remembered answers a question about a text once: logs have few different ones.
type remembered[T any] struct {
	ask   func(string) T
	known map[string]T
}

const mostRemembered = 1 << 16 // texts; strangers choose them

func (r *remembered[T]) of(text string) T {
	answer, ok := r.known[text]
	if !ok {
		answer = r.ask(text)
		if r.known == nil {
			r.known = map[string]T{}
		}
		if len(r.known) < mostRemembered {
			r.known[text] = answer
		}
	}
	return answer
}

// nativeMail are the mail programs of phones themselves.
const appleAccounts = "f8d98a96-0999-43f5-8af3-69971c7bb423"

func nativeMail(s *tenant.SignIn) bool {
	return lower(s.AppID) == appleAccounts || strings.EqualFold(strings.TrimSpace(s.App), "Apple Internet Accounts") || strings.EqualFold(strings.TrimSpace(s.App), "Samsung Email")
}

// saysNothing is an empty user agent, or a word for it.
func saysNothing(agent string) bool {
	switch lower(agent) {
	case "", "-", "null", "unknown", "none":
		return true
	}
	return false
}
