package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const word = "open-sesame-7"

func TestSecretsPrintAsRedactedEverywhere(t *testing.T) {
	text, print := NewText([]byte(word)), NewPrints().Of([]byte(word))
	type holder struct {
		hidden Text
		Shown  Text
		Print  Print
	}
	h := holder{text, text, print}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%t", "%p"} {
		fmt.Fprintf(&out, verb+verb, text, h)
		fmt.Fprintf(&out, verb, &h)
		if verb == "%p" { // fmt asks no Format method for it
			continue
		}
		if got := fmt.Sprintf(verb, print); got != Redacted {
			t.Errorf("a print under %s reads %q", verb, got)
		}
		if got := fmt.Sprintf(verb, text); got != Redacted {
			t.Errorf("a secret under %s reads %q", verb, got)
		}
	}
	raw, err := json.Marshal(h)
	if err != nil || string(raw) != `{"Shown":"[redacted]","Print":"[redacted]"}` {
		t.Errorf("JSON is %s, %v", raw, err)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "secret", text, "print", print, "holder", &h)
	}
	for _, form := range []string{word, fmt.Sprintf("%x", word), fmt.Sprintf("%X", word), fmt.Sprint([]byte(word)), fmt.Sprintf("%x", print[:])} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret got out as %q in %s", form, &out)
		}
	}
}

func TestClearOverwritesTheSecret(t *testing.T) {
	b := []byte(word)
	NewText(b).Clear()
	if !bytes.Equal(b, make([]byte, len(b))) {
		t.Errorf("%q is left", b)
	}
	Text{}.Clear()
}

func TestEqual(t *testing.T) {
	if !Equal([]byte("a"), []byte("a")) || Equal([]byte("a"), []byte("b")) || Equal([]byte("a"), nil) || !Equal(nil, nil) {
		t.Error("Equal is not equality")
	}
}

func TestPrintsKeepPartsAndKeysApart(t *testing.T) {
	ps := NewPrints()
	of := func(ps *Prints, parts ...string) Print {
		var raw [][]byte
		for _, p := range parts {
			raw = append(raw, []byte(p))
		}
		return ps.Of(raw...)
	}
	mary := of(ps, "mary", "x")
	if again := of(ps, "mary", "x"); again != mary {
		t.Error("equal parts have different prints")
	}
	for _, other := range []Print{of(ps, "mar", "yx"), of(ps, "maryx"), of(ps, "mary", "x", ""), of(NewPrints(), "mary", "x")} {
		if other == mary {
			t.Error("different parts or keys have the same print")
		}
	}
}

func TestHashVerifies(t *testing.T) {
	stored := Hash([]byte(word))
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash reads %s", stored)
	}
	if m, err := Verify(stored, []byte(word)); err != nil || !m.OK || m.Rehash {
		t.Errorf("right password: %+v, %v", m, err)
	}
	for _, wrong := range []string{"", "open-sesame-8", word + " ", strings.Repeat("x", MaxPassword+1)} {
		if m, err := Verify(stored, []byte(wrong)); err != nil || m.OK {
			t.Errorf("%.20q: %+v, %v", wrong, m, err)
		}
	}
	if Hash([]byte(word)) == stored {
		t.Error("two hashes share a salt")
	}
}

func TestDummyIsOfOurMakeAndNobodys(t *testing.T) {
	if _, _, ours := ourHash(dummy); !ours {
		t.Error("the dummy hash does not cost what a real one does")
	}
	for _, guess := range []string{"", word} {
		if m, err := Verify(dummy, []byte(guess)); err != nil || m.OK {
			t.Errorf("%q: %+v, %v", guess, m, err)
		}
	}
}

func TestPlainPasswordsAreRefusedUnlessHashedAtOnce(t *testing.T) {
	for _, stored := range []string{"{PLAIN}" + word, "{plain}" + word, "{CLEARTEXT}" + word, "{CLEAR}" + word} {
		if m, err := Verify(stored, []byte(word)); !errors.Is(err, ErrPlain) || m.OK {
			t.Errorf("%s: %+v, %v", stored, m, err)
		}
		if _, err := Import(stored, false); !errors.Is(err, ErrPlain) {
			t.Errorf("importing %s: %v", stored, err)
		}
		kept, err := Import(stored, true)
		if err != nil || strings.Contains(kept, word) {
			t.Errorf("importing %s with permission keeps %s, %v", stored, kept, err)
		}
		if m, err := Verify(kept, []byte(word)); err != nil || !m.OK {
			t.Errorf("hashed at import: %+v, %v", m, err)
		}
	}
}
