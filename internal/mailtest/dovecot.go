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
	"time"
)

// The people every Dovecot of this package knows, unless told otherwise.
const (
	Person   = "mary@example.org"
	Password = "secret"
	Another  = "anna@example.org"
)

// The master user of every Dovecot: person*master.
const (
	MasterUser      = "gate"
	MasterPassword  = "m4ster"
	MasterSeparator = "*"
)

// DovecotOptions say how a Dovecot differs from the usual one.
type DovecotOptions struct {
	// Users maps names to passwords; nil: Person and Another, both with Password.
	Users map[string]string
	// Fields maps names to passdb extra fields, such as "user=anna@example.org".
	Fields map[string]string
	// Trusted makes loopback a trusted network: Dovecot takes the client's
	// address from ID and XCLIENT.
	Trusted bool
	// TokenKeys is a folder of keys, <azp|default>/<ALG>/<kid>, by which
	// Dovecot validates tokens locally; empty: no tokens.
	TokenKeys string
	// TokenConf are lines for the oauth2 passdb's own file ("issuers = …").
	TokenConf string
	// SubmissionRelay is where Dovecot's submission service delivers, host:port;
	// empty: there is no such service.
	SubmissionRelay string
	// Hasty makes Dovecot answer wrong passwords at once: neither the usual 2 s
	// nor its penalty, which grows to 15 s per address.
	Hasty bool
	// Extra is appended to the configuration.
	Extra string
}

// Dovecot is a running server; the members are addresses, host:port or a path.
type Dovecot struct {
	IMAP, IMAPS, IMAPProxy    string // in clear and STARTTLS; implicit TLS; with a PROXY header
	POP3, POP3S, POP3Proxy    string
	Sieve, SieveProxy         string
	Submission, LMTP          string
	AuthSocket, UserdbSocket  string // the auth client protocol; the userdb lookups of the same process
	Authority                 *Authority
	CAFile                    string
	Dir, ConfigFile, MailRoot string

	logFile string
	process *process
}

//go:embed dovecot.conf
var dovecotConf string

var dovecotTemplate = template.Must(template.New("dovecot.conf").Parse(dovecotConf))

// dovecotSetup is what dovecot.conf is filled in from.
type dovecotSetup struct {
	DovecotOptions
	Dir, User, Group, Cert, Key string
	Port                        map[string]int
}

var dovecotServices = []string{"imap", "imaps", "imapproxy", "pop3", "pop3s", "pop3proxy", "sieve", "sieveproxy", "submission", "lmtp"}

// StartDovecot starts a private Dovecot and waits until it listens.
func StartDovecot(t testing.TB, o DovecotOptions) *Dovecot {
	t.Helper()
	binary := program(t, "dovecot", "dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-submissiond dovecot-managesieved")
	for service, pkg := range map[string]string{"imap": "dovecot-imapd", "pop3": "dovecot-pop3d", "lmtp": "dovecot-lmtpd", "submission": "dovecot-submissiond", "managesieve": "dovecot-managesieved"} {
		program(t, service, pkg, "/usr/lib/dovecot")
	}
	for try := 1; ; try++ {
		d, err := startDovecot(t, binary, o)
		if err == nil {
			return d
		}
		if try == portTries || !strings.Contains(d.Log(), "Address already in use") {
			t.Fatalf("dovecot: %v\n%s", err, d.Log())
		}
	}
}

func startDovecot(t testing.TB, binary string, o DovecotOptions) (*Dovecot, error) {
	t.Helper()
	dir, who := folder(t, "dovecot"), newServant(t)
	d := &Dovecot{Dir: dir, ConfigFile: filepath.Join(dir, "dovecot.conf"), MailRoot: filepath.Join(dir, "mail"),
		Authority: NewAuthority(t), logFile: filepath.Join(dir, "log"),
		AuthSocket: filepath.Join(dir, "run", "auth-check"), UserdbSocket: filepath.Join(dir, "run", "auth-names")}
	setup := dovecotSetup{DovecotOptions: o, Dir: dir, User: who.name, Group: who.group, Port: map[string]int{}}
	setup.Cert, setup.Key, d.CAFile = d.Authority.files(t, dir)
	numbers, release := ports(t, len(dovecotServices))
	for i, service := range dovecotServices {
		setup.Port[service] = numbers[i]
	}
	d.addresses(setup.Port, o)
	var conf strings.Builder
	if err := dovecotTemplate.Execute(&conf, setup); err != nil {
		t.Fatal(err)
	}
	write(t, d.ConfigFile, conf.String())
	write(t, filepath.Join(dir, "users"), usersFile(o))
	write(t, filepath.Join(dir, "masters"), MasterUser+":{plain}"+MasterPassword+"\n")
	write(t, filepath.Join(dir, "tokens.conf"), tokensFile(o))
	who.own(t, dir)
	cmd := exec.Command(binary, "-F", "-c", d.ConfigFile)
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: who.credential}
	release()
	d.process = start(t, cmd)
	if !d.process.listening(t, d.IMAP, d.AuthSocket) {
		return d, fmt.Errorf("did not start")
	}
	return d, nil
}

func (d *Dovecot) addresses(port map[string]int, o DovecotOptions) {
	for name, to := range map[string]*string{
		"imap": &d.IMAP, "imaps": &d.IMAPS, "imapproxy": &d.IMAPProxy, "pop3": &d.POP3, "pop3s": &d.POP3S, "pop3proxy": &d.POP3Proxy,
		"sieve": &d.Sieve, "sieveproxy": &d.SieveProxy, "lmtp": &d.LMTP,
	} {
		*to = address(port[name])
	}
	if o.SubmissionRelay != "" {
		d.Submission = address(port["submission"])
	}
}

func usersFile(o DovecotOptions) string {
	users := o.Users
	if users == nil {
		users = map[string]string{Person: Password, Another: Password}
	}
	var b strings.Builder
	for name, password := range users {
		// user:password:uid:gid:gecos:home:shell:extra
		fmt.Fprintf(&b, "%s:{plain}%s::::::%s\n", name, password, o.Fields[name])
	}
	return b.String()
}

func tokensFile(o DovecotOptions) string {
	if o.TokenKeys == "" {
		return ""
	}
	return "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=" + o.TokenKeys + "/\n" +
		"username_attribute = sub\nuse_grant_password = no\n" + o.TokenConf + "\n"
}

// Log is all that Dovecot has logged so far.
func (d *Dovecot) Log() string { return readFile(d.logFile) }

// Logged waits up to 2 s until the log holds text, and says whether it does.
func (d *Dovecot) Logged(text string) bool { return logged(d.Log, text) }

// SetUsers writes other people; Dovecot takes them up at the next sign-in.
func (d *Dovecot) SetUsers(t testing.TB, users, fields map[string]string) {
	t.Helper()
	path := filepath.Join(d.Dir, "users")
	next := path + ".new" // renamed, so that no reader sees half of it
	write(t, next, usersFile(DovecotOptions{Users: users, Fields: fields}))
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the server before the test ends.
func (d *Dovecot) Stop() { d.process.stop() }

func logged(log func() string, text string) bool {
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(pollTime) {
		if strings.Contains(log(), text) {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// RelayHostPort splits SubmissionRelay for the configuration.
func (s dovecotSetup) RelayHostPort() []string {
	host, port, _ := strings.Cut(s.SubmissionRelay, ":")
	return []string{host, port}
}
