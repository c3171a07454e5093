// Package msgraph drives the running server with Microsoft's own Go SDK and
// credentials, as a script written for Microsoft Graph would: only the base
// address and the authority differ. It is a module of its own, since the SDK's
// models alone take minutes and gigabytes to build.
package msgraph

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every program and wait; a slow machine is no fault.
const patience = 2 * time.Minute

// door is a running server as its administrators see it.
type door struct {
	t       *testing.T
	binary  string
	dir     string
	address string // of the HTTPS listener
	roots   *x509.CertPool
}

// host is the name in the certificate.
const host = "localhost"

func (d *door) url() string { return "https://" + d.address }

// run starts a server with a listener for administrators.
func run(t *testing.T) *door {
	t.Helper()
	dir, err := os.MkdirTemp("", "pr") // a socket's path has room for 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &door{t: t, dir: dir, binary: binary(t, dir)}
	d.certify()
	d.address = net.JoinHostPort(host, freePort(t))
	config := fmt.Sprintf("default_domain: example.org\nstate: %[1]s/state\nobserve: {address: 127.0.0.1:%[2]s}\ntls: [{certificate: %[1]s/door.pem, key: %[1]s/door.key}]\nadmin: {socket: %[1]s/s, address: 127.0.0.1:%[3]s, names: [localhost]}\n",
		dir, freePort(t), d.address[len(host)+1:])
	d.write("portreeve.yaml", []byte(config))
	var log bytes.Buffer
	cmd := exec.Command(d.binary, "serve", "--config", filepath.Join(dir, "portreeve.yaml"))
	cmd.Stderr, cmd.Stdout = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		stop := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer stop.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended: %v\n%s", err, log.String())
		}
	})
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "s")); err == nil {
			return d
		}
		if time.Now().After(until) {
			t.Fatalf("the server does not start:\n%s", log.String())
		}
	}
}

// binary is the program under test: the one named, else built here.
func binary(t *testing.T, dir string) string {
	t.Helper()
	if b := os.Getenv("PORTREEVE_BINARY"); b != "" {
		return b
	}
	b := filepath.Join(dir, "portreeve")
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b, "./cmd/portreeve")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return b
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (d *door) write(name string, b []byte) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), b, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// certify makes the door's certificate, which only our own clients trust.
func (d *door) certify() {
	d.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		d.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		d.t.Fatal(err)
	}
	d.write("door.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	d.write("door.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		d.t.Fatal(err)
	}
	d.roots = x509.NewCertPool()
	d.roots.AddCert(leaf)
}

// transport trusts the door.
func (d *door) transport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: d.roots, MinVersion: tls.VersionTLS12}}
}

// command runs the command line over the socket and returns its output.
func (d *door) command(args ...string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.binary, append(args, "--socket", filepath.Join(d.dir, "s"))...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if e := cmd.Run(); e != nil {
		d.t.Fatalf("portreeve %s: %v\n%s%s", strings.Join(args, " "), e, out.String(), err.String())
	}
	return strings.TrimSpace(out.String())
}
