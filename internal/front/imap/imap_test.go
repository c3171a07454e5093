package imap

import (
	"testing"

	"github.com/portreeve/portreeve/internal/front/dialogue"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/proxy"
)

func TestDialogues(t *testing.T) {
	dialogue.Play(t, dialogue.Front{Protocol: protocol.IMAP, Dialect: New, Capability: "IMAP4rev1 IDLE MOVE",
		Settings: proxy.Settings{IMAPEarlyCode: "UNAVAILABLE", Alert: true, OpenIDConfiguration: "https://id.example.org/.well-known/openid-configuration"}})
}
