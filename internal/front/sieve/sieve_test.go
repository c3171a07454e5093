package sieve

import (
	"testing"

	"github.com/portreeve/portreeve/internal/front/dialogue"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/proxy"
)

func TestDialogues(t *testing.T) {
	dialogue.Play(t, dialogue.Front{Protocol: protocol.Sieve, Dialect: New, Settings: proxy.Settings{},
		Capabilities: []string{"SIEVE fileinto reject", "NOTIFY mailto", "SASL PLAIN", "UNAUTHENTICATE"}})
}
