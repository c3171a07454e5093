package smtp

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// dialogue is a connection to a real server with a filter in it, or without.
type dialogue struct {
	conn net.Conn
	f    *CommandFilter
	mu   sync.Mutex
	said bytes.Buffer
	grew chan struct{} // something was said
}

func dial(t *testing.T, addr string, f *CommandFilter) *dialogue {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d := &dialogue{conn: conn, grew: make(chan struct{}, 1)}
	go d.listen()
	d.await(t, "220 ")
	d.send("EHLO mail.example\r\n")
	d.await(t, "250 ")
	d.mu.Lock()
	d.f = f
	d.said.Reset()
	d.mu.Unlock()
	return d
}

func (d *dialogue) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := d.conn.Read(buf)
		d.mu.Lock()
		if d.f != nil {
			d.f.FromServer(buf[:n])
		}
		d.said.Write(buf[:n])
		d.mu.Unlock()
		select {
		case d.grew <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (d *dialogue) send(s string) {
	b := []byte(s)
	if d.f != nil {
		d.f.FromClient(b)
	}
	d.conn.Write(b) // a server that has hung up shows in what it said
}

// await waits until the server has said text, and forgets all up to
// that line's end.
func (d *dialogue) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		d.mu.Lock()
		_, after, ok := strings.Cut(d.said.String(), text)
		if ok {
			_, after, _ = strings.Cut(after, "\r\n")
			d.said.Reset()
			d.said.WriteString(after)
		}
		d.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-d.grew:
		case <-deadline:
			t.Fatalf("the server does not say %q but %q", text, d.said.String())
		}
	}
}

// settle waits until the server has said something and then falls silent.
func (d *dialogue) settle() {
	wait := 300 * time.Millisecond
	for {
		select {
		case <-d.grew:
			wait = 15 * time.Millisecond
		case <-time.After(wait):
			return
		}
	}
}

// obeyed says whether the server took a word that only the gate may say.
func (d *dialogue) obeyed() (bool, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	said := d.said.String()
	return strings.Contains(said, "220 ") || strings.Contains(said, "Bad XCLIENT") || strings.Contains(said, "Bad XFORWARD"), said
}

func TestPostfixNeverObeysBehindTheFilter(t *testing.T) {
	p := mailtest.StartPostfix(t, mailtest.PostfixOptions{XCLIENT: "127.0.0.0/8", Main: "smtpd_hard_error_limit = 100"})
	bare := dial(t, p.SMTP, nil)
	bare.send("XCLIENT A=b\r\n")
	bare.await(t, "Bad XCLIENT") // else nothing is tested here
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, a := range attacks {
		for _, size := range []int{7, 1 << 20} {
			slots <- struct{}{}
			d := dial(t, p.SMTP, NewCommandFilter(true))
			all.Go(func() {
				defer func() { <-slots }()
				if ok, said := a.run(d, size); ok {
					t.Errorf("%s, octets by %d: %q", a.name, size, said)
				}
			})
		}
	}
	all.Wait()
	if log := p.Log(); strings.Contains(log, "[1.2.3.4]") {
		t.Error(log)
	}
}

// run plays the attack in pieces of size octets, not caring for answers.
func (a attack) run(d *dialogue, size int) (obeyed bool, said string) {
	defer d.conn.Close()
	for _, step := range a.steps {
		step, _, _ = strings.Cut(step, " <")
		for len(step) > 0 {
			n := min(size, len(step))
			d.send(step[:n])
			step = step[n:]
		}
		d.settle()
	}
	return d.obeyed()
}

// Mails about XCLIENT arrive as they were sent, one behind the other, and the
// filter stays in step with a real server.
func TestPostfixGetsEveryMailAsItWasSent(t *testing.T) {
	p := mailtest.StartPostfix(t, mailtest.PostfixOptions{XCLIENT: "127.0.0.0/8"})
	f := NewCommandFilter(true)
	d := dial(t, p.SMTP, f)
	for _, step := range []struct{ say, hear string }{
		{mail, "354 "}, {body + ".\r\n", "queued as"},
		{"MAIL FROM:<mary@example.org>\r\nRCPT TO:<nobody@elsewhere.example>\r\nDATA\r\n", "no valid recipients"},
		{"RSET\r\n", "250 "},
		{mail, "354 "}, {strings.Repeat(body, 2000) + ".\r\nHELP\r\n", "queued as"}, {"", "500 "},
		{"MAIL FROM:<mary@example.org>\r\nRCPT TO:<paul@example.org>\r\nBDAT 13\r\nXCLIENT A=b\r\nBDAT 0 LAST\r\n", "queued as"},
		{"XCLIENT A=b\r\nQUIT\r\n", "not recognized"}, {"", "221 "},
	} {
		b := []byte(step.say)
		if f.FromClient(b); string(b) != step.say && !strings.HasPrefix(step.say, "XCLIENT") {
			t.Fatalf("changed: %.100q", b)
		}
		if _, err := d.conn.Write(b); err != nil {
			t.Fatal(err)
		}
		d.await(t, step.hear)
	}
	if f.Lost() {
		t.Error("the filter has lost its way")
	}
}
