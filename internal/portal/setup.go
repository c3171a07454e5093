package portal

import (
	"net/http"
	"strconv"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/web"
)

// field is a line of a program's form.
type field struct{ Label, Value string }

// fields are what a program is set up with.
func (c *call) fields() []field {
	list := []field{{c.page.T("setup.user"), c.visit.address()}}
	for _, s := range []struct {
		name string
		apppassword.Server
	}{{"imap", c.Mail.IMAP}, {"pop3", c.Mail.POP3}, {"submission", c.Mail.Submission}, {"sieve", c.Mail.Sieve}} {
		if s.Host != "" {
			list = append(list, field{c.page.T("setup.server." + s.name), door(s.Server) + " · " + c.page.T("setup.tls."+strconv.FormatBool(s.STARTTLS))})
		}
	}
	return list
}

func door(s apppassword.Server) string { return s.Host + " : " + strconv.Itoa(int(s.Port)) }

// guided are the programs that there are steps for, in the order shown.
var guided = []string{"thunderbird", "outlook", "apple-mail", "android", "other"}

type setupPage struct {
	web.Page
	Fields []field
	Guides []guide
	Apple  bool
}

type guide struct {
	Name  string
	Steps []string
	Apple bool
}

// setupPage tells how to set up a program, with this server's names.
func (c *call) setupPage() {
	d := setupPage{Page: c.framed("setup"), Fields: c.fields(), Apple: c.apple()}
	for _, name := range guided {
		g := guide{Name: c.page.T("guide." + name), Apple: d.Apple && name == "apple-mail"}
		for i := 1; c.page.Has("guide." + name + "." + strconv.Itoa(i)); i++ {
			g.Steps = append(g.Steps, c.page.T("guide."+name+"."+strconv.Itoa(i), c.visit.address(), door(c.Mail.IMAP), door(c.Mail.Submission)))
		}
		d.Guides = append(d.Guides, g)
	}
	c.show(http.StatusOK, "setup", d)
}
