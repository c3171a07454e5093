package imap

import (
	"bytes"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/line"
)

const (
	peekCommands = 8       // how many commands after sign-in are looked at: programs send ID among the first three
	peekOctets   = 8 << 10 // how many octets
)

// PeekID looks for an ID command among the first commands after sign-in, in
// bytes that pass by on their way to the backend. It changes and delays
// nothing, and gives up for good at the first thing it is not sure of: a
// literal, a compressed stream, too many commands or octets. What it finds is a
// hint about the program and no more. The zero value is ready.
type PeekID struct {
	partial  []byte // a line whose end has not come yet
	commands int
	octets   int
	done     bool
}

// Feed takes the next octets from the program, cut anywhere, and returns the
// pairs once they are complete. When more is false there is nothing left to
// look for, and feeding on does nothing.
func (p *PeekID) Feed(b []byte) (pairs []signin.Pair, more bool) {
	for !p.done && len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			i = len(b) - 1
		}
		part := b[:i+1]
		b = b[i+1:]
		if p.octets += len(part); p.octets > peekOctets {
			return nil, p.giveUp()
		}
		if part[i] != '\n' {
			p.partial = append(p.partial, part...)
			break
		}
		if p.partial != nil {
			part = append(p.partial, part...)
			p.partial = nil
		}
		if pairs, found := p.command(bytes.TrimRight(part, "\r\n")); found {
			p.giveUp()
			return pairs, false
		}
	}
	return nil, !p.done
}

func (p *PeekID) giveUp() bool {
	p.partial, p.done = nil, true
	return false
}

// command looks at one line.
func (p *PeekID) command(b []byte) (pairs []signin.Pair, found bool) {
	if p.commands++; p.commands > peekCommands || bytes.HasSuffix(b, []byte("}")) {
		p.giveUp()
		return nil, false
	}
	_, after, ok := cutTag(b)
	if !ok {
		p.giveUp()
		return nil, false
	}
	name, rest, err := line.Verb(after)
	switch {
	case err != nil && string(b) == "DONE": // the end of IDLE has no tag
	case err != nil, name == "COMPRESS", name == "STARTTLS":
		p.giveUp()
	case name == "ID":
		r := Reader{rest: rest}
		if pairs, err = r.ID(); err != nil {
			p.giveUp()
			return nil, false
		}
		return pairs, true
	}
	return nil, false
}
