package pop3

import (
	"testing"

	"github.com/portreeve/portreeve/internal/front/dialogue"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/proxy"
)

func TestDialogues(t *testing.T) {
	dialogue.Play(t, dialogue.Front{Protocol: protocol.POP3, Dialect: New, Settings: proxy.Settings{},
		Capabilities: []string{"TOP", "UIDL", "PIPELINING", "USER", "SASL PLAIN"}})
}
