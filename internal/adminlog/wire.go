package adminlog

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

// Facility and severities of RFC 5424, section 6.2.1. The mail facility is
// where Dovecot's and Postfix's lines are.
const (
	facilityMail    = 2
	severityError   = 3
	severityWarning = 4
	severityNotice  = 5
	severityInfo    = 6
)

// tag is what lines are found by.
const tag = "portreeve"

func severity(why Why) int {
	switch why {
	case SignedIn:
		return severityInfo
	case Trouble:
		return severityError
	case TooManyWrong:
		return severityWarning
	}
	return severityNotice
}

// record is the datagram of a sign-in.
func (w *Writer) record(e *signin.Event) []byte {
	why := WhyOf(e)
	text := w.text(e)
	if w.o.Target != Journald {
		return w.syslog(e.Last, severity(why), "signIn", text)
	}
	b := w.journal(severity(why), text)
	f := &e.Facts
	for _, p := range []struct{ name, value string }{
		{"WHY", string(why)}, {"CODE", e.Code.String()}, {"REFERENCE", string(e.ID.Reference())}, {"PROTOCOL", f.Protocol.String()},
		{strings.ToUpper(addressWord(e)), addr(e)}, {"USER", escape(cut(e.User(), maxName))}, {"MAILBOX", escape(cut(mailboxOf(e), maxName))}, {"TYPED", escape(cut(e.Typed, maxName))}, {"PERSON", escape(cut(f.Person, maxField))},
		{"METHOD", escape(cut(e.Mechanism, maxField))}, {"CREDENTIAL", f.Credential.String()}, {"COUNTRY", escape(cut(f.Country, maxField))},
		{"PROGRAM", escape(cut(f.Program, maxField))}, {"SOURCE", escape(cut(e.Source, maxField))}, {"COUNT", strconv.FormatInt(e.Count, 10)},
	} {
		if p.value != "" {
			b = appendField(b, "PORTREEVE_"+p.name, p.value)
		}
	}
	w.buf = b
	return b
}

// notice is the datagram of a sentence of our own.
func (w *Writer) notice(text string) []byte {
	if w.o.Target == Journald {
		return w.journal(severityWarning, text)
	}
	return w.syslog(time.Now(), severityWarning, "notice", text)
}

// journal begins a datagram of journald's native protocol
// (systemd, docs/JOURNAL_NATIVE_PROTOCOL.md).
func (w *Writer) journal(severity int, text string) []byte {
	b := appendField(w.buf[:0], "MESSAGE", text)
	b = appendField(b, "PRIORITY", strconv.Itoa(severity))
	b = appendField(b, "SYSLOG_FACILITY", strconv.Itoa(facilityMail))
	b = appendField(b, "SYSLOG_IDENTIFIER", tag)
	return appendField(b, "SYSLOG_PID", strconv.Itoa(os.Getpid()))
}

// appendField writes NAME=value and a line end; a value with a line end in it
// is written with its length, so that it cannot begin a field of its own.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	if !strings.Contains(value, "\n") {
		return append(append(append(b, '='), value...), '\n')
	}
	b = append(b, '\n')
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	return append(append(b, value...), '\n')
}

// syslog is RFC 5424, section 6, or the older form of RFC 3164, section 4.1,
// without its host name, as local daemons expect it.
func (w *Writer) syslog(at time.Time, severity int, id, text string) []byte {
	pri := facilityMail*8 + severity
	if at.IsZero() {
		at = time.Now()
	}
	if w.o.Target == RFC5424 {
		w.buf = fmt.Appendf(w.buf[:0], "<%d>1 %s %s %s %d %s - %s", pri, at.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), w.host, tag, os.Getpid(), id, text)
	} else {
		w.buf = fmt.Appendf(w.buf[:0], "<%d>%s %s[%d]: %s", pri, at.Local().Format(time.Stamp), tag, os.Getpid(), text)
	}
	return w.buf
}
