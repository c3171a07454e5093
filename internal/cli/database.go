package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/store"
)

const database = ours + "/database"

func (a *app) db() *cobra.Command {
	return noun("db", "The database: back up, restore, check", a.dbBackup(), a.dbRestore(), a.dbCheck())
}

// stateFlag names the configuration that says where the state folder is.
func stateFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", config.DefaultFile, "the configuration file, which says where the state folder is")
}

func (a *app) stateFolder(file string) (string, error) {
	c, err := a.loadConfig(file)
	if err != nil {
		return "", err
	}
	return string(c.State), nil
}

// silent says that no server answers behind the socket.
func silent(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.exit == exitUnreachable
}

func (a *app) dbBackup() *cobra.Command {
	var file string
	c := verb("backup FILE", "Write a copy of the database, from the running server or without one", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		to := args[0]
		if _, err := os.Lstat(to); err == nil {
			return usage("%s is there already", to)
		}
		err := a.fetchBackup(cmd.Context(), to)
		if silent(err) {
			err = a.backupOffline(cmd.Context(), file, to)
		}
		if err != nil {
			return err
		}
		fi, err := os.Stat(to)
		if err != nil {
			return err
		}
		a.done("wrote %s, %d kB, checked", printable(to), (fi.Size()+1023)>>10)
		return nil
	})
	c.Long = `Write a copy of the database to a new file, whole and consistent while the server goes
on. The copy is checked before it gets its name. It holds password hashes and sealed
secrets, and not the master key that opens those: keep that elsewhere.`
	stateFlag(c, &file)
	return c
}

// fetchBackup has the running server make a copy, and writes it.
func (a *app) fetchBackup(ctx context.Context, to string) (err error) {
	resp, err := a.client().send(ctx, http.MethodGet, database+"/backup", nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	part := to + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	_, err = io.Copy(f, resp.Body) // fails if it is shorter than the server said
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return finishBackup(ctx, part, to)
}

func (a *app) backupOffline(ctx context.Context, file, to string) error {
	dir, err := a.stateFolder(file)
	if err != nil {
		return err
	}
	lock, err := store.Lock(dir)
	if err != nil {
		return inUse(err)
	}
	defer lock.Close()
	made := to + ".new"
	if err := store.BackupFile(ctx, dir, made); err != nil {
		return err
	}
	if err := finishBackup(ctx, made, to); err != nil {
		_ = os.Remove(made)
		return err
	}
	return nil
}

// finishBackup gives a copy its name once it was found good.
func finishBackup(ctx context.Context, from, to string) error {
	r, err := store.CheckFile(ctx, from)
	if err == nil {
		err = r.Fault()
	}
	if err != nil {
		return fmt.Errorf("the copy is not good: %w", err)
	}
	return os.Rename(from, to)
}

func inUse(err error) error {
	if errors.Is(err, store.ErrInUse) {
		return &failure{exit: exitConflict, what: err.Error(), next: "stop it first: `systemctl stop portreeve`"}
	}
	return err
}

func (a *app) dbRestore() *cobra.Command {
	var file string
	var newKey bool
	c := verb("restore FILE", "Put a backup in the place of the database; no server may be running", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		dir, err := a.stateFolder(file)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the state folder: %w", err)
		}
		if err := aDatabase(args[0]); err != nil {
			return err
		}
		kept, err := store.Restore(cmd.Context(), store.RestoreOptions{Dir: dir, File: args[0], NewKey: newKey})
		if err != nil {
			return inUse(err)
		}
		a.done("restored %s", printable(args[0]))
		if kept != "" {
			a.done("the database that was there is kept as %s", printable(kept))
		}
		return nil
	})
	c.Long = `Put a backup in the place of the database. The backup is checked first; what was there
is kept beside it under a name of its own. The master key must be the one the backup was
made under, or the server refuses to start.`
	stateFlag(c, &file)
	c.Flags().BoolVar(&newKey, "new-key", false, "the master key is lost: second factors and app passwords in the backup can be read no more")
	return c
}

func (a *app) dbCheck() *cobra.Command {
	var file string
	c := verb("check [FILE]", "Check the database, or a backup: integrity, references, the audit's chain", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.lookAt(cmd.Context(), file, args)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(r)
		if err != nil {
			return err
		}
		one, err := newRow(raw)
		if err != nil {
			return err
		}
		if err := a.output().object(one, func(w io.Writer) { tellReport(w, &r) }); err != nil {
			return err
		}
		if fault := r.Fault(); fault != nil {
			return &failure{exit: exitFailed, what: fault.Error(), next: "`portreeve db restore FILE` puts a backup in its place"}
		}
		return nil
	})
	stateFlag(c, &file)
	return c
}

// lookAt checks a file, the running server's database, or that of a server that
// does not run.
func (a *app) lookAt(ctx context.Context, file string, args []string) (r store.Report, err error) {
	if len(args) > 0 {
		if err := aDatabase(args[0]); err != nil {
			return r, err
		}
		return store.CheckFile(ctx, args[0])
	}
	if err = a.client().get(ctx, database+"/check", nil, &r); !silent(err) {
		return r, err
	}
	dir, err := a.stateFolder(file)
	if err != nil {
		return r, err
	}
	return store.CheckFile(ctx, filepath.Join(dir, store.FileName))
}

// sqliteMagic is how every SQLite database begins (its file format, 1.3).
const sqliteMagic = "SQLite format 3\x00"

// aDatabase refuses, in words, what is no database at all.
func aDatabase(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return noFile(err)
	}
	defer f.Close()
	var head [len(sqliteMagic)]byte
	n, _ := io.ReadFull(f, head[:]) // what cannot be read is none
	if string(head[:n]) == sqliteMagic {
		return nil
	}
	return &failure{exit: exitUsage, what: fmt.Sprintf("%s is no database", printable(name)), next: "name a file that `portreeve db backup FILE` wrote"}
}

func tellReport(w io.Writer, r *store.Report) {
	s := sheet{w: w}
	good := func(faults int) string {
		if faults == 0 {
			return "good"
		}
		return "FAULTS"
	}
	s.line("Schema", fmt.Sprintf("%d of %d known here", r.Schema, r.Known))
	s.line("Size", fmt.Sprintf("%d kB", (r.Size+1023)>>10))
	s.line("Integrity", good(len(r.Integrity)))
	s.line("References", good(len(r.ForeignKeys)))
	s.line("Audit", good(int(r.Audit)))
	table := [][]string{}
	for _, t := range r.Tables {
		table = append(table, []string{t.Table, fmt.Sprint(t.Rows)})
	}
	s.head("Rows")
	s.table("  ", table)
}
