package cli

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/span"
)

// imaginedFlags are the facts of a sign-in that never happened, by the API's
// names; what is not given is unknown.
var imaginedFlags = []struct{ flag, member, usage string }{
	{"user", "user", "who signs in, as typed"},
	{"protocol", "protocol", "over which protocol"},
	{"credential", "credential", "with what: password, appPassword, bearer (token) or certificate"},
	{"ip", "ip", "from which address"},
	{"country", "country", "in which country, if the address does not tell"},
	{"program", "program", "with which program, such as thunderbird"},
	{"program-version", "programVersion", "in which version"},
	{"platform", "platform", "on which platform: android, iOS, windows, macOS, linux"},
	{"mechanism", "mechanism", "with which SASL mechanism"},
	{"listener", "listener", "at which listener of the configuration"},
	{"auth-time", "authTime", "when the person last proved who they are: 2026-11-20T09:00:00Z, or how long ago (2h)"},
	{"at", "at", "at which time: 2026-11-30T09:00:00Z, or in how long (12h); now"},
	{"flow", "flow", "how a token was transferred: deviceCodeFlow, authenticationTransfer"},
	{"secret", "secret", "whether the secret is right or wrong; right"},
}

func (a *app) whatif() *cobra.Command {
	given := map[string]*string{}
	var methods []string
	var known, webmail bool
	var many matrixFlags
	var ref string
	var asn uint32
	c := verb("whatif --user WHO", "Judge one imagined sign-in: verdict, every policy, and the reply on the wire", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		if many.on {
			return a.whatifMatrix(cmd.Context(), &many, *given["user"], *given["protocol"], *given["credential"])
		}
		if *given["user"] == "" && ref == "" {
			return usage("say who signs in: --user WHO, or --ref REFERENCE for a recorded sign-in")
		}
		body := map[string]any{"more": true, "reference": ref}
		for _, f := range imaginedFlags {
			value, err := imaginedValue(f.flag, *given[f.flag])
			if err != nil {
				return err
			}
			if value != "" {
				body[f.member] = value
			}
		}
		if len(methods) > 0 {
			body["methods"] = methods
		}
		if cmd.Flags().Changed("known-network") {
			body["knownNetwork"] = known
		}
		if asn != 0 {
			body["asn"] = asn
		}
		if webmail {
			body["viaWebmail"] = true
		}
		r, err := a.answered(cmd.Context(), http.MethodPost, ours+"/whatIf", nil, body)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { tellImagined(w, r.fields) })
	})
	c.Long = `Judge one imagined sign-in by the rules in force. What is not stated may be anything: the
verdict is that of an unknown value, and the answer says what it hangs on. Nothing is recorded.
With --matrix, judge people, protocols, kinds of credential and places at once.`
	c.Example = "  portreeve whatif --user leela --protocol imap --credential password --ip 203.0.113.7\n  portreeve whatif --ref 7K4Q-9ZMD-2XWT\n  portreeve whatif --matrix --user leela --place 203.0.113.7 --place DE"
	for _, f := range imaginedFlags {
		given[f.flag] = c.Flags().String(f.flag, "", f.usage)
	}
	c.Flags().StringSliceVar(&methods, "method", nil, "authentication methods proven, by Graph's names")
	c.Flags().BoolVar(&known, "known-network", false, "from a network where the person has signed in before")
	c.Flags().BoolVar(&webmail, "via-webmail", false, "through a configured webmail host")
	c.Flags().Uint32Var(&asn, "asn", 0, "from the network with this number")
	c.Flags().StringVar(&ref, "ref", "", "judge this recorded sign-in by the rules in force now")
	many.flags(c)
	complete(c, "protocol", "imap", "pop3", "submission", "sieve")
	complete(c, "credential", "password", "appPassword", "bearer", "certificate")
	complete(c, "platform", "android", "iOS", "windows", "windowsPhone", "macOS", "linux")
	a.liveFlag(c, "user", people, "address")
	return c
}

// imaginedValue is a fact as the server takes it: times are moments there.
func imaginedValue(flag, value string) (string, error) {
	read := map[string]func(string, time.Time) (time.Time, error){"auth-time": span.Ago, "at": span.Start}[flag]
	if read == nil || value == "" {
		return value, nil
	}
	t, err := read(value, time.Now())
	if err != nil {
		return "", usage("--%s: %v", flag, err)
	}
	return t.Format(time.RFC3339Nano), nil
}

func tellImagined(w io.Writer, f map[string]any) {
	s := sheet{w: w}
	verdict := "refused"
	if f["allowed"] == true {
		verdict = "allowed"
	}
	s.line("Verdict", verdict+": "+text(at(f, "meaning.title"))+" ("+text(at(f, "meaning.code"))+")")
	who := text(at(f, "facts.userPrincipalName")) + forMailbox(at(f, "facts.mailbox"))
	if f["known"] != true {
		who += ", whom nobody here knows: judged as the stranger"
	}
	s.line("Who", who)
	s.line("Client app", text(at(f, "facts.clientAppUsed")))
	if x, ok := f["explanation"].(map[string]any); ok {
		tellExplanation(&s, x)
	}
	tellBeyond(&s, f)
	s.head("On the wire")
	tellWire(w, f["reply"])
	reply, stranger := text(at(f, "reply.text")), text(at(f, "replyToStranger.text"))
	if f["allowed"] != true && reply != stranger {
		s.head("On the wire, from a network where this person has never signed in")
		tellWire(w, f["replyToStranger"])
	}
	if f["allowed"] != true {
		s.head("What it means")
		s.text(text(at(f, "meaning.admin")))
	}
}

func tellWire(w io.Writer, reply any) {
	bytes := text(at(reply, "bytes"))
	if bytes == "" {
		bytes = text(at(reply, "text"))
	}
	for _, line := range strings.Split(strings.TrimRight(bytes, "\r\n"), "\r\n") {
		fmt.Fprintf(w, "  %s\n", printable(line))
	}
}
