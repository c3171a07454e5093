package apppassword

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	servers = MailServers{Name: "Müller & Söhne <Post>", IMAP: Server{"mail.example.org", 993, false}, POP3: Server{"mail.example.org", 995, false}, Submission: Server{"mail.example.org", 587, true}}
	owner   = Owner{Address: "mary@example.org", Name: `Mary "M." <O'Hara>`}
)

// plist reads the strings of a property list by key.
func plist(t *testing.T, doc []byte) map[string]string {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(doc))
	all, key, in := map[string]string{}, "", ""
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if in = tok.Name.Local; in == "true" {
				all[key] = "true"
			}
		case xml.EndElement:
			in = ""
		case xml.CharData:
			switch in {
			case "key":
				key = string(tok)
			case "string", "integer":
				all[key] = string(tok)
			}
		}
	}
}

func TestTheProfileSetsUpIMAPAndSMTP(t *testing.T) {
	p := mint()
	doc, err := MobileConfig(servers, owner, p.shown(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := plist(t, doc)
	for k, want := range map[string]string{"EmailAccountName": owner.Name, "EmailAddress": owner.Address, "EmailAccountDescription": servers.Name,
		"IncomingMailServerHostName": "mail.example.org", "IncomingMailServerPortNumber": "993", "IncomingMailServerUseSSL": "true", "IncomingPassword": p.shown(),
		"OutgoingMailServerPortNumber": "587", "OutgoingMailServerUseSSL": "true", "OutgoingPassword": p.shown(), "OutgoingMailServerUsername": owner.Address,
		"PayloadType": "Configuration", "PayloadIdentifier": "org.example.mail.portreeve", "PayloadVersion": "1"} {
		if got[k] != want {
			t.Errorf("%s is %q, want %q", k, got[k], want)
		}
	}
	if _, err := MobileConfig(MailServers{IMAP: servers.IMAP}, owner, p.shown(), nil); !errors.Is(err, ErrNoServers) {
		t.Errorf("without submission: %v", err)
	}
}

// OpenSSL verifies the signature against the authority, and gives the profile back.
func TestASignedProfileVerifies(t *testing.T) {
	dir := t.TempDir()
	root, rootKey := certificate(t, "Root", nil, nil)
	leaf, key := certificate(t, "mail.example.org", root, rootKey)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	p := mint()
	der, err := MobileConfig(servers, owner, p.shown(), &Signer{Certificate: leaf, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	verify := func(der []byte) ([]byte, error) {
		cmd := exec.CommandContext(ctx, "openssl", "cms", "-verify", "-inform", "DER", "-CAfile", ca, "-purpose", "any", "-binary")
		cmd.Stdin = bytes.NewReader(der)
		return cmd.Output()
	}
	doc, err := verify(der)
	if err != nil || plist(t, doc)["IncomingPassword"] != p.shown() {
		t.Errorf("openssl says %v and gives %s", err, doc)
	}
	at := bytes.Index(der, []byte("mary@example.org"))
	der[at] = 'h'
	if doc, err := verify(der); err == nil {
		t.Errorf("a changed one verifies: %s", doc)
	}
}

func certificate(t *testing.T, name string, by *x509.Certificate, byKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: by == nil}
	if by == nil {
		by, byKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c, key
}

func TestTextsToPasteHoldWhatIsNeeded(t *testing.T) {
	p := mint()
	for _, program := range Programs() {
		text, ok := Paste(program.ID, servers, owner, p.shown())
		if !ok || !strings.Contains(text, "mail.example.org") || !strings.Contains(strings.ReplaceAll(text, "-", ""), string(p[:])) || !strings.Contains(text, "mary") {
			t.Errorf("%s: %s", program.ID, text)
		}
		if strings.Contains(text, "587") != program.Sends {
			t.Errorf("%s sends: %v, and its text says\n%s", program.ID, program.Sends, text)
		}
	}
	if _, ok := Paste("outlook-97", servers, owner, ""); ok {
		t.Error("there is a text for a program that is not in the list")
	}
	png, err := QR(servers, owner, p.shown())
	if err != nil || !bytes.HasPrefix(png, []byte("\x89PNG")) {
		t.Errorf("QR: %v", err)
	}
}
