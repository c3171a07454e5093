package apppassword

import (
	"context"
	"errors"
	"testing"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
)

// counting is a directory and a mail server that count what they are asked.
type counting struct {
	who   directory.Person
	asked int
}

func (c *counting) Lookup(_ context.Context, address string) (directory.Person, bool, error) {
	c.asked++
	return c.who, address == c.who.Address, nil
}

func (c *counting) CheckPassword(context.Context, directory.Person, []byte, secret.Source) error {
	c.asked++
	return directory.ErrNoPassword
}

func (c *counting) Login(context.Context, backend.Request) error { c.asked++; return nil }
func (*counting) Release(signin.ID)                              {}

func (*counting) Canonical(_, typed string) (string, error) { return typed, nil }

// A thousand forged ones, of people and of nobody, are refused without anybody
// being asked, nor the database.
func TestForgedOnesCostNoDirectoryCall(t *testing.T) {
	h := open(t, t.TempDir())
	text, _ := h.issue(t, "phone", Scope{})
	c := &counting{who: h.mary}
	v := authn.New(authn.Options{Names: c, Directory: c, Pool: secret.NewPool(1), Backends: c, AppPasswords: h.Service})
	if err := h.store.Close(); err != nil { // whoever asks it gets an error
		t.Fatal(err)
	}
	for i := range 1000 {
		p := mint()
		if !Form(p[:]) {
			t.Fatal("a forged one has not the form")
		}
		cred := signin.NewCredential(policy.CredentialAppPassword, "PLAIN", "mary@example.org", "", []byte(p.shown()))
		_, err := v.Verify(t.Context(), knockAt("192.0.2.1", protocol.IMAP, swaks), h.mary, i%2 == 0, cred)
		var r *signin.Refusal
		if !errors.As(err, &r) || r.Code != signin.AppPasswordUnknown || !r.WrongSecret() {
			t.Fatalf("a forged one: %v", err)
		}
	}
	if c.asked > 0 {
		t.Errorf("somebody was asked %d times", c.asked)
	}
	cred := signin.NewCredential(policy.CredentialAppPassword, "PLAIN", "mary@example.org", "", []byte(text))
	var r *signin.Refusal
	if _, err := v.Verify(t.Context(), knockAt("192.0.2.1", protocol.IMAP, swaks), h.mary, true, cred); err == nil || errors.As(err, &r) {
		t.Errorf("a first use that cannot be written down comes to %v: it must be trouble of ours", err)
	}
}
