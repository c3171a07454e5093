package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// configuration is PACC's document (draft-ietf-mailmaint-pacc): hosts alone,
// since only TLS from the first byte on the registered port can be told.
type configuration struct {
	Protocols      map[string]textServer `json:"protocols"` // written in the order of their names
	Authentication struct {
		OAuth    *oauthPublic `json:"oauth-public,omitempty"`
		Password bool         `json:"password"`
	} `json:"authentication"`
	Info struct {
		Provider struct {
			Name  string `json:"name"`
			Short string `json:"shortName"`
		} `json:"provider"`
		Help *help `json:"help,omitempty"`
	} `json:"info"`
}

type textServer struct {
	Host string `json:"host"`
}

type oauthPublic struct {
	Issuer string `json:"issuer"`
}

type help struct {
	Documentation string `json:"documentation"`
}

// paccDoors are the protocols that PACC can tell, with the one port that it
// means. Revision 02 calls submission smtp, 03 submit; unknown members are to be
// ignored, so both are told.
var paccDoors = []struct {
	p     protocol.Protocol
	port  uint16
	names []string
}{
	{protocol.IMAP, 993, []string{"imap"}},
	{protocol.POP3, 995, []string{"pop3"}},
	{protocol.Submission, 465, []string{"smtp", "submit"}},
}

// Bounds of the draft, in characters.
const (
	paccName  = 60
	paccShort = 20
)

// PACC is the document, false if nothing that is served can be told by it. A
// digest of its bytes stands in the DNS of every domain: the same Site makes the
// same bytes, for all domains.
func (s *Site) PACC() ([]byte, bool) {
	var c configuration
	c.Protocols = map[string]textServer{}
	for _, x := range paccDoors {
		if d, ok := s.served(x.p, false); ok && d.Port == x.port {
			for _, n := range x.names {
				c.Protocols[n] = textServer{d.Host}
			}
		}
	}
	if len(c.Protocols) == 0 || !s.mail() {
		return nil, false
	}
	if s.OAuth {
		c.Authentication.OAuth = &oauthPublic{s.URL}
	}
	c.Authentication.Password = s.Passwords
	c.Info.Provider.Name, c.Info.Provider.Short = cut(s.title(), paccName), short(s.title())
	if s.Help != "" {
		c.Info.Help = &help{s.Help}
	}
	return jsonDocument(c), true
}

// Digest is the text of the TXT record for PACC's document.
func Digest(document []byte) string {
	sum := sha256.Sum256(document)
	return "v=UAAC1; a=sha256; d=" + base64.StdEncoding.EncodeToString(sum[:])
}

// short is a name where there is little room.
func short(title string) string { return cut(title, paccShort) }

// cut cuts to whole words if there are any, else to characters.
func cut(title string, most int) string {
	title = strings.Join(strings.Fields(title), " ")
	runes := []rune(title)
	if len(runes) <= most {
		return title
	}
	title = string(runes[:most+1])
	if i := strings.LastIndexByte(title, ' '); i > 0 {
		return title[:i]
	}
	return string(runes[:most])
}

// jsonDocument writes JSON that is made of our own types, for people to read too.
func jsonDocument(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("writing %T as JSON: %v", v, err)) // strings, numbers and truth values alone
	}
	return b.Bytes()
}
