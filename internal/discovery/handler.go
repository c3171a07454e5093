package discovery

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options are what the handler needs.
type Options struct {
	// Site is how the site stands now; it is asked for each request.
	Site func() Site
}

// The paths. Autodiscover's are asked for in any case.
const (
	autoconfigWellKnown = "/.well-known/autoconfig/mail/config-v1.1.xml"
	autoconfigPath      = "/mail/config-v1.1.xml"
	customIdPPath       = "/.well-known/autoconfig/mail/oauth2-client.json"
	paccPath            = "/.well-known/user-agent-configuration.json"
	autodiscoverJSON    = "/autodiscover/autodiscover.json"
	autodiscoverV1      = "/autodiscover/autodiscover.json/v1.0/"
	addOnPath           = "/thunderbird.xpi"
	policiesPath        = "/thunderbird-policies.json"
	fairEmailPath       = "/fairemail-providers.xml"
)

// prefixes are the names of ours under people's domains.
var prefixes = []string{"autoconfig.", "autodiscover.", "ua-auto-config."}

const (
	// maxQuery bounds a request's query, in bytes: an address and a few words.
	maxQuery = 2048
	// caching is short, since a document that no longer fits its TXT record
	// counts for nothing.
	caching = "public, max-age=300"
)

const (
	kindXML  = "text/xml; charset=utf-8"
	kindJSON = "application/json"
	kindXPI  = "application/x-xpinstall"
)

// Handler serves the documents.
type Handler struct {
	Options
	pages map[string]page
}

// page answers one path.
type page struct {
	method string
	answer func(s *Site, w http.ResponseWriter, r *http.Request)
}

// New makes the handler.
func New(o Options) *Handler {
	h := &Handler{Options: o}
	h.pages = map[string]page{
		autoconfigWellKnown: {http.MethodGet, autoconfig},
		autoconfigPath:      {http.MethodGet, autoconfig},
		customIdPPath:       {http.MethodGet, plain(kindJSON, func(s *Site, _ *http.Request) ([]byte, bool) { return s.CustomProviders() })},
		paccPath:            {http.MethodGet, pacc},
		autodiscoverXML:     {http.MethodPost, autodiscover},
		autodiscoverJSON:    {http.MethodGet, autodiscoverAny},
		addOnPath:           {http.MethodGet, addOn},
		policiesPath:        {http.MethodGet, plain(kindJSON, func(s *Site, r *http.Request) ([]byte, bool) { return s.Policies(inBrowser(r)) })},
		fairEmailPath:       {http.MethodGet, fairEmail},
	}
	return h
}

// Before serves the documents, and lets next answer all else: but not under the
// names of ours in people's domains, where there is nothing else.
func (h *Handler) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Serves(r) {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Serves says that a request is for discovery to answer.
func (h *Handler) Serves(r *http.Request) bool {
	_, ok := h.page(r.URL.Path)
	return ok || h.only(r)
}

// ServeHTTP answers 404 for what is no document of ours.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := h.page(r.URL.Path)
	switch {
	case !ok:
		absent(w)
		return
	case r.Method != p.method && !(p.method == http.MethodGet && r.Method == http.MethodHead):
		w.Header().Set("Allow", strings.Replace(p.method, "GET", "GET, HEAD", 1))
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	case len(r.URL.RawQuery) > maxQuery:
		http.Error(w, "the query is too long", http.StatusRequestURITooLong)
		return
	}
	s := h.Site()
	p.answer(&s, w, r)
}

// page finds what answers a path.
func (h *Handler) page(path string) (page, bool) {
	switch {
	case len(path) > len(autodiscoverV1) && strings.EqualFold(path[:len(autodiscoverV1)], autodiscoverV1), strings.EqualFold(path, autodiscoverJSON):
		path = autodiscoverJSON
	case strings.EqualFold(path, autodiscoverXML):
		path = autodiscoverXML
	}
	p, ok := h.pages[path]
	return p, ok
}

// only says that a request came to a name that is for discovery alone.
func (h *Handler) only(r *http.Request) bool {
	host := hostOf(r)
	for _, prefix := range prefixes {
		if under, ok := strings.CutPrefix(host, prefix); ok {
			s := h.Site()
			_, ours := s.domain(under)
			return ours && host != s.host()
		}
	}
	return false
}

// hostOf is the name that a request was sent to, without a port.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func absent(w http.ResponseWriter) { http.Error(w, "there is nothing here", http.StatusNotFound) }

func give(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Cache-Control", caching)
	tell(w, http.StatusOK, kind, body)
}

func tell(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a write error is the client's going away
}

// plain serves a document that hangs on nothing, or on the query.
func plain(kind string, make func(*Site, *http.Request) ([]byte, bool)) func(*Site, http.ResponseWriter, *http.Request) {
	return func(s *Site, w http.ResponseWriter, r *http.Request) {
		body, ok := make(s, r)
		if !ok {
			absent(w)
			return
		}
		give(w, kind, body)
	}
}

// autoconfig takes the domain from the address, else from the name asked.
func autoconfig(s *Site, w http.ResponseWriter, r *http.Request) {
	domain, ok := s.ofHost(hostOf(r), "autoconfig.")
	if q := r.URL.Query(); q.Has("emailaddress") {
		domain, ok = s.ofAddress(q.Get("emailaddress"))
	} else if !ok {
		domain, ok = s.atHome(r)
	}
	var body []byte
	if ok {
		body, ok = s.Autoconfig(domain)
	}
	if !ok {
		absent(w)
		return
	}
	give(w, kindXML, body)
}

// atHome is the default domain for who asks under our own name.
func (s *Site) atHome(r *http.Request) (string, bool) {
	if len(s.Domains) == 0 || hostOf(r) != s.host() {
		return "", false
	}
	return s.Domains[0], true
}

// pacc answers for any name but one under a domain that is not ours; with an
// ETag, since programs ask again to see whether it is the same.
func pacc(s *Site, w http.ResponseWriter, r *http.Request) {
	if under, ok := strings.CutPrefix(hostOf(r), "ua-auto-config."); ok {
		if _, ours := s.domain(under); !ours {
			absent(w)
			return
		}
	}
	body, ok := s.PACC()
	if !ok {
		absent(w)
		return
	}
	_, digest, _ := strings.Cut(Digest(body), "d=")
	tag := `"` + digest + `"`
	w.Header().Set("ETag", tag)
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.Header().Set("Cache-Control", caching)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	give(w, kindJSON, body)
}

// matches compares weakly (RFC 9110, section 13.1.2).
func matches(header, tag string) bool {
	tags := strings.Split(header, ",")
	return slices.ContainsFunc(tags, func(t string) bool {
		t = strings.TrimSpace(t)
		return t == "*" || strings.TrimPrefix(t, "W/") == tag
	})
}

// autodiscover answers in Autodiscover's own words, whatever is asked.
func autodiscover(s *Site, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	tell(w, http.StatusOK, kindXML, s.Autodiscover(r.Body, time.Now()))
}

// autodiscoverAny takes the address from the path or the query.
func autodiscoverAny(s *Site, w http.ResponseWriter, r *http.Request) {
	address, protocol := of(r.URL.Query(), "Email"), of(r.URL.Query(), "Protocol")
	if len(r.URL.Path) > len(autodiscoverV1) {
		address = r.URL.Path[len(autodiscoverV1):]
	}
	status, body := s.AutodiscoverJSON(address, protocol)
	w.Header().Set("Cache-Control", "no-store")
	tell(w, status, kindJSON, body)
}

// of is a parameter whose name is taken in any case.
func of(q url.Values, name string) string {
	for n := range q {
		if strings.EqualFold(n, name) {
			return q.Get(n)
		}
	}
	return ""
}

func inBrowser(r *http.Request) bool { return r.URL.Query().Get("browser") == systemBrowser }

func addOn(s *Site, w http.ResponseWriter, r *http.Request) {
	body, ok := s.AddOn(inBrowser(r))
	if !ok {
		absent(w)
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="thunderbird.xpi"`)
	give(w, kindXPI, body)
}

// fairEmail is for the domain asked for, else the default one: nobody needs a
// list of all.
func fairEmail(s *Site, w http.ResponseWriter, r *http.Request) {
	domain, ok := "", len(s.Domains) > 0
	if q := r.URL.Query(); q.Has("domain") {
		domain, ok = s.domain(q.Get("domain"))
	} else if ok {
		domain = s.Domains[0]
	}
	var body []byte
	if ok {
		body, ok = s.FairEmail(domain)
	}
	if !ok {
		absent(w)
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="providers.xml"`)
	give(w, kindXML, body)
}
