package test

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The public pages: what anybody may read of a reference, of a code, and no more.
func TestPublicPages(t *testing.T) {
	t.Parallel()
	s := shared()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: s.tls()}}
	page := func(path string, want int) string {
		t.Helper()
		resp, err := client.Get("https://" + s.Public + path)
		check(t, err)
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		check(t, err)
		if resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || len(resp.Cookies()) > 0 {
			t.Errorf("%s: policy %q, cookies %v", path, policy, resp.Cookies())
		}
		return string(raw)
	}
	person := newPerson(t)
	k := s.mustKnock(t, "imap", netip.Addr{})
	answer, _, err := k.signIn(person, s.use("not-the-Right-1"))
	check(t, err)
	ref := reference.FindStringSubmatch(answer)
	if ref == nil {
		t.Fatalf("no reference in %q", answer)
	}
	s.signIn(t, person, "PR50126")
	known := page("/r/"+ref[1], http.StatusOK)
	if !strings.Contains(known, ref[1]) {
		t.Errorf("the page of %s does not name it", ref[1])
	}
	for _, private := range []string{person, "127.0.0.1", "PR50126", "wrong"} {
		if strings.Contains(known, private) {
			t.Errorf("the page of a reference tells %q", private)
		}
	}
	page("/r/nonsense", http.StatusNotFound)
	if code := page("/codes/53003", http.StatusOK); !strings.Contains(code, "PR53003") {
		t.Error("the page of a code does not name it")
	}
	page("/codes/1", http.StatusNotFound)
	page("/nothing", http.StatusNotFound)
}
