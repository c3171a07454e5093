package oauth

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/portreeve/portreeve/internal/client"
)

// maxMetadata bounds what a program says of itself, in bytes.
const maxMetadata = 16 << 10

// registered is the answer to a registration (RFC 7591, section 3.2.1).
type registered struct {
	ID     string `json:"client_id"`
	Issued int64  `json:"client_id_issued_at"`
	client.Metadata
}

// register lets a program that nobody knows become a client (RFC 7591): a public
// one, which people are told nobody has checked.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	const wrong = "invalid_client_metadata"
	if !s.Registration {
		tell(w, http.StatusForbidden, "access_denied", "Programs are registered by the administrator here.")
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		tell(w, http.StatusBadRequest, wrong, "The body is JSON, and its Content-Type says so.")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMetadata))
	if err != nil {
		tell(w, http.StatusRequestEntityTooLarge, wrong, "The body has at most 16,384 bytes.")
		return
	}
	var m client.Metadata
	if err := json.Unmarshal(body, &m); err != nil {
		tell(w, http.StatusBadRequest, wrong, "The body is no JSON object, or a member is not of its type.")
		return
	}
	c, err := s.Clients.Register(r.Context(), knock(r.Context()).Client.Addr(), m)
	var no *client.RegistrationError
	switch {
	case errors.As(err, &no):
		s.tellRegistration(w, no)
	case err != nil:
		s.Fault.Error("cannot register a program", "err", err)
		w.Header().Set("Retry-After", "60")
		tell(w, http.StatusServiceUnavailable, temporarilyAway, awayText)
	default:
		send(w, http.StatusCreated, registered{c.ID, c.Created.Unix(), c.Metadata()})
	}
}

func (s *Server) tellRegistration(w http.ResponseWriter, no *client.RegistrationError) {
	status := http.StatusBadRequest
	switch no.Code {
	case temporarilyAway:
		status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", "3600")
	case "access_denied":
		status = http.StatusForbidden
	}
	tell(w, status, no.Code, no.Description)
}
