package signin

import "testing"

// A program's name comes back from the log as it was, whatever it holds.
func TestForClientNamesTheProgram(t *testing.T) {
	for _, name := range []string{"Thunderbird", `Quoted "mail": program`, "Größe", ""} {
		for _, why := range []string{"", "it is at 192.0.2.1"} {
			e := Event{Detail: ForClient(name, why)}
			if got, ok := e.ForClient(); !ok || got != name {
				t.Errorf("%s: %q, %v", e.Detail, got, ok)
			}
		}
	}
	for _, detail := range []string{"", "client", "client Thunderbird", "the mail server is away"} {
		if got, ok := (&Event{Detail: detail}).ForClient(); ok {
			t.Errorf("%q names %q", detail, got)
		}
	}
}
