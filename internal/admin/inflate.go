package admin

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// inflate has a compressed body read as what it is, as Microsoft's SDKs send
// them. The bound on a body is set around this, so it counts what comes out.
func inflate(r *http.Request) error {
	switch coding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return bad("", "the body is no gzip: %v", err)
		}
		r.Body = struct {
			io.Reader
			io.Closer
		}{z, r.Body}
		return nil
	default:
		return &Error{Status: http.StatusUnsupportedMediaType, Code: "UnsupportedMediaType", Message: "a body is sent as it is, or with gzip"}
	}
}
