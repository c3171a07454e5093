package server

import (
	"net/netip"
	"testing"
)

// A list of networks that holds everything holds nobody to a place.
func TestNetworksThatHoldToAPlace(t *testing.T) {
	for text, want := range map[string]bool{"192.0.2.0/24": true, "10.0.0.0/8": true, "2001:db8::/32": true, "0.0.0.0/0": false, "128.0.0.0/1": false, "::/0": false} {
		if got := placed([]netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix(text)}); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if placed(nil) {
		t.Error("no network is a place")
	}
}
