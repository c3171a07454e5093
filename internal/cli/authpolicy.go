package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/spelling"
)

const (
	authPolicies = ours + "/authenticationPolicies"
	assignments  = ours + "/assignments"
)

func (a *app) authpolicy() *cobra.Command {
	p := past{a, "authenticationPolicy", "authentication policy", authPolicies, "Name"}
	return noun("authpolicy", "Authentication policies: which protocols take passwords, which take tokens", a.authpolicyList(), a.authpolicyShow(), a.authpolicyAdd(),
		a.authpolicySet(), a.authpolicyImport(), a.authpolicyExport(), a.authpolicyAssign(), a.authpolicyDelete(),
		p.history(), p.diff(), p.restore())
}

func (a *app) authpolicyList() *cobra.Command {
	return verb("list", "List authentication policies and who has them", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), authPolicies, nil, 0)
		if err != nil {
			return err
		}
		assigned, err := a.client().rows(cmd.Context(), assignments, nil, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, append([]column{field("name", "Name"), of("refuses", refusesOf), of("assigned to", func(f map[string]any) string {
			return holdersOf(assigned, text(f["Name"]))
		})}, fromFile(rows)...)...)
	})
}

// refusesOf lists what a policy's switches close.
func refusesOf(f map[string]any) string {
	var all []string
	for name, v := range f {
		b, isBool := v.(bool)
		switch {
		case !isBool:
		case strings.HasPrefix(name, "AllowBasicAuth") && !b, strings.HasPrefix(name, "Block") && b:
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

func holdersOf(assigned []row, name string) string {
	var all []string
	for _, r := range assigned {
		if text(r.fields["policyName"]) != name {
			continue
		}
		who := text(r.fields["scope"])
		if s := text(r.fields["subjectName"]); s != "" {
			who += " " + s
		}
		all = append(all, who)
	}
	return strings.Join(all, ", ")
}

func (a *app) authpolicyShow() *cobra.Command {
	c := verb("show NAME", "Show an authentication policy", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.client().object(cmd.Context(), path(authPolicies, args[0]), nil)
		if err != nil {
			return err
		}
		assigned, err := a.client().rows(cmd.Context(), assignments, nil, 0)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) {
			s := sheet{w: w}
			s.line("Policy", text(r.fields["Name"]))
			s.line("Assigned to", holdersOf(assigned, text(r.fields["Name"])))
			tellManaged(&s, r.fields)
			fmt.Fprintln(w)
			writeYAML(w, r.raw)
		})
	})
	c.ValidArgsFunction = a.names(authPolicies, "Name")
	return c
}

func (a *app) authpolicyAdd() *cobra.Command {
	c := verb("add NAME [SWITCH=true|false…]", "Make an authentication policy", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		members := []string{`"Name":` + jsonText(args[0])}
		for _, s := range args[1:] {
			name, value, err := authSwitch(s)
			if err != nil {
				return err
			}
			members = append(members, jsonText(name)+":"+jsonText(value))
		}
		if _, err := a.client().object(cmd.Context(), path(authPolicies, args[0]), nil); err == nil {
			return &failure{exit: exitConflict, what: fmt.Sprintf("there is an authentication policy %q already", args[0]), next: "`portreeve authpolicy show` shows it, `portreeve authpolicy set` changes its switches"}
		}
		body := json.RawMessage("{" + strings.Join(members, ",") + "}")
		if err := a.client().do(cmd.Context(), http.MethodPost, authPolicies, nil, body, nil); err != nil {
			return err
		}
		a.done("added authentication policy %s", printable(args[0]))
		return nil
	})
	a.confirmFlag(c)
	c.Example = "  portreeve authpolicy add no-passwords AllowBasicAuthImap=false AllowBasicAuthPop=false"
	return c
}

// authSwitch reads AllowBasicAuthImap=false; null is not said.
func authSwitch(s string) (string, any, error) {
	name, value, ok := strings.Cut(s, "=")
	word, known := map[string]any{"true": true, "false": false, "on": true, "off": false, "null": nil}[strings.ToLower(value)]
	if !ok || !known {
		return "", nil, usage("write SWITCH=true, SWITCH=false or SWITCH=null, not %q", s)
	}
	row, ok := exchange.FindAuthSwitch(name)
	if !ok {
		var names []string
		for _, w := range exchange.AuthSwitches() {
			names = append(names, w.Name)
		}
		return "", nil, &failure{exit: exitUsage, what: fmt.Sprintf("there is no switch %q%s", name, spelling.DidYouMean(name, names)), next: "there are " + strings.Join(names, ", ")}
	}
	return row.Name, word, nil
}

func jsonText(v any) string {
	b, err := marshal(v)
	if err != nil { // texts and truth values are never refused
		return "null"
	}
	return strings.TrimSpace(string(b))
}

func (a *app) authpolicySet() *cobra.Command {
	c := verb("set NAME SWITCH=true|false|null…", "Change switches of an authentication policy", cobra.MinimumNArgs(2), func(cmd *cobra.Command, args []string) error {
		change := map[string]any{}
		for _, s := range args[1:] {
			name, value, err := authSwitch(s)
			if err != nil {
				return err
			}
			change[name] = value
		}
		var raw json.RawMessage
		if err := a.client().do(cmd.Context(), http.MethodPatch, path(authPolicies, args[0]), nil, change, &raw); err != nil {
			return err
		}
		return a.changed(raw, "changed "+args[0])
	})
	a.confirmFlag(c)
	c.ValidArgsFunction = a.names(authPolicies, "Name")
	return c
}

// changed says that a change was made and what it did to open sessions.
func (a *app) changed(raw json.RawMessage, what string) error {
	r, err := newRow(raw)
	if err != nil {
		return err
	}
	if a.format != "table" {
		return a.output().object(r, nil)
	}
	a.done("%s%s", printable(what), judgedWords(r.fields))
	return nil
}

func (a *app) authpolicyImport() *cobra.Command {
	var dry bool
	c := verb("import FILE…", "Make or replace policies of what Get-AuthenticationPolicy prints as JSON, CSV or CLIXML", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		for _, name := range args {
			in, err := a.readFile(name)
			if err != nil {
				return err
			}
			var out struct {
				Value []struct{ Name string } `json:"value"`
			}
			if err := a.client().do(cmd.Context(), http.MethodPost, authPolicies, values("dryRun", truth(dry)), in, &out); err != nil {
				return inFile(name, err)
			}
			for _, p := range out.Value {
				a.done("%s authentication policy %s", map[bool]string{true: "checked", false: "kept"}[dry], printable(p.Name))
			}
		}
		return nil
	})
	c.Flags().BoolVar(&dry, "dry-run", false, "check only")
	a.confirmFlag(c)
	return c
}

const maxFile = 64 << 20 // bytes, the server's own limit

func (a *app) readFile(name string) ([]byte, error) {
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, noFile(err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = usage("%s is larger than %d MB", name, maxFile>>20)
	}
	return b, err
}

// inFile puts a file's name before what is wrong in it.
func inFile(name string, err error) error {
	if api, ok := err.(*apiError); ok {
		api.Error_.Message = name + ": " + api.Error_.Message
		api.Error_.Target = ""
	}
	return err
}

func (a *app) authpolicyExport() *cobra.Command {
	c := verb("export [NAME…]", "Write policies as ConvertTo-Json does", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		rows, err := objects{a, "authentication policy", authPolicies}.chosen(cmd.Context(), args)
		if err != nil {
			return err
		}
		if len(args) == 1 {
			_, err := fmt.Fprintf(a.out, "%s\n", strings.TrimRight(string(rows[0].raw), "\n"))
			return err
		}
		raws := make([]json.RawMessage, len(rows))
		for i := range rows {
			raws[i] = rows[i].raw
		}
		list, err := marshal(raws)
		if err != nil {
			return err
		}
		o := a.output()
		return o.body(list)
	})
	c.ValidArgsFunction = a.names(authPolicies, "Name")
	return c
}

func (a *app) authpolicyAssign() *cobra.Command {
	var user, group, spread string
	var organization, none bool
	c := verb("assign [NAME]", "Give an authentication policy to a person, a group, or everybody", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		change := map[string]string{"policy": strings.Join(args, "")}
		if none == (len(args) == 1) {
			return usage("name a policy, or take it away with --none")
		}
		switch {
		case user != "":
			change["scope"], change["subject"] = "person", user
		case group != "":
			change["scope"], change["subject"] = "group", group
		case organization:
			change["scope"] = "organization"
		default:
			return usage("say to whom: --user, --group or --organization")
		}
		var raw json.RawMessage
		if err := a.client().do(cmd.Context(), http.MethodPut, assignments, values("spread", spread), change, &raw); err != nil {
			return err
		}
		who := strings.TrimSpace(change["scope"] + " " + change["subject"])
		if none {
			return a.changed(raw, who+" has no authentication policy of its own")
		}
		return a.changed(raw, "assigned "+args[0]+" to "+who)
	})
	c.Flags().StringVar(&user, "user", "", "to this person")
	c.Flags().StringVar(&group, "group", "", "to this group")
	c.Flags().BoolVar(&organization, "organization", false, "to everybody who has no other")
	c.Flags().BoolVar(&none, "none", false, "take the assignment away")
	c.MarkFlagsMutuallyExclusive("user", "group", "organization")
	spreadFlag(c, &spread)
	a.confirmFlag(c)
	a.liveFlag(c, "user", people, "address")
	a.liveFlag(c, "group", groups, "name")
	c.ValidArgsFunction = a.names(authPolicies, "Name")
	return c
}

func (a *app) authpolicyDelete() *cobra.Command {
	c := verb("delete NAME", "Delete an authentication policy and its assignments", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if err := a.client().do(cmd.Context(), http.MethodDelete, path(authPolicies, args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.done("deleted authentication policy %s", printable(args[0]))
		return nil
	})
	a.confirmFlag(c)
	c.ValidArgsFunction = a.names(authPolicies, "Name")
	return c
}
