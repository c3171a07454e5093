package admin

import (
	"net/http"
	"regexp"

	"github.com/portreeve/portreeve/internal/store"
)

// Graph's headers by which a request can be found again.
const (
	requestID       = "Request-Id"
	clientRequestID = "Client-Request-Id"
)

// told bounds what of a client's own id is said back.
var told = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// identify gives a request an id, and says the client's own back.
func identify(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if h.Get(requestID) != "" {
		return
	}
	id := store.NewID().String()
	h.Set(requestID, id)
	if own := r.Header.Get(clientRequestID); told.MatchString(own) {
		id = own
	}
	h.Set(clientRequestID, id)
}

// innerError is what Graph's errors carry to be found again by.
func innerError(h http.Header, at string) map[string]any {
	return map[string]any{"date": at, "request-id": h.Get(requestID), "client-request-id": h.Get(clientRequestID)}
}
