package mailtest

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"
)

// PostfixOptions say how a Postfix differs from the usual one.
type PostfixOptions struct {
	// Dovecot checks passwords and takes the mail; nil: AUTH is off, and mail
	// is thrown away.
	Dovecot *Dovecot
	// XCLIENT names networks that may say XCLIENT, such as "127.0.0.0/8".
	XCLIENT string
	// OpenAuth offers AUTH on the SMTP port too, as careless configurations do.
	OpenAuth bool
	// Main and Master are appended to main.cf and master.cf.
	Main, Master string
}

// Postfix is a running server; the members are host:port.
type Postfix struct {
	SMTP            string // port 25's service, without AUTH
	Submission      string // STARTTLS offered, AUTH
	SubmissionProxy string // the same behind a PROXY header
	Submissions     string // implicit TLS
	Authority       *Authority
	CAFile          string
	Dir, QueueDir   string

	logFile string
	process *process
}

//go:embed main.cf
var mainConf string

//go:embed master.cf
var masterConf string

var (
	mainTemplate   = template.Must(template.New("main.cf").Parse(mainConf))
	masterTemplate = template.Must(template.New("master.cf").Parse(masterConf))
)

type postfixSetup struct {
	PostfixOptions
	Dir, Cert, Key, Auth, LMTP string
	Port                       map[string]int
}

var postfixServices = []string{"smtp", "submission", "submissionproxy", "submissions"}

// StartPostfix starts a private Postfix and waits until it listens. Postfix's
// master runs as root only, so the tests that need it do too.
func StartPostfix(t testing.TB, o PostfixOptions) *Postfix {
	t.Helper()
	master := program(t, "master", "postfix")
	if os.Getuid() != 0 {
		t.Fatal("Postfix's master runs as root only: run this test as root")
	}
	for try := 1; ; try++ {
		p, err := startPostfix(t, master, o)
		if err == nil {
			return p
		}
		if try == portTries { // a port that is taken is not in its log: what writes that starts after the ports
			t.Fatalf("postfix: %v\n%s", err, p.Log())
		}
	}
}

func startPostfix(t testing.TB, master string, o PostfixOptions) (*Postfix, error) {
	t.Helper()
	dir := folder(t, "postfix")
	p := &Postfix{Dir: dir, QueueDir: filepath.Join(dir, "queue"), Authority: NewAuthority(t), logFile: filepath.Join(dir, "log")}
	setup := postfixSetup{PostfixOptions: o, Dir: dir, Port: map[string]int{}}
	setup.Cert, setup.Key, p.CAFile = p.Authority.files(t, dir)
	if o.Dovecot != nil {
		setup.Auth, setup.LMTP = o.Dovecot.AuthSocket, o.Dovecot.LMTP
	}
	numbers, release := ports(t, len(postfixServices))
	for i, service := range postfixServices {
		setup.Port[service] = numbers[i]
	}
	p.SMTP, p.Submission = address(setup.Port["smtp"]), address(setup.Port["submission"])
	p.SubmissionProxy, p.Submissions = address(setup.Port["submissionproxy"]), address(setup.Port["submissions"])
	for file, tmpl := range map[string]*template.Template{"main.cf": mainTemplate, "master.cf": masterTemplate} {
		var b strings.Builder
		if err := tmpl.Execute(&b, setup); err != nil {
			t.Fatal(err)
		}
		path, long := filepath.Join(dir, file), time.Now().Add(-time.Hour)
		write(t, path, b.String())
		if err := os.Chtimes(path, long, long); err != nil { // Postfix waits until its configuration is a second old
			t.Fatal(err)
		}
	}
	makeQueue(t, dir)
	release()
	// Its master closes every descriptor that the limit allows, open or not,
	// which takes 2 s where a million are allowed.
	cmd := exec.Command("/bin/sh", "-c", `ulimit -n 4096; exec "$0" "$@"`, master, "-c", dir, "-d")
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+dir)

	p.process = start(t, cmd)
	if !p.process.listening(t, p.SMTP, p.Submission, p.SubmissionProxy, p.Submissions) {
		return p, fmt.Errorf("did not start")
	}
	return p, nil
}

// makeQueue makes the folders that "postfix check" would, which takes a second.
func makeQueue(t testing.TB, dir string) {
	t.Helper()
	u, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroup("postdrop")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	drop, _ := strconv.Atoi(g.Gid)
	makeDir := func(name string, mode os.FileMode, uid, gid int) {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	makeDir("data", 0o700, uid, 0)
	makeDir("queue", 0o755, 0, 0)
	for _, q := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"} {
		makeDir(filepath.Join("queue", q), 0o700, uid, 0)
	}
	makeDir("queue/pid", 0o755, 0, 0)
	makeDir("queue/public", 0o710, uid, drop)
	makeDir("queue/maildrop", 0o730, uid, drop)
}

// Log is all that Postfix has logged so far.
func (p *Postfix) Log() string { return readFile(p.logFile) }

// Logged waits up to 2 s until the log holds text, and says whether it does.
func (p *Postfix) Logged(text string) bool { return logged(p.Log, text) }

// Stop ends the server before the test ends.
func (p *Postfix) Stop() { p.process.stop() }
