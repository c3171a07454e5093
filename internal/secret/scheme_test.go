package secret

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func importedHashes(t testing.TB) []string {
	raw, err := os.ReadFile("testdata/imported.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

func TestImportedHashesVerifyAndAskToBeRenewed(t *testing.T) {
	for _, stored := range importedHashes(t) {
		if m, err := Verify(stored, []byte(word)); err != nil || !m.OK || !m.Rehash {
			t.Errorf("%s: %+v, %v", stored, m, err)
		}
		for _, wrong := range []string{"", "open-sesame-8", word + "x", word[:len(word)-1]} {
			if m, err := Verify(stored, []byte(wrong)); err != nil || m.OK {
				t.Errorf("%s takes %q: %+v, %v", stored, wrong, m, err)
			}
		}
		if kept, err := Import(stored, false); err != nil || kept != stored {
			t.Errorf("importing %s: %s, %v", stored, kept, err)
		}
	}
}

func TestHashesWeCannotVerifyAreOurTrouble(t *testing.T) {
	for _, stored := range []string{
		"", "x", "*", "!", "!$6$saltsalt$x", "{", "{}", "{SSHA", "{SSHA}", "{SSHA}!!", "{SHA}AAAA", "{SSHA.ROT13}AAAA",
		"{NTLM}b4b9b02e6f09a9bd760f388b67351e2b", "{DES-CRYPT}ab1234567890.", "ab1234567890.", "{CRYPT}ab1234567890.",
		"{PBKDF2}$1$salt$0$00", "{PBKDF2}$1$salt$99999999999$27ef8f0705fcd913932b8c361a56227c481928ab", "{SCRAM-SHA-1}4096,a,b",
		"$argon2id$v=19$m=4294967295,t=3,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ", "$argon2id$v=19$m=1024,t=99,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
		"$2y$31$abcdefghijklmnopqrstuujOA004VUltmRmvlRTb9z9c6bZDj.3Ji", "$6$rounds=999999999$saltsalt$x",
		"$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ", "$scrypt$ln=10,r=99999,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
		"$y$jFT$F5Jx5fExrKuPp53xLKQ..1$TamqRTpz", "$pbkdf2-sha256$999999999$c2FsdA$c2FsdA", "$plaintext$secret", "$7$CU..../....saltsalt$x",
	} {
		if m, err := Verify(stored, []byte(word)); !errors.Is(err, ErrUnreadable) || m.OK {
			t.Errorf("%s: %+v, %v", stored, m, err)
		}
		if _, err := Import(stored, true); err == nil {
			t.Errorf("%s was imported", stored)
		}
	}
}

func TestAnUnreadableHashIsNotRepeatedInItsError(t *testing.T) {
	for _, stored := range []string{"{NTLM}b4b9b02e6f09a9bd760f388b67351e2b", "$unknown$b4b9b02e6f09a9bd", "b4b9b02e6f09a9bd$b4b9b02e6f09a9bd"} {
		if _, err := Verify(stored, nil); err == nil || strings.Contains(err.Error(), "b4b9") {
			t.Errorf("%v", err)
		}
	}
}

func TestBcryptLooksAt72Bytes(t *testing.T) {
	// Made by perl's crypt of the letter x 72 times, and the same of 90 times.
	const stored = "$2y$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q"
	for length, want := range map[int]bool{71: false, 72: true, 90: true} {
		if m, err := Verify(stored, []byte(strings.Repeat("x", length))); err != nil || m.OK != want {
			t.Errorf("%d letters: %+v, %v", length, m, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	for _, stored := range importedHashes(f) {
		f.Add(stored)
	}
	f.Add(Hash([]byte(word)))
	f.Fuzz(func(t *testing.T, stored string) {
		if _, err := decode(stored); err == nil && strings.Contains(stored, "PLAIN}") {
			t.Errorf("%q was taken", stored)
		}
		if m, err := Verify(stored, []byte("a guess that nobody hashed")); m.OK {
			t.Errorf("%q takes any password, %v", stored, err)
		}
	})
}
