package submission

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/line"
	wire "github.com/portreeve/portreeve/internal/wire/smtp"
)

const (
	watchedLine   = 2048     // octets of a command; RFC 5321 has 512, and extensions add to it
	watchedBuffer = 16 << 10 // octets read of a message at once
	maxNonsense   = 10       // commands that cannot be read; then the connection is closed
	maxOversteps  = 100      // senders refused; each may be a row of its own in the log, which a thief must not fill
)

// Watch carries a session whose program may not send as whom it likes or as
// much as it likes. Each command goes to the server alone, and the next one when
// it is answered, so that no two can be taken for one another and a program that
// sends several at once is answered in order; content goes through as it is. A
// refused command never reaches the server, and the session goes on.
func (d *dialect) Watch(w proxy.Watched) string {
	s := &watched{w: w, client: bufio.NewReaderSize(io.MultiReader(bytes.NewReader(d.Buffered()), w.Client), watchedBuffer),
		server: line.New(w.Backend, line.Limits{Total: math.MaxInt})}
	for {
		if err := s.command(); err != nil {
			return s.farewell(err)
		}
	}
}

// watched is such a session under way.
type watched struct {
	w        proxy.Watched
	client   *bufio.Reader
	server   *line.Reader
	nonsense int
	overs    int

	mail   bool // the server has accepted a sender,
	rcpts  int  // so many recipients,
	header bool // and the message's header has been seen (in an earlier chunk)
}

// How a watched session ends.
var (
	errBye      = errors.New("client closed")
	errClient   = errors.New("client closed or too slow")
	errServer   = errors.New("backend closed or too slow")
	errHungUp   = errors.New("backend closed")
	errNonsense = errors.New("too many bad commands")
	errOver     = errors.New("too many refused mails")
)

// farewell says goodbye where there is a reason to, and names it.
func (s *watched) farewell(err error) string {
	switch {
	case errors.Is(err, errServer):
		_ = s.say(421, "4.3.0", "The mail server has closed the connection")
	case errors.Is(err, wire.ErrDoubtful):
		_ = s.say(421, "4.5.2", "Message refused: "+err.Error())
	case errors.Is(err, errNonsense), errors.Is(err, errOver):
		_ = s.say(421, "4.7.0", err.Error())
	}
	return err.Error()
}

// say answers the program ourselves.
func (s *watched) say(code int, enhanced string, lines ...string) error {
	return s.tell([]byte(wire.Line(code, enhanced, lines...)))
}

func (s *watched) tell(b []byte) error {
	if _, err := s.w.Client.Write(b); err != nil {
		return errClient
	}
	return nil
}

// send gives octets to the server.
func (s *watched) send(b []byte) error {
	if _, err := s.w.Backend.Write(b); err != nil {
		return errServer
	}
	return nil
}

// answer reads the server's answer.
func (s *watched) answer() (wire.Reply, error) {
	r, err := wire.ReadReply(s.server)
	if err != nil {
		return r, errServer
	}
	return r, nil
}

// pass hands an answer on, less what is not to be had here.
func (s *watched) pass(r wire.Reply) error {
	var b bytes.Buffer
	for i, l := range r.Lines {
		sep := byte('-')
		if i == len(r.Lines)-1 {
			sep = ' '
		}
		fmt.Fprintf(&b, "%d%c%s\r\n", r.Code, sep, l)
	}
	if err := s.tell(b.Bytes()); err != nil {
		return err
	}
	if r.Code == 421 { // the server hangs up, and has said so
		return errHungUp
	}
	return nil
}

// ask sends a command on and hands its answer back.
func (s *watched) ask(command []byte) (code int, err error) {
	if err := s.send(append(bytes.Clone(command), "\r\n"...)); err != nil {
		return 0, err
	}
	r, err := s.answer()
	if err != nil {
		return 0, err
	}
	return r.Code, s.pass(r)
}

// bad refuses a command that makes no sense.
func (s *watched) bad(code int, enhanced, text string) error {
	if s.nonsense++; s.nonsense > maxNonsense {
		return errNonsense
	}
	return s.say(code, enhanced, text)
}

// readLine is the next command line, without its end. One that servers could
// read as two is none.
func (s *watched) readLine() (l []byte, ok bool, err error) {
	whole := true
	for {
		part, err := s.client.ReadSlice('\n')
		if whole && len(l)+len(part) <= watchedLine {
			l = append(l, part...)
		} else {
			whole = false
		}
		switch {
		case err == nil:
			l, crlf := bytes.CutSuffix(l, []byte("\r\n"))
			return l, whole && crlf && !bytes.ContainsAny(l, "\r\n\x00"), nil
		case errors.Is(err, io.EOF):
			return nil, false, errBye
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, errClient
		}
	}
}

// command carries one command with all that belongs to it.
func (s *watched) command() error {
	l, ok, err := s.readLine()
	if err != nil {
		return err
	}
	verb, arg, verr := line.Verb(l)
	if !ok || verr != nil {
		return s.bad(500, "5.5.2", "A command is one line, ended by CR LF")
	}
	switch verb {
	case "MAIL":
		return s.from(l, arg)
	case "RCPT":
		return s.to(l)
	case "DATA":
		return s.data(l)
	case "BDAT":
		return s.chunk(l, arg)
	case "EHLO", "HELO":
		return s.hello(l)
	case "RSET":
		s.forget()
		_, err := s.ask(l)
		return err
	case "NOOP", "VRFY", "EXPN", "HELP":
		_, err := s.ask(l)
		return err
	case "QUIT":
		if _, err := s.ask(l); err != nil {
			return err
		}
		return errBye
	case "AUTH", "STARTTLS":
		return s.bad(503, "5.5.1", "Signed in already")
	}
	return s.bad(502, "5.5.1", "Not here")
}

func (s *watched) forget() { s.mail, s.rcpts, s.header = false, 0, false }

func (s *watched) hello(l []byte) error {
	s.forget()
	if err := s.send(append(bytes.Clone(l), "\r\n"...)); err != nil {
		return err
	}
	r, err := s.answer()
	if err != nil {
		return err
	}
	if r.Code == 250 && len(r.Lines) > 1 {
		r.Lines = append(r.Lines[:1], r.Extensions().Without("AUTH", "STARTTLS", "XCLIENT", "XFORWARD", "PIPECONNECT", "PRDR", "BURL")...)
	}
	return s.pass(r)
}

// limited says that only some may be the sender.
func (s *watched) limited() bool { return len(s.w.Sending.Senders) > 0 }

// from judges MAIL. The line that goes on is made anew of what was judged.
func (s *watched) from(l, arg []byte) error {
	if s.limited() {
		address, params, ok := wire.Sender(arg)
		switch {
		case !ok:
			return s.bad(501, "5.5.4", "MAIL FROM:<address>")
		case !s.w.Sending.May(address):
			return s.overstep(550, "5.7.1", signin.AppPasswordSender, fmt.Sprintf("envelope sender <%.320s>", address))
		}
		l = []byte("MAIL FROM:<" + address + ">" + params)
	}
	code, err := s.ask(l)
	if err == nil && code == 250 {
		s.forget()
		s.mail = true
	}
	return err
}

// overstep refuses what the password does not cover.
func (s *watched) overstep(code int, enhanced string, why signin.Code, detail string) error {
	if why == signin.AppPasswordSender { // each names another address
		if s.overs++; s.overs > maxOversteps {
			return errOver
		}
	}
	return s.say(code, enhanced, s.w.Overstep(why, detail).Text)
}

// to counts recipients as they are asked for, whatever the server says of them.
func (s *watched) to(l []byte) error {
	if take := s.w.Sending.Take; s.mail && take != nil && !take(time.Now()) {
		return s.overstep(450, "4.7.1", signin.AppPasswordRate, fmt.Sprintf("more than %d recipients within an hour", s.w.Sending.PerHour))
	}
	code, err := s.ask(l)
	if code/100 == 2 {
		s.rcpts++
	}
	return err
}
