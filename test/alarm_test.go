package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// alarmReceiver takes webhooks and verifies their signatures by a library that
// is not ours; each becomes a line of a file.
const alarmReceiver = `
import base64, hashlib, hmac, http.server, json, sys
key, out = base64.b64decode(sys.argv[2][len("whsec_"):]), open(sys.argv[3], "a", buffering=1)
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = b".".join([self.headers["webhook-id"].encode(), self.headers["webhook-timestamp"].encode(), body])
        want = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        ok = hmac.compare_digest(want, self.headers["webhook-signature"])
        m = json.loads(body)
        print("signed" if ok else "FORGED", m["type"], m["data"]["sentence"], file=out)
        self.send_response(204 if ok else 401)
        self.end_headers()
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
`

// receive runs the receiver and returns how to end it.
func receive(t *testing.T, address, signing, file string) (end func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", alarmReceiver, portOf(address), signing, file)
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			break
		}
	}
	return func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
}

// Administrators hear of what they would otherwise find: by webhook, signed, once,
// though they or we were down meanwhile, and by mail.
func TestAdministratorsAreAlarmed(t *testing.T) {
	t.Parallel()
	const glass = "glass@example.org"
	dovecot := mailtest.StartDovecot(t, mailtest.DovecotOptions{Users: map[string]string{glass: password}, Hasty: true})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: dovecot})
	s := &site{dovecot: dovecot, postfix: postfix}
	s.door = startDoor(t, doorOptions{Backend: s.endpoints() + "    " + masterLogin, Floor: "300ms",
		Extra: fmt.Sprintf("notices: {address: %q, tls: none, from: gate@example.org}\n", postfix.SMTP)})
	s.do(t, "user", "add", glass)
	s.do(t, "admin", "add", "--break-glass", glass)
	address := mailtest.FreeAddress(t)
	file := filepath.Join(t.TempDir(), "alarms")
	signing := strings.TrimSpace(lastLine(s.do(t, "alarm", "add", "siem", "--url", "http://"+address+"/hook?key=s3cret")))
	s.use("s3cret")
	s.do(t, "alarm", "add", "post", "--mail", glass, "--kind", "policy.reverted")
	if out, err := s.try("alarm", "test", "siem"); err == nil || !strings.Contains(out, "did not arrive") {
		t.Errorf("nobody listens, and the test arrived: %s", out)
	}
	end := receive(t, address, signing, file)
	defer func() { end() }()
	s.do(t, "alarm", "test", "siem")
	heard := func(want string) {
		t.Helper()
		var all []byte
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if all, _ = os.ReadFile(file); strings.Contains(string(all), want) {
				return
			}
		}
		t.Errorf("%q is not heard of, only\n%s%s", want, all, s.do(t, "alarm", "deliveries"))
	}
	heard("signed alarm.test ")
	if out, err := s.feed(blockEverybody, "policy", "import", "-", "--confirm-within", "2s"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	heard(`signed policy.changed `)
	heard(`signed policy.reverted Nobody confirmed the change of the policy "Block everybody" in time: it was taken back.`)
	printed, in := goIMAP(t, s.door, login{person: glass, secret: password})
	for end := time.Now().Add(10 * time.Second); !in && time.Now().Before(end); { // the old rules are in force a moment after they stand in the database
		printed, in = goIMAP(t, s.door, login{person: glass, secret: password})
	}
	if !in {
		t.Fatalf("the account of last resort is refused: %s", printed)
	}
	heard("signed breakglass.used The account of last resort " + glass + " was let in over imap from ")

	end()
	s.do(t, "location", "add", "Office", "--cidr", "192.0.2.0/24")
	time.Sleep(3 * time.Second) // it is tried at least once
	s.kill()
	s.begin(t)
	end = receive(t, address, signing, file)
	heard(`made the location "Office"`)
	all, err := os.ReadFile(file)
	check(t, err)
	if strings.Contains(string(all), "FORGED") || strings.Count(string(all), "Office") != 1 || strings.Count(string(all), "reverted") != 1 {
		t.Errorf("heard of\n%s", all)
	}
	if list := s.do(t, "alarm", "list"); !strings.Contains(list, "http://"+address+"/…") {
		t.Errorf("the list is\n%s", list)
	}
	mailed(t, s, glass, "Subject: Alarm: Nobody confirmed the change of the policy")
}

// mailed waits until a mail with a text is in a mailbox.
func mailed(t *testing.T, s *site, person, want string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(s.dovecot.MailRoot, person, "*", "*"))
		for _, f := range files {
			if raw, err := os.ReadFile(f); err == nil && strings.Contains(strings.ReplaceAll(string(raw), "\r\n ", " "), want) {
				return
			}
		}
	}
	files, _ := filepath.Glob(filepath.Join(s.dovecot.MailRoot, "*", "*", "*"))
	for _, f := range files {
		raw, _ := os.ReadFile(f)
		t.Logf("%s: %s", f, raw)
	}
	t.Errorf("no mail says %q\n%s", want, s.do(t, "alarm", "deliveries"))
}
