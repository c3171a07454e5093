package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/config"
)

// journal is a log that is read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// A language in a file is served without another program, is among those at the
// foot of the page under its own name, and follows its file.
func TestAFurtherLanguageIsServed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fr.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"language": "Français", "signin.title": "Connexion", "signin.password": "Mot de passe <b>"}`)
	c, err := config.Parse("portreeve.yaml", dir, fmt.Appendf(nil, "public_url: https://mail.example.org\nobserve: {address: 127.0.0.1:0}\npublic: {address: 127.0.0.1:0, tls: none}\n"+
		"state: %s\nadmin: {socket: %s/s}\nlanguages: {folder: %s}\n", t.TempDir(), t.TempDir(), dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{}
	s, _ := serving(t, c, log)
	get := func(path, accept string) (int, string, http.Header) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.public.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "mail.example.org"
		r.Header.Set("Accept-Language", accept)
		client := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		a, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(b), a.Header
	}
	_, page, _ := get("/signin", "fr-FR, fr;q=0.9")
	for _, want := range []string{`<html lang="fr"`, "Connexion", "Mot de passe &lt;b&gt;", "Mail address", `<span aria-current="true" lang="fr">Français</span>`, `lang="de">Deutsch</a>`} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page:\n%s", want, page)
		}
	}
	if _, page, _ := get("/signin", "en"); !strings.Contains(page, `<a href="/language/fr?to=%2fsignin" lang="fr" hreflang="fr">Français</a>`) {
		t.Errorf("nothing leads to French:\n%s", page)
	}
	if status, _, h := get("/language/fr?to=/signin", "en"); status != http.StatusSeeOther || !strings.Contains(h.Get("Set-Cookie"), "lang=fr;") {
		t.Errorf("choosing French: %d, %v", status, h)
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if is() {
				return
			}
		}
		t.Fatalf("%s; the log:\n%s", what, log)
	}
	title := func() string { _, page, _ := get("/signin", "fr"); return page }
	write(`{"language": "Français", "signin.title": "Se connecter ici"}`)
	until("the changed file is not served", func() bool { return strings.Contains(title(), "Se connecter ici") })
	write(`{"language": "Français", "signin.titel": "Rien"}`)
	until("nothing is said of a broken file", func() bool { return strings.Contains(log.String(), "fr.json:1:26") })
	if !strings.Contains(title(), "Se connecter ici") || !strings.Contains(log.String(), "sentences; those are in English") {
		t.Errorf("a broken file took the last good one away, or its lacks were not told:\n%s", log)
	}
}
