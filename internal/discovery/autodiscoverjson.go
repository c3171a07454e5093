package discovery

import (
	"net/http"
	"strings"
)

// autodiscoverXML is where Autodiscover's first version is asked.
const autodiscoverXML = "/autodiscover/autodiscover.xml"

// supported is the one protocol that Autodiscover's second version can be told
// of here: it knows ActiveSync, Exchange's web services and their kin, none of
// which is behind us, and has no word for IMAP and SMTP but where the first
// version is asked.
const supported = "AutodiscoverV1"

type autodiscoverURL struct {
	Protocol string
	URL      string `json:"Url"`
}

type autodiscoverRefusal struct {
	ErrorCode    string
	ErrorMessage string
}

// AutodiscoverJSON answers Autodiscover's second version.
func (s *Site) AutodiscoverJSON(address, protocol string) (status int, body []byte) {
	refuse := func(status int, code, message string) (int, []byte) {
		return status, jsonDocument(autodiscoverRefusal{code, message})
	}
	switch {
	case protocol == "":
		return refuse(http.StatusBadRequest, "MandatoryParameterMissing", "A valid value must be provided for the query parameter 'Protocol'")
	case address == "":
		return refuse(http.StatusBadRequest, "MandatoryParameterMissing", "A valid smtp address must be provided")
	case !strings.EqualFold(protocol, supported):
		return refuse(http.StatusBadRequest, "InvalidProtocol", "The given protocol value '"+wordOf(protocol)+"' is invalid. Supported values are '"+supported+"'")
	}
	if _, ok := s.ofAddress(address); !ok || !s.mail() {
		return refuse(http.StatusNotFound, "UserNotFound", "The given user is not found")
	}
	return http.StatusOK, jsonDocument(autodiscoverURL{supported, s.URL + autodiscoverXML})
}

// maxWord bounds what is repeated of a request, in bytes.
const maxWord = 32

// wordOf is what may be repeated of a protocol's name.
func wordOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), maxWord)]
}
