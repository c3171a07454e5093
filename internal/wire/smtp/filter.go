package smtp

import "sync"

// CommandFilter keeps a signed-in program from speaking to the server with the
// gate's own authority. Postfix grants XCLIENT by the address of its peer,
// which is the gate, and takes it at any time outside a transaction: relayed,
// it would make everyone anyone. So the filter stands in the way of the bytes
// towards the server and spoils, in place and without changing the length, the
// last letter of XCLIENT, XFORWARD, STARTTLS (behind which nothing could be
// seen) and AUTH (a session has one, RFC 4954 section 4) where they are
// commands. The server says 50x, in order. One letter is enough, and it is the
// one whose arrival makes the word: those before it may be gone already.
//
// What is a command depends on the server: a refused DATA leaves what follows
// it commands. The rule is that bytes are commands unless the server has shown
// that they are not:
//
//   - Content begins only with a 354 that, counted, answers the very last line
//     sent, a DATA, with no octet behind it (a program must wait there, RFC 2920
//     section 3.1). It ends with CR LF . CR LF.
//   - A chunk follows a BDAT at once, and servers that offered CHUNKING take its
//     octets whatever they answer (RFC 3030, section 4.2; Postfix 3.4 to 3.12,
//     bdat_cmd: every refusal reads the chunk or hangs up). It is believed if
//     the server offered it to an EHLO, the line is in its strict form, and no
//     DATA is waiting for its answer.
//   - Everything on which two servers might differ, or after which the count
//     could be wrong, means that the filter has lost its way: a lone dot between
//     line ends that are not both CR LF, a command line that is not ended by CR
//     LF, holds a lone CR or has more than maxCommand octets, an unexpected 354,
//     a reply in the middle of content, a 334.
//
// A filter that has lost its way spoils XCLIENT, XFORWARD and STARTTLS wherever
// they stand, for the rest of the connection. That is safe whatever the server
// reads; the price, a letter in the text of a mail that speaks of XCLIENT, is
// paid only by programs that break the rules above. Postfix's words are never
// put together from pieces (smtpd_token keeps quotes and backslashes), so a
// word that is not there in one piece is no command.
//
// FromServer must see each reply before the program can. Calls may come from
// two goroutines.
type CommandFilter struct {
	mu       sync.Mutex
	chunking bool // the server offered it, and no HELO has made it forget

	mode   filterMode
	cmd    commandLine
	body   bodyScan
	chunk  uint64 // octets of a chunk still to come
	open   int    // command lines not yet answered
	data   int    // replies until the one that answers the last DATA; 0 if none is waiting
	reply  replyScan
	seeded bool // the search of a lost filter has seen the octets before it
	words  wordScan
	tail   [maxWord - 1]byte // the last octets that passed
	ntail  int
}

type filterMode uint8

const (
	inCommands filterMode = iota
	inContent
	inChunk
	lost
)

// NewCommandFilter returns a filter for a connection on which the last reply,
// the one that ended AUTH, has been read. chunking says whether the server's
// answer to the last EHLO offered CHUNKING.
func NewCommandFilter(chunking bool) *CommandFilter {
	return &CommandFilter{chunking: chunking}
}

// Lost says whether the filter has lost its way (see above).
func (f *CommandFilter) Lost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mode == lost
}

// FromClient is given the next octets on their way to the server, cut anywhere,
// and changes them in place.
func (f *CommandFilter) FromClient(p []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := 0; i < len(p); {
		switch f.mode {
		case inCommands:
			if f.command(&p[i]) {
				i++
			}
		case inContent:
			i += f.content(p[i:])
		case inChunk:
			n := min(f.chunk, uint64(len(p)-i))
			i += int(n)
			if f.chunk -= n; f.chunk == 0 {
				f.mode = inCommands
			}
		case lost:
			if !f.seeded {
				f.seed(p[:i])
			}
			f.words.spoil(p[i:])
			i = len(p)
		}
	}
	f.remember(p)
}

// maxCommand is the longest command line whose end is believed to be where its
// LF is, in octets: servers cut longer ones (Postfix at 2,048).
const maxCommand = 1000

// command deals with one octet of a command line, and leaves it alone (false)
// when it makes the filter lose its way: then it belongs to the search.
func (f *CommandFilter) command(c *byte) bool {
	l := &f.cmd
	if *c != '\n' && (l.cr || l.n == maxCommand) || *c == '\n' && !l.cr {
		f.mode = lost
		return false
	}
	if *c == '\n' {
		f.endOfCommand()
		*l = commandLine{}
		return true
	}
	l.n++
	l.add(c)
	return true
}

// endOfCommand counts the line and follows it where it leads.
func (f *CommandFilter) endOfCommand() {
	f.open++
	switch f.cmd.name() {
	case "DATA":
		f.data = f.open
	case "BDAT":
		size, ok := f.cmd.chunkSize()
		if !ok || !f.chunking || f.data != 0 {
			f.mode = lost
		} else if size > 0 {
			f.mode, f.chunk = inChunk, size
		}
	case "HELO":
		f.chunking = false
	}
}

// content passes over a message and says how many octets it has dealt with.
func (f *CommandFilter) content(p []byte) int {
	n, end := f.body.scan(p)
	switch end {
	case bodyEnded:
		f.mode = inCommands
		f.open++ // the message is answered like a command
	case bodyDoubtful:
		f.mode = lost
	}
	return n
}

// FromServer is given the octets of the server's replies, cut anywhere, before
// they go on to the program. It changes nothing.
func (f *CommandFilter) FromServer(p []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(p) > 0 && f.mode != lost {
		n, code, ok := f.reply.scan(p)
		p = p[n:]
		if !ok {
			f.mode = lost
		} else if code != 0 {
			f.answered(code)
		}
	}
}

// answered counts one whole reply.
func (f *CommandFilter) answered(code int) {
	f.open--
	toData := f.data == 1
	if f.data > 0 {
		f.data--
	}
	switch {
	case f.open < 0, code == 334: // nothing is open in the middle of content
		f.mode = lost
	case f.mode == inChunk && f.open == 0 && code >= 400:
		f.mode = lost // answered before it was complete: perhaps not read as a chunk
	case code != 354:
	case toData && f.open == 0 && f.cmd.n == 0 && f.mode == inCommands:
		f.mode = inContent
		f.body = newBodyScan()
	default:
		f.mode = lost
	}
}

// remember keeps the last octets that passed, so that a search begun later
// finds a word whose beginning has gone.
func (f *CommandFilter) remember(p []byte) {
	if len(p) >= len(f.tail) {
		f.ntail = copy(f.tail[:], p[len(p)-len(f.tail):])
		return
	}
	keep := min(f.ntail, len(f.tail)-len(p))
	copy(f.tail[:], f.tail[f.ntail-keep:f.ntail])
	f.ntail = keep + copy(f.tail[keep:], p)
}

// seed runs the search over what has passed already, p being the part of it
// from the current call.
func (f *CommandFilter) seed(p []byte) {
	f.remember(p)
	past := f.tail
	f.words.spoil(past[:f.ntail])
	f.seeded = true
}
