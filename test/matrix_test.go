package test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// exchangeName is a protocol's name in the switches of Exchange.
var exchangeName = map[string]string{"imap": "Imap", "pop3": "Pop", "submission": "Smtp", "sieve": "Sieve"}

// Objects that refuse, at the shared site. Whoever they shall hold for is put
// into the group or given the authentication policy.
const (
	blockedGroup   = "no passwords by policy"
	noPasswords    = "no-passwords"
	noTokens       = "no-tokens"
	blockPasswords = `{"displayName": "Block passwords", "state": "enabled",
  "conditions": {"users": {"includeGroups": ["` + blockedGroup + `"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["other"]},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`
)

// furnish makes them.
func (s *site) furnish(t testing.TB) {
	t.Helper()
	s.do(t, "group", "add", blockedGroup)
	var basic, modern []string
	for _, name := range exchangeName {
		basic = append(basic, "AllowBasicAuth"+name+"=false")
		modern = append(modern, "AllowBasicAuth"+name+"=true", "BlockModernAuth"+name+"=true")
	}
	s.do(t, append([]string{"authpolicy", "add", noPasswords}, basic...)...)
	s.do(t, append([]string{"authpolicy", "add", noTokens}, modern...)...)
	if out, err := s.feed(blockPasswords, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
}

// Every protocol, each with every program that speaks it, against the real
// backend: {password allowed, refused by a switch, refused by an authentication
// policy, refused by conditional access, token allowed, token refused}. The
// refusal is read from what the program prints, and each sign-in is found in the
// log under the reference that the program was told.
//
// A particular reason is told only where this person has signed in before, which
// the first sign-in of each case sees to.
func TestEveryProgram(t *testing.T) {
	t.Parallel()
	s := shared()
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := &matrixCase{t: t, site: s, program: p, person: newPerson(t)}
			s.deliver(t, c.person, "first")
			c.allowed("password allowed", c.password())

			s.do(t, "mailbox", "set", c.person, "--"+p.protocol, "off")
			c.refused("refused by a switch", c.password(), "PR1001", "PR1001")
			s.do(t, "mailbox", "set", c.person, "--"+p.protocol, "inherit")

			s.do(t, "authpolicy", "assign", noPasswords, "--user", c.person)
			c.refused("refused by an authentication policy", c.password(), "PR1002", "PR1002")
			s.do(t, "authpolicy", "assign", "--none", "--user", c.person)

			s.do(t, "group", "add-member", blockedGroup, c.person)
			c.refused("refused by conditional access", c.password(), "PR53003", "PR53003")
			if p.token != "" {
				c.allowed("token allowed", c.token(s.issuer.token(t, c.person)))
			}
			s.do(t, "group", "remove-member", blockedGroup, c.person)
			if p.token != "" {
				c.refused("token expired", c.token(s.issuer.expired(t, c.person)), "PR1020", "PR50126")
				s.do(t, "authpolicy", "assign", noTokens, "--user", c.person)
				c.refused("token refused by an authentication policy", c.token(s.issuer.token(t, c.person)), "PR1003", "PR1003")
				s.do(t, "authpolicy", "assign", "--none", "--user", c.person)
			}
			c.allowed("password allowed again", c.password())
		})
	}
}

// matrixCase is one program's way through the matrix.
type matrixCase struct {
	t       *testing.T
	site    *site
	program program
	person  string
}

func (c *matrixCase) password() login { return login{person: c.person, secret: password} }

func (c *matrixCase) token(s string) login {
	return login{person: c.person, secret: c.site.use(s), token: true}
}

func (c *matrixCase) allowed(what string, l login) {
	c.t.Helper()
	printed, in := c.program.run(c.t, c.site.door, l)
	if !in {
		c.t.Errorf("%s: not let in; it printed:\n%s", what, printed)
		return
	}
	c.compare(what, c.site.signIn(c.t, c.person, "PR0"), l)
}

// reference is how one is told: behind /r/, or behind Ref.
var reference = regexp.MustCompile(`(?:/r/|Ref )([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})`)

func (c *matrixCase) refused(what string, l login, code, told string) {
	c.t.Helper()
	printed, in := c.program.run(c.t, c.site.door, l)
	if in {
		c.t.Errorf("%s: let in; it printed:\n%s", what, printed)
	}
	e := c.site.signIn(c.t, c.person, code)
	c.compare(what, e, l)
	if c.program.silent || c.program.deaf && l.token {
		if strings.HasPrefix(c.program.name, "curl") && !strings.Contains(printed, "(67)") {
			c.t.Errorf("%s: curl printed %q, and not that the login was denied (67)", what, printed)
		}
		return
	}
	if got := codeIn(printed); got != told {
		c.t.Errorf("%s: it was told %q, want %s; it printed:\n%s", what, got, told, printed)
	}
	ref := reference.FindStringSubmatch(printed)
	if ref == nil {
		c.t.Errorf("%s: no reference in what it printed:\n%s", what, printed)
		return
	}
	if story := c.site.do(c.t, "signins", "show", ref[1]); !strings.Contains(story, code) || !strings.Contains(story, c.person) {
		c.t.Errorf("%s: `signins show %s` does not tell of %s and %s:\n%s", what, ref[1], code, c.person, story)
	}
}

// compare holds what the log says against what was done.
func (c *matrixCase) compare(what string, e signIn, l login) {
	c.t.Helper()
	kind := "password"
	if l.token {
		kind = "bearer"
	}
	got := fmt.Sprint(e.Portreeve.Protocol, e.Portreeve.Credential, e.Portreeve.Program.Family)
	if want := fmt.Sprint(c.program.protocol, kind, c.program.family); got != want {
		c.t.Errorf("%s: the log says %s, want %s (%+v)", what, got, want, e.Portreeve)
	}
	if l.token && e.Portreeve.Mechanism != c.program.token {
		c.t.Errorf("%s: by %s, want %s", what, e.Portreeve.Mechanism, c.program.token)
	}
}
