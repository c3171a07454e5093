package cli

import "github.com/spf13/cobra"

func (a *app) audit() *cobra.Command {
	var since, until, kind, actor string
	var limit int
	list := verb("list", "List what administrators did, newest first", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		from, to, err := between(since, until)
		if err != nil {
			return err
		}
		if limit < 0 {
			return usage("--limit is 0 or more, not %d", limit)
		}
		q := values("since", from, "until", to, "kind", kind, "actor", actor, "top", page(limit))
		rows, err := a.client().rows(cmd.Context(), ours+"/audits", q, limit)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("n", "n"), when("time", "at"), field("actor", "actor"), field("action", "action"), field("kind", "kind"), field("about", "about"), field("reason", "reason"))
	})
	list.Flags().StringVar(&since, "since", "", "from this time on: 2026-11-20, 2026-11-20T09:00:00Z, 24h, 7d")
	list.Flags().StringVar(&until, "until", "", "up to this time, written likewise; a day is part of it")
	list.Flags().StringVar(&kind, "kind", "", "of this kind of object, such as policy, person, appPassword, factor, pass")
	list.Flags().StringVar(&actor, "actor", "", "by this one, such as root")
	list.Flags().IntVar(&limit, "limit", 100, "at most so many; 0 is all")
	list.Aliases = []string{"log"}
	return noun("audit", "What administrators did, and what stands open", list, a.auditShow(), a.auditVerify(), a.auditSelf(), a.auditTenant())
}
