package oauth

import (
	"net/url"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/token"
)

// Bounds of what a program says that a token is for.
const (
	maxResources = 10
	maxResource  = 300 // bytes of each
)

// mailSchemes are those of the services that a token can be for.
var mailSchemes = []string{"imap", "imaps", "pop", "pop3", "pop3s", "smtp", "smtps", "submission", "submissions", "sieve"}

// resources reads what a program says that the token is for (RFC 8707): the
// issuer, the mailbox, or one of our mail servers by name.
func (s *Server) resources(q *grant.Request, _ *client.Client, form url.Values) *oidc.Error {
	list, fault := s.named(form)
	q.Resource = list
	return fault
}

func (s *Server) named(form url.Values) ([]string, *oidc.Error) {
	list := form["resource"]
	if len(list) > maxResources {
		return nil, refuse(invalidTarget, "That is too much for one token.")
	}
	for _, name := range list {
		if !s.ours(name) {
			return nil, refuse(invalidTarget, "There is no such resource here.")
		}
	}
	return list, nil
}

// ours says that a resource is one that our tokens are for.
func (s *Server) ours(name string) bool {
	if len(name) > maxResource {
		return false
	}
	if to := strings.TrimSuffix(name, "/"); to == s.Issuer || to == s.Issuer+token.MailAudience {
		return true
	}
	u, err := url.Parse(name)
	if err != nil || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(name, "#") || strings.Trim(u.Path, "/") != "" {
		return false
	}
	return slices.Contains(mailSchemes, u.Scheme) && slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.EqualFold(h, u.Hostname()) })
}
