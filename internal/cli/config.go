package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/web"
)

func (a *app) config() *cobra.Command {
	var file string
	var changed bool
	check := verb("check", "Check the configuration file", cobra.NoArgs, func(*cobra.Command, []string) error {
		c, err := a.loadConfig(file)
		if err != nil {
			return err
		}
		if err := a.problems(c); err != nil {
			return err
		}
		a.done("%s is good", printable(file))
		return nil
	})
	show := verb("show", "Show every setting with where it comes from", cobra.NoArgs, func(*cobra.Command, []string) error {
		c, err := a.loadConfig(file)
		if err != nil {
			return err
		}
		return c.Show(a.out, changed)
	})
	show.Flags().BoolVar(&changed, "changed", false, "leave out what is only a default")
	for _, c := range []*cobra.Command{check, show} {
		c.Flags().StringVar(&file, "config", config.DefaultFile, "the configuration file")
	}
	describe := verb("describe [SETTING]", "The manual of the settings", cobra.MaximumNArgs(1), func(_ *cobra.Command, args []string) error {
		text, err := config.Describe(strings.Join(args, ""))
		if err != nil {
			return &failure{exit: exitUsage, what: err.Error(), next: "`portreeve config describe` describes them all"}
		}
		_, err = fmt.Fprint(a.out, text)
		return err
	})
	language := verb("language [LANGUAGE]", "Print the words of a built-in language, to begin another with", cobra.MaximumNArgs(1), func(_ *cobra.Command, args []string) error {
		words, err := web.BuiltIn(cmp.Or(strings.Join(args, ""), web.Fallback))
		if err != nil {
			return usage("%v", err)
		}
		_, err = a.out.Write(words)
		return err
	})
	language.Example = `  portreeve config language > /etc/portreeve/languages/fr.json`
	return noun("config", "The configuration file", check, show, describe, language)
}

func (a *app) loadConfig(file string) (*config.Config, error) {
	c, err := config.Load(file, environ())
	if errors.Is(err, os.ErrNotExist) {
		return nil, &failure{exit: exitNotFound, what: err.Error(), next: "name the configuration file with --config; `portreeve config describe` tells what may stand in it"}
	}
	if err != nil {
		return nil, broken(err)
	}
	return c, nil
}

// environ is the environment without what is the command line's own.
func environ() []string {
	var all []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PORTREEVE_SOCKET=") {
			all = append(all, e)
		}
	}
	return all
}

// problems tells what fits together badly; what is no warning stops the start.
func (a *app) problems(c *config.Config) error {
	found := c.Check()
	for _, p := range found {
		fmt.Fprintln(a.err, strings.TrimRight(p.String(), "\n"))
	}
	if config.Broken(found) {
		return &failure{exit: exitUsage, what: "the configuration is not fit to be served"}
	}
	return nil
}
