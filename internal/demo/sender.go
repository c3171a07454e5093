package demo

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"time"
)

// send is a program that sends one letter: real SMTP over a real connection. It
// returns the last thing that it was told, which is a refusal if it was not let
// in, or not let send.
func (w *world) send(ctx context.Context, from netip.Addr, who, secret, sender string) (told string, sent bool, err error) {
	d := net.Dialer{Timeout: dialTime, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	conn, err := d.DialContext(ctx, "tcp", w.outgoing.String())
	if err != nil {
		return "", false, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerTime))
	c := textproto.NewConn(conn)
	if _, _, err := c.ReadResponse(220); err != nil {
		return "", false, fmt.Errorf("reading the greeting: %w", err)
	}
	identity := base64.StdEncoding.EncodeToString([]byte("\x00" + who + "\x00" + secret))
	for _, step := range []struct {
		say  string
		want int
	}{
		{"EHLO printer.planet.example", 250},
		{"AUTH PLAIN " + identity, 235},
		{"MAIL FROM:<" + sender + ">", 250},
		{"RCPT TO:<" + address("hermes") + ">", 250},
		{"DATA", 354},
		{"Subject: Scan\r\n\r\nOne page.\r\n.", 250},
		{"QUIT", 221},
	} {
		if err := c.PrintfLine("%s", step.say); err != nil {
			return told, false, err
		}
		code, text, err := c.ReadResponse(0)
		if err != nil {
			return told, false, fmt.Errorf("after %q: %w", step.say[:4], err)
		}
		if told = fmt.Sprintf("%d %s", code, text); code != step.want {
			return told, false, nil
		}
	}
	return told, true, nil
}
