package oauth

import (
	"net/http"
	"slices"

	"github.com/portreeve/portreeve/internal/token"
)

// Where the endpoints are.
const (
	pathAuthorize  = "/oauth2/authorize"
	pathToken      = "/oauth2/token"
	pathDevice     = "/oauth2/device"
	pathRevoke     = "/oauth2/revoke"
	pathIntrospect = "/oauth2/introspect"
	pathUserinfo   = "/oauth2/userinfo"
	pathLogout     = "/oauth2/logout"
	pathRegister   = "/oauth2/register"
	pathKeys       = "/oauth2/keys"

	pathOpenID   = "/.well-known/openid-configuration"
	pathServer   = "/.well-known/oauth-authorization-server" // RFC 8414
	pathResource = "/.well-known/oauth-protected-resource"   // RFC 9728
	pathMail     = pathResource + token.MailAudience         // of the resource that lies behind the issuer's address

	// Pages of the portal.
	pathConnect    = "/connect"
	pathDevicePage = "/device"
	pathSignOut    = "/signout"
)

// tenants are the paths that programs made for Microsoft put together from a
// host and a tenant, which means nothing here.
var tenants = map[string]string{
	"/{tenant}/oauth2/v2.0/authorize":                 pathAuthorize,
	"/{tenant}/oauth2/v2.0/token":                     pathToken,
	"/{tenant}/oauth2/v2.0/devicecode":                pathDevice,
	"/{tenant}/oauth2/v2.0/logout":                    pathLogout,
	"/{tenant}/discovery/v2.0/keys":                   pathKeys,
	"/{tenant}/oauth2/v2.0/keys":                      pathKeys,
	"/{tenant}/v2.0/.well-known/openid-configuration": pathOpenID,
	"/{tenant}/.well-known/openid-configuration":      pathOpenID,
}

// route is how one endpoint is spoken to.
type route struct {
	path    string
	methods []string
	do      http.Handler
	public  bool // any origin may read it: it says the same to everybody
	form    bool // parameters stand in the body, each once; wrong ones are slowed
	free    bool // not bounded per source by how often it is asked: what is wrong is
	visited bool // people come here in a browser; free to who is signed in
}

var (
	reads = []string{http.MethodGet, http.MethodHead}
	posts = []string{http.MethodPost}
	both  = []string{http.MethodGet, http.MethodHead, http.MethodPost}
)

func (s *Server) list() []route {
	lib := s.library()
	return []route{
		{path: pathAuthorize, methods: both, do: http.HandlerFunc(s.authorize), visited: true},
		{path: pathToken, methods: posts, do: known(lib), form: true, free: true},
		{path: pathDevice, methods: posts, do: lib, form: true},
		{path: pathRevoke, methods: posts, do: lib, form: true, free: true},
		{path: pathIntrospect, methods: posts, do: lib, form: true, free: true},
		{path: pathUserinfo, methods: both, do: http.HandlerFunc(s.userinfo), form: true, free: true},
		{path: pathLogout, methods: both, do: http.HandlerFunc(s.logout), visited: true},
		{path: pathRegister, methods: posts, do: http.HandlerFunc(s.register)},
		{path: pathKeys, methods: reads, do: http.HandlerFunc(s.keys), public: true, free: true},
		{path: pathOpenID, methods: reads, do: document(s.discovery), public: true, free: true},
		{path: pathServer, methods: reads, do: document(s.discovery), public: true, free: true},
		{path: pathResource, methods: reads, do: document(s.resource), public: true, free: true},
		{path: pathMail, methods: reads, do: document(s.mailbox), public: true, free: true},
	}
}

func (s *Server) routes() {
	s.mux, s.bounds = http.NewServeMux(), map[string]route{}
	byPath := map[string]http.Handler{}
	for _, ro := range s.list() {
		byPath[ro.path] = s.around(ro)
		s.mux.Handle(ro.path, byPath[ro.path])
		s.patterns, s.bounds[ro.path] = append(s.patterns, ro.path), ro
	}
	for pattern, path := range tenants {
		s.patterns, s.bounds[pattern] = append(s.patterns, pattern), s.bounds[path]
		do := byPath[path]
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			moved := r.Clone(r.Context())
			moved.URL.Path, moved.URL.RawPath = path, ""
			do.ServeHTTP(w, moved)
		})
	}
}

// Patterns are what the handler answers, as http.ServeMux takes them.
func (s *Server) Patterns() []string { return slices.Sorted(slices.Values(s.patterns)) }

// ServeHTTP answers programs.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Free says of a request that it must not be bounded by how many come from one
// source: a whole office refreshes its tokens from one address. Wrong ones are
// bounded here. Nor is somebody who is signed in kept waiting by a stranger behind
// the same address.
func (s *Server) Free(r *http.Request) bool {
	_, pattern := s.mux.Handler(r)
	ro := s.bounds[pattern]
	if ro.visited && s.Visitor != nil {
		_, known := s.Visitor(r)
		return known
	}
	return ro.free
}
