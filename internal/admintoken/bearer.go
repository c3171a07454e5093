package admintoken

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
)

// A bearer token is opaque to clients: a mark, then in base64url the id of the
// token that it was made from, when it ends in Unix seconds, and a proof of both
// (HMAC-SHA-256 under a key of the master key, 128 bits). Nothing is kept of it.
const (
	bearerMark = "prbearer_"
	// BearerLife is how long it lives: as long as Entra's at least.
	BearerLife = time.Hour
	idSize     = 16
	endSize    = 8
	proofSize  = len(secret.Print{})
	bearerSize = idSize + endSize + proofSize
)

// Bearer makes a bearer token for a holder, and says when it ends: never after
// the token it is made from.
func (s *Service) Bearer(h *Holder, now time.Time) (text string, ends time.Time, err error) {
	id, err := signin.ParseID(h.Token.ID)
	if err != nil {
		return "", ends, err
	}
	ends = now.Add(BearerLife)
	if e := h.Token.Expires; !e.IsZero() && e.Before(ends) {
		ends = e
	}
	b := append(make([]byte, 0, bearerSize), id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(ends.Unix()))
	proof := s.bearers.Of(b)
	return bearerMark + base64.RawURLEncoding.EncodeToString(append(b, proof[:]...)), ends, nil
}

// readBearer returns the id of the token that a bearer token was made from, if
// it is ours and has not ended.
func (s *Service) readBearer(text string, now time.Time) (id string, ok bool) {
	coded, found := strings.CutPrefix(text, bearerMark)
	b, err := base64.RawURLEncoding.Strict().DecodeString(coded)
	if !found || err != nil || len(b) != bearerSize {
		return "", false
	}
	proof := s.bearers.Of(b[:idSize+endSize])
	if subtle.ConstantTimeCompare(proof[:], b[idSize+endSize:]) != 1 {
		return "", false
	}
	ends := time.Unix(int64(binary.BigEndian.Uint64(b[idSize:])), 0)
	return signin.ID(b[:idSize]).String(), now.Before(ends)
}
