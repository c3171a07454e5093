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

// beside is where packages.sh unpacks servers that Debian installs only one
// of: Cyrus stands there beside Dovecot, Exim beside Postfix.
const beside = "/opt/portreeve-test"

// EximOptions say how an Exim differs from the usual one.
type EximOptions struct {
	// Users maps names to passwords; nil: Person and Another, both with Password.
	Users map[string]string
	// Main is appended to the main section of the configuration.
	Main string
}

// Exim is a running server; the members are host:port. Besides its people it
// knows MasterUser with MasterPassword, who names the person in PLAIN's
// authorization identity.
type Exim struct {
	SMTP            string // port 25's service, without AUTH
	Submission      string // STARTTLS offered, AUTH
	SubmissionProxy string // the same behind a PROXY header
	Submissions     string // implicit TLS
	Authority       *Authority
	CAFile          string
	Dir             string

	logFile string
}

//go:embed exim.conf
var eximConf string

var eximTemplate = template.Must(template.New("exim.conf").Parse(eximConf))

type eximSetup struct {
	EximOptions
	Dir, Binary, User, Group, Cert, Key string
	MasterUser, MasterPassword          string
	Port                                map[string]int
	Ports                               []int
}

// StartExim starts a private Exim and waits until it listens.
func StartExim(t testing.TB, o EximOptions) *Exim {
	t.Helper()
	binary := program(t, "exim4", "exim4-daemon-heavy", beside+"/usr/sbin")
	for try := 1; ; try++ {
		e, err := startExim(t, binary, o)
		if err == nil {
			return e
		}
		if try == portTries || !strings.Contains(e.Log(), "Address already in use") {
			t.Fatalf("exim: %v\n%s", err, e.Log())
		}
	}
}

func startExim(t testing.TB, binary string, o EximOptions) (*Exim, error) {
	t.Helper()
	dir, who := folder(t, "exim"), newServant(t)
	e := &Exim{Dir: dir, Authority: NewAuthority(t), logFile: filepath.Join(dir, "log")}
	setup := eximSetup{EximOptions: o, Dir: dir, Binary: binary, User: who.name, Group: who.group, MasterUser: MasterUser, MasterPassword: MasterPassword, Port: map[string]int{}}
	setup.Cert, setup.Key, e.CAFile = e.Authority.files(t, dir)
	numbers, release := ports(t, len(postfixServices))
	setup.Ports = numbers
	for i, service := range postfixServices {
		setup.Port[service] = numbers[i]
	}
	e.SMTP, e.Submission = address(setup.Port["smtp"]), address(setup.Port["submission"])
	e.SubmissionProxy, e.Submissions = address(setup.Port["submissionproxy"]), address(setup.Port["submissions"])
	var conf, users strings.Builder
	if err := eximTemplate.Execute(&conf, setup); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "exim.conf")
	write(t, file, conf.String())
	for name, password := range knownUsers(o.Users) {
		fmt.Fprintf(&users, "%s: %s\n", name, password)
	}
	write(t, filepath.Join(dir, "users"), users.String())
	for _, d := range []string{"spool", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	who.own(t, dir)
	if err := os.Chown(file, 0, 0); err != nil && os.Getuid() == 0 { // it takes no configuration that its own user could change
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-C", file, "-bdf", "-q1h")
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: who.credential}
	said, err := os.OpenFile(e.logFile+".said", os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	release()
	p := start(t, cmd)
	if !p.listening(t, e.SMTP, e.Submission, e.SubmissionProxy, e.Submissions) {
		return e, fmt.Errorf("did not start")
	}
	return e, nil
}

// Log is all that Exim has logged so far.
func (e *Exim) Log() string {
	return readFile(e.logFile+".main") + readFile(e.logFile+".panic") + readFile(e.logFile+".said")
}

// Logged waits up to 2 s until the log holds text, and says whether it does.
func (e *Exim) Logged(text string) bool { return logged(e.Log, text) }

// knownUsers are the people a server knows: those given, or the usual ones.
func knownUsers(users map[string]string) map[string]string {
	if users == nil {
		users = map[string]string{Person: Password, Another: Password}
	}
	return users
}
