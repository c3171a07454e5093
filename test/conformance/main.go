// Command conformance runs the OpenID Foundation's conformance suite against a
// portreeve that it starts for the purpose: the suite as run.sh has compiled it,
// a stand-in for the suite's database, and the issuer, all on loopback. It prints
// what each module came to, and fails where one did.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// runTime bounds a whole run.
const runTime = time.Hour

func main() {
	var r run
	flag.StringVar(&r.checkout, "suite", "", "the suite's source")
	flag.StringVar(&r.folder, "folder", "", "where run.sh has built, and logs go")
	flag.StringVar(&r.mongo, "mongo", "", "Mongo.java")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), runTime)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	good, err := r.plans(ctx, flag.Args())
	stop()
	cancel()
	r.end()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// run is one run: what it is made of, and what has been started for it.
type run struct {
	checkout, folder, mongo string

	files   certificate
	started []*process
}

// plans starts everything and runs the plans whose names have one of the parts;
// good says that no module failed.
func (r *run) plans(ctx context.Context, parts []string) (good bool, err error) {
	logs := filepath.Join(r.folder, "logs")
	if err := os.RemoveAll(logs); err != nil {
		return false, err
	}
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return false, err
	}
	if r.files, err = newCertificate(logs); err != nil {
		return false, err
	}
	ours, err := r.startIssuer(ctx)
	if err != nil {
		return false, err
	}
	s, err := r.startSuite(ctx)
	if err != nil {
		return false, err
	}
	return s.runPlans(ctx, parts, ours)
}

// end stops what was started, the last first.
func (r *run) end() {
	for i := len(r.started) - 1; i >= 0; i-- {
		r.started[i].stop()
	}
}
