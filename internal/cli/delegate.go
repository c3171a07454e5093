package cli

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/span"
)

const delegations = ours + "/delegations"

func (a *app) mailboxDelegate() *cobra.Command {
	return noun("delegate", "Who may open whose mailbox", a.delegateAdd(), a.delegateList(), a.delegateRemove())
}

// lent names whose mailboxes a right is to.
type lent struct {
	group string
	all   bool
}

func (l *lent) flags(a *app, c *cobra.Command) {
	c.Flags().StringVar(&l.group, "group", "", "the mailboxes of this group's members, whoever they are")
	c.Flags().BoolVar(&l.all, "all", false, "every mailbox, as for a master user that copies mail")
	c.MarkFlagsMutuallyExclusive("group", "all")
	a.liveFlag(c, "group", groups, "name")
	c.ValidArgsFunction = a.names(people, "address")
}

// query is the right as a query; need says that one must be named.
func (l *lent) query(args []string, person string, need bool) (url.Values, error) {
	given := len(args) > 0 || l.group != "" || l.all
	if len(args) > 0 && (l.group != "" || l.all) || need && !given {
		return nil, usage("say whose mailboxes: an address, --group or --all")
	}
	return values("mailbox", strings.Join(args, ""), "group", l.group, "all", truth(l.all), "person", person), nil
}

func (a *app) delegateAdd() *cobra.Command {
	var l lent
	var to, until string
	var protocols []string
	c := verb("add [SHARED] --to PERSON", "Let a person open another's mailbox", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		q, err := l.query(args, to, true)
		if err != nil {
			return err
		}
		right := map[string]any{"mailbox": q.Get("mailbox"), "group": l.group, "all": l.all, "person": to, "protocols": protocols}
		if until != "" {
			end, err := span.Ahead(until, time.Now())
			if err != nil {
				return usage("--until: %v", err)
			}
			right["until"] = end
		}
		r, err := a.answered(cmd.Context(), http.MethodPut, delegations, nil, right)
		if err != nil {
			return err
		}
		if a.format != "table" {
			return a.output().object(r, nil)
		}
		a.done("%s may open %s over %s%s", printable(text(r.fields["personName"])), printable(subjectWords(r.fields)), protocolWords(r.fields), untilWords(a.output(), r.fields))
		return nil
	})
	c.Long = `Let a person open another's mailbox: as that mailbox in the user name of a token, as
SASL authorization identity, or by typing PERSON\MAILBOX. They prove who they are with
their own password or token and are judged by the policies for themselves; the switches
are the mailbox's. Given again, a right replaces the one before.`
	c.Example = `  portreeve mailbox delegate add sales@example.org --to leela@example.org --protocol imap,submission --until 2026-12-31
  portreeve mailbox delegate add --all --to imapsync@example.org --protocol imap --until 14d`
	l.flags(a, c)
	c.Flags().StringVar(&to, "to", "", "the person who may")
	_ = c.MarkFlagRequired("to")
	a.liveFlag(c, "to", people, "address")
	c.Flags().StringSliceVar(&protocols, "protocol", nil, "over these protocols only")
	complete(c, "protocol", "imap", "pop3", "submission", "sieve")
	c.Flags().StringVar(&until, "until", "", "until this day (2026-12-31), moment, or for so long (90d)")
	return c
}

func (a *app) delegateList() *cobra.Command {
	var l lent
	var to string
	c := verb("list [SHARED]", "List who may open whose mailbox", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		q, err := l.query(args, to, false)
		if err != nil {
			return err
		}
		rows, err := a.client().rows(cmd.Context(), delegations, q, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, of("mailbox", subjectWords), field("person", "personName"), of("protocols", protocolWords),
			column{"until", func(o *output, f map[string]any) string {
				if f["ranOut"] == true {
					return o.time(text(f["until"])) + " (ran out)"
				}
				return o.time(text(f["until"]))
			}}, when("given", "created"))
	})
	l.flags(a, c)
	c.Flags().StringVar(&to, "to", "", "what this person may open")
	a.liveFlag(c, "to", people, "address")
	return c
}

func (a *app) delegateRemove() *cobra.Command {
	var l lent
	var to string
	c := verb("remove [SHARED] --to PERSON", "Take a right to a mailbox back, and close what is open by it", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		q, err := l.query(args, to, true)
		if err != nil {
			return err
		}
		if err := a.client().do(cmd.Context(), http.MethodDelete, delegations, q, nil, nil); err != nil {
			return err
		}
		whose := strings.Join(args, "")
		if whose == "" {
			whose = map[bool]string{true: "every mailbox", false: "the mailboxes of " + l.group}[l.all]
		}
		a.done("%s may no longer open %s", printable(to), printable(whose))
		return nil
	})
	l.flags(a, c)
	c.Flags().StringVar(&to, "to", "", "the person who may")
	_ = c.MarkFlagRequired("to")
	a.liveFlag(c, "to", people, "address")
	return c
}

func subjectWords(f map[string]any) string {
	switch text(f["scope"]) {
	case "all":
		return "every mailbox"
	case "group":
		return "group " + text(f["subjectName"])
	}
	return text(f["subjectName"])
}

func protocolWords(f map[string]any) string {
	if s := text(f["protocols"]); s != "" {
		return strings.ReplaceAll(s, ",", ", ")
	}
	return "every protocol"
}

func untilWords(o *output, f map[string]any) string {
	if t := o.time(text(f["until"])); t != "" {
		return " until " + t
	}
	return ""
}
