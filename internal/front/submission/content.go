package submission

import (
	"bytes"
	"math"
	"strings"

	"github.com/portreeve/portreeve/internal/signin"
	wire "github.com/portreeve/portreeve/internal/wire/smtp"
)

// data carries a message. Where only some may be its author, its header is
// asked for and judged before the server hears of it.
func (s *watched) data(l []byte) error {
	if !strings.EqualFold(string(bytes.TrimSpace(l)), "DATA") {
		return s.bad(501, "5.5.4", "DATA takes no parameters")
	}
	defer s.forget()
	if !s.limited() || s.rcpts == 0 {
		code, err := s.ask(l)
		switch {
		case err != nil || code != 354:
			return err
		case s.limited(): // nobody was to have it
			return errServer
		}
		return s.content(nil, wire.NewContent(), true)
	}
	if err := s.say(354, "", "End with a dot alone on a line"); err != nil {
		return err
	}
	content := wire.NewContent()
	head, ended, err := s.head(func(p []byte) (int, bool, error) { return content.Next(p) })
	if err != nil {
		return err
	}
	if why := head.refused(s.w.Sending, true); why != "" {
		if !ended {
			if err := s.content(nil, content, false); err != nil {
				return err
			}
		}
		return s.withdraw(why)
	}
	if err := s.send([]byte("DATA\r\n")); err != nil {
		return err
	}
	r, err := s.answer()
	switch {
	case err != nil:
		return err
	case r.Code != 354:
		if !ended {
			if err := s.content(nil, content, false); err != nil {
				return err
			}
		}
		return s.pass(r)
	case ended:
		return s.finish(head.raw)
	}
	return s.content(head.raw, content, true)
}

// content carries what is left of a message, behind what was read of it before,
// and the answer to it; or throws it away.
func (s *watched) content(before []byte, c *wire.Content, on bool) error {
	if err := s.sendIf(on, before); err != nil {
		return err
	}
	for {
		p, err := s.peek()
		if err != nil {
			return err
		}
		n, ended, err := c.Next(p)
		if err != nil {
			return err
		}
		if err := s.sendIf(on, p[:n]); err != nil {
			return err
		}
		_, _ = s.client.Discard(n)
		if ended && on {
			return s.finish(nil)
		}
		if ended {
			return nil
		}
	}
}

func (s *watched) sendIf(on bool, b []byte) error {
	if !on || len(b) == 0 {
		return nil
	}
	return s.send(b)
}

// finish sends the rest of a message and hands the answer to it back.
func (s *watched) finish(rest []byte) error {
	if err := s.sendIf(true, rest); err != nil {
		return err
	}
	r, err := s.answer()
	if err != nil {
		return err
	}
	return s.pass(r)
}

// peek is what has come from the program, at least one octet.
func (s *watched) peek() ([]byte, error) {
	if _, err := s.client.Peek(1); err != nil {
		return nil, errClient
	}
	return s.client.Peek(s.client.Buffered())
}

// withdraw takes a transaction back whose message is refused.
func (s *watched) withdraw(why string) error {
	if err := s.send([]byte("RSET\r\n")); err != nil {
		return err
	}
	if _, err := s.answer(); err != nil {
		return err
	}
	s.forget()
	return s.overstep(550, "5.7.1", signin.AppPasswordSender, why)
}

// chunk carries one of BDAT's. Its octets follow unasked, whatever is answered.
func (s *watched) chunk(l, arg []byte) error {
	size, last, ok := wire.Chunk(arg)
	if !ok || size > math.MaxInt64 {
		return errNonsense // nobody can tell where the next command begins
	}
	if last {
		defer s.forget()
	}
	if !s.mail || s.rcpts == 0 {
		if err := s.octets(size, false); err != nil {
			return err
		}
		return s.say(503, "5.5.1", "MAIL and RCPT first")
	}
	var head header
	if s.limited() && !s.header {
		var err error
		if head, size, err = s.chunkHead(size); err != nil {
			return err
		}
		if why := head.refused(s.w.Sending, last); why != "" {
			if err := s.octets(size, false); err != nil {
				return err
			}
			return s.withdraw(why)
		}
		s.header = true
	}
	if err := s.send(append(append(bytes.Clone(l), "\r\n"...), head.raw...)); err != nil {
		return err
	}
	if err := s.octets(size, true); err != nil {
		return err
	}
	r, err := s.answer()
	if err != nil {
		return err
	}
	if r.Code/100 != 2 {
		s.forget()
	}
	return s.pass(r)
}

// chunkHead reads the header out of a message's first chunk; left are the
// octets of the chunk still to come.
func (s *watched) chunkHead(size uint64) (h header, left uint64, err error) {
	if left = size; left == 0 {
		return h, 0, nil
	}
	h, _, err = s.head(func(p []byte) (int, bool, error) {
		n := min(uint64(len(p)), left)
		left -= n
		return int(n), left == 0, nil
	})
	return h, left, err
}

// octets carries a chunk's, or throws them away.
func (s *watched) octets(n uint64, on bool) error {
	for n > 0 {
		p, err := s.peek()
		if err != nil {
			return err
		}
		p = p[:min(uint64(len(p)), n)]
		if err := s.sendIf(on, p); err != nil {
			return err
		}
		_, _ = s.client.Discard(len(p))
		n -= uint64(len(p))
	}
	return nil
}
