package admin_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

var reference = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`)

// TestTheImaginedReplyIsTheRealOne asks What-If, then knocks at the door of
// each protocol with the same sign-in, and compares the bytes.
func TestTheImaginedReplyIsTheRealOne(t *testing.T) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00leela@example.org\x00secret"))
	for _, c := range []struct {
		protocol, option string
		say              []string
		lines            int // of the reply
	}{
		{"imap", "", []string{"a1 LOGIN leela@example.org secret"}, 2},
		{"imap", "imap_alert: false", []string{"a1 LOGIN leela@example.org secret"}, 1},
		{"pop3", "", []string{"USER leela@example.org", "PASS secret"}, 1},
		{"submission", "", []string{"EHLO me.example.org", "AUTH PLAIN " + plain}, 1},
		{"sieve", "", []string{`AUTHENTICATE "PLAIN" "` + plain + `"`}, 1},
	} {
		t.Run(strings.TrimSpace(c.protocol+" "+c.option), func(t *testing.T) {
			address := mailtest.FreeAddress(t)
			o := open(t, fmt.Sprintf(`
listeners:
- {protocol: %s, address: %q, tls: none, plaintext_from: [127.0.0.0/8]}
refusals: {floor: 1ms, %s}
backends:
  none: {imap: {address: "127.0.0.1:9", tls: none}, pop3: {address: "127.0.0.1:9", tls: none}, submission: {address: "127.0.0.1:9", tls: none}, sieve: {address: "127.0.0.1:9", tls: none}}
`, c.protocol, address, c.option))
			o.want(201, "POST", "/portreeve/v1/people", `{"address":"leela"}`)
			o.want(201, "POST", policies, `{"displayName":"No passwords","state":"enabled","conditions":{"clientAppTypes":["other"],"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]}},"grantControls":{"operator":"OR","builtInControls":["block"]}}`)
			imagined := o.want(200, "POST", "/portreeve/v1/whatIf", `{"user":"leela","protocol":"`+c.protocol+`","credential":"password","ip":"127.0.0.1"}`)
			want := imagined["reply"].(map[string]any)["bytes"].(string)
			got := knock(t, address, c.say, c.lines)
			if mask(got) != mask(want) || !strings.Contains(want, "PR53003") {
				t.Errorf("What-If says\n%q\nthe door\n%q", want, got)
			}
		})
	}
}

func mask(s string) string { return reference.ReplaceAllString(s, "REF") }

// knock says lines to a door and returns the last lines of what it answers.
func knock(t *testing.T, address string, say []string, lines int) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(line, `"`) { // ManageSieve greets with its list
			break
		}
	}
	var last []string
	for i, l := range say {
		if _, err := fmt.Fprint(c, l+"\r\n"); err != nil {
			t.Fatal(err)
		}
		for n := 0; ; {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if i < len(say)-1 && len(line) > 3 && line[3] == '-' { // more of EHLO's list follows
				continue
			}
			if i == len(say)-1 {
				last = append(last, line)
			}
			if n++; i < len(say)-1 || n == lines {
				break
			}
		}
	}
	return strings.Join(last, "")
}
