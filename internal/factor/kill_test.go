package factor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
)

// The test binary is its own child: a process that uses one thing up and is
// killed before it can answer.
const childVar = "PORTREEVE_FACTOR_CHILD" // the state folder

// given is what a person was given, and shows to the child and after it again.
type given struct{ Kind, Text string }

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		useAndDie(dir)
	}
	os.Exit(m.Run())
}

func (s *Service) use(g given) (err error) {
	ctx := context.Background()
	switch g.Kind {
	case KindTOTP:
		_, err = s.TOTP(ctx, leela, g.Text)
	case KindRecovery:
		_, err = s.Recovery(ctx, leela, g.Text)
	case KindPass:
		_, err = s.Pass(ctx, leela, []byte(g.Text))
	case KindPasskey:
		_, err = s.Passkey(ctx, leela, []byte(g.Text))
	default:
		err = fmt.Errorf("there is no %q", g.Kind)
	}
	return err
}

func useAndDie(dir string) {
	var g given
	b, err := os.ReadFile(filepath.Join(dir, "given"))
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	if err == nil {
		var s *Service
		if s, err = openChild(dir); err == nil {
			err = s.use(g)
		}
	}
	if err == nil {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // the use is durable, the answer was not given
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(3)
}

func openChild(dir string) (*Service, error) {
	h := &house{dir: dir}
	var err error
	if h.box, err = secret.OpenBox(filepath.Join(dir, "master.key")); err != nil {
		return nil, err
	}
	err = h.openIn(context.Background())
	return h.Service, err
}

func TestKilledBetweenUseAndAnswerNothingWorksTwice(t *testing.T) {
	dir := t.TempDir()
	box, err := secret.OpenBox(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{box: box, dir: dir}
	h.open(t)
	h.populate(t)
	seed, _ := h.enrolled(t, t.Context(), leela)
	codes, err := h.NewRecoveryCodes(t.Context(), self, leela)
	if err != nil {
		t.Fatal(err)
	}
	pass, _, err := h.IssuePass(t.Context(), desk, leela, PassOptions{OneTime: true})
	if err != nil {
		t.Fatal(err)
	}
	plain, counting := newToken(), newToken()
	h.keyed(t, withBoth(leela), leela, plain)
	h.keyed(t, withBoth(leela), leela, counting)
	counting.key.Counter = 1
	answer := func(k *token) string {
		state, response := h.asked(t, "", k)
		return state + "\n" + string(response)
	}
	for name, g := range map[string]given{
		"code": {KindTOTP, codeAt(t, seed, time.Now().Add(period))}, "recovery code": {KindRecovery, codes[0]}, "pass": {KindPass, pass},
		"key": {KindPasskey, answer(plain)}, "key with a counter": {KindPasskey, answer(counting)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := h.Store.Close(); err != nil {
				t.Fatal(err)
			}
			killed(t, dir, g)
			h.open(t)
			var refusal *signin.Refusal
			if err := h.use(g); !errors.As(err, &refusal) {
				t.Errorf("after the crash it came to %v", err)
			}
		})
	}
}

// killed runs a child until it has used g and died of it.
func killed(t *testing.T, dir string, g given) {
	t.Helper()
	b, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "given"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL || ctx.Err() != nil {
		t.Fatalf("the child ended with %v: %s", err, out)
	}
}
