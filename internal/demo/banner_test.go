package demo

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhatCanBeDoneAfterwardsFitsTheScreen(t *testing.T) {
	port := netip.MustParseAddrPort("127.0.0.1:11080")
	w := &world{dir: "/tmp/portreeve-demo-1234567890", plain: port, sealed: port, outgoing: port, public: port}
	for told, want := range map[bool]string{true: "as amy@planet.example, with your app's codes", false: "portreeve pass issue fry@planet.example"} {
		var out bytes.Buffer
		w.yours(&screen{out: &out}, told)
		if !strings.Contains(out.String(), want) {
			t.Errorf("told %t:\n%s", told, out.String())
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if utf8.RuneCountInString(line) > width {
				t.Errorf("more than %d columns: %s", width, line)
			}
		}
	}
}
