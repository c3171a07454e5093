package discovery

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

// Autodiscover's namespaces ([MS-OXDSCLI], section 2.2). We speak Outlook's;
// ActiveSync programs ask for another, which nobody here provides.
const (
	autodiscoverSpace = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
	outlookSchema     = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

// Bounds of a request; Outlook's own has about 400 bytes.
const (
	maxAutodiscover = 64 << 10
	maxDepth        = 8   // of elements
	maxText         = 512 // bytes of an element's text
)

// asked is what a request says.
type asked struct {
	address string
	schema  string // of the answer that the program understands
}

var errRequest = errors.New("this is no Autodiscover request")

// readAutodiscover reads a request: elements, text and a declaration of UTF-8.
// A document type, and with it every entity of its own, is refused.
func readAutodiscover(in io.Reader) (asked, error) {
	body, err := io.ReadAll(io.LimitReader(in, maxAutodiscover+1))
	if err != nil {
		return asked{}, fmt.Errorf("reading the request: %w", err)
	}
	if len(body) > maxAutodiscover {
		return asked{}, errRequest
	}
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	var a asked
	var path []string
	var text strings.Builder
	closed := false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && closed {
			return a, nil
		}
		if err != nil {
			return asked{}, errRequest
		}
		switch t := t.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			if text.Reset(); closed || len(path) > maxDepth || path[0] != "Autodiscover" {
				return asked{}, errRequest
			}
		case xml.CharData:
			if text.Write(t); text.Len() > maxText {
				return asked{}, errRequest
			}
		case xml.EndElement:
			if !a.take(strings.Join(path, "/"), strings.TrimSpace(text.String())) {
				return asked{}, errRequest
			}
			text.Reset()
			path = path[:len(path)-1]
			closed = len(path) == 0
		case xml.ProcInst:
			if t.Target != "xml" {
				return asked{}, errRequest
			}
		case xml.Directive:
			return asked{}, errRequest
		}
	}
}

// take notes an element's text; false if it was there already.
func (a *asked) take(path, text string) bool {
	var into *string
	switch path {
	case "Autodiscover/Request/EMailAddress":
		into = &a.address
	case "Autodiscover/Request/AcceptableResponseSchema":
		into = &a.schema
	default:
		return true
	}
	if *into != "" {
		return false
	}
	*into = text
	return true
}

type outlookAnswer struct {
	XMLName  xml.Name        `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response outlookResponse `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a Response"`
}

type outlookResponse struct {
	Account outlookAccount `xml:"Account"`
}

type outlookAccount struct {
	Type      string            `xml:"AccountType"`
	Action    string            `xml:"Action"`
	Protocols []outlookProtocol `xml:"Protocol"`
}

type outlookProtocol struct {
	Type           string `xml:"Type"`
	Server         string `xml:"Server"`
	Port           uint16 `xml:"Port"`
	LoginName      string `xml:"LoginName"`
	DomainRequired string `xml:"DomainRequired"`
	SPA            string `xml:"SPA"`
	SSL            string `xml:"SSL"`
	Encryption     string `xml:"Encryption"` // counts more than SSL
	AuthRequired   string `xml:"AuthRequired"`
	UsePOPAuth     string `xml:"UsePOPAuth,omitempty"` // SMTP signs in with the same name and password
	SMTPLast       string `xml:"SMTPLast,omitempty"`
}

type errorAnswer struct {
	XMLName  xml.Name      `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response errorResponse `xml:"Response"`
}

type errorResponse struct {
	Error autodiscoverError `xml:"Error"`
}

type autodiscoverError struct {
	Time    string `xml:"Time,attr"`
	ID      string `xml:"Id,attr"`
	Code    int    `xml:"ErrorCode"`
	Message string `xml:"Message"`
	Debug   string `xml:"DebugData"`
}

// Autodiscover's errors, in the service's words.
const (
	noSuchAddress = 500
	noRequest     = 600
	noProvider    = 601
)

var autodiscoverErrors = map[int]string{noSuchAddress: "The email address can't be found.", noRequest: "Invalid Request", noProvider: "Provider is not available"}

// Autodiscover answers one request. What cannot be answered is told in
// Autodiscover's own errors, with status 200, as Exchange tells it.
func (s *Site) Autodiscover(request io.Reader, at time.Time) []byte {
	a, err := readAutodiscover(request)
	if err != nil || a.address == "" || a.schema == "" {
		return autodiscoverFault(noRequest, at)
	}
	if !strings.EqualFold(a.schema, outlookSchema) {
		return autodiscoverFault(noProvider, at)
	}
	if _, ok := s.ofAddress(a.address); !ok || !s.mail() {
		return autodiscoverFault(noSuchAddress, at)
	}
	return s.outlook(a.address)
}

func autodiscoverFault(code int, at time.Time) []byte {
	return document(errorAnswer{Response: errorResponse{autodiscoverError{Time: at.UTC().Format("15:04:05.0000000"), ID: "1", Code: code, Message: autodiscoverErrors[code]}}})
}

// outlook is what Outlook sets up. It knows no OAuth for IMAP at servers other
// than a few large ones, so the document has no word for it.
func (s *Site) outlook(address string) []byte {
	account := outlookAccount{Type: "email", Action: "settings"}
	for _, x := range []struct {
		p    protocol.Protocol
		kind string
	}{{protocol.IMAP, "IMAP"}, {protocol.POP3, "POP3"}, {protocol.Submission, "SMTP"}} {
		d, ok := s.best(x.p)
		if !ok {
			continue
		}
		o := outlookProtocol{Type: x.kind, Server: d.Host, Port: d.Port, LoginName: address, DomainRequired: "off", SPA: "off", SSL: "on", Encryption: "SSL", AuthRequired: "on"}
		if d.STARTTLS {
			o.Encryption = "TLS"
		}
		if x.p == protocol.Submission {
			o.UsePOPAuth, o.SMTPLast = "on", "off"
		}
		account.Protocols = append(account.Protocols, o)
	}
	return document(outlookAnswer{Response: outlookResponse{account}})
}
