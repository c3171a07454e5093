package cli

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// ours is where our own resources stand, graph where Microsoft Graph's do.
const (
	ours  = "/portreeve/v1"
	graph = "/v1.0"
)

// commands lists every command there is.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.serve(), a.demo(), a.config(), a.status(), a.backend(),
		a.signins(), a.policy(), a.location(), a.strength(), a.authpolicy(), a.mailbox(), a.user(), a.group(), a.directory(), a.domain(), a.pass(), a.apppw(), a.clientNoun(), a.approval(),
		a.whatif(), a.fmt(), a.validate(), a.test(), a.plan(), a.apply(), a.pull(), a.session(), a.explain(), a.key(), a.audit(), a.history(), a.db(), a.admin(), a.alarm(), a.token(), a.version(),
	}
}

// path joins escaped names to a resource.
func path(root string, names ...string) string {
	for _, n := range names {
		root += "/" + url.PathEscape(n)
	}
	return root
}

// completionTime bounds how long the shell waits for live names.
const completionTime = 2 * time.Second

// names completes the first argument with what a collection holds.
func (a *app) names(resource, member string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.live(cmd.Context(), resource, member, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// live are the names that begin with what was typed; none without a server.
func (a *app) live(ctx context.Context, resource, member, typed string) []string {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	rows, err := a.client().rows(ctx, resource, nil, 0)
	if err != nil {
		return nil
	}
	var found []string
	for _, r := range rows {
		if n := printable(text(at(r.fields, member))); strings.HasPrefix(strings.ToLower(n), strings.ToLower(typed)) {
			found = append(found, n)
		}
	}
	return found
}

// complete completes a flag with fixed words.
func complete(cmd *cobra.Command, flag string, words ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// liveFlag completes a flag with what a collection holds.
func (a *app) liveFlag(cmd *cobra.Command, flag, resource, member string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return a.live(cmd.Context(), resource, member, typed), cobra.ShellCompDirectiveNoFileComp
	})
}

// values builds a query of what was set.
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// counted is a number of things in words: "1 session", "3 sessions".
func counted(n float64, one string) string {
	s := text(n) + " " + one
	if n != 1 {
		s += "s"
	}
	return s
}
