package server

import (
	"context"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

// Compile compiles the rules that a store holds and keeps them under their
// version, just as the server does that opens the store next. It is for who
// judges beforehand: the demo's month of sign-ins.
func Compile(ctx context.Context, s *store.Store) (*policy.Snapshot, error) {
	return (&keeper{store: s}).first(ctx)
}
