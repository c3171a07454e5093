package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/policyset"
)

// fmt lays policy files out in the one way.
func (a *app) fmt() *cobra.Command {
	var write, check bool
	c := verb("fmt FILE…", "Lay policy files out in one way, with their comments", cobra.MinimumNArgs(1), func(_ *cobra.Command, args []string) error {
		if write && check {
			return usage("-w writes and --check changes nothing: say one of the two")
		}
		files, single, err := policyFiles(args)
		if err != nil {
			return err
		}
		if single && !write && !check {
			return a.printFormatted(files[0])
		}
		return a.formatFiles(files, write)(check)
	})
	c.Long = `Lay policy files out in one way: two blanks per level, no quotes where none are needed,
brackets where they stood and fit. Comments stay. What a file says is the same afterwards, and
a second run changes nothing. One FILE (or -, for standard input) is printed; of a folder the
files are named whose layout is another. With --check, that is exit code 3.`
	c.Example = "  portreeve fmt -w ./policy\n  portreeve fmt --check ./policy"
	c.Flags().BoolVarP(&write, "write", "w", false, "write each file in place and name it")
	c.Flags().BoolVar(&check, "check", false, "change nothing; exit 3 if a file would be")
	return c
}

// maxPolicyFile bounds a file that is laid out, in bytes: one with 10,000 policies fits.
const maxPolicyFile = 64 << 20

// policyFiles are the files meant by files and folders; single says that one file was named.
func policyFiles(args []string) (files []string, single bool, err error) {
	for _, arg := range args {
		if arg == "-" {
			files = append(files, arg)
			continue
		}
		info, err := os.Stat(arg)
		if err != nil {
			return nil, false, noFile(err)
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		names, err := policyset.List(os.DirFS(arg))
		if err != nil {
			return nil, false, fmt.Errorf("reading %s: %w", arg, err)
		}
		for _, n := range names {
			files = append(files, filepath.Join(arg, n))
		}
		if len(args) == 1 {
			return files, false, nil
		}
	}
	return files, len(files) == 1, nil
}

func (a *app) printFormatted(name string) error {
	_, out, err := a.formatted(name)
	if err != nil {
		return err
	}
	_, err = a.out.Write(out)
	return err
}

// formatted is a file's text, and its text laid out.
func (a *app) formatted(name string) (before, after []byte, err error) {
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, noFile(err)
		}
		defer f.Close()
		in = f
	}
	if before, err = io.ReadAll(io.LimitReader(in, maxPolicyFile+1)); err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if after, err = policyset.Format(name, before); err != nil {
		return nil, nil, broken(err)
	}
	return before, after, nil
}

// formatFiles names every file whose layout is another, and writes it if asked.
// Every file is looked at before the first is written.
func (a *app) formatFiles(files []string, write bool) func(check bool) error {
	return func(check bool) error {
		other := map[string][]byte{}
		for _, name := range files {
			before, after, err := a.formatted(name)
			if err != nil {
				return err
			}
			if !bytes.Equal(before, after) {
				other[name] = after
			}
		}
		for _, name := range files {
			text, is := other[name]
			if !is {
				continue
			}
			if write {
				if name == "-" {
					return usage("standard input cannot be written: leave -w out")
				}
				if err := replaceFile(name, text); err != nil {
					return err
				}
			}
			a.done("%s", printable(name))
		}
		if check && len(other) > 0 {
			return &failure{exit: exitPending, what: fmt.Sprintf("%s to be laid out anew", counted(float64(len(other)), "file")), next: "`portreeve fmt -w` does it"}
		}
		return nil
	}
}

// replaceFile writes a file whole or not at all, with the rights that it had.
func replaceFile(name string, text []byte) (err error) {
	if to, err := filepath.EvalSymlinks(name); err == nil {
		name = to // the link stays one
	}
	info, err := os.Stat(name)
	if err != nil {
		return noFile(err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".portreeve-fmt-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing %s: %w", name, err), ignoreGone(os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
