package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

const (
	mailboxes = ours + "/mailboxes"
	switches  = ours + "/switches"
)

func (a *app) mailbox() *cobra.Command {
	return noun("mailbox", "Protocol switches of mailboxes, groups, domains and the organisation; who may open whose mailbox", a.mailboxDelegate(), a.mailboxList(), a.mailboxShow(), a.mailboxSet(), a.mailboxExport(), a.mailboxImport())
}

// doors are the protocols shown in lists, with their switches.
var doors = []struct{ title, name string }{
	{"imap", "ImapEnabled"}, {"pop3", "PopEnabled"}, {"submission", "SmtpClientAuthenticationDisabled"}, {"sieve", "SieveEnabled"},
}

// state says what holds of one switch: on or off, and in brackets who says so
// if it is not the mailbox itself.
func state(f map[string]any, name string) string {
	for _, e := range items(f["effective"]) {
		if text(e["name"]) != name {
			continue
		}
		word := map[bool]string{true: "on", false: "off"}[e["on"] == true]
		switch kind := text(at(e, "from.kind")); kind {
		case "mailbox":
			return word
		case "default":
			return word + " (default)"
		default:
			return word + " (" + kind + ")"
		}
	}
	return ""
}

func (a *app) mailboxList() *cobra.Command {
	c := verb("list [FILTER]", "List mailboxes and what holds for them", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		rows, err := a.client().rows(cmd.Context(), mailboxes, values("filter", strings.Join(args, " ")), 0)
		if err != nil {
			return err
		}
		columns := []column{field("mailbox", "PrimarySmtpAddress"), field("name", "DisplayName")}
		for _, d := range doors {
			columns = append(columns, of(d.title, func(f map[string]any) string { return state(f, d.name) }))
		}
		return a.output().list(rows, append(columns, field("authentication policy", "AuthenticationPolicy"))...)
	})
	c.Long = `List mailboxes and what holds for them.

FILTER is plain words or PowerShell's comparisons:

  imap off                     mailboxes that cannot be reached over IMAP
  pop3 set                     mailboxes whose own switch says something
  group:staff ana              free text, and members of a group
  MapiHttpEnabled -ne $null    what is written down, by Exchange's names`
	return c
}

func (a *app) mailboxShow() *cobra.Command {
	c := verb("show ADDRESS", "Show what holds for a mailbox, and which object says so", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.client().object(cmd.Context(), path(mailboxes, args[0]), nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { showMailbox(w, r.fields) })
	})
	c.ValidArgsFunction = a.names(people, "address")
	return c
}

func showMailbox(w io.Writer, f map[string]any) {
	s := sheet{w: w}
	s.line("Mailbox", text(f["PrimarySmtpAddress"]))
	s.line("Name", text(f["DisplayName"]))
	s.line("Groups", strings.ReplaceAll(text(f["MemberOfGroup"]), ",", ", "))
	s.head("What holds, and who says so")
	rows := [][]string{{"protocol", "door", "switch", "said by", "passwords", "tokens", "authentication policy"}}
	for _, e := range items(f["effective"]) {
		rows = append(rows, []string{text(e["protocol"]), onOff(e["on"]), text(e["name"]), saidBy(e, "from", "fromName"),
			yesNo(e["passwords"]), yesNo(e["tokens"]), strings.TrimSpace(text(e["authenticationPolicyName"]) + " " + bracket(saidBy(e, "authenticationPolicyFrom", "authenticationPolicyFromName")))})
	}
	s.table("  ", rows)
}

func saidBy(e map[string]any, from, name string) string {
	kind, who := text(at(e, from+".kind")), text(e[name])
	if kind == "group" || kind == "domain" {
		return kind + " " + who
	}
	return kind
}

func bracket(s string) string {
	if s == "" || s == "default" {
		return ""
	}
	return "(" + s + ")"
}

func onOff(v any) string { return map[bool]string{true: "open", false: "closed"}[v == true] }
func yesNo(v any) string { return map[bool]string{true: "yes", false: "no"}[v == true] }

// holder names the object whose switches are set.
type holder struct {
	group, domain string
	organization  bool
}

func (a *app) mailboxSet() *cobra.Command {
	var h holder
	var spread string
	words := map[string]*string{}
	c := verb("set [ADDRESS] [SWITCH=true|false|inherit…]", "Set switches of a mailbox, a group, a domain or the organisation", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		change, rest, err := h.subject(args)
		if err != nil {
			return err
		}
		set := map[string]any{}
		for name, word := range words {
			if *word != "" {
				set[name] = *word
			}
		}
		for _, s := range rest {
			name, value, err := mailboxSwitch(s)
			if err != nil {
				return err
			}
			set[name] = value
		}
		change["switches"] = set
		var raw json.RawMessage
		if err := a.client().do(cmd.Context(), http.MethodPatch, switches, values("spread", spread), change, &raw); err != nil {
			return err
		}
		return a.changed(raw, strings.TrimSpace("set "+fmt.Sprint(change["scope"])+" "+fmt.Sprint(change["subject"])))
	})
	c.Example = "  portreeve mailbox set leela@example.org --pop3 off --imap inherit\n  portreeve mailbox set --organization ImapEnabled=false"
	for _, p := range []string{"imap", "pop3", "submission", "sieve"} {
		words[p] = c.Flags().String(p, "", "on, off or inherit")
		complete(c, p, "on", "off", "inherit")
	}
	c.Flags().StringVar(&h.group, "group", "", "of this group instead of a mailbox")
	c.Flags().StringVar(&h.domain, "domain", "", "of this domain")
	c.Flags().BoolVar(&h.organization, "organization", false, "of the organisation")
	c.MarkFlagsMutuallyExclusive("group", "domain", "organization")
	spreadFlag(c, &spread)
	a.confirmFlag(c)
	a.liveFlag(c, "group", groups, "name")
	c.ValidArgsFunction = a.names(people, "address")
	return c
}

// subject finds whose switches are meant; what is left are switches.
func (h *holder) subject(args []string) (map[string]any, []string, error) {
	switch {
	case h.group != "":
		return map[string]any{"scope": "group", "subject": h.group}, args, nil
	case h.domain != "":
		return map[string]any{"scope": "domain", "subject": h.domain}, args, nil
	case h.organization:
		return map[string]any{"scope": "organization", "subject": ""}, args, nil
	case len(args) == 0 || strings.Contains(args[0], "="):
		return nil, nil, usage("say whose switches: an address, --group, --domain or --organization")
	}
	return map[string]any{"scope": "mailbox", "subject": args[0]}, args[1:], nil
}

// mailboxSwitch reads ImapEnabled=false, imap=off or PopEnabled=inherit.
func mailboxSwitch(s string) (string, any, error) {
	name, value, ok := strings.Cut(s, "=")
	word := strings.TrimPrefix(strings.ToLower(value), "$")
	if !ok {
		return "", nil, usage("write SWITCH=true, SWITCH=false or SWITCH=inherit, not %q", s)
	}
	protocol := !strings.HasSuffix(strings.ToLower(name), "enabled") && !strings.HasSuffix(strings.ToLower(name), "disabled") && !strings.HasPrefix(strings.ToLower(name), "ews")
	switch word {
	case "true", "false":
		return name, word == "true", nil
	case "inherit", "null":
		if protocol {
			return name, "inherit", nil
		}
		return name, nil, nil
	case "on", "off":
		if protocol || strings.EqualFold(name, "ews") {
			return name, word, nil
		}
		return name, word == "on", nil
	}
	return "", nil, usage("%s is true, false or inherit, not %q", name, value)
}

func (a *app) mailboxExport() *cobra.Command {
	var sheet string
	var fresh bool
	c := verb("export", "Write mailboxes as Get-CASMailbox | Export-Csv does", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		which := sheet
		if which == "" && !fresh {
			which = "latest"
		}
		var raw []byte
		err := a.client().do(cmd.Context(), http.MethodGet, mailboxes+"/export", values("sheet", which), nil, &raw)
		if api, ok := err.(*apiError); ok && api.Status == http.StatusNotFound && sheet == "" {
			err = a.client().do(cmd.Context(), http.MethodGet, mailboxes+"/export", nil, nil, &raw)
		}
		if err != nil {
			return err
		}
		_, err = a.out.Write(raw)
		return err
	})
	c.Long = `Write mailboxes as Get-CASMailbox | Export-Csv does. If a list was imported, the
latest one is written again: the same columns, rows, delimiter and encoding, with only
those cells changed that changed since. --fresh writes all mailboxes in the usual columns.`
	c.Flags().StringVar(&sheet, "sheet", "", "in the form of this imported list, by its id or its file's name")
	c.Flags().BoolVar(&fresh, "fresh", false, "all mailboxes, in the usual columns")
	c.MarkFlagsMutuallyExclusive("sheet", "fresh")
	return c
}

func (a *app) mailboxImport() *cobra.Command {
	var dry, strict, nulls bool
	var spread string
	c := verb("import FILE", "Set switches as a list of Get-CASMailbox says: CSV, JSON or CLIXML", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		file, err := a.readFile(args[0])
		if err != nil {
			return err
		}
		var raw json.RawMessage
		q := values("dryRun", truth(dry), "strict", truth(strict), "nullInherits", truth(nulls), "spread", spread, "name", args[0])
		if err := a.client().do(cmd.Context(), http.MethodPost, mailboxes+"/import", q, file, &raw); err != nil {
			return inFile(args[0], err)
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		if a.format != "table" {
			return a.output().object(r, nil)
		}
		return a.tellImport(args[0], r.fields)
	})
	c.Long = `Set switches as a list says that Get-CASMailbox wrote through Export-Csv (comma, semicolon
or tab, any encoding that PowerShell writes, with or without a #TYPE line), ConvertTo-Json or
Export-Clixml. Rows for mailboxes that nobody has are reported and
change nothing. An empty cell leaves things as they are.`
	c.Flags().BoolVar(&dry, "dry-run", false, "show what would change")
	c.Flags().BoolVar(&strict, "strict", false, "change nothing if a row cannot be taken")
	c.Flags().BoolVar(&nulls, "null-inherits", false, "an empty cell means that the switch inherits")
	spreadFlag(c, &spread)
	a.confirmFlag(c)
	return c
}

func (a *app) tellImport(name string, f map[string]any) error {
	changes := items(f["changes"])
	rows := [][]string{}
	for _, c := range changes {
		rows = append(rows, []string{"~ " + text(c["mailbox"]), text(c["switch"]), valueWord(c["from"]) + " → " + valueWord(c["to"])})
	}
	if !a.quiet {
		s := sheet{w: a.out}
		s.table("", rows)
	}
	for _, x := range items(f["faults"]) {
		fmt.Fprintf(a.err, "%s: %s\n", printable(name), printable(text(x["message"])))
	}
	word := "changed"
	if f["dryRun"] == true {
		word = "would change"
	}
	a.done("%s rows, %s %s, %d left out%s", text(f["rows"]), word, switchCount(len(changes)), len(items(f["faults"])), judgedWords(f))
	return nil
}

func valueWord(v any) string {
	switch v {
	case true:
		return "true"
	case false:
		return "false"
	}
	return "inherit"
}

func switchCount(n int) string {
	if n == 1 {
		return "1 switch"
	}
	return fmt.Sprintf("%d switches", n)
}
