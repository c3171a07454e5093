package discovery

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// Record is one DNS record of a domain.
type Record struct {
	Name string `json:"name"` // with the domain, without a dot behind
	Type string `json:"type"`
	// Data is as a zone file has it, with dots behind names.
	Data string `json:"data"`
	// Zone is the whole line of a zone file.
	Zone    string `json:"zone"`
	Purpose string `json:"purpose"`
	// None says that the service is not offered; without the record programs
	// may look for it under names of their own.
	None bool `json:"notOffered,omitempty"`
}

// recordTTL is in seconds; whoever moves to another server waits as long.
const recordTTL = 3600

// nowhere is an SRV record's way to say that a service is not offered (RFC 2782;
// RFC 6186, section 3.4).
const nowhere = "0 0 0 ."

// srvNames are the services of RFC 6186, 8314 and 5804, section 1.8.
var srvNames = []struct {
	service  string
	p        protocol.Protocol
	startTLS bool
}{
	{"_imaps._tcp", protocol.IMAP, false},
	{"_imap._tcp", protocol.IMAP, true},
	{"_pop3s._tcp", protocol.POP3, false},
	{"_pop3._tcp", protocol.POP3, true},
	{"_submissions._tcp", protocol.Submission, false},
	{"_submission._tcp", protocol.Submission, true},
	{"_sieve._tcp", protocol.Sieve, true},
}

// Records are the DNS records of a domain of ours, the same for the same Site.
func (s *Site) Records(domain string) []Record {
	var all []Record
	add := func(under, kind, data, purpose string) {
		n := under + "." + domain
		all = append(all, Record{Name: n, Type: kind, Data: data, Zone: fmt.Sprintf("%s. %d IN %s %s", n, recordTTL, kind, data), Purpose: purpose, None: data == nowhere})
	}
	for _, x := range srvNames {
		label := x.p.Row().Label
		way := "with TLS from the first byte"
		if x.startTLS {
			way = "with STARTTLS"
		}
		d, ok := s.served(x.p, x.startTLS)
		if _, err := netip.ParseAddr(d.Host); err == nil { // an SRV record leads to a name
			continue
		}
		if ok {
			add(x.service, "SRV", fmt.Sprintf("0 1 %d %s", d.Port, rooted(d.Host)), "Where programs that look for SRV records find "+label+" "+way+".")
		} else {
			add(x.service, "SRV", nowhere, "Says that there is no "+label+" "+way+", so that programs do not guess.")
		}
	}
	port, ok := s.https()
	if !ok || !s.mail() {
		return all
	}
	host := rooted(s.host())
	alias := func(under, purpose string) {
		if port == 443 && under+"."+domain != s.host() { // these names are asked for at 443 alone
			add(under, "CNAME", host, purpose+" Our certificate must hold the name.")
		}
	}
	alias("autoconfig", "Where Thunderbird and others ask for autoconfig.")
	alias("autodiscover", "Where Outlook asks for Autodiscover.")
	add("_autodiscover._tcp", "SRV", fmt.Sprintf("0 1 %d %s", port, host), "Where Outlook finds Autodiscover if autodiscover."+domain+" does not answer.")
	if doc, ok := s.PACC(); ok && port == 443 {
		alias("ua-auto-config", "Where programs that know PACC ask for their configuration.")
		add("_ua-auto-config", "TXT", `"`+Digest(doc)+`"`, "Vouches for PACC's document; it changes whenever that does.")
	}
	return all
}

func rooted(host string) string { return strings.TrimSuffix(host, ".") + "." }

// Zone are records as a piece of a zone file.
func Zone(records []Record) string {
	var b strings.Builder
	for _, r := range records {
		b.WriteString(r.Zone + "\n")
	}
	return b.String()
}

// Document is an address where something is published for a domain.
type Document struct {
	URL     string `json:"url"`
	Purpose string `json:"purpose"`
}

// Documents are the addresses below our own name; under the domain's the first
// ones are reached by its records.
func (s *Site) Documents(domain string) []Document {
	all := []Document{}
	add := func(there bool, path, purpose string) {
		if there {
			all = append(all, Document{s.URL + path, purpose})
		}
	}
	_, fair := s.FairEmail(domain)
	_, pacc := s.PACC()
	issuer := s.mail() && s.OAuth
	add(s.mail(), autoconfigWellKnown+"?emailaddress=somebody@"+domain, "Autoconfig, for Thunderbird, Evolution, KMail and others.")
	add(pacc, paccPath, "PACC, for programs to come.")
	add(s.mail(), autodiscoverXML, "Autodiscover, for Outlook.")
	add(issuer, addOnPath, "The add-on with which Thunderbird signs in here; with ?browser=system in the person's own browser.")
	add(issuer, policiesPath, "A policies.json for Thunderbird that installs the add-on.")
	add(issuer, customIdPPath, "The same for the add-on \"Thunderbird Custom IdP\".")
	add(s.mail() && s.Passwords, "/", "The portal: app passwords, and profiles that set up iPhone, iPad and Mac.")
	add(fair, fairEmailPath+"?domain="+domain, "Providers to import into FairEmail.")
	return all
}
