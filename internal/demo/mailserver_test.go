package demo

import (
	"bufio"
	"encoding/base64"
	"net"
	"strings"
	"testing"
)

// The demo's mail server lets the gate in as anybody, and nobody else.
func TestOnlyTheGateComesIn(t *testing.T) {
	m, err := startMailServer([]string{address("leela")})
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	plain := func(authzid, user, secret string) string {
		return "AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString([]byte(authzid+"\x00"+user+"\x00"+secret))
	}
	for _, c := range []struct {
		command string
		in      bool
	}{
		{plain(address("leela"), master, m.password), true},
		{plain(address("leela"), master, "wrong"), false},
		{plain(address("leela"), "leela", m.password), false},
		{plain(address("nobody"), master, m.password), false},
		{plain("", master, m.password), false},
		{"LOGIN " + address("leela") + " " + password, false},
		{"LOGIN " + master + " " + m.password, false},
	} {
		conn, err := net.Dial("tcp", m.addr)
		if err != nil {
			t.Fatal(err)
		}
		p := &program{conn: conn, r: bufio.NewReader(conn)}
		if _, err := p.line(answerTime); err != nil {
			t.Fatal(err)
		}
		a, err := p.say(c.command)
		if err != nil || a.ok != c.in {
			t.Errorf("%s: let in %v, %v", strings.Fields(c.command)[0], a.ok, err)
		}
		p.close()
	}
	if n := m.knocks.Load(); n != 7 {
		t.Errorf("%d knocks counted", n)
	}
}
