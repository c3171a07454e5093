package discovery

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

var update = flag.Bool("update", false, "write testdata anew")

// whole is a site with all there is; its name would break a careless document.
func whole() Site {
	return Site{URL: "https://door.example.org", Name: `Müller & Söhne <Post> "a" und ein sehr, sehr langer Name für Programme`, Domains: []string{"example.org", "xn--bcher-kva.example"},
		Servers: []Server{{protocol.Submission, "mail.example.org", 587, true}, {protocol.IMAP, "mail.example.org", 993, false}, {protocol.IMAP, "mail.example.org", 143, true},
			{protocol.POP3, "pop.other.test", 995, false}, {protocol.Submission, "mail.example.org", 465, false}, {protocol.Sieve, "mail.example.org", 4190, true}},
		OAuth: true, Passwords: true, Help: "https://help.example.org/?a=1&b=2", CA: "/etc/ssl/our-ca.pem"}
}

// small is a site without an issuer, with STARTTLS on odd ports.
func small() Site {
	return Site{URL: "https://door.example.net:8443", Domains: []string{"example.net"}, Passwords: true,
		Servers: []Server{{protocol.IMAP, "door.example.net", 1143, true}, {protocol.Submission, "door.example.net", 1587, true}}}
}

// modern is a site whose people have no passwords for programs.
func modern() Site {
	s := whole()
	s.Passwords, s.Help, s.CA, s.Name = false, "", "", "Example"
	return s
}

var sites = map[string]func() Site{"whole": whole, "small": small, "modern": modern}

const outlookRequest = `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>%s</EMailAddress>
    <AcceptableResponseSchema>%s</AcceptableResponseSchema>
  </Request>
</Autodiscover>`

func request(address, schema string) io.Reader {
	return strings.NewReader(fmt.Sprintf(outlookRequest, address, schema))
}

func TestDocuments(t *testing.T) {
	for name, site := range sites {
		s := site()
		domain := s.Domains[0]
		for file, make := range map[string]func() ([]byte, bool){
			"config-v1.1.xml":               func() ([]byte, bool) { return s.Autoconfig(domain) },
			"user-agent-configuration.json": s.PACC,
			"autodiscover.xml": func() ([]byte, bool) {
				return s.Autodiscover(request("mary&amp;@"+domain, outlookSchema), time.Time{}), true
			},
			"autodiscover.json": func() ([]byte, bool) { _, b := s.AutodiscoverJSON("mary@"+domain, "autodiscoverv1"); return b, true },
			"manifest.json": func() ([]byte, bool) {
				b, ok := s.AddOn(name == "modern")
				return unzipped(t, b), ok
			},
			"policies.json":       func() ([]byte, bool) { return s.Policies(name == "modern") },
			"oauth2-client.json":  s.CustomProviders,
			"providers.xml":       func() ([]byte, bool) { return s.FairEmail(domain) },
			"zone":                func() ([]byte, bool) { return []byte(Zone(s.Records(domain))), true },
			"zone-of-another.txt": func() ([]byte, bool) { return []byte(Zone(s.Records(s.Domains[len(s.Domains)-1]))), true },
		} {
			got, ok := make()
			path := filepath.Join("testdata", name, file)
			if !ok {
				got = nil
			}
			if *update {
				keep(t, path, got)
				continue
			}
			want, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is\n%s\nnot\n%s", path, got, want)
			}
			if again, _ := make(); ok && !bytes.Equal(again, got) {
				t.Errorf("%s is another the second time", path)
			}
			if ok {
				parses(t, path, got)
			}
		}
	}
}

func keep(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if content == nil {
		_ = os.Remove(path)
	} else if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func parses(t *testing.T, path string, content []byte) {
	t.Helper()
	switch filepath.Ext(path) {
	case ".json":
		if !json.Valid(content) {
			t.Errorf("%s is no JSON", path)
		}
	case ".xml":
		d := xml.NewDecoder(bytes.NewReader(content))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s is no XML: %v", path, err)
				break
			}
		}
	}
}

func unzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	if content == nil {
		return nil
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil || len(z.File) != 1 || z.File[0].Name != "manifest.json" {
		t.Fatalf("the add-on is not one manifest: %v %v", err, z)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTheDigestIsOfTheBytes is the draft's rule by hand, and holds the bytes
// still: a change here is a change to every domain's DNS.
func TestTheDigestIsOfTheBytes(t *testing.T) {
	s := modern()
	doc, ok := s.PACC()
	if !ok || Digest(doc) != "v=UAAC1; a=sha256; d=fjizeDDofX2pZdG7pC/A/99Q1kMHNdQ25/BcSc9e46Y=" {
		t.Errorf("the digest is %q", Digest(doc))
	}
	if got := Digest(nil); got != "v=UAAC1; a=sha256; d=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" { // SHA-256 of nothing, as everybody knows it
		t.Errorf("the digest of nothing is %q", got)
	}
}

func TestNothingIsToldWhereThereIsNothing(t *testing.T) {
	for name, s := range map[string]Site{"nothing": {}, "no way to sign in": {URL: "https://door.example.org", Domains: []string{"example.org"}, Servers: whole().Servers},
		"nothing to read with": {URL: "https://door.example.org", Domains: []string{"example.org"}, OAuth: true, Servers: []Server{{protocol.Submission, "mail.example.org", 465, false}}}} {
		for what, make := range map[string]func() ([]byte, bool){"autoconfig": func() ([]byte, bool) { return s.Autoconfig("example.org") }, "PACC": s.PACC, "add-on": func() ([]byte, bool) { return s.AddOn(false) },
			"policies": func() ([]byte, bool) { return s.Policies(false) }, "custom providers": s.CustomProviders, "FairEmail": func() ([]byte, bool) { return s.FairEmail("example.org") }} {
			if b, ok := make(); ok {
				t.Errorf("%s: %s is %s", name, what, b)
			}
		}
	}
}

func TestNamesAreCutToWords(t *testing.T) {
	for in, want := range map[string]string{"Example": "Example", "  Example \n GmbH ": "Example GmbH", "Example University of Applied Sciences": "Example University",
		"Donaudampfschifffahrtsgesellschaft": "Donaudampfschifffahr", "ÄÖÜäöüßÄÖÜäöüßÄÖÜäöüß": "ÄÖÜäöüßÄÖÜäöüßÄÖÜäöü", "exactly twenty chars": "exactly twenty chars"} {
		if got := short(in); got != want {
			t.Errorf("%q is cut to %q, not %q", in, got, want)
		}
	}
}

func TestRecordsLeadOnlyWhereSomethingIs(t *testing.T) {
	s := whole()
	s.URL = "https://autoconfig.example.org"
	for _, r := range s.Records("example.org") {
		if r.Type == "CNAME" && r.Name+"." == r.Data {
			t.Errorf("%s leads to itself", r.Name)
		}
	}
	for i := range s.Servers {
		s.Servers[i].Host = "192.0.2.1"
	}
	for _, r := range s.Records("example.org") {
		if strings.Contains(r.Data, "192.0.2.1") {
			t.Errorf("%s leads to an address", r.Zone)
		}
	}
	s = whole()
	for _, url := range []string{"http://localhost:8080", "https://192.0.2.1", "https://[2001:db8::1]", "", "https://door.example.org:notaport"} {
		s.URL = url
		for _, r := range s.Records("example.org") {
			if r.Type != "SRV" || strings.HasPrefix(r.Name, "_autodiscover") {
				t.Errorf("with %q there is %s", url, r.Zone)
			}
		}
	}
}

func TestAutodiscoverRefusesInItsOwnWords(t *testing.T) {
	s := whole()
	at := time.Date(2026, 11, 22, 13, 14, 15, 160_000_000, time.UTC)
	deep := strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth)
	for name, c := range map[string]struct {
		body string
		code int
	}{
		"unknown domain":     {fmt.Sprintf(outlookRequest, "mary@example.com", outlookSchema), 500},
		"no domain":          {fmt.Sprintf(outlookRequest, "mary", outlookSchema), 500},
		"long address":       {fmt.Sprintf(outlookRequest, strings.Repeat("a", 310)+"@example.org", outlookSchema), 500},
		"ActiveSync":         {fmt.Sprintf(outlookRequest, "mary@example.org", "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"), 601},
		"no schema":          {fmt.Sprintf(outlookRequest, "mary@example.org", ""), 600},
		"no address":         {fmt.Sprintf(outlookRequest, "", outlookSchema), 600},
		"two addresses":      {fmt.Sprintf(outlookRequest, "mary@example.org</EMailAddress><EMailAddress>joe@example.org", outlookSchema), 600},
		"empty":              {"", 600},
		"JSON":               {`{"a":1}`, 600},
		"half":               {"<Autodiscover><Request>", 600},
		"two roots":          {fmt.Sprintf(outlookRequest, "mary@example.org", outlookSchema) + "<Autodiscover/>", 600},
		"another root":       {"<autodiscover/>", 600},
		"document type":      {`<!DOCTYPE a [<!ENTITY b "c">]>` + fmt.Sprintf(outlookRequest[39:], "mary@example.org", outlookSchema), 600},
		"entity":             {fmt.Sprintf(outlookRequest, "&b;mary@example.org", outlookSchema), 600},
		"stylesheet":         {`<?xml-stylesheet href="a"?>` + fmt.Sprintf(outlookRequest[39:], "mary@example.org", outlookSchema), 600},
		"another encoding":   {strings.Replace(fmt.Sprintf(outlookRequest, "mary@example.org", outlookSchema), "utf-8", "utf-7", 1), 600},
		"deep":               {"<Autodiscover>" + deep + "</Autodiscover>", 600},
		"long text":          {fmt.Sprintf(outlookRequest, strings.Repeat("a", maxText+1)+"@example.org", outlookSchema), 600},
		"large":              {fmt.Sprintf(outlookRequest, "mary@example.org", outlookSchema) + strings.Repeat(" ", maxAutodiscover), 600},
		"not UTF-8":          {fmt.Sprintf(outlookRequest, "mary\xff@example.org", outlookSchema), 600},
		"unclosed attribute": {`<Autodiscover a="`, 600},
	} {
		got := string(s.Autodiscover(strings.NewReader(c.body), at))
		if !strings.Contains(got, fmt.Sprintf("<ErrorCode>%d</ErrorCode>", c.code)) || !strings.Contains(got, `Time="13:14:15.1600000"`) {
			t.Errorf("%s: not %d but\n%s", name, c.code, got)
		}
	}
	// Byte order mark, CDATA and comments are XML.
	for _, body := range []string{"\ufeff" + fmt.Sprintf(outlookRequest, "mary@example.org", outlookSchema), fmt.Sprintf(outlookRequest, "<![CDATA[mary@example.org]]><!-- it is she -->", outlookSchema)} {
		if got := string(s.Autodiscover(strings.NewReader(body), at)); !strings.Contains(got, "<LoginName>mary@example.org</LoginName>") {
			t.Errorf("%q is refused:\n%s", body, got)
		}
	}
}

func FuzzAutodiscover(f *testing.F) {
	f.Add(fmt.Sprintf(outlookRequest, "mary@example.org", outlookSchema))
	f.Add(`<!DOCTYPE a [<!ENTITY b "c">]><Autodiscover>&b;</Autodiscover>`)
	f.Add("\ufeff<Autodiscover><Request><EMailAddress><![CDATA[a]]></EMailAddress></Request></Autodiscover>")
	s := whole()
	f.Fuzz(func(t *testing.T, body string) {
		a, err := readAutodiscover(strings.NewReader(body))
		if err == nil && (len(a.address) > maxText || len(a.schema) > maxText || len(body) > maxAutodiscover || strings.Contains(body, "<!DOCTYPE") && !strings.Contains(body, "<!--") && !strings.Contains(body, "CDATA")) {
			t.Errorf("%q is taken for %+v", body, a)
		}
		parses(t, "answer.xml", s.Autodiscover(strings.NewReader(body), time.Time{}))
	})
}
