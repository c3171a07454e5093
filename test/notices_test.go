package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// Whose second factors are reset reads of it in their mailbox, through the mail
// server behind the door.
func TestAPersonIsToldByMail(t *testing.T) {
	t.Parallel()
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Hasty: true})
	p := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	door := startDoor(t, doorOptions{Backend: (&site{dovecot: d, postfix: p}).endpoints(),
		Extra: fmt.Sprintf("notices: {address: %q, tls: none, from: gate@example.org}\n", p.SMTP)})
	door.do(t, "user", "add", mailtest.Person)
	door.use(strings.TrimSpace(lastLine(door.do(t, "user", "reset", mailtest.Person))))
	var raw []byte
	for end := time.Now().Add(30 * time.Second); len(raw) == 0 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if files, _ := filepath.Glob(filepath.Join(d.MailRoot, mailtest.Person, "new", "*")); len(files) > 0 {
			var err error
			raw, err = os.ReadFile(files[0])
			check(t, err)
		}
	}
	out := ""
	for end := time.Now().Add(10 * time.Second); !strings.Contains(out, "1 sent") && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out = door.do(t, "status") // it is sent once the mail server has said so, which comes after the mail
	}
	if !strings.Contains(out, "1 sent") {
		t.Errorf("status does not tell of it:\n%s", out)
	}
	for _, want := range []string{"Subject: Your sign-in was changed", "From: ", "gate@example.org", "https://localhost/signins"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%q is not in the notice:\n%s", want, raw)
		}
	}
}
