package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// front is the suite's way in, as the reverse proxy that it comes with: it speaks
// TLS, and says in headers which. It ends with us.
func (r *run) front(suite string) (origin string, err error) {
	pair, err := tls.LoadX509KeyPair(r.files.cert, r.files.key)
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", suiteHost+":0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", err
	}
	proxy := &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: "http", Host: suite})
		p.SetXForwarded()
		p.Out.Host = p.In.Host
		p.Out.Header.Set("X-Forwarded-Port", port)
		p.Out.Header.Set("X-Ssl-Protocol", strings.Replace(tls.VersionName(p.In.TLS.Version), "TLS ", "TLSv", 1))
		p.Out.Header.Set("X-Ssl-Cipher", tls.CipherSuiteName(p.In.TLS.CipherSuite))
	}}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}
	go func() { _ = server.ServeTLS(l, "", "") }() // ends with the process
	return "https://" + suiteHost + ":" + port, nil
}
