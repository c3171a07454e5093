package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInUse says that a running server has the state folder.
var ErrInUse = errors.New("a server is running on this state folder")

// lockName is the file that says so, by a lock that ends with the process.
const lockName = "portreeve.lock"

// Lock takes a state folder for one process until what it returns is closed.
func Lock(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the state folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
		}
		return nil, fmt.Errorf("locking the state folder: %w", err)
	}
	own(f.Name(), dir)
	sweepBackups(filepath.Join(dir, FileName))
	return f, nil
}

// own gives a file that root makes to whom the folder belongs, who could not use
// it otherwise.
func own(path, like string) {
	fi, err := os.Stat(like)
	if err != nil || os.Geteuid() != 0 {
		return
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		_ = os.Lchown(path, int(st.Uid), int(st.Gid))
	}
}

// backupMargin is left free on the disk beside a copy, in bytes: what is served
// meanwhile must be written too.
const backupMargin = 64 << 20

// Backup writes a whole and consistent copy of the database to a new file, while
// it is being used. What goes wrong leaves nothing behind.
func (s *Store) Backup(ctx context.Context, path string) error {
	return copyDatabase(ctx, s.path, path)
}

// OpenBackup makes a backup that is in no folder: what is returned is all that
// there is of it.
func (s *Store) OpenBackup(ctx context.Context) (f *os.File, size int64, err error) {
	path := fmt.Sprintf("%s.sent-%d", s.path, time.Now().UnixNano())
	if err := s.Backup(ctx, path); err != nil {
		return nil, 0, err
	}
	defer os.Remove(path)
	if f, err = os.Open(path); err != nil {
		return nil, 0, fmt.Errorf("backing up: %w", err)
	}
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, fmt.Errorf("backing up: %w", err)
	}
	return f, fi.Size(), nil
}

// sweepBackups removes what a process left that ended while it made a backup.
func sweepBackups(path string) {
	for _, pattern := range []string{".sent-*", ".*.part", ".*.part-journal"} {
		left, _ := filepath.Glob(path + pattern)
		for _, f := range left {
			_ = os.Remove(f)
		}
	}
}

// BackupFile is Backup of a database that nobody has opened.
func BackupFile(ctx context.Context, dir, path string) error {
	from := filepath.Join(dir, FileName)
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	return copyDatabase(ctx, from, path)
}

func copyDatabase(ctx context.Context, from, to string) (err error) {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("backing up to %s: %w", to, fs.ErrExist)
	}
	if err := room(from, filepath.Dir(to)); err != nil {
		return fmt.Errorf("backing up to %s: %w", to, err)
	}
	part := to + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // VACUUM takes an empty file, and keeps its mode
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = os.Remove(part)
			_ = os.Remove(part + "-journal") // SQLite's own beside it
		}
	}()
	if err := vacuumInto(ctx, from, part); err != nil {
		return fmt.Errorf("backing up to %s: %w", to, err)
	}
	if err := f.Sync(); err != nil { // SQLite does not sync what it vacuums into
		return fmt.Errorf("backing up to %s: %w", to, err)
	}
	own(part, filepath.Dir(from))
	return publish(part, to)
}

// publish gives a finished file its name, durably.
func publish(part, to string) error {
	if err := os.Rename(part, to); err != nil {
		return fmt.Errorf("naming %s: %w", to, err)
	}
	d, err := os.Open(filepath.Dir(to))
	if err != nil {
		return fmt.Errorf("naming %s: %w", to, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("naming %s: %w", to, err)
	}
	return nil
}

// vacuumInto copies a database by one reading transaction, which keeps writers
// waiting for nothing; the write-ahead log grows while it lasts.
func vacuumInto(ctx context.Context, from, to string) error {
	db, err := openPool(from, readGrace, 1, false)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, to)
	return err
}

// room refuses to begin what would fill the disk: the state folder may be on it.
func room(from, dir string) error {
	fi, err := os.Stat(from)
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("asking for the room in %s: %w", dir, err)
	}
	if free := int64(st.Bavail) * int64(st.Bsize); free < fi.Size()+backupMargin {
		return fmt.Errorf("%s has %d MB free, and %d MB are needed: %w", dir, free>>20, (fi.Size()+backupMargin)>>20, unix.ENOSPC)
	}
	return nil
}

// RestoreOptions say how a database comes back.
type RestoreOptions struct {
	Dir  string // the state folder; no server may be running on it
	File string // a backup
	// NewKey takes the backup although its master key is lost: what that sealed
	// can no longer be read.
	NewKey bool
}

// Restore puts a backup in the place of the database, which it keeps under the
// name that it returns.
func Restore(ctx context.Context, o RestoreOptions) (kept string, err error) {
	lock, err := Lock(o.Dir)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	r, err := CheckFile(ctx, o.File)
	if err != nil {
		return "", err
	}
	if err := r.Fault(); err != nil {
		return "", fmt.Errorf("%s is not taken: %w", o.File, err)
	}
	path := filepath.Join(o.Dir, FileName)
	part := path + ".restoring"
	if err := copyFile(o.File, part); err != nil {
		_ = os.Remove(part)
		return "", fmt.Errorf("restoring: %w", err)
	}
	own(part, o.Dir)
	if o.NewKey {
		if err := forgetKey(ctx, part); err != nil {
			_ = os.Remove(part)
			return "", err
		}
	}
	if kept, err = setAside(ctx, path); err != nil {
		return "", err
	}
	return kept, publish(part, path)
}

// setAside gives the database in place a second name, with all that stands in
// its write-ahead log. It is left in place, so that at no moment there is none.
func setAside(ctx context.Context, path string) (kept string, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if db, err := openPool(path, readGrace, 1, false); err == nil {
		_, _ = db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`) // one that is damaged goes as it is, log beside it
		_ = db.Close()
	}
	kept = path + ".replaced-" + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Link(path, kept); err != nil {
		return "", fmt.Errorf("keeping the database that is there: %w", err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("keeping the database that is there: %w", err)
		}
	}
	return kept, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	_ = os.Remove(to) // left by one that was broken off
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
