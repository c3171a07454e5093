package test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// Root is given a link that leads to the portal, filled in; nobody else is.
func TestRootRecoversSomebody(t *testing.T) {
	t.Parallel()
	s := shared()
	mary := newPerson(t)
	s.do(t, "user", "add", mary)
	out, err := s.try("admin", "recover", mary)
	if os.Getuid() != 0 {
		if err == nil || !strings.Contains(out, "only root") {
			t.Fatalf("not as root: %v\n%s", err, out)
		}
		return
	}
	check(t, err)
	link := strings.TrimSpace(lastLine(out))
	path, ok := strings.CutPrefix(link, "https://localhost/recover/")
	if !ok {
		t.Fatalf("printed %q", out)
	}
	s.use(path[strings.LastIndex(path, "/")+1:])
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls()}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + s.Public + "/recover/" + path)
	check(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	check(t, err)
	if resp.StatusCode != 200 || !strings.Contains(string(page), mary) || !strings.Contains(string(page), `action="/signin/pass"`) {
		t.Errorf("%s: %s", resp.Status, page)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("it may be kept: Cache-Control %q", got)
	}
	s.audited(t, "create", "pass", mary)
	s.do(t, "user", "disable", mary)
	if out, err := s.try("admin", "recover", mary); err == nil || !strings.Contains(out, "is disabled") {
		t.Errorf("somebody disabled: %v\n%s", err, out)
	}
}
