// Command quick measures what Portreeve itself costs, without peers, in under
// a minute: the decision, the durable sign-in, how fast a change of policy
// reaches 9,500 open connections, and the audit of an exported tenant of 5,000
// mailboxes, and what the issuer's own tokens cost. It writes bench/out/quick.json.
//
// The decision is timed over random policies of every kind of condition, with
// facts of a thousand people. Sign-ins are gate.SignIn in process, with bearer
// tokens seen before, 1,000 policies and every event durable before it returns;
// the rows are counted after the database was closed and opened again. The
// recheck runs on real connections, relayed by the built binary.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// figures are what quick.json holds; names as docs/performance.md explains them.
type figures map[string]float64

func main() {
	binary := flag.String("binary", "bin/portreeve", "the built binary")
	out := flag.String("out", "bench/out/quick.json", "where the figures go")
	conns := flag.Int("conns", 9500, "open connections to judge again")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	f := figures{}
	for _, part := range []struct {
		name string
		run  func(context.Context, figures) error
	}{
		{"decision", decision},
		{"durable sign-ins", signIns},
		{"own tokens", ownTokens},
		{"recheck", func(ctx context.Context, f figures) error { return recheck(ctx, f, *binary, *conns) }},
		{"audit of a tenant", func(ctx context.Context, f figures) error { return tenantAudit(ctx, f, *binary) }},
	} {
		began := time.Now()
		if err := part.run(ctx, f); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", part.name, err)
			os.Exit(1)
		}
		fmt.Fprintf(os.Stderr, "%s measured in %.1f s\n", part.name, time.Since(began).Seconds())
	}
	if err := f.write(*out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (f figures) write(path string) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	fmt.Printf("%s\n", b)
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
