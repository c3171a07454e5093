package submission

import (
	"testing"

	"github.com/portreeve/portreeve/internal/front/dialogue"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/proxy"
)

func TestDialogues(t *testing.T) {
	dialogue.Play(t, dialogue.Front{Protocol: protocol.Submission, Dialect: New, Settings: proxy.Settings{Hostname: "mail.example.org"},
		Capabilities: []string{"SIZE 1000", "8BITMIME", "AUTH PLAIN", "XCLIENT NAME ADDR", "CHUNKING"}})
}
