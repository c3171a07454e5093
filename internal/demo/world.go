package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/server"
	"github.com/portreeve/portreeve/internal/store"
)

// The ports asked for; the next free one is taken where somebody has it.
const (
	plainPort  = 11143
	sealedPort = 11993
	outPort    = 11587
	publicPort = 11080
	portsTried = 100
)

// world is everything the story plays in: a mail server, an issuer of tokens,
// people, rules, a month of sign-ins, and the real gate in front.
type world struct {
	dir       string
	kept      bool // dir stays
	mail      *mailServer
	issuer    *issuer
	authority *certs.Authority
	plain     netip.AddrPort
	sealed    netip.AddrPort
	outgoing  netip.AddrPort // submission
	public    netip.AddrPort // the portal
	out       *mailOut
	month     tally
	server    *server.Server
	api       *api
	log       *os.File

	stop context.CancelFunc
	done chan error // what the server's Run returned
}

// open makes the world and serves it. What it made before an error is gone.
func open(ctx context.Context, o Options) (_ *world, err error) {
	w := &world{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if err := w.folder(ctx, o.Keep); err != nil {
		return nil, err
	}
	if err := w.fill(ctx); err != nil {
		return nil, err
	}
	if w.mail, err = startMailServer(addresses()); err != nil {
		return nil, err
	}
	if w.out, err = startMailOut(w.mail.password); err != nil {
		return nil, err
	}
	c, err := w.configure()
	if err != nil {
		return nil, err
	}
	if w.log, err = os.Create(w.path("portreeve.log")); err != nil {
		return nil, err
	}
	if w.server, err = server.New(ctx, server.Options{Config: c, Log: slog.New(slog.NewTextHandler(w.log, nil)), Version: o.Version, Demo: true}); err != nil {
		return nil, err
	}
	w.serve(ctx)
	return w, w.answers()
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }
func (w *world) socket() string          { return w.path(socketName) }

const (
	socketName = "admin.sock"
	maxSocket  = 107 // bytes, unix(7)
)

// folder makes the state folder: one that goes at the end, or the one to keep.
func (w *world) folder(ctx context.Context, keep string) (err error) {
	if keep == "" {
		w.dir, err = os.MkdirTemp("", "portreeve-demo-") // 0700
		return err
	}
	if keep, err = filepath.Abs(keep); err != nil {
		return err
	}
	if n := len(filepath.Join(keep, socketName)); n > maxSocket {
		return fmt.Errorf("%s: a socket's path has at most %d bytes, this would have %d", keep, maxSocket, n)
	}
	if err := free(ctx, keep); err != nil {
		return err
	}
	w.dir, w.kept = keep, true
	return os.MkdirAll(keep, 0o700)
}

// free says why a folder cannot be the demo's: a real server's state above all.
func free(ctx context.Context, dir string) error {
	there, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(there) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, store.FileName)); err == nil {
		s, err := store.Open(ctx, store.Options{Dir: dir, Demo: true})
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		_ = s.Close()
	}
	return fmt.Errorf("%s is not empty: the demo begins in an empty folder", dir)
}

// fill writes people, rules and the month into a new database.
func (w *world) fill(ctx context.Context) error {
	s, err := store.Open(ctx, store.Options{Dir: w.dir, Demo: true})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // everything in it is durable
	now := time.Now()
	people, err := putPeople(ctx, s)
	if err != nil {
		return fmt.Errorf("making people: %w", err)
	}
	if err := putRules(ctx, s, now); err != nil {
		return fmt.Errorf("making rules: %w", err)
	}
	rules, err := server.Compile(ctx, s)
	if err != nil {
		return fmt.Errorf("compiling the rules: %w", err)
	}
	if w.month, err = putHistory(ctx, s, rules, people, now); err != nil {
		return fmt.Errorf("making a month of sign-ins: %w", err)
	}
	return nil
}

// masterPassword is the environment variable from which the gate's own
// password is read: it stands in no file.
const masterPassword = "DEMO_MASTER"

// configuration is a site's, as small as it gets.
const configuration = `# What the demo ran on. A real site's file looks the same.
public_url: http://%[1]s
public: {address: "%[1]s", tls: none}
default_domain: ` + domain + `
listeners:
  - {name: imap, protocol: imap, address: "%[2]s", tls: none, plaintext_from: [127.0.0.0/8]}
  - {name: imaps, protocol: imap, address: "%[3]s", tls: implicit}
  - {name: submission, protocol: submission, address: "%[4]s", tls: none, plaintext_from: [127.0.0.0/8]}
tls: [{certificate: server.pem, key: server.key}]
backends:
  mail:
    imap: {address: "%[5]s", tls: none}
    submission: {address: "%[6]s", tls: none}
    login: master
    master: {user: ` + master + `, password: {env: ` + masterPassword + `}}
directories: [{kind: local}]
issuers:
  house:
    issuer: ` + issuerName + `
    jwks_file: issuer.jwks
    audience: [` + audience + `]
    amr: {otp: [password, softwareOath]}
    auth_time: true
state: "."
admin: {socket: ` + socketName + `, group: ""}
`

// configure writes what a site's administrator would have written.
func (w *world) configure() (_ *config.Config, err error) {
	for port, at := range map[uint16]*netip.AddrPort{plainPort: &w.plain, sealedPort: &w.sealed, outPort: &w.outgoing, publicPort: &w.public} {
		if *at, err = freePort(port); err != nil {
			return nil, err
		}
	}
	if w.authority, err = certs.Local(); err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	if _, err := certs.Write(w.dir, "server", w.authority.Server); err != nil {
		return nil, err
	}
	if w.issuer, err = newIssuer(); err != nil {
		return nil, err
	}
	token, err := w.issuer.token(address("leela"))
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(configuration, w.public, w.plain, w.sealed, w.outgoing, w.mail.addr, w.out.addr)
	for name, content := range map[string]string{"portreeve.yaml": text, "issuer.jwks": string(w.issuer.public),
		"ca.pem": string(w.authority.PEM()), "leela.token": token} {
		if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return config.Parse("portreeve.yaml", w.dir, []byte(text), []string{masterPassword + "=" + w.mail.password})
}

// freePort is the first loopback port from wanted on that nobody has.
func freePort(wanted uint16) (netip.AddrPort, error) {
	var last error
	for port := wanted; port < wanted+portsTried; port++ {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
		l, err := net.Listen("tcp", a.String())
		if err == nil {
			return a, l.Close()
		}
		last = err
	}
	return netip.AddrPort{}, fmt.Errorf("no free port from %d on: %w", wanted, last)
}

// serve runs the gate until close.
func (w *world) serve(ctx context.Context) {
	ctx, w.stop = context.WithCancel(ctx)
	w.done, w.api = make(chan error, 1), newAPI(w.socket())
	go func() { w.done <- w.server.Run(ctx) }()
}

// greetTime is how long the gate may take to answer at all.
const greetTime = 5 * time.Second

// answers waits for the gate's greeting: only then is it ready.
func (w *world) answers() error {
	c, err := net.DialTimeout("tcp", w.plain.String(), greetTime)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(greetTime))
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		return fmt.Errorf("waiting for the gate's greeting: %w", err)
	}
	return nil
}

// close ends everything and leaves nothing behind, unless it is to be kept.
func (w *world) close() error {
	var all []error
	if w.stop != nil {
		w.stop()
		all = append(all, <-w.done)
	}
	if w.api != nil {
		w.api.http.CloseIdleConnections()
	}
	if w.server != nil {
		all = append(all, w.server.Close())
	}
	if w.mail != nil {
		w.mail.close()
	}
	if w.out != nil {
		w.out.close()
	}
	if w.log != nil {
		all = append(all, w.log.Close())
	}
	if w.dir != "" && !w.kept {
		all = append(all, os.RemoveAll(w.dir))
	}
	return errors.Join(all...)
}
