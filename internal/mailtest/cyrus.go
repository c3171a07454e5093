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

// CyrusOptions say how a Cyrus differs from the usual one.
type CyrusOptions struct {
	// Users maps names to passwords; nil: Person and Another, both with Password.
	Users map[string]string
	// Hasty makes Cyrus answer wrong passwords at once, not after 3 s.
	Hasty bool
	// Extra is appended to imapd.conf.
	Extra string
}

// Cyrus is a running server; the members are host:port. MasterUser may name
// anybody as SASL authorization identity, with MasterPassword. Its log goes to
// syslog only, which tests cannot see.
type Cyrus struct {
	IMAP, IMAPS string // in clear and STARTTLS; implicit TLS
	POP3, POP3S string
	Sieve       string
	LMTP        string
	Authority   *Authority
	CAFile      string
	Dir         string

	said string
}

const cyrusBin = "/usr/lib/cyrus/bin"

//go:embed imapd.conf
var imapdConf string

//go:embed cyrus.conf
var cyrusConf string

var (
	imapdTemplate = template.Must(template.New("imapd.conf").Parse(imapdConf))
	cyrusTemplate = template.Must(template.New("cyrus.conf").Parse(cyrusConf))
)

type cyrusSetup struct {
	CyrusOptions
	Dir, Bin, Idled, User, Group, Cert, Key string
	MasterUser, MasterPassword              string
	Services                                []cyrusService
}

type cyrusService struct{ Name, Command, Address string }

// StartCyrus starts a private Cyrus and waits until it listens.
func StartCyrus(t testing.TB, o CyrusOptions) *Cyrus {
	t.Helper()
	master := program(t, "cyrmaster", "cyrus-common")
	for try := 1; ; try++ {
		c, err := startCyrus(t, master, o)
		if err == nil {
			return c
		}
		if try == portTries {
			t.Fatalf("cyrus: %v\n%s", err, readFile(c.said))
		}
	}
}

func startCyrus(t testing.TB, master string, o CyrusOptions) (*Cyrus, error) {
	t.Helper()
	dir, who := folder(t, "cyrus"), newServant(t)
	c := &Cyrus{Dir: dir, Authority: NewAuthority(t), said: filepath.Join(dir, "said")}
	setup := cyrusSetup{CyrusOptions: o, Dir: dir, Bin: cyrusBin, User: who.name, Group: who.group, MasterUser: MasterUser, MasterPassword: MasterPassword}
	setup.Cert, setup.Key, c.CAFile = c.Authority.files(t, dir)
	release := c.services(t, &setup)
	for name, tmpl := range map[string]*template.Template{"imapd.conf": imapdTemplate, "cyrus.conf": cyrusTemplate} {
		var text strings.Builder
		if err := tmpl.Execute(&text, setup); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), text.String())
	}
	for _, d := range []string{"config", "config/socket", "spool", "sieve"} { // idled answers at sockets in the second
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.passwords(t, o)
	who.own(t, dir)
	cmd := exec.Command(master, "-D", "-C", filepath.Join(dir, "imapd.conf"), "-M", filepath.Join(dir, "cyrus.conf"), "-p", filepath.Join(dir, "pid"))
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: who.credential}
	cmd.Env = append(os.Environ(), "CYRUS_USER="+who.name)
	said, err := os.Create(c.said)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	release()
	p := start(t, cmd)
	if !p.listening(t, c.IMAP, c.IMAPS, c.POP3, c.POP3S, c.Sieve, c.LMTP) {
		return c, fmt.Errorf("did not start")
	}
	return c, nil
}

// services chooses ports.
func (c *Cyrus) services(t testing.TB, setup *cyrusSetup) (release func()) {
	t.Helper()
	there := beside + cyrusBin
	imapd, pop3d := program(t, "imapd", "cyrus-imapd", there, cyrusBin), program(t, "pop3d", "cyrus-pop3d", there, cyrusBin)
	setup.Idled = program(t, "idled", "cyrus-imapd", there, cyrusBin)
	list := []struct {
		name, command string
		to            *string
	}{
		{"imap", imapd, &c.IMAP}, {"imaps", imapd + " -s", &c.IMAPS}, {"pop3", pop3d, &c.POP3}, {"pop3s", pop3d + " -s", &c.POP3S},
		{"sieve", cyrusBin + "/timsieved", &c.Sieve}, {"lmtp", cyrusBin + "/lmtpd -a", &c.LMTP},
	}
	numbers, release := ports(t, len(list))
	for i, s := range list {
		*s.to = address(numbers[i])
		setup.Services = append(setup.Services, cyrusService{s.name, s.command, *s.to})
	}
	return release
}

// passwords fills sasldb.
func (c *Cyrus) passwords(t testing.TB, o CyrusOptions) {
	t.Helper()
	tool := program(t, "saslpasswd2", "sasl2-bin")
	all := map[string]string{MasterUser + "@" + ServerName: MasterPassword}
	for name, password := range knownUsers(o.Users) {
		all[name] = password
	}
	for name, password := range all {
		local, domain, _ := strings.Cut(name, "@")
		cmd := exec.Command(tool, "-p", "-c", "-f", filepath.Join(c.Dir, "sasldb2"), "-u", domain, local)
		cmd.Stdin = strings.NewReader(password)
		bounded(t, cmd, toolTime)
	}
}
