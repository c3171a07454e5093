package proxy

import (
	"crypto/rand"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

// newID names a connection.
func newID() signin.ID {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails on the systems we run on
	return signin.NewID(time.Now().UnixMilli(), random)
}
