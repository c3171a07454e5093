package cli

import (
	"strings"
	"testing"
)

// What the configuration check warns of, status goes on telling.
func TestStatusTellsWhatTheConfigurationLacks(t *testing.T) {
	const piece = "public: {address: '127.0.0.1:0', tls: none}\noauth: {registration: verified}\n"
	for more, want := range map[string]string{piece: "public_url: https://door.example.org", piece + "public_url: http://localhost:1\n": "", "": ""} {
		_, out, _ := run(t, serveForTest(t, t.Cleanup, more), "", "status")
		if strings.Contains(out, "The configuration lacks a piece") != (want != "") || !strings.Contains(out, want) {
			t.Errorf("%q: %s", more, out)
		}
	}
}
