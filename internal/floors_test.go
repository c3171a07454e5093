package internal

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// floors lists every package of ours, lowest first; within a floor the order
// counts too. An import may only lead to a package that stands earlier here.
var floors = [][]string{
	{"spelling", "span", "name", "protocol", "scope", "program", "network", "location", "filter", "policy", "policy/policytest", "policy/graph", "policy/exchange", "signin", "whatif", "lint", "template", "policycheck", "selfaudit",
		"sasl", "wire/line", "wire/imap", "wire/pop3", "wire/smtp", "wire/sieve", "wire/proxyproto"},
	{"secret", "store", "geoip", "certs", "policyfile", "policyset", "tenant", "tenantaudit", "relay", "backend", "adminlog", "notify", "qrtext", "mailtest"},
	{"change", "alarm", "admintoken", "directory", "delegate", "lockout", "factor", "apppassword", "approval", "token", "client", "grant", "upstream", "authn", "session", "eventlog", "gate", "gate/gatetest"},
	{"proxy", "front/dialogue", "front/imap", "front/pop3", "front/submission", "front/sieve", "decide/dovecot", "importer", "web", "discovery", "oauth", "admin", "portal"},
	{"config", "server", "demo", "cli"},
}

// worldly are the standard packages that would let floor 0 touch the world:
// rules and words take values and give values, and time comes in as a value.
var worldly = map[string]string{
	"net":          "only net/netip: addresses are values, connections are not",
	"net/http":     "floor 0 speaks to nobody",
	"os":           "floor 0 reads no files",
	"context":      "nothing on floor 0 waits",
	"database/sql": "rows belong to store",
	"log":          "floor 0 returns values and errors",
	"log/slog":     "floor 0 returns values and errors",
	"crypto/rand":  "chance comes in as a value",
	"os/exec":      "floor 0 starts nothing",
	"syscall":      "floor 0 asks the kernel for nothing",
}

const module = "github.com/portreeve/portreeve/"

// outsideWords are the only foreign modules floor 0 may use (PRECIS, IDNA).
var outsideWords = []string{"golang.org/x/text/", "golang.org/x/net/idna"}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestFloors(t *testing.T) {
	rank, floorOf := map[string]int{}, map[string]int{}
	for f, names := range floors {
		for _, n := range names {
			rank[n], floorOf[n] = len(rank), f
		}
	}
	for _, p := range listPackages(t) {
		short := strings.TrimPrefix(p.ImportPath, module+"internal/")
		mine, known := rank[short]
		if !known {
			t.Errorf("%s stands on no floor: add it to the list in this file, as low as it can stand", short)
			continue
		}
		for _, imp := range p.Imports {
			other := strings.TrimPrefix(imp, module+"internal/")
			if r, ours := rank[other]; ours && other != imp && r > mine {
				t.Errorf("%s imports %s, which stands above it", short, other)
			}
			if floorOf[short] == 0 {
				checkWords(t, short, imp)
			}
		}
	}
}

func checkWords(t *testing.T, short, imp string) {
	t.Helper()
	if why, banned := worldly[imp]; banned {
		t.Errorf("%s (floor 0) imports %s: %s", short, imp, why)
	}
	first, _, _ := strings.Cut(imp, "/")
	if !strings.Contains(first, ".") || strings.HasPrefix(imp, module) {
		return
	}
	for _, ok := range outsideWords {
		if strings.HasPrefix(imp, ok) {
			return
		}
	}
	t.Errorf("%s (floor 0) imports %s: only the standard library, x/text and x/net/idna", short, imp)
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath != module+"internal" {
			all = append(all, p)
		}
	}
}
