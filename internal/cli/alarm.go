package cli

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/alarm"
)

const (
	alarms     = ours + "/alarms"
	deliveries = ours + "/alarmDeliveries"
)

func (a *app) alarm() *cobra.Command {
	return noun("alarm", "Alarms by webhook and mail: policy changed, exclusions running out, mail servers away …",
		a.alarmAdd(), a.alarmList(), a.alarmDelete(), a.alarmTest(), a.alarmDeliveries(), a.alarmReplay())
}

func (a *app) alarmAdd() *cobra.Command {
	var url, mail string
	var kinds []string
	c := verb("add NAME (--url URL | --mail ADDRESS)", "Send alarms somewhere", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if (url == "") == (mail == "") {
			return usage("say where alarms go: --url https://… or --mail ADDRESS, one of the two")
		}
		where := url
		if mail != "" {
			where = "mailto:" + mail
		}
		r, err := a.answered(cmd.Context(), http.MethodPost, alarms, nil, map[string]any{"name": args[0], "url": where, "kinds": kinds})
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) {
			secret := text(r.fields["signingSecret"])
			if secret == "" {
				a.done("alarms go to %s; `portreeve alarm test %s` tries it", printable(text(r.fields["address"])), printable(args[0]))
				return
			}
			if !a.quiet {
				fmt.Fprintf(a.err, "alarms go to %s; `portreeve alarm test %s` tries it. The secret of their signatures is shown this once:\n", printable(text(r.fields["address"])), printable(args[0]))
			}
			fmt.Fprintln(w, secret)
		})
	})
	c.Long = `Send alarms to a webhook or a mail address. Webhooks are signed as the Standard Webhooks
specification says (webhook-id, webhook-timestamp, webhook-signature), with the secret that
is printed. What does not arrive is tried again for a day, then listed by
` + "`alarm deliveries --state dead`" + ` until it is replayed. Mail goes by the mail server that the
configuration names for notices.`
	c.Flags().StringVar(&url, "url", "", "https address of a webhook (http only to this machine)")
	c.Flags().StringVar(&mail, "mail", "", "mail address")
	c.Flags().StringSliceVar(&kinds, "kind", nil, "only these alarms; all without it: "+strings.Join(alarmKinds(), ", "))
	complete(c, "kind", alarmKinds()...)
	return c
}

func alarmKinds() (all []string) {
	for _, k := range alarm.Kinds {
		all = append(all, string(k))
	}
	return all
}

func (a *app) alarmList() *cobra.Command {
	return verb("list", "List where alarms go", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), alarms, nil, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("name", "name"), field("address", "address"), of("alarms", func(f map[string]any) string {
			if all := text(f["kinds"]); all != "" {
				return strings.ReplaceAll(all, ",", ", ")
			}
			return "all"
		}), of("state", func(f map[string]any) string {
			return map[bool]string{true: "wants no more (410)", false: "in use"}[f["gone"] == true]
		}))
	})
}

func (a *app) alarmDelete() *cobra.Command {
	c := verb("delete NAME", "Send alarms there no longer; what still waits to go there is forgotten", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if err := a.client().do(cmd.Context(), http.MethodDelete, path(alarms, args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.done("no alarm goes to %s any more", printable(args[0]))
		return nil
	})
	c.ValidArgsFunction = a.names(alarms, "name")
	return c
}

func (a *app) alarmTest() *cobra.Command {
	c := verb("test NAME", "Send a test there now, once, and say what came of it", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if _, err := a.answered(cmd.Context(), http.MethodPost, path(alarms, args[0], "test"), nil, nil); err != nil {
			return err
		}
		a.done("the test arrived at %s", printable(args[0]))
		return nil
	})
	c.ValidArgsFunction = a.names(alarms, "name")
	return c
}

func (a *app) alarmDeliveries() *cobra.Command {
	var state string
	var limit int
	c := verb("deliveries", "List alarms and how far they came, the newest first", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), deliveries, values("state", state, "top", fmt.Sprint(limit)), limit)
		if err != nil {
			return err
		}
		return a.output().list(rows, of("when", func(f map[string]any) string { return a.output().time(text(f["at"])) }), field("alarm", "kind"), field("to", "target"),
			field("state", "state"), field("tries", "tries"), of("what", sentenceOf), field("fault", "fault"), field("id", "id"))
	})
	c.Flags().StringVar(&state, "state", "", "only these: waiting, delivered or dead")
	c.Flags().IntVar(&limit, "limit", 100, "at most this many, 1 to 1000")
	complete(c, "state", "waiting", "delivered", "dead")
	return c
}

// sentenceOf is what an alarm says.
func sentenceOf(f map[string]any) string {
	p, _ := f["payload"].(map[string]any)
	d, _ := p["data"].(map[string]any)
	return text(d["sentence"])
}

func (a *app) alarmReplay() *cobra.Command {
	var all bool
	c := verb("replay (ID | --all)", "Try alarms anew that were given up", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if all == (len(args) == 1) {
			return usage("name one alarm by its id, or --all of them")
		}
		r, err := a.answered(cmd.Context(), http.MethodPost, deliveries+"/replay", nil, map[string]any{"id": strings.Join(args, "")})
		if err != nil {
			return err
		}
		a.done("%s tried anew", counted(float64(number(r.fields["replayed"])), "alarm"))
		return nil
	})
	c.Flags().BoolVar(&all, "all", false, "all that were given up")
	return c
}
