package admin

import (
	"cmp"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/imap"
	"github.com/portreeve/portreeve/internal/wire/pop3"
	"github.com/portreeve/portreeve/internal/wire/sieve"
	"github.com/portreeve/portreeve/internal/wire/smtp"
)

// replyShown is what the mail program would read, to the byte.
type replyShown struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Bytes string `json:"bytes"` // of the line protocol, lines ended by CRLF; empty for the others
}

// exampleTag stands for the program's own.
const exampleTag = "a1"

// replyTo is the reply that an imagined sign-in would get.
func (a *api) replyTo(o *signin.Outcome) replyShown {
	if o.Code == signin.OK {
		return replyShown{Code: o.Code.String(), Text: "Signed in", Bytes: accepted(o.Attempt.Protocol)}
	}
	r := a.Gate.ReplyTo(o)
	return replyShown{Code: r.Code.String(), Text: r.Text, Bytes: refused(o.Attempt.Protocol, r, a.Replies(o.Attempt.Protocol, o.Attempt.Listener))}
}

func accepted(p protocol.Protocol) string {
	switch p {
	case protocol.IMAP:
		return imap.OK(exampleTag, "", "Signed in")
	case protocol.POP3:
		return pop3.OK("Signed in")
	case protocol.Submission:
		return smtp.Line(235, "2.7.0", "Signed in")
	case protocol.Sieve:
		return sieve.OK("", "Signed in")
	}
	return ""
}

// refused is a refusal in the words of its protocol, as the front-ends tell
// it; a test holds the two together.
func refused(p protocol.Protocol, r signin.Reply, set proxy.Settings) string {
	switch p {
	case protocol.IMAP:
		switch r.Tone {
		case signin.Early:
			line := imap.No(exampleTag, cmp.Or(set.IMAPEarlyCode, "UNAVAILABLE"), r.Text)
			if set.Alert {
				line = imap.No(imap.Untagged, "ALERT", r.Text) + line
			}
			return line
		case signin.Uniform:
			return imap.No(exampleTag, "AUTHENTICATIONFAILED", r.Text)
		}
		return imap.No(exampleTag, "UNAVAILABLE", r.Text)
	case protocol.POP3:
		switch r.Tone {
		case signin.Early:
			return pop3.Err(cmp.Or(set.POP3EarlyCode, "SYS/PERM"), r.Text)
		case signin.Uniform:
			return pop3.Err("AUTH", r.Text)
		}
		return pop3.Err("SYS/TEMP", r.Text)
	case protocol.Submission:
		switch {
		case r.Tone == signin.Trouble:
			return smtp.Line(454, "4.7.0", r.Text)
		case r.Tone == signin.Early && set.RefuseAtMail:
			return smtp.Line(235, "2.7.0", "Go on") + smtp.Line(550, "5.7.1", r.Text)
		}
		return smtp.Line(535, cmp.Or(set.SMTPCode, "5.7.8"), r.Text)
	case protocol.Sieve:
		if r.Tone == signin.Trouble {
			return sieve.No("TRYLATER", r.Text)
		}
		return sieve.No("", r.Text)
	}
	return ""
}
