package mailtest

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
)

// What every slapd of this package has.
const (
	SlapdBase          = "dc=example,dc=org"
	SlapdAdmin         = "cn=admin," + SlapdBase
	SlapdAdminPassword = "adm1n"
	SlapdReader        = "cn=portreeve," + SlapdBase // the service account: reads all but passwords
	SlapdReaderSecret  = "r3ader"
	SlapdMaxFailure    = 5 // wrong binds after which the password policy locks somebody out, until an administrator unlocks them
)

// SlapdOptions say how a slapd differs from the usual one.
type SlapdOptions struct {
	// LDIF of people below ou=people and groups below ou=groups.
	LDIF string
	// Names in its certificate; none: ServerName, localhost and loopback.
	Names []string
	// Global and Database are further lines of the configuration.
	Global, Database string
	// Authority signs its certificate; nil: a new one.
	Authority *Authority
}

// Slapd is a running OpenLDAP server with a password policy that locks out.
type Slapd struct {
	URL, TLSURL string // ldap:// (STARTTLS) and ldaps://
	Authority   *Authority
	CAFile      string
	Dir         string

	process *process
	command *exec.Cmd
	socket  string
}

//go:embed slapd.conf
var slapdConf string

var slapdTemplate = template.Must(template.New("slapd.conf").Parse(slapdConf))

const slapdBase = `dn: dc=example,dc=org
objectClass: organization
objectClass: dcObject
o: Example
dc: example

dn: cn=default,dc=example,dc=org
objectClass: device
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: %d

dn: cn=portreeve,dc=example,dc=org
objectClass: device
objectClass: simpleSecurityObject
cn: portreeve
userPassword: %s

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

`

// StartSlapd starts a private slapd and waits until it listens.
func StartSlapd(t testing.TB, o SlapdOptions) *Slapd {
	t.Helper()
	binary := program(t, "slapd", "slapd")
	program(t, "ldapmodify", "ldap-utils")
	dir, who := folder(t, "slapd"), newServant(t)
	s := &Slapd{Dir: dir, Authority: o.Authority, CAFile: filepath.Join(dir, "ca.pem"), socket: filepath.Join(dir, "ldapi")}
	if s.Authority == nil {
		s.Authority = NewAuthority(t)
	}
	cert, key := s.Authority.Issue(t, o.Names...)
	certFile, keyFile, conf := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "slapd.conf")
	write(t, certFile, string(cert))
	write(t, keyFile, string(key))
	write(t, s.CAFile, string(s.Authority.PEM()))
	var text strings.Builder
	if err := slapdTemplate.Execute(&text, map[string]string{"Dir": dir, "CA": s.CAFile, "Cert": certFile, "Key": keyFile,
		"AdminPassword": SlapdAdminPassword, "Global": o.Global, "Database": o.Database}); err != nil {
		t.Fatal(err)
	}
	write(t, conf, text.String())
	write(t, filepath.Join(dir, "seed.ldif"), fmt.Sprintf(slapdBase, SlapdMaxFailure, SlapdReaderSecret)+o.LDIF)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	who.own(t, dir)
	seed := exec.Command(binary, "-T", "add", "-q", "-f", conf, "-l", filepath.Join(dir, "seed.ldif"))
	seed.SysProcAttr = &syscall.SysProcAttr{Credential: who.credential}
	bounded(t, seed, toolTime)
	numbers, release := ports(t, 2)
	release()
	s.URL, s.TLSURL = "ldap://"+address(numbers[0]), "ldaps://"+address(numbers[1])
	s.command = exec.Command(binary, "-d", "none", "-f", conf, "-h", s.URL+" "+s.TLSURL+" ldapi://"+strings.ReplaceAll(s.socket, "/", "%2F"))
	s.command.SysProcAttr = &syscall.SysProcAttr{Credential: who.credential}
	s.Start(t)
	return s
}

// Start starts the server again after Stop, with what it holds.
func (s *Slapd) Start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(s.command.Path, s.command.Args[1:]...)
	cmd.Dir, cmd.SysProcAttr = s.Dir, &syscall.SysProcAttr{Credential: s.command.SysProcAttr.Credential}
	var said strings.Builder
	cmd.Stderr = &said
	s.process = start(t, cmd)
	if !s.process.listening(t, strings.TrimPrefix(s.URL, "ldap://"), strings.TrimPrefix(s.TLSURL, "ldaps://")) {
		s.process.stop()
		t.Fatalf("slapd did not start\n%s", said.String())
	}
}

// Access puts a line before all others that say who may read what; it holds
// from the next Start on.
func (s *Slapd) Access(t testing.TB, line string) {
	t.Helper()
	conf := filepath.Join(s.Dir, "slapd.conf")
	write(t, conf, strings.Replace(readFile(conf), "access to ", line+"\naccess to ", 1))
}

// Stop ends the server before the test ends.
func (s *Slapd) Stop() { s.process.stop() }

// Modify changes entries as the administrator; ldif is as ldapmodify takes it.
func (s *Slapd) Modify(t testing.TB, ldif string) {
	t.Helper()
	cmd := exec.Command("ldapmodify", "-x", "-e", "relax", "-H", s.URL, "-D", SlapdAdmin, "-w", SlapdAdminPassword)
	cmd.Stdin = strings.NewReader(ldif)
	bounded(t, cmd, toolTime)
}

// SetPassword changes somebody's password as an administrator does.
func (s *Slapd) SetPassword(t testing.TB, dn, password string) {
	t.Helper()
	s.Modify(t, "dn: "+dn+"\nchangetype: modify\nreplace: userPassword\nuserPassword: "+password+"\n")
}

// Read gives an entry's attributes as ldapsearch prints them, operational ones too.
func (s *Slapd) Read(t testing.TB, dn string) string {
	t.Helper()
	cmd := exec.Command("ldapsearch", "-LLL", "-x", "-H", s.URL, "-D", SlapdAdmin, "-w", SlapdAdminPassword, "-s", "base", "-b", dn, "*", "+")
	return bounded(t, cmd, toolTime)
}

// PersonDN is where LDIFPerson puts somebody.
func PersonDN(uid string) string { return "uid=" + uid + ",ou=people," + SlapdBase }

// LDIFPerson is a person's entry; without a password they have none.
func LDIFPerson(uid, name, password string, mail ...string) string {
	s := "dn: " + PersonDN(uid) + "\nobjectClass: inetOrgPerson\nuid: " + uid + "\ncn: " + name + "\nsn: " + name + "\n"
	for _, m := range mail {
		s += "mail: " + m + "\n"
	}
	if password != "" {
		s += "userPassword: " + password + "\n"
	}
	return s + "\n"
}

// LDIFGroup is a groupOfNames of the given DNs.
func LDIFGroup(name string, members ...string) string {
	s := "dn: cn=" + name + ",ou=groups," + SlapdBase + "\nobjectClass: groupOfNames\ncn: " + name + "\n"
	for _, m := range members {
		s += "member: " + m + "\n"
	}
	return s + "\n"
}
