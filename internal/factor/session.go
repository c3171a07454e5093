package factor

import (
	"context"

	"github.com/portreeve/portreeve/internal/policy"
)

type factsKey struct{}

// From says in a context for which session something is asked: the facts of
// the sign-in that it hangs on. They say by what it was proven, which decides
// what it may enrol, and from where, which keeps strangers' wrong codes apart
// from the owner's. Without it the asker is a stranger who has proven nothing.
func From(ctx context.Context, f policy.Facts) context.Context {
	return context.WithValue(ctx, factsKey{}, f)
}

func factsOf(ctx context.Context) policy.Facts {
	f, _ := ctx.Value(factsKey{}).(policy.Facts)
	return f
}
