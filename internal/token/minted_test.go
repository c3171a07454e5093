package token

import (
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/protocol"
)

// A backend that asks us hears of its tokens what their signature would tell it,
// and of no others.
func TestMintedTokensAreVerifiedForBackends(t *testing.T) {
	m, _, _ := openMinter(t, "ES256")
	raw := mint(t, m, Audience{Name: "dovecot", Address: "mary@example.org", Protocol: protocol.IMAP})
	got, err := m.Verify([]byte(raw))
	if err != nil || got.Audience != "dovecot" || got.Address != "mary@example.org" || got.Scope != "imap" || !got.Expires.After(got.Issued) {
		t.Fatalf("%+v, %v", got, err)
	}
	other, _, _ := openMinter(t, "ES256")
	rsa, _, _ := openMinter(t, "RS256")
	header, rest, _ := strings.Cut(raw, ".")
	for name, forged := range map[string]string{
		"of another minter":     mint(t, other, Audience{Name: "dovecot", Address: "mary@example.org", Protocol: protocol.IMAP}),
		"of another algorithm":  mint(t, rsa, Audience{Name: "dovecot", Address: "mary@example.org", Protocol: protocol.IMAP}),
		"with another claim":    header + "." + "e30" + rest[strings.IndexByte(rest, '.'):],
		"without a signature":   raw[:strings.LastIndexByte(raw, '.')+1],
		"of an issuer's":        ecPair().token(t, good()),
		"nothing":               "",
		"too long":              strings.Repeat("a", maxToken+1),
		"whose signature moved": raw + "A",
	} {
		if got, err := m.Verify([]byte(forged)); err == nil {
			t.Errorf("a token %s: %+v", name, got)
		}
	}
}
