package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

const selfAudits = ours + "/selfAudit"

func (a *app) auditSelf() *cobra.Command {
	var exitCode bool
	c := verb("self", "Look at the running server as a thief does: whom does a password alone let in, from where, past which policy", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		r, err := a.answered(cmd.Context(), http.MethodGet, selfAudits, nil, nil)
		if err != nil {
			return err
		}
		found := items(r.fields["value"])
		if err := a.output().object(r, func(w io.Writer) { tellSelfAudit(w, found) }); err != nil {
			return err
		}
		if a.doorless(cmd.Context()) {
			a.note("no listener is open here, so no protocol was tried: sign-ins do not come through this server")
		}
		if exitCode && len(found) > 0 {
			return &ended{exitPending}
		}
		return nil
	})
	c.Long = `Look at the running server as a thief does who has a password: every choice that a thief
has (address, country, program, platform, time) is tried against the rules in force, for
everybody. Each finding has a witness, a sign-in that would be let in, and the policies
that it gets past. Besides: delegates, app passwords and windows that reach far, mail
servers that can be reached around the gate, policies narrowed by one more condition,
people exempt from a policy who were not seen for 90 days, and what our own issuer of
tokens hands out: to whom, by what way, under which keys and secrets.`
	c.Flags().BoolVar(&exitCode, "exit-code", false, "end with 3 if something was found")
	return c
}

// doorless says whether nobody can sign in by mail here, as where a server only observes.
func (a *app) doorless(ctx context.Context) bool {
	r, err := a.client().object(ctx, ours+"/status", nil)
	return err == nil && len(items(r.fields["listeners"])) == 0
}

func tellSelfAudit(w io.Writer, found []map[string]any) {
	if len(found) == 0 {
		fmt.Fprintln(w, "nothing stands open that this looks for")
		return
	}
	const shown = 5 // of the people whom a finding concerns
	s := sheet{w: w}
	for i, f := range found {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s %s\n", text(f["severity"]), text(f["kind"]))
		s.table("  ", [][]string{{text(f["sentence"])}})
		who := strings.Split(text(f["subjects"]), ",")
		more := ""
		if len(who) > shown {
			who, more = who[:shown], fmt.Sprintf(" and %d more (-o json tells all)", len(who)-shown)
		}
		s.labelled("who", strings.Join(who, ", ")+more)
		if x, is := f["witness"].(map[string]any); is {
			fmt.Fprintf(w, "  witness  %s\n", printable(witnessWords(x))) // in one line, to be copied
			past, _ := x["past"].([]any)
			for _, p := range past {
				s.labelled("past", text(p))
			}
		}
		s.labelled("mend", text(f["fix"]))
	}
}

// labelled prints a finding's fact; on a terminal a long one goes on below itself.
func (s *sheet) labelled(label, fact string) {
	s.table("  ", [][]string{{fmt.Sprintf("%-7s", label), fact}})
}

// witnessWords is a witness as a command that judges it.
func witnessWords(x map[string]any) string {
	words := []string{"portreeve whatif --user", text(x["user"]), "--protocol", text(x["protocol"]), "--credential password --ip", text(x["ipAddress"])}
	for _, one := range [][2]string{{"country", "--country"}, {"program", "--program"}, {"platform", "--platform"}, {"asn", "--asn"}, {"at", "--at"}} {
		if s := text(x[one[0]]); s != "" {
			words = append(words, one[1], quotedWord(s))
		}
	}
	if x["viaWebmail"] == true {
		words = append(words, "--via-webmail")
	}
	return strings.Join(words, " ")
}
