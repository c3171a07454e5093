package directory

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/store"
)

// adOptions are those of Active Directory.
func adOptions(t testing.TB, s *store.Store, d *mailtest.Samba) LDAPOptions {
	o := ldapOptions(t, s, &mailtest.Slapd{TLSURL: d.TLSURL, Authority: d.Authority})
	o.AD, o.ServerName, o.BindDN, o.BindPassword = true, mailtest.SambaName, "portreeve@corp.example.org", func() string { return readerWord }
	o.Base, o.GroupBase = mailtest.SambaBase, mailtest.SambaBase
	o.Filter, o.GroupFilter = "(&(objectCategory=person)(objectClass=user)(mail=*))", "(objectClass=group)"
	o.Address, o.Aliases, o.Login = []string{"mail", "proxyAddresses", "userPrincipalName"}, []string{"proxyAddresses", "userPrincipalName"}, []string{"sAMAccountName"}
	o.DisplayName, o.Changed, o.Disabled = "displayName", []string{"pwdLastSet"}, nil
	o.Domains = []string{"example.org", "example.net"}
	return o
}

const readerWord = "Reads.All.1"

const (
	adEnabled  = 512 // NORMAL_ACCOUNT
	adDisabled = 514
	adNoWord   = 544 // PASSWD_NOTREQD
)

func adDN(account string) string { return "CN=" + account + ",OU=staff," + mailtest.SambaBase }

// adLDIF is the suite's people as a domain has them.
func adLDIF(people []seed) string {
	var b strings.Builder
	b.WriteString("dn: " + mailtest.SambaBase + "\nchangetype: modify\nreplace: minPwdLength\nminPwdLength: 0\n-\nreplace: pwdProperties\npwdProperties: 0\n-\nreplace: lockoutThreshold\nlockoutThreshold: 5\n-\nreplace: minPwdAge\nminPwdAge: 0\n\n")
	b.WriteString("dn: OU=staff," + mailtest.SambaBase + "\nchangetype: add\nobjectClass: organizationalUnit\n\n")
	b.WriteString("dn: CN=portreeve,CN=Users," + mailtest.SambaBase + "\nchangetype: add\nobjectClass: user\nsAMAccountName: portreeve\nuserPrincipalName: portreeve@corp.example.org\nuserAccountControl: 512\n" + mailtest.SambaPassword(readerWord) + "\n")
	members := map[string][]string{}
	for _, p := range people {
		account, _, _ := strings.Cut(p.Address, "@")
		fmt.Fprintf(&b, "dn: %s\nchangetype: add\nobjectClass: user\nsAMAccountName: %s\nuserPrincipalName: %s@corp.example.org\nmail: %s\nproxyAddresses: SMTP:%s\nproxyAddresses: X400:c=US;a= ;p=x\n", adDN(account), account, account, p.Address, p.Address)
		if p.Name != "" {
			b.WriteString("displayName: " + p.Name + "\n")
		}
		for _, a := range p.Aliases {
			b.WriteString("proxyAddresses: smtp:" + a + "\n")
		}
		control := adEnabled
		switch {
		case p.Password == "":
			control = adNoWord
		case p.Disabled:
			control = adDisabled
		}
		if p.Password != "" {
			b.WriteString(mailtest.SambaPassword(p.Password))
		}
		fmt.Fprintf(&b, "userAccountControl: %d\n\n", control)
		for _, g := range p.Groups {
			g = g[strings.LastIndex(g, "/")+1:]
			members[g] = append(members[g], adDN(account))
		}
	}
	for _, g := range []string{"sales", "staff"} {
		fmt.Fprintf(&b, "dn: CN=%s,OU=staff,%s\nchangetype: add\nobjectClass: group\nsAMAccountName: %s\n", g, mailtest.SambaBase, g)
		for _, m := range members[g] {
			b.WriteString("member: " + m + "\n")
		}
		if g == "staff" {
			b.WriteString("member: CN=sales,OU=staff," + mailtest.SambaBase + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestActiveDirectory(t *testing.T) {
	t.Parallel()
	samba := mailtest.StartSamba(t, adLDIF(seeds))
	t.Run("is a directory", func(t *testing.T) {
		testDirectory(t, suite{noPassword: ErrWrong, disabled: ErrWrong}, func(t *testing.T, people []seed) (Directory, func(string) string) {
			s := openStore(t)
			o := adOptions(t, s, samba)
			o.GroupBase = "OU=staff," + mailtest.SambaBase // without Domain Users
			x := startLDAP(t, s, nil, o)
			x.until("everybody is mirrored", func() bool { return x.Local.Len() == len(people) })
			return x, x.groupID
		})
	})
	s := openStore(t)
	x := startLDAP(t, s, nil, adOptions(t, s, samba))
	x.until("everybody is mirrored", func() bool { return x.Local.Len() == len(seeds) })
	t.Run("names and groups", func(t *testing.T) {
		mary := x.find("mary@example.org")
		if p := x.find("office@example.net"); p.ID != mary.ID {
			t.Errorf("a proxy address leads to %+v", p)
		}
		users, err := s.Group(t.Context(), "Domain Users")
		if err != nil || !strings.Contains(strings.Join(mary.Groups, " "), users.ID) {
			t.Errorf("the primary group: %v, %v", mary.Groups, err)
		}
	})
	t.Run("a new password, and a disabled account", func(t *testing.T) {
		omar := x.find("omar@example.org")
		if err := x.check(omar, "omar's word", home); err != nil {
			t.Fatal(err)
		}
		x.ldap.secrets.mu.Lock()
		x.ldap.secrets.of(omar.ID).proven[0].at = time.Now().Add(-time.Hour) // he has had it for a while
		x.ldap.secrets.mu.Unlock()
		samba.Modify(t, "dn: "+adDN("omar")+"\nchangetype: modify\nreplace: unicodePwd\n"+mailtest.SambaPassword("new word"))
		x.until("the old password is dead", func() bool { return errors.Is(x.check(omar, "omar's word", home), ErrWrong) })
		x.until("the new one is alive", func() bool { return x.check(omar, "new word", home) == nil })
		samba.Modify(t, "dn: CN=sales,OU=staff,"+mailtest.SambaBase+"\nchangetype: modify\nadd: member\nmember: "+adDN("omar")+"\n")
		before := len(omar.Groups)
		x.until("omar is in one more group", func() bool { return len(x.find("omar@example.org").Groups) == before+1 })
		samba.Modify(t, "dn: "+adDN("omar")+"\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n")
		x.until("omar is disabled", func() bool { return x.find("omar@example.org").Disabled })
		samba.Modify(t, "dn: "+adDN("omar")+"\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: 0\n-\nreplace: userAccountControl\nuserAccountControl: 512\n")
		x.until("omar is enabled, and must change his password", func() bool {
			return !x.find("omar@example.org").Disabled && errors.Is(x.check(omar, "new word", home), ErrExpired)
		})
	})
	t.Run("guesses lock nobody out", func(t *testing.T) {
		mary := x.find("mary@example.org")
		guessers(t, x, mary, 1500, 3)
		x.ldap.secrets = newRemembered(3, 30*time.Minute) // as after a restart
		guessers(t, x, mary, 500, 3)
		if said := samba.Read(t, adDN("mary"), "lockoutTime", "badPwdCount"); strings.Contains(said, "lockoutTime: 1") || !strings.Contains(said, "badPwdCount: ") || strings.Contains(said, "badPwdCount: 0") {
			t.Errorf("after 2000 guesses:\n%s", said)
		}
	})
	t.Run("the report", func(t *testing.T) {
		reports, err := x.Test(t.Context(), "corp", "mary@example.org", nil)
		if err != nil || len(reports) != 1 {
			t.Fatal(err)
		}
		text := fmt.Sprint(reports[0].Steps)
		for _, want := range []string{"at 5 wrong passwords within 30m", "mary@example.org", "sales", "staff", "SMTP:mary@example.org"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
		if !reports[0].OK() {
			t.Errorf("%+v", reports[0])
		}
	})
}
