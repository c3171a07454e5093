package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

const retirePasswords = `{"id":"44f7c0de-0004-4a00-9b00-000000000001","displayName":"Retire passwords","state":"enabled",
"conditions":{"clientAppTypes":["exchangeActiveSync","other"],"users":{"includeUsers":["All"],"excludeGroups":["scanners"]},"applications":{"includeApplications":["All"]}},
"grantControls":{"operator":"OR","builtInControls":["block"]}}`

// story is what `signins show` tells of a password refused by policy, with what
// differs from run to run masked.
const story = `REF  refused: Blocked by policy (PR53003)

When          TIME
Who           leela@example.org (typed "Leela")
From          127.0.0.1, a network new for this person
Program       not recognised
How           imap with password (LOGIN) at listener imap
TLS           none
Refused by    Retire passwords

Steps
  name     known    TOOK
  guard    pass     TOOK
  preauth  PR53003  TOOK

Rules, in their order
  switch                pass        no switch closes this door
  authenticationPolicy  pass        no authentication policy
  earlyBlock            refused     conditional access blocks whatever the secret is, so the secret is not looked at
  conditionalAccess     notDecided  not decided: secret not looked at

Policies (rules version N)
  Retire passwords: failure, PR53003
    users                        satisfied
        needed: include All; exclude group scanners
        seen: user leela@example.org
    applications                 satisfied     needed: include All  seen: imap
    clientAppTypes               satisfied     needed: exchangeActiveSync or other  seen: other
    asks for block

What it means
  A conditional access policy blocks this sign-in. ` + "`portreeve signins show REF`" + ` names it and
  every condition.
`

var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`), "REF"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`), "TIME"},
	{regexp.MustCompile(`\d+\.\d\d ms`), "TOOK"},
	{regexp.MustCompile(`, \d+ equal ones until TIME`), ""},
	{regexp.MustCompile(`rules version \d+`), "rules version N"},
	{regexp.MustCompile(`at listener imap[^\n]*`), "at listener imap"},
}

func masked(s string) string {
	for _, m := range masks {
		s = m.what.ReplaceAllString(s, m.with)
	}
	return s
}

// TestTheStoryOfARefusal follows the log while somebody is refused at the
// door, then reads the whole story under the reference that was told there.
func TestTheStoryOfARefusal(t *testing.T) {
	door := mailtest.FreeAddress(t)
	socket := serveForTest(t, t.Cleanup, fmt.Sprintf(`
refusals: {floor: 1ms}
listeners:
- {protocol: imap, address: %q, tls: none, plaintext_from: [127.0.0.0/8]}
backends:
  none: {imap: {address: "127.0.0.1:9", tls: none}}
`, door))
	for _, args := range [][]string{{"user", "add", "leela"}, {"group", "add", "scanners"}, {"policy", "import", "-"}} {
		if exit, _, errs := run(t, socket, retirePasswords, args...); exit != exitOK {
			t.Fatal(errs)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	r, w := io.Pipe()
	left := make(chan int, 1)
	go func() {
		left <- Run(ctx, []string{"--socket", socket, "signins", "tail", "protocol:imap", "-o", "ndjson"}, strings.NewReader(""), w, w)
	}()
	told := refuse(t, ctx, door, r)
	stop()
	if exit := <-left; exit != exitOK {
		t.Errorf("tail ended with %d", exit)
	}
	exit, out, errs := run(t, socket, "", "signins", "show", told)
	if exit != exitOK {
		t.Fatal(errs)
	}
	if got := masked(out); got != story {
		t.Errorf("the story is\n%s\nwant\n%s", got, story)
	}
	_, out, _ = run(t, socket, "", "explain", strings.ToLower(strings.ReplaceAll(told, "-", "")))
	if masked(out) != story {
		t.Errorf("explained as\n%s", out)
	}
}

// refuse knocks until the live stream tells of it, which may begin a moment
// after it was asked for, and returns the reference told at the door.
func refuse(t *testing.T, ctx context.Context, door string, tail io.Reader) string {
	t.Helper()
	seen := make(chan string, 100)
	go func() {
		for s := bufio.NewScanner(tail); s.Scan(); {
			var e struct {
				Portreeve struct{ Reference, Outcome string }
			}
			if json.Unmarshal(s.Bytes(), &e) == nil {
				seen <- e.Portreeve.Reference
			}
		}
	}()
	told := map[string]bool{}
	for ctx.Err() == nil {
		told[login(t, door)] = true
		select {
		case ref := <-seen:
			if !told[ref] {
				t.Fatalf("the stream tells of %s, the door of %v", ref, told)
			}
			return ref
		case <-time.After(300 * time.Millisecond):
		}
	}
	t.Fatal("the live stream told nothing")
	return ""
}

// login signs in with a password and returns the reference of the refusal.
func login(t *testing.T, door string) string {
	t.Helper()
	c, err := net.Dial("tcp", door)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = fmt.Fprint(c, "a LOGIN Leela secret\r\n")
	for s := bufio.NewScanner(c); s.Scan(); {
		if line := s.Text(); strings.HasPrefix(line, "a NO") {
			return masks[0].what.FindString(line)
		}
	}
	t.Fatal("there was no refusal")
	return ""
}
