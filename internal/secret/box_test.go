package secret

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestTheMasterKeyIsMadeOnceAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	first, err := OpenBox(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	sealed := first.Seal("totp", []byte(word))
	second, err := OpenBox(path)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := second.Open("totp", sealed); err != nil || string(plain) != word {
		t.Errorf("opened %q, %v", plain, err)
	}
	if first.Prints("names").Of([]byte("x")) != second.Prints("names").Of([]byte("x")) {
		t.Error("prints of the master key change with the process")
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestManyStartsAtOnceAgreeOnOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	var wg sync.WaitGroup
	boxes := make([]*Box, 16)
	for i := range boxes {
		wg.Go(func() {
			b, err := OpenBox(path)
			if err != nil {
				t.Error(err)
			}
			boxes[i] = b
		})
	}
	wg.Wait()
	for _, b := range boxes {
		if b == nil || !bytes.Equal(b.master.Bytes(), boxes[0].master.Bytes()) {
			t.Fatal("two starts have different keys")
		}
	}
}

func TestAKeyThatOthersCanReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := OpenBox(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenBox(path); err == nil {
			t.Errorf("mode %04o is taken", mode)
		}
	}
}

func TestADamagedKeyIsRefusedAndNotReplaced(t *testing.T) {
	for _, text := range []string{"", "x", masterMark, masterMark + "AAAA", masterMark + "!!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="} {
		path := filepath.Join(t.TempDir(), "master.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenBox(path); err == nil {
			t.Errorf("%q is taken", text)
		}
		if now, _ := os.ReadFile(path); string(now) != text {
			t.Errorf("%q was replaced by %q", text, now)
		}
	}
	if _, err := OpenBox(t.TempDir()); err == nil {
		t.Error("a folder is taken")
	}
}

func TestSealedBytesOpenOnlyWholeAndForTheirPurpose(t *testing.T) {
	b := NewBox()
	sealed := b.Seal("totp", []byte(word))
	if bytes.Contains(sealed, []byte(word)) || bytes.Equal(sealed, b.Seal("totp", []byte(word))) {
		t.Error("sealing hides nothing")
	}
	for i := range sealed {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		if _, err := b.Open("totp", broken); !errors.Is(err, ErrSealBroken) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := b.Open("totp", sealed[:i]); !errors.Is(err, ErrSealBroken) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	if _, err := b.Open("keys", sealed); !errors.Is(err, ErrSealBroken) {
		t.Errorf("another purpose: %v", err)
	}
	if _, err := NewBox().Open("totp", sealed); !errors.Is(err, ErrSealBroken) {
		t.Errorf("another key: %v", err)
	}
}

func TestAConfiguredKeyIsLongAndStaysTheSame(t *testing.T) {
	if _, err := BoxOf([]byte("too short")); err == nil {
		t.Error("a short key is taken")
	}
	one, err1 := BoxOf([]byte("a key of the configuration"))
	two, err2 := BoxOf([]byte("a key of the configuration"))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if plain, err := two.Open("totp", one.Seal("totp", []byte(word))); err != nil || string(plain) != word {
		t.Errorf("%q, %v", plain, err)
	}
}

// The file that OpenBox makes may become a systemd credential, and stays the
// same key.
func TestAMovedMasterKeyIsTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	made, err := OpenBox(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := BoxOf(bytes.TrimSpace(text)) // as the configuration reads a secret's file
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := moved.Open("seeds", made.Seal("seeds", []byte("x"))); err != nil || string(plain) != "x" {
		t.Errorf("%q, %v", plain, err)
	}
}
