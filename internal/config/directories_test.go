package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The configurations of docs/ldap.md are ones, but for the files that they name.
func TestTheDirectoriesOfTheManual(t *testing.T) {
	page, err := os.ReadFile("../../docs/ldap.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, []byte("-----BEGIN CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d configurations", len(blocks))
	}
	for _, b := range blocks {
		text := strings.ReplaceAll(b[1], "/etc/portreeve/ldap.secret", filepath.Join(dir, "secret"))
		text = regexp.MustCompile(`/etc/ssl/certs/\S+`).ReplaceAllString(text, ca)
		c, err := Parse("portreeve.yaml", dir, []byte("default_domain: example.org\nobserve: {address: \"127.0.0.1:1\"}\n"+text), nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if problems := c.Check(); len(problems) > 0 {
			t.Errorf("%v in\n%s", problems, text)
		}
		d := c.Directories[1]
		if len(d.URLs) != 2 || d.GuessBudget != 3 || d.Poll != 10*time.Second || d.Attributes.Domain != "example.org" || d.Groups.Base == "" || len(d.Attributes.Login) != 1 {
			t.Errorf("%+v", d)
		}
	}
}
