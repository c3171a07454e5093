// Make writes a sample tenant: an administrator's exports, and beside them the
// truth about the holes planted in them.
//
//	go run ./test/tenants/make -seed 7 -mailboxes 5000 DIR
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/portreeve/portreeve/test/tenants"
)

func main() {
	seed := flag.Uint64("seed", 1, "what everything is drawn from")
	mailboxes := flag.Int("mailboxes", 5000, "how many, about")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: make [-seed N] [-mailboxes N] DIR")
		os.Exit(2)
	}
	truth, err := tenants.Make(flag.Arg(0), tenants.Options{Seed: *seed, Mailboxes: *mailboxes})
	if err != nil {
		fmt.Fprintln(os.Stderr, "make:", err)
		os.Exit(1)
	}
	fmt.Printf("%s\n%d findings, %d near misses\n", truth.About, len(truth.Findings), len(truth.NearMisses))
}
