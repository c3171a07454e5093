package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	masterSize   = 32 // bytes
	masterMark   = "portreeve-master-key-1 "
	masterMost   = 4096 // bytes read of the file; a key has 67
	sealVersion  = 1
	sealOverhead = 1 + 12 + 16 // version, nonce, tag
)

// ErrSealBroken says that sealed bytes were not made by this box for this
// purpose, or were changed.
var ErrSealBroken = errors.New("sealed bytes cannot be opened: they were changed, or belong to another master key or purpose")

// Box seals what must be read back, under the master key. Each purpose has a
// key of its own, so that sealed bytes cannot be moved from one use to another.
type Box struct{ master Text }

// OpenBox reads the master key from a file and makes it if there is none. The
// file must be readable by its owner alone, and the owner must be this process
// or root.
func OpenBox(path string) (*Box, error) {
	key, err := readMaster(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeMaster(path); err != nil {
			return nil, fmt.Errorf("making the master key: %w", err)
		}
		key, err = readMaster(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	return &Box{NewText(key)}, nil
}

// NewBox makes a box whose key lives in this process only.
func NewBox() *Box {
	key := make([]byte, masterSize)
	_, _ = rand.Read(key)
	return &Box{NewText(key)}
}

// Seal encrypts plain for one purpose: AES-256-GCM with a random nonce.
func (b *Box) Seal(purpose string, plain []byte) []byte {
	return b.aead(purpose).Seal([]byte{sealVersion}, nil, plain, []byte(purpose))
}

// Open is Seal's inverse.
func (b *Box) Open(purpose string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealOverhead || sealed[0] != sealVersion {
		return nil, ErrSealBroken
	}
	plain, err := b.aead(purpose).Open(nil, nil, sealed[1:], []byte(purpose))
	if err != nil {
		return nil, ErrSealBroken
	}
	return plain, nil
}

// Prints makes fingerprints that stay the same over restarts, such as those of
// typed names in the log. Secrets are fingerprinted with NewPrints.
func (b *Box) Prints(purpose string) *Prints { return printsUnder(b.derive("prints " + purpose)) }

func (b *Box) aead(purpose string) cipher.AEAD {
	block, err := aes.NewCipher(b.derive("seal " + purpose))
	if err != nil {
		panic(err) // only for a key of the wrong length, and derive's length is fixed
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for a block size other than AES's
	}
	return aead
}

func (b *Box) derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, b.master.Bytes(), nil, "portreeve "+purpose, masterSize)
	if err != nil {
		panic(err) // only for more than 255 hashes' worth of key
	}
	return key
}

func readMaster(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := checkPrivate(f); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, masterMost))
	if err != nil {
		return nil, err
	}
	key, ok := masterOf(text)
	clear(text)
	if !ok {
		return nil, fmt.Errorf("%s holds no master key", path)
	}
	return key, nil
}

// masterOf reads the text of a master key's file.
func masterOf(text []byte) (key []byte, ok bool) {
	coded, found := bytes.CutPrefix(bytes.TrimSpace(text), []byte(masterMark))
	key, err := base64.StdEncoding.Strict().DecodeString(string(coded))
	return key, found && err == nil && len(key) == masterSize
}

// checkPrivate looks at the open file, not at its name, so that it cannot be
// swapped in between.
func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", f.Name())
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read or written by others (mode %04o): chmod 600 it, and consider the key known", f.Name(), info.Mode().Perm())
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to uid %d, not to us (%d) or root", f.Name(), st.Uid, os.Geteuid())
	}
	return nil
}

// makeMaster writes the key whole under another name first and links it into
// place, so that neither a crash nor a second start leaves half a key or two.
func makeMaster(path string) error {
	key := make([]byte, masterSize)
	_, _ = rand.Read(key)
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".master-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintf(f, "%s%s\n", masterMark, base64.StdEncoding.EncodeToString(key))
	clear(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// minGiven is the shortest master key that may be given in the configuration, in bytes.
const minGiven = 16

// BoxOf makes a box of a master key given in the configuration, in whatever
// form. What OpenBox once wrote is the same key as there, so that its file can
// be moved to where the database is not.
func BoxOf(given []byte) (*Box, error) {
	if key, ok := masterOf(given); ok {
		return &Box{NewText(key)}, nil
	}
	if len(given) < minGiven {
		return nil, fmt.Errorf("a master key has at least %d characters", minGiven)
	}
	sum := sha256.Sum256(given)
	return &Box{NewText(sum[:])}, nil
}
