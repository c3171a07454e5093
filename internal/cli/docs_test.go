package cli

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the generated pages anew")

func TestThePagesAreTrue(t *testing.T) {
	t.Setenv("PORTREEVE_SOCKET", "")
	for name, text := range map[string]string{"../../docs/commands.md": commandsPage(), "../../docs/codes.md": codesPage()} {
		if *update {
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if b, err := os.ReadFile(name); err != nil || string(b) != text {
			t.Errorf("%s is not what the commands say (%v): go generate ./internal/cli", name, err)
		}
	}
}

// TestEveryCommandSaysWhatItDoes also keeps secrets out of arguments.
func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	a := &app{}
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s says %q", c.CommandPath(), c.Short)
		}
		if f := c.Flags().Lookup("password"); f != nil && f.Value.Type() != "bool" {
			t.Errorf("%s takes a password as an argument", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	for _, c := range a.commands() {
		look(c)
	}
}
