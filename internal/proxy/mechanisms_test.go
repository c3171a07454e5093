package proxy

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestTokensAreOfferedWhereTheyAreTaken(t *testing.T) {
	for _, c := range []struct {
		settings    Settings
		certificate []byte
		want        string
	}{
		{Settings{}, nil, "PLAIN LOGIN XOAUTH2 OAUTHBEARER"},
		{Settings{NoTokens: true}, nil, "PLAIN LOGIN"},
		{Settings{NoTokens: true}, []byte("DER"), "PLAIN LOGIN EXTERNAL"},
	} {
		conn := &Conn{server: &Server{Options: Options{Settings: c.settings}}, tls: new(tls.Conn)}
		conn.facts.Certificate = c.certificate
		if got := strings.Join(conn.Mechanisms(), " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.settings, got, c.want)
		}
	}
}
