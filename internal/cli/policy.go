package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/policy"
)

const (
	policies  = graph + "/identity/conditionalAccess/policies"
	strengths = graph + "/policies/authenticationStrengthPolicies"
)

func (a *app) policies() objects { return objects{a, "policy", policies} }

func (a *app) policy() *cobra.Command {
	d := a.policies()
	return noun("policy", "Conditional access policies, as Microsoft Graph has them", a.policyList(), d.show(a.showPolicy), a.policyNew(), a.policyLint(), a.policyReplay(), a.policyImport(), d.export(),
		a.policyState("enable", "enabled", "Enforce a policy, on open connections too"),
		a.policyState("disable", "disabled", "Switch a policy off"),
		a.policyState("report-only", "enabledForReportingButNotEnforced", "Only report what a policy would do"), d.delete(),
		a.pastPolicies().history(), a.pastPolicies().diff(), a.pastPolicies().restore(), a.policyConfirm())
}

// shortStates are a policy's states in a word.
var shortStates = map[string]string{"enabled": "on", "disabled": "off", "enabledForReportingButNotEnforced": "report-only"}

func stateOf(f map[string]any) string {
	if s := shortStates[text(f["state"])]; s != "" {
		return s
	}
	return text(f["state"])
}

// asks says what a policy asks for, in Graph's words.
func asks(f map[string]any) string {
	g, _ := f["grantControls"].(map[string]any)
	var words []string
	for _, c := range strings.Split(text(g["builtInControls"]), ",") {
		if c != "" {
			words = append(words, c)
		}
	}
	if s := text(at(g, "authenticationStrength.displayName")); s != "" {
		words = append(words, "strength "+s)
	} else if at(g, "authenticationStrength.id") != nil {
		words = append(words, "strength "+text(at(g, "authenticationStrength.id")))
	}
	all := strings.Join(words, " "+text(g["operator"])+" ")
	if at(f, "sessionControls.signInFrequency.isEnabled") == true {
		all = strings.TrimPrefix(all+", signInFrequency", ", ")
	}
	return all
}

func (a *app) policyList() *cobra.Command {
	return verb("list", "List policies in their order", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), policies, nil, 0)
		if err != nil {
			return err
		}
		names := a.strengthNames(cmd.Context(), rows)
		found := a.findingsBy(cmd.Context())
		return a.output().list(rows, append([]column{field("name", "displayName"), of("state", stateOf), of("asks for", func(f map[string]any) string {
			return namedIn(asks(f), names)
		}), field("id", "id"), of("findings", func(f map[string]any) string {
			if n := found[text(f["id"])]; n > 0 {
				return strconv.Itoa(n)
			}
			return ""
		})}, fromFile(rows)...)...)
	})
}

// strengthNames are the names of the authentication strengths that policies
// name by their ids only.
func (a *app) strengthNames(ctx context.Context, policies []row) map[string]string {
	names := map[string]string{}
	if !slices.ContainsFunc(policies, func(r row) bool { return at(r.fields, "grantControls.authenticationStrength.id") != nil }) {
		return names
	}
	for _, s := range policy.BuiltInStrengths() {
		names[s.ID] = s.DisplayName
	}
	rows, err := a.client().rows(ctx, strengths, nil, 0)
	if err != nil {
		return names // ids then
	}
	for _, r := range rows {
		names[text(r.fields["id"])] = text(r.fields["displayName"])
	}
	return names
}

// namedIn puts names into a text in the place of ids.
func namedIn(words string, names map[string]string) string {
	for id, name := range names {
		words = strings.ReplaceAll(words, id, name)
	}
	return words
}

func (a *app) showPolicy(w io.Writer, r row) {
	s := sheet{w: w}
	s.line("Policy", text(r.fields["displayName"]))
	s.line("State", stateOf(r.fields))
	s.line("Id", text(r.fields["id"]))
	tellManaged(&s, r.fields)
	s.line("Asks for", namedIn(asks(r.fields), a.strengthNames(context.Background(), []row{r})))
	for _, x := range items(at(r.fields, "portreeve.exclusions")) {
		s.line("Excludes", strings.TrimSpace(fmt.Sprintf("%s: %s (%s) %s", text(x["id"]), text(x["reason"]), text(x["owner"]), text(x["expires"]))))
	}
	fmt.Fprintln(w)
	writeYAML(w, r.raw)
}

// writeYAML prints an object as YAML, member by member, without what could
// steer a terminal.
func writeYAML(w io.Writer, raw json.RawMessage) {
	b, err := yaml.JSONToYAML(raw)
	if err != nil {
		b = raw
	}
	for _, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		fmt.Fprintln(w, printable(line))
	}
}

func (a *app) policyState(name, state, short string) *cobra.Command {
	var spread string
	c := verb(name+" NAME…", short, cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if state == "enabled" {
			a.foretell(cmd.Context(), args)
		}
		for _, n := range args {
			var raw json.RawMessage
			change := map[string]string{"state": state}
			if err := a.client().do(cmd.Context(), http.MethodPatch, path(policies, n), values("spread", spread), change, &raw); err != nil {
				return err
			}
			if err := a.policies().told(raw, "now "+shortStates[state]+":"); err != nil {
				return err
			}
		}
		return nil
	})
	c.ValidArgsFunction = a.names(policies, "displayName")
	spreadFlag(c, &spread)
	a.confirmFlag(c)
	return c
}
