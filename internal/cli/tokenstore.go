package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/portreeve/portreeve/internal/secret"
)

const (
	keptBytes    = 64 << 10 // of one address's file; usual are 2 kB
	nameBytes    = 200      // of a file's name; file systems take 255
	keyringName  = "portreeve"
	keyringTime  = 20 * time.Second // it may ask a person to unlock it
	lockPause    = 20 * time.Millisecond
	lockTime     = 30 * time.Second // for others, who are asking the server
	expiresEarly = time.Minute      // a program still has to sign in with it
)

// heldToken is a token in hand. It prints as [redacted]; only the file and the
// keyring get its text.
type heldToken string

// Format prints [redacted] under every verb.
func (heldToken) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, secret.Redacted) }

// LogValue is what slog prints.
func (heldToken) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// keptTokens are the secrets of one address.
type keptTokens struct {
	Access  heldToken `json:"accessToken,omitempty"`
	Expiry  time.Time `json:"expiry"`
	Refresh heldToken `json:"refreshToken"`
}

// Format prints [redacted] under every verb: fmt looks behind pointers without
// asking the members.
func (keptTokens) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, secret.Redacted) }

// LogValue is what slog prints.
func (keptTokens) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// fresh says that the access token can still be handed to a program.
func (k *keptTokens) fresh(now time.Time) bool {
	return k.Access != "" && now.Add(expiresEarly).Before(k.Expiry)
}

// kept is what is kept of one address between two calls.
type kept struct {
	User    string `json:"user"`
	Server  string `json:"server"`
	CA      string `json:"ca,omitempty"`
	Client  string `json:"clientId"`
	Keyring bool   `json:"keyring,omitempty"`
	// Tokens stand here, or else in the keyring.
	Tokens *keptTokens `json:"tokens,omitempty"`
	// Refused is the server's last refusal: programs that try again and again
	// are told it for a while without asking it.
	Refused *keptRefusal `json:"refused,omitempty"`
}

// Format prints whose it is, and no secret.
func (k kept) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "%s at %s: %s", k.User, k.Server, secret.Redacted)
}

// LogValue is what slog prints.
func (k kept) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf("%v", k)) }

type keptRefusal struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// tokenStore keeps one address's tokens, in a file of its own that nobody else
// may read, or in the desktop's keyring.
type tokenStore struct {
	folder, name string
}

// newTokenStore finds, or makes, the folder for an address.
func newTokenStore(user string) (*tokenStore, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // relative ones are to be ignored (XDG Base Directory Specification)
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("finding a place for tokens: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	s := &tokenStore{folder: filepath.Join(state, "portreeve", "tokens"), name: url.PathEscape(strings.ToLower(user))}
	if len(s.name) > nameBytes {
		sum := sha256.Sum256([]byte(s.name))
		s.name = hex.EncodeToString(sum[:])
	}
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return nil, fmt.Errorf("making a folder for tokens: %w", err)
	}
	i, err := os.Lstat(s.folder)
	if err != nil {
		return nil, err
	}
	return s, private(s.folder, i, fs.ModeDir, "700")
}

// private refuses what others may read or have made.
func private(name string, i fs.FileInfo, kind fs.FileMode, mode string) error {
	st, ok := i.Sys().(*syscall.Stat_t)
	switch {
	case i.Mode().Type() != kind:
		return &failure{exit: exitForbidden, what: name + " is not what it should be (a link, perhaps), so no token is kept there", next: "remove it"}
	case !ok || int(st.Uid) != os.Geteuid():
		return &failure{exit: exitForbidden, what: name + " belongs to somebody else, so no token is kept there", next: "run the command as its owner, or remove it"}
	case i.Mode().Perm()&0o077 != 0:
		return &failure{exit: exitForbidden, what: "others may read " + name, next: fmt.Sprintf("if nobody has: chmod %s %s; else sign in anew with --login after it", mode, name)}
	}
	return nil
}

func (s *tokenStore) file() string { return filepath.Join(s.folder, s.name+".json") }

// read gives what is kept of the address; nil where there is nothing.
func (s *tokenStore) read(ctx context.Context) (*kept, error) {
	f, err := os.OpenFile(s.file(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the tokens: %w", err)
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := private(s.file(), i, 0, "600"); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, keptBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the tokens: %w", err)
	}
	k := &kept{}
	if err := json.Unmarshal(raw, k); err != nil {
		return nil, &failure{exit: exitFailed, what: s.file() + " is damaged", next: "remove it and sign in anew"}
	}
	if !k.Keyring {
		return k, nil
	}
	text, err := askKeyring(ctx, func() (string, error) { return keyring.Get(keyringName, s.name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return k, nil
	}
	if err != nil {
		return nil, err
	}
	k.Tokens = &keptTokens{}
	if err := json.Unmarshal([]byte(text), k.Tokens); err != nil {
		return nil, &failure{exit: exitFailed, what: "what the keyring holds is damaged", next: "sign in anew with --login"}
	}
	return k, nil
}

// draft is a file that will hold what is kept, with its room on the disk: what
// cannot be written is known before the server has given the next token away.
type draft struct {
	store *tokenStore
	file  *os.File
}

func (s *tokenStore) draft() (*draft, error) {
	f, err := os.CreateTemp(s.folder, ".new-*") // 0600
	if err != nil {
		return nil, fmt.Errorf("making room for tokens: %w", err)
	}
	d := &draft{s, f}
	if _, err = f.Write(make([]byte, keptBytes)); err == nil {
		err = f.Sync()
	}
	if err != nil {
		d.drop()
		return nil, fmt.Errorf("making room for tokens: %w", err)
	}
	return d, nil
}

// drop takes an unused draft away; after commit it does nothing.
func (d *draft) drop() {
	if d.file != nil {
		_ = d.file.Close()
		_ = os.Remove(d.file.Name())
		d.file = nil
	}
}

// commit puts what is kept in the place of what was.
func (d *draft) commit(ctx context.Context, k *kept) error {
	defer d.drop()
	whole := *k
	if k.Keyring && k.Tokens != nil {
		secrets, err := json.Marshal(k.Tokens)
		if err != nil {
			return err
		}
		if _, err := askKeyring(ctx, func() (string, error) { return "", keyring.Set(keyringName, d.store.name, string(secrets)) }); err != nil {
			return err
		}
		whole.Tokens = nil
	}
	raw, err := json.MarshalIndent(&whole, "", "  ")
	if err != nil {
		return err
	}
	if len(raw) >= keptBytes {
		return errors.New("the server's tokens are too long to be kept")
	}
	if _, err = d.file.WriteAt(raw, 0); err == nil {
		err = d.file.Truncate(int64(len(raw)))
	}
	if err == nil {
		err = d.file.Sync()
	}
	if err == nil {
		err = os.Rename(d.file.Name(), d.store.file())
	}
	if err != nil {
		return fmt.Errorf("keeping the tokens: %w", err)
	}
	_ = d.file.Close()
	d.file = nil
	if dir, err := os.Open(d.store.folder); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

// forget takes away all that is kept of the address.
func (s *tokenStore) forget(ctx context.Context, inKeyring bool) error {
	if inKeyring {
		if err := s.forgetKeyring(ctx); err != nil {
			return err
		}
	}
	if err := os.Remove(s.file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting the tokens: %w", err)
	}
	return nil
}

func (s *tokenStore) forgetKeyring(ctx context.Context) error {
	_, err := askKeyring(ctx, func() (string, error) { return "", keyring.Delete(keyringName, s.name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}

// lock keeps all other calls for the address away until unlock.
func (s *tokenStore) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.folder, s.name+".lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the tokens: %w", err)
	}
	for end := time.Now().Add(lockTime); ; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing unlocks
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || time.Now().After(end) {
			_ = f.Close()
			return nil, fmt.Errorf("waiting for another `portreeve token`: %w", err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// askKeyring bounds what may wait for a person to unlock a keyring.
func askKeyring(ctx context.Context, ask func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	told := make(chan answer, 1)
	go func() {
		text, err := ask()
		told <- answer{text, err}
	}()
	select {
	case a := <-told:
		if a.err != nil && !errors.Is(a.err, keyring.ErrNotFound) {
			return "", &failure{exit: exitFailed, what: "the keyring does not work: " + a.err.Error(), next: "unlock it, or sign in with --login --keyring=false, which keeps a file instead"}
		}
		return a.text, a.err
	case <-time.After(keyringTime):
		return "", &failure{exit: exitFailed, what: fmt.Sprintf("the keyring did not answer within %v", keyringTime), next: "unlock it"}
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
