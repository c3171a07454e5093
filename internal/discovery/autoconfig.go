package discovery

import (
	"bytes"
	"encoding/xml"
	"fmt"

	"github.com/portreeve/portreeve/internal/protocol"
)

// clientConfig is Mozilla's config-v1.1.xml (draft-ietf-mailmaint-autoconfig).
type clientConfig struct {
	XMLName  xml.Name      `xml:"clientConfig"`
	Version  string        `xml:"version,attr"`
	Provider emailProvider `xml:"emailProvider"`
	OAuth    *oAuth2       `xml:"oAuth2"`
}

type emailProvider struct {
	ID       string         `xml:"id,attr"`
	Domain   string         `xml:"domain"`
	Name     string         `xml:"displayName"`
	Short    string         `xml:"displayShortName"`
	Incoming []configServer `xml:"incomingServer"`
	Outgoing []configServer `xml:"outgoingServer"`
	Help     *documentation `xml:"documentation"`
}

type configServer struct {
	Type           string   `xml:"type,attr"`
	Host           string   `xml:"hostname"`
	Port           uint16   `xml:"port"`
	Socket         string   `xml:"socketType"`
	Authentication []string `xml:"authentication"`
	User           string   `xml:"username"`
}

type documentation struct {
	URL   string `xml:"url,attr"`
	Words descr  `xml:"descr"`
}

type descr struct {
	Lang string `xml:"lang,attr"`
	Text string `xml:",chardata"`
}

type oAuth2 struct {
	Issuer   string `xml:"issuer"`
	Scope    string `xml:"scope"`
	AuthURL  string `xml:"authURL"`
	TokenURL string `xml:"tokenURL"`
	ClientID string `xml:"clientID"`
}

// emailAddress stands for the address that was typed; the program puts it in.
const emailAddress = "%EMAILADDRESS%"

// Autoconfig is the document for one domain of ours, false if there is nothing
// to set up. It is the same for every address.
func (s *Site) Autoconfig(domain string) ([]byte, bool) {
	if !s.mail() {
		return nil, false
	}
	c := clientConfig{Version: "1.1", Provider: emailProvider{ID: domain, Domain: domain, Name: s.title(), Short: short(s.title())}}
	for _, x := range []struct {
		p    protocol.Protocol
		kind string
		into *[]configServer
	}{{protocol.IMAP, "imap", &c.Provider.Incoming}, {protocol.POP3, "pop3", &c.Provider.Incoming}, {protocol.Submission, "smtp", &c.Provider.Outgoing}} {
		for _, startTLS := range []bool{false, true} {
			if d, ok := s.served(x.p, startTLS); ok {
				*x.into = append(*x.into, s.configServer(x.kind, d))
			}
		}
	}
	if s.Help != "" {
		c.Provider.Help = &documentation{s.Help, descr{"en", "How to set up a mail program"}}
	}
	if s.OAuth {
		c.OAuth = &oAuth2{Issuer: s.URL, Scope: s.scope(), AuthURL: s.URL + authorizePath, TokenURL: s.URL + tokenPath, ClientID: clientID}
	}
	return document(c), true
}

func (s *Site) configServer(kind string, d Server) configServer {
	c := configServer{Type: kind, Host: d.Host, Port: d.Port, Socket: "SSL", User: emailAddress}
	if d.STARTTLS {
		c.Socket = "STARTTLS"
	}
	// Thunderbird 153 takes the first way that it can go, and throws the whole
	// document away if there is none: the fallback is named for as long as there
	// is one.
	if s.OAuth {
		c.Authentication = append(c.Authentication, "OAuth2")
	}
	if s.Passwords {
		c.Authentication = append(c.Authentication, "password-cleartext")
	}
	return c
}

// document writes XML that is made of our own types.
func document(v any) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("writing %T as XML: %v", v, err)) // strings and numbers alone
	}
	b.WriteByte('\n')
	return b.Bytes()
}
