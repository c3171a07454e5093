package discovery

import (
	"archive/zip"
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// manifest is Thunderbird's add-on: nothing but this file. The key
// oauth_provider is Thunderbird's; 140 is the first to send PKCE, which we
// demand, 153 the first to know issuerIdentifier and useExternalBrowser, which
// the older ones pass over.
type manifest struct {
	Version  int      `json:"manifest_version"`
	Name     string   `json:"name"`
	Release  string   `json:"version"`
	Settings any      `json:"browser_specific_settings"`
	Provider provider `json:"oauth_provider"`
}

type provider struct {
	Issuer        string   `json:"issuer"`
	Identifier    string   `json:"issuerIdentifier"` // has it demand RFC 9207's iss, equal to the letter
	ClientID      string   `json:"clientId"`
	Authorization string   `json:"authorizationEndpoint"`
	Token         string   `json:"tokenEndpoint"`
	Redirection   string   `json:"redirectionEndpoint"`
	PKCE          bool     `json:"usePKCE"`
	Browser       bool     `json:"useExternalBrowser"`
	Hosts         []string `json:"hostnames"`
	Scopes        string   `json:"scopes"`
}

const (
	addOnRelease = "1.0"
	oldestBird   = "140.0"
)

// AddOnID is the name by which Thunderbird knows the add-on.
func (s *Site) AddOnID() string { return "signin@" + s.host() }

// AddOn is the add-on for Thunderbird with which it signs in here, false if
// there is no issuer. With browser people sign in in their own browser, where
// their passkeys are, instead of Thunderbird's window. The same Site makes the
// same bytes.
func (s *Site) AddOn(browser bool) ([]byte, bool) {
	if !s.OAuth || !s.mail() {
		return nil, false
	}
	redirect := nativeRedirect
	if browser {
		redirect = loopbackRedirect
	}
	m := manifest{Version: 2, Name: cut(s.title(), maxAddOnName) + " sign-in", Release: addOnRelease,
		Settings: map[string]any{"gecko": map[string]string{"id": s.AddOnID(), "strict_min_version": oldestBird}},
		Provider: provider{Issuer: s.host(), Identifier: s.URL, ClientID: clientID, Authorization: s.URL + authorizePath, Token: s.URL + tokenPath,
			Redirection: redirect, PKCE: true, Browser: browser, Hosts: s.providedHosts(), Scopes: s.scope()}}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	// Stored, not compressed, and without a time: the bytes hang on nothing else.
	w, err := z.CreateHeader(&zip.FileHeader{Name: "manifest.json", Method: zip.Store})
	if err == nil {
		_, err = w.Write(jsonDocument(m))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("writing the add-on into memory: %v", err))
	}
	return b.Bytes(), true
}

// maxAddOnName bounds the site's part of the add-on's name, in characters;
// Mozilla's schema has room for 45 in all.
const maxAddOnName = 36

// providedHosts are the names for which Thunderbird asks us. It strips labels
// from the left, so a domain of ours stands for all doors in it, also for those
// that people know by an older name.
func (s *Site) providedHosts() []string {
	var all []string
	for _, h := range s.hosts() {
		for _, d := range s.Domains {
			if h == d || strings.HasSuffix(h, "."+d) {
				h = d
				break
			}
		}
		if !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	return all
}

// Policies is a policies.json that installs the add-on, and our private
// authority if we have one.
func (s *Site) Policies(browser bool) ([]byte, bool) {
	if !s.OAuth || !s.mail() {
		return nil, false
	}
	p := map[string]any{"ExtensionSettings": map[string]any{s.AddOnID(): map[string]string{
		"installation_mode": "force_installed", "install_url": s.URL + addOnPath + browserQuery(browser)}}}
	if s.CA != "" {
		p["Certificates"] = map[string][]string{"Install": {s.CA}}
	}
	return jsonDocument(map[string]any{"policies": p}), true
}

// systemBrowser is the query that asks for the system's browser.
const systemBrowser = "system"

func browserQuery(browser bool) string {
	if browser {
		return "?browser=" + systemBrowser
	}
	return ""
}

// customProvider is an entry of the file that the add-on "Thunderbird Custom
// IdP" (raa-org/thunderbird-custom-idp, OAuthPatch) reads.
type customProvider struct {
	Name          string            `json:"name"`
	Hosts         string            `json:"hostname"`
	Issuer        string            `json:"issuer"`
	ClientID      string            `json:"clientId"`
	PKCE          bool              `json:"usePkce"`
	Authorization string            `json:"authorizationEndpoint"`
	Token         string            `json:"tokenEndpoint"`
	Redirect      string            `json:"redirectUri"`
	Scopes        map[string]string `json:"scopes"`
}

// CustomProviders is that file.
func (s *Site) CustomProviders() ([]byte, bool) {
	if !s.OAuth || !s.mail() {
		return nil, false
	}
	return jsonDocument(map[string][]customProvider{"providers": {{Name: s.title(), Hosts: strings.Join(s.hosts(), " "), Issuer: s.host(), ClientID: clientID, PKCE: true,
		Authorization: s.URL + authorizePath, Token: s.URL + tokenPath, Redirect: nativeRedirect,
		Scopes: map[string]string{"imap": s.scope(), "smtp": s.scope()}}}}), true
}
