package certs

import "crypto/tls"

// Options are one listener's wishes.
type Options struct {
	// MinVersion is crypto/tls's number; 0 means TLS 1.2. A lower one also
	// brings back the cipher suites that old scanners need.
	MinVersion uint16
	// ClientCA lets clients show a certificate that it signed; nil asks for none.
	ClientCA *ClientCA
	// NextProtos is for HTTP listeners ("h2", "http/1.1"); mail has none.
	NextProtos []string
	// Hello is shown every client's hello (for JA4) before it is answered.
	Hello func(*tls.ClientHelloInfo)
}

// TLSConfig makes the configuration of one listener. It follows the
// certificates and the shared ticket keys by itself and must be used as it is,
// for all connections: a clone would keep its ticket keys for ever.
func (m *Manager) TLSConfig(o Options) *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: m.choose,
		NextProtos:     o.NextProtos,
	}
	if o.MinVersion != 0 && o.MinVersion < tls.VersionTLS12 {
		c.MinVersion, c.CipherSuites = o.MinVersion, legacySuites
	} else if o.MinVersion != 0 {
		c.MinVersion = o.MinVersion
	}
	label := "server"
	if o.ClientCA != nil {
		c.ClientAuth = tls.VerifyClientCertIfGiven
		c.ClientCAs = o.ClientCA.pool
		label = "client-ca " + o.ClientCA.id
	}
	if o.Hello != nil {
		c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			o.Hello(h)
			return nil, nil
		}
	}
	m.tickets.join(c, label)
	return c
}

// legacySuites are for clients of before 2013, on listeners of their own:
// ours first, then CBC, then RSA key exchange. Neither RC4 nor 3DES.
var legacySuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}
