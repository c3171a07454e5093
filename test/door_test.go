package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

const (
	doorStart = 15 * time.Second // for the door to open its listeners; takes 0.2 s on an idle machine
	doorStop  = 15 * time.Second
	logWait   = 5 * time.Second // refusals are written behind, within a second
	pollTime  = 10 * time.Millisecond
)

// doorOptions say how a door differs from the usual one.
type doorOptions struct {
	// Backend is the mapping under backends.main, and whatever else follows, in YAML.
	Backend string
	// Issuer's tokens are taken.
	Issuer *issuer
	// Floor of refusals; empty: the default.
	Floor string
	// Extra is appended to the configuration, top level.
	Extra string
	// Behind opens POP3 and submission behind the load balancer too.
	Behind bool
	// State is the state folder; empty: a new one.
	State string
	// Portal says that browsers come to it: its public address has the port.
	Portal bool
	// Hostname is what programs are told; empty: mail.test.
	Hostname string
	// Only, if given, is all of the configuration but state and admin.
	Only string
	// Descriptors limits them (ulimit -n); 0: as they are.
	Descriptors int
	// FileSize limits every file, in blocks of 1024 bytes (ulimit -f); 0: not.
	FileSize int
}

// door is a running portreeve.
type door struct {
	IMAP, IMAPS, POP3, POP3S, Submission, Submissions, Sieve, Sieves string            // host:port; the plain ones speak STARTTLS
	Proxied                                                          string            // IMAP with TLS, behind a load balancer at 127.9.0.1
	Behind                                                           map[string]string // POP3 and submission with TLS, behind the same load balancer; doorOptions.Behind
	Public                                                           string
	CA                                                               string // file
	State                                                            string

	authority *mailtest.Authority
	config    string
	socket    string
	logFile   string
	options   doorOptions
	cmd       *exec.Cmd
	over      chan struct{}

	mu      sync.Mutex
	secrets []string
}

var configTemplate = template.Must(template.New("portreeve.yaml").Parse(`{{if .Options.Only}}{{.Options.Only}}{{else}}
public_url: https://localhost{{if .Options.Portal}}:{{.Port}}{{end}}
default_domain: example.org
hostname: {{or .Options.Hostname "mail.test"}}
help_url: https://door.test
tls: [{certificate: {{.Dir}}/server.pem, key: {{.Dir}}/server.key}]
listeners:
  - {name: imaps, protocol: imap, address: "{{.Door.IMAPS}}"}
  - {name: imap, protocol: imap, address: "{{.Door.IMAP}}", tls: starttls}
  - {name: pop3s, protocol: pop3, address: "{{.Door.POP3S}}"}
  - {name: pop3, protocol: pop3, address: "{{.Door.POP3}}", tls: starttls}
  - {name: submissions, protocol: submission, address: "{{.Door.Submissions}}"}
  - {name: submission, protocol: submission, address: "{{.Door.Submission}}", tls: starttls}
  - {name: sieves, protocol: sieve, address: "{{.Door.Sieves}}"}
  - {name: sieve, protocol: sieve, address: "{{.Door.Sieve}}", tls: starttls}
  - {name: proxied, protocol: imap, address: "{{.Door.Proxied}}", proxy_from: [127.9.0.1]}
{{range $protocol, $address := .Door.Behind}}  - {name: behind-{{$protocol}}, protocol: {{$protocol}}, address: "{{$address}}", proxy_from: [127.9.0.1]}
{{end}}public: {address: "{{.Door.Public}}"}
{{with .Options.Backend}}backends:
  main:
{{.}}{{end}}
{{with .Options.Issuer}}issuers:
  company:
    issuer: {{$.Issuer}}
    jwks_file: {{.Keys}}
    audience: [{{$.Audience}}]
    amr: {pwd: [password], otp: [softwareOath]}
{{end}}{{with .Options.Floor}}refusals: {floor: {{.}}}
{{end}}{{.Options.Extra}}{{end}}
state: {{.Door.State}}
admin: {socket: {{.Socket}}, group: {{.Group}}}
`))

// Keys is where the configuration finds the issuer's keys.
func (i *issuer) Keys() string { return i.keysFile }

// startDoor starts portreeve serve and waits until all its listeners answer.
func startDoor(t testing.TB, o doorOptions) *door {
	t.Helper()
	d := &door{options: o, State: o.State}
	dir := shortDir(t)
	d.config, d.socket, d.logFile = filepath.Join(dir, "portreeve.yaml"), filepath.Join(dir, "socket"), filepath.Join(dir, "log")
	if d.State == "" {
		d.State = filepath.Join(dir, "state")
		check(t, os.Mkdir(d.State, 0o700))
	}
	d.authority = mailtest.NewAuthority(t)
	cert, key := d.authority.Issue(t)
	write(t, dir, "server.pem", string(cert))
	write(t, dir, "server.key", string(key))
	d.CA = write(t, dir, "ca.pem", string(d.authority.PEM()))
	for _, a := range []*string{&d.IMAP, &d.IMAPS, &d.POP3, &d.POP3S, &d.Submission, &d.Submissions, &d.Sieve, &d.Sieves, &d.Proxied, &d.Public} {
		*a = mailtest.FreeAddress(t)
	}
	if o.Behind {
		d.Behind = map[string]string{"pop3": mailtest.FreeAddress(t), "submission": mailtest.FreeAddress(t)}
	}
	var conf bytes.Buffer
	check(t, configTemplate.Execute(&conf, map[string]any{"Door": d, "Options": o, "Dir": dir, "Socket": d.socket,
		"Port": portOf(d.Public), "Issuer": issuerURL, "Audience": audience, "Group": ownGroup(t)}))
	check(t, os.WriteFile(d.config, conf.Bytes(), 0o600))
	d.begin(t)
	t.Cleanup(func() { d.leave(t) })
	return d
}

// begin starts the process; it may be called again after stop or kill.
func (d *door) begin(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(d.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(t, err)
	defer log.Close()
	d.cmd = exec.Command(binary, "serve", "--config", d.config)
	if limits := d.limits(); limits != "" {
		d.cmd = exec.Command("/bin/sh", "-c", limits+` exec "$0" "$@"`, binary, "serve", "--config", d.config)
	}
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.Env = log, log, environment()
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, d.cmd.Start())
	over := make(chan struct{})
	d.over = over
	cmd := d.cmd
	go func() {
		defer close(over)
		_ = cmd.Wait()
	}()
	end := time.Now().Add(doorStart)
	doors := []string{d.socket, d.IMAPS, d.POP3S, d.Submissions, d.Sieves, d.Public}
	if d.options.Only != "" {
		doors = doors[:1]
	}
	for _, a := range doors {
		for !answers(a) {
			if !d.running() || time.Now().After(end) {
				t.Fatalf("the door did not open %s:\n%s", a, d.log())
			}
			time.Sleep(pollTime)
		}
	}
}

func (d *door) limits() string {
	s := ""
	if n := d.options.Descriptors; n > 0 {
		s += fmt.Sprintf("ulimit -n %d;", n)
	}
	if n := d.options.FileSize; n > 0 {
		s += fmt.Sprintf("ulimit -f %d;", n)
	}
	return s
}

func (d *door) running() bool {
	select {
	case <-d.over:
		return false
	default:
		return true
	}
}

// stop asks the process to end.
func (d *door) stop(t testing.TB) {
	t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.over:
	case <-time.After(doorStop):
		t.Errorf("the door did not end within %v:\n%s", doorStop, tail(d.log(), 40))
		d.kill()
	}
}

// kill ends it as the kernel would.
func (d *door) kill() {
	_ = d.cmd.Process.Kill()
	<-d.over
}

// leave ends the process and looks for what must never be found: a fault of the
// program in its log, and any secret that was used, in its log or in its state.
func (d *door) leave(t testing.TB) {
	d.stop(t)
	log := d.log()
	for _, bad := range []string{"panic:", "fault while signing in", "DATA RACE", "fatal error:"} {
		if at := strings.Index(log, bad); at >= 0 {
			t.Errorf("the door's log tells of a fault:\n%s", log[at:min(len(log), at+4000)])
		}
	}
	d.searchSecrets(t)
}

// use registers a secret, so that it is looked for at the end, and returns it.
func (d *door) use(secret string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.secrets, secret) {
		d.secrets = append(d.secrets, secret)
	}
	return secret
}

func (d *door) searchSecrets(t testing.TB) {
	d.mu.Lock()
	defer d.mu.Unlock()
	files := []string{d.logFile}
	_ = filepath.WalkDir(d.State, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for _, s := range d.secrets {
			for _, form := range []string{s, base64.StdEncoding.EncodeToString([]byte(s))} {
				if bytes.Contains(raw, []byte(form)) {
					t.Errorf("a secret (%.3s…) stands in %s", s, f)
				}
			}
		}
	}
}

// log is what the process wrote on its standard streams.
func (d *door) log() string {
	raw, _ := os.ReadFile(d.logFile)
	return string(raw)
}

// do runs the command line against this door and must succeed.
func (d *door) do(t testing.TB, args ...string) string {
	t.Helper()
	out, err := d.try(args...)
	if err != nil {
		t.Fatalf("portreeve %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// try is do for commands that may fail; standard error is part of what it returns then.
func (d *door) try(args ...string) (string, error) { return d.feed("", args...) }

// feed is try with something on standard input.
func (d *door) feed(in string, args ...string) (string, error) {
	cmd := exec.Command(binary, append([]string{"--socket", d.socket}, args...)...)
	cmd.Stdin, cmd.Env = strings.NewReader(in), environment()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String() + errs.String(), err
	}
	return out.String(), nil
}

// read runs a command with -o json and reads what it prints.
func (d *door) read(t testing.TB, into any, args ...string) {
	t.Helper()
	out := d.do(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("portreeve %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// signIn is one sign-in as `signins list -o json` prints it.
type signIn struct {
	ID                string    `json:"id"`
	CreatedDateTime   time.Time `json:"createdDateTime"`
	UserPrincipalName string    `json:"userPrincipalName"`
	IPAddress         string    `json:"ipAddress"`
	Status            struct {
		ErrorCode int `json:"errorCode"`
	} `json:"status"`
	Portreeve struct {
		Reference  string `json:"reference"`
		Outcome    string `json:"outcome"`
		Code       string `json:"code"`
		Stage      string `json:"stage"`
		By         string `json:"by"`
		Count      int64  `json:"count"`
		Source     string `json:"source"`
		Observed   bool   `json:"observed"`
		WouldBlock bool   `json:"wouldBlock"`
		Protocol   string `json:"protocol"`
		Credential string `json:"credential"`
		Mechanism  string `json:"mechanism"`
		Mailbox    string `json:"mailbox"`
		Grant      string `json:"grant"`
		Forwarder  string `json:"forwarder"`
		Program    struct {
			Family string `json:"family"`
		} `json:"program"`
		Hints map[string]string `json:"hints"`
		Steps []struct {
			Name string `json:"name"`
		} `json:"steps"`
	} `json:"portreeve"`
}

// signIns are those that a filter chooses, newest first.
func (d *door) signIns(t testing.TB, filter string) []signIn {
	t.Helper()
	var list struct {
		Value []signIn `json:"value"`
	}
	d.read(t, &list, "signins", "list", "--limit", "0", filter)
	return list.Value
}

// signIn waits until the newest sign-in of a person has the given code, and
// returns it.
func (d *door) signIn(t testing.TB, person, code string) signIn {
	t.Helper()
	var last []signIn
	for end := time.Now().Add(logWait); time.Now().Before(end); time.Sleep(10 * pollTime) {
		last = d.signIns(t, fmt.Sprintf("user eq %q and code eq %q", person, code))
		if len(last) > 0 {
			return last[0]
		}
	}
	t.Fatalf("no sign-in of %s with %s in the log; there are %+v", person, code, d.signIns(t, fmt.Sprintf("user eq %q", person)))
	return signIn{}
}

// environment is ours without what the program would take for settings.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PORTREEVE_") })
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shortDir is a folder whose path leaves room for the name of a unix socket
// (107 bytes).
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "portreeve-door")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func ownGroup(t testing.TB) string {
	t.Helper()
	u, err := user.Current()
	check(t, err)
	g, err := user.LookupGroupId(u.Gid)
	check(t, err)
	return g.Name
}

func answers(address string) bool {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	c, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
