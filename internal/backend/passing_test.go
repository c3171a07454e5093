package backend

import (
	"context"
	"errors"
	"testing"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
)

// A password that somebody types into a page is checked at a door of the mail
// server's, whichever there is, and nothing is held open for them.
func TestAPasswordOfAPageIsChecked(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Hasty: true})
	for door, address := range map[protocol.Protocol]string{protocol.IMAP: d.IMAP, protocol.POP3: d.POP3, protocol.Sieve: d.Sieve} {
		p := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{door: {Address: address, TLS: TLSNone}}})
		q := Request{ID: request(door, 1).ID, Address: mailtest.Person, Protocol: protocol.Portal, Password: []byte(mailtest.Password)}
		if err := p.Login(context.Background(), q); err != nil {
			t.Errorf("by %s: %v", door, err)
		}
		if len(p.held.byID) > 0 {
			t.Errorf("by %s a connection is held", door)
		}
		q.Password = []byte("wrong")
		if err := p.Login(context.Background(), q); !errors.Is(err, ErrRefused) {
			t.Errorf("by %s, wrong: %v", door, err)
		}
		if _, err := p.Dial(context.Background(), q); !errors.Is(err, ErrNoBackend) {
			t.Errorf("by %s a page was given a connection: %v", door, err)
		}
	}
}
