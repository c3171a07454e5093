package config

import (
	"net"
	"net/mail"
	"os"
	"strings"

	"github.com/portreeve/portreeve/internal/network"
)

// notices checks where mails to people go.
func (k *checker) notices() {
	n := k.c.Notices
	if n.Address == "" {
		return
	}
	if a, err := mail.ParseAddress(n.From); err != nil || a.Address != n.From {
		k.wrong("/notices/from", "notices need an address that they come from, such as gate@example.org")
	}
	host, _, _ := net.SplitHostPort(string(n.Address))
	if n.TLS == "none" && !network.Here(host) {
		k.wrong("/notices/tls", "without TLS notices go to this machine only")
	}
	if n.CA == "" {
		return
	}
	if b, err := os.ReadFile(string(n.CA)); err != nil {
		k.wrong("/notices/ca", "%v", err)
	} else if !strings.Contains(string(b), "-----BEGIN CERTIFICATE-----") {
		k.wrong("/notices/ca", "%s holds no certificate", n.CA)
	}
}
