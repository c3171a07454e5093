package main

import (
	"bufio"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"time"
)

// dummyMain refuses everybody after as long as a wrong password takes, and does
// nothing else: what remains when a load goes to it instead of to a target is
// what the load itself costs the machine.
func dummyMain(args []string) {
	fs := flag.NewFlagSet("dummy", flag.ExitOnError)
	base := fs.Int("base", 22900, "first port: IMAP in the clear, then with TLS")
	dir := fs.String("certs", "certs", "directory with cert.pem and key.pem")
	wait := fs.Duration("wait", 2200*time.Millisecond, "how long a refusal takes")
	fs.Parse(args)
	tc, err := serverTLS(*dir)
	if err != nil {
		log.Fatal(err)
	}
	for i := range 2 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *base+i))
		if err != nil {
			log.Fatal(err)
		}
		if i == 1 {
			l = tls.NewListener(l, tc)
		}
		go acceptLoop(l, func(c net.Conn) { refuse(c, *wait) })
	}
	select {}
}

func refuse(c net.Conn, wait time.Duration) {
	io.WriteString(c, "* OK ready\r\n")
	r := bufio.NewReaderSize(c, 512)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, _, _ := strings.Cut(line, " ")
		time.Sleep(wait)
		if _, err := io.WriteString(c, tag+" NO [AUTHENTICATIONFAILED] refused\r\n"); err != nil {
			return
		}
	}
}
