// Command profiled serves as `portreeve serve` does, with net/http/pprof on a
// port of its own, so that what bench.sh measures can be looked into. It is no
// part of the product, which has no such port.
//
//	go build -o bin/profiled ./bench/profiled
//	bin/profiled -config portreeve.yaml -pprof 127.0.0.1:22799
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/server"
)

func main() {
	file := flag.String("config", config.DefaultFile, "the configuration")
	addr := flag.String("pprof", "127.0.0.1:22799", "where the profiles are")
	rate := flag.Int("mutex", 0, "take one of this many contentions of mutexes; 0: none")
	flag.Parse()
	runtime.SetMutexProfileFraction(*rate)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *file, *addr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, file, addr string) error {
	c, err := config.Load(file, os.Environ())
	if err != nil {
		return err
	}
	go func() {
		profiles := &http.Server{Addr: addr, ReadHeaderTimeout: 5 * time.Second}
		fmt.Fprintln(os.Stderr, profiles.ListenAndServe())
	}()
	s, err := server.New(ctx, server.Options{Config: c, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Version: "profiled"})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Run(ctx)
}
