// Command portreeve is conditional access for mail; see package cli.
package main

import (
	"os"

	"github.com/portreeve/portreeve/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
