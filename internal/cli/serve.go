package cli

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/server"
	"github.com/portreeve/portreeve/internal/store"
)

func (a *app) serve() *cobra.Command {
	var file string
	c := verb("serve", "Stand in front of the mail servers, in the foreground", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		c, err := a.loadConfig(file)
		if err != nil {
			return err
		}
		if err := a.problems(c); err != nil {
			return err
		}
		log := slog.New(slog.NewTextHandler(a.err, nil))
		s, err := server.New(cmd.Context(), server.Options{Config: c, Log: log, Version: Version})
		if errors.Is(err, store.ErrDemo) {
			return &failure{exit: exitFailed, what: fmt.Sprintf("%s was made by the demo, whose people and policies are invented", string(c.State)), next: "name another folder under `state` in the configuration"}
		}
		if errors.Is(err, store.ErrInUse) {
			return &failure{exit: exitConflict, what: err.Error(), next: "`portreeve status` shows that one; another needs another `state` folder"}
		}
		if err != nil {
			return err
		}
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // without systemd nobody listens
		err = s.Run(cmd.Context())
		return errors.Join(err, s.Close())
	})
	c.Flags().StringVar(&file, "config", config.DefaultFile, "the configuration file")
	return c
}

func (a *app) version() *cobra.Command {
	return verb("version", "The version of this program", cobra.NoArgs, func(*cobra.Command, []string) error {
		_, err := fmt.Fprintln(a.out, "portreeve "+Version)
		return err
	})
}
