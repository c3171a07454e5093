package scope

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/protocol"
)

func parse(t *testing.T, asked string) Set {
	t.Helper()
	s, err := Parse(asked)
	if err != nil {
		t.Fatalf("%q: %v", asked, err)
	}
	return s
}

// What programs have built in opens the doors that they go to, and is echoed to the letter.
func TestScopesOfProgramsOpenTheirDoors(t *testing.T) {
	for asked, want := range map[string][]protocol.Protocol{
		"imap pop smtp offline_access": {protocol.IMAP, protocol.POP3, protocol.Submission},
		"https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access": {protocol.IMAP, protocol.POP3, protocol.Submission},
		"https://outlook.office365.com/IMAP.AccessAsUser.All":                                  {protocol.IMAP},
		"urn:ietf:params:oauth:scope:mail urn:ietf:params:oauth:scope:contacts offline_access": {protocol.IMAP, protocol.POP3, protocol.Submission, protocol.Sieve, protocol.CardDAV, protocol.JMAP},
		"https://mail.google.com/": {protocol.IMAP, protocol.POP3, protocol.Submission, protocol.Sieve, protocol.JMAP},
		"openid email profile":     nil,
	} {
		s := parse(t, asked)
		if !slices.Equal(s.Protocols(), want) {
			t.Errorf("%s opens %v, want %v", asked, s.Protocols(), want)
		}
		if s.String() != asked {
			t.Errorf("%q came back as %q", asked, s)
		}
	}
}

func TestUnknownScopesAreLeftOutAndRepeatedOnesTold(t *testing.T) {
	if got := parse(t, "imap  admin imap openid IMAP https://outlook.office.com/Everything").String(); got != "imap openid IMAP" {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{"imap\npop", `im"ap`, `im\ap`, "im\x00ap", "imäp", strings.Repeat("imap ", 500)} {
		if _, err := Parse(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestWithinAndOnlyGoByMeaning(t *testing.T) {
	mail, imap, ms := parse(t, "mail"), parse(t, "imap"), parse(t, "https://outlook.office.com/IMAP.AccessAsUser.All offline_access")
	if !imap.Within(mail) || mail.Within(imap) || ms.Within(mail) || !parse(t, "imap openid").Only(imap).Within(imap) {
		t.Error("Within goes by spelling")
	}
	if got := ms.Only(mail).String(); got != "https://outlook.office.com/IMAP.AccessAsUser.All" {
		t.Errorf("%q", got)
	}
	if got := ms.Only(Set{}); got != ms {
		t.Errorf("an empty limit took something away: %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("openid imap https://outlook.office.com/SMTP.Send")
	f.Fuzz(func(t *testing.T, asked string) {
		s, err := Parse(asked)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || again != s || !s.Within(s) || s.Only(s) != s {
			t.Errorf("%q: %v, %v, %v", asked, s, again, err)
		}
	})
}
