package mailtest

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// XOAUTH2 shows a token to Dovecot's IMAP and returns the tagged answer.
func (d *Dovecot) XOAUTH2(t testing.TB, person, bearer string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", d.IMAP, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(c)
	if _, err := r.ReadString('\n'); err != nil { // a token is too long for what may come before the greeting
		t.Fatalf("%v\n%s", err, d.Log())
	}
	fmt.Fprintf(c, "a AUTHENTICATE XOAUTH2 %s\r\n", base64.StdEncoding.EncodeToString([]byte("user="+person+"\x01auth=Bearer "+bearer+"\x01\x01")))
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			t.Fatalf("%v\n%s", err, d.Log())
		case strings.HasPrefix(line, "+ "): // the error challenge
			fmt.Fprint(c, "\r\n")
		case strings.HasPrefix(line, "a "):
			return line
		}
	}
}
