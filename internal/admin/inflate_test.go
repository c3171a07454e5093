package admin_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func zipped(t *testing.T, write func(io.Writer)) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	write(z)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBodiesMayBeCompressed(t *testing.T) {
	o := openAbroad(t)
	token := o.token(`{"name":"ci","role":"administrator"}`)
	body := zipped(t, func(w io.Writer) { _, _ = io.WriteString(w, `{"address":"ana"}`) })
	o.expect(201, "POST", "/portreeve/v1/people", token, body, "Content-Encoding", "gzip")
	o.expect(400, "POST", "/portreeve/v1/people", token, "no gzip at all", "Content-Encoding", "gzip")
	o.expect(415, "POST", "/portreeve/v1/people", token, body, "Content-Encoding", "br")
	// A small body that grows beyond the bound is refused like a large one.
	bomb := zipped(t, func(w io.Writer) {
		_, _ = io.WriteString(w, `{"displayName":"`)
		chunk := []byte(strings.Repeat("a", 1<<20))
		for range 80 {
			_, _ = w.Write(chunk)
		}
	})
	o.expect(413, "POST", policies, token, bomb, "Content-Encoding", "gzip")
}

// Whoever shows no token is answered though the body never ends, and is not
// waited for.
func TestStrangersAreNotWaitedFor(t *testing.T) {
	o := openAbroad(t)
	transport := o.remote.Transport.(*http.Transport)
	c, err := tls.Dial("tcp", strings.TrimPrefix(o.base, "https://"), transport.TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{", policies)
	answer, err := io.ReadAll(c) // until the server closes
	if err != nil && !strings.Contains(err.Error(), "reset") || !bytes.HasPrefix(answer, []byte("HTTP/1.1 401 ")) {
		t.Errorf("%v: %.200s", err, answer)
	}
}
