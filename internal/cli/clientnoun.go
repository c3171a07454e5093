package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const clients = ours + "/clients"

func (a *app) clientNoun() *cobra.Command {
	return noun("client", "Programs that may sign in with a browser, by OAuth", a.clientAdd(), a.clientList(), a.clientShow(),
		a.clientJudge("allow ID|NAME", "Let a program in that registered itself, or that was forbidden", "allow", "allowed"),
		a.clientJudge("forbid ID|NAME", "Refuse a program, and end what it was granted, at once", "forbid", "forbade"),
		a.clientLimit(), a.clientRename(), a.clientSecret(), a.clientRemove())
}

// clientFlagOf are the flags by the members that the server knows them by.
var clientFlagOf = map[string]string{"name": "NAME", "redirects": "--redirect", "postLogoutRedirects": "--post-logout", "backChannelLogout": "--backchannel-logout",
	"serviceAccount": "--service-account", "limit": "--scope", "idTokenAlg": "--id-token-alg", "overlap": "--overlap"}

// byClientFlag names the flag at fault as it is typed.
func byClientFlag(err error) error {
	var api *apiError
	if errors.As(err, &api) && api.Status == http.StatusBadRequest {
		if flag := clientFlagOf[api.Error_.Target]; flag != "" {
			api.Error_.Message, api.Error_.Target = flag+": "+api.Error_.Message, ""
		}
	}
	return err
}

func (a *app) clientAdd() *cobra.Command {
	var redirects, logout, scopes []string
	var backChannel, account, alg string
	var confidential bool
	c := verb("add NAME", "Make a program; prints its id and, once, its secret", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		body := map[string]any{"name": args[0], "redirects": redirects, "postLogoutRedirects": logout, "backChannelLogout": backChannel,
			"confidential": confidential || account != "", "serviceAccount": account, "limit": strings.Join(scopes, " "), "idTokenAlg": alg}
		r, err := a.answered(cmd.Context(), http.MethodPost, clients, nil, body)
		if err != nil {
			return byClientFlag(err)
		}
		return a.output().object(r, func(w io.Writer) {
			secret := text(r.fields["secret"])
			switch name := printable(text(r.fields["name"])); {
			case a.quiet:
			case secret != "":
				fmt.Fprintf(a.err, "made the program %s; its secret is shown this once:\n", name)
			default:
				fmt.Fprintf(a.err, "made the program %s:\n", name)
			}
			credentials(w, r.fields)
		})
	})
	c.Long = `Make a program that an administrator stands for. Without --confidential it is a program on
people's own devices, that holds no secret and uses PKCE; with it, one on a server, such as
a webmail. --service-account lets it sign in without anybody, as that one mailbox
(client_credentials); policies judge it as they judge a person.`
	c.Flags().StringArrayVar(&redirects, "redirect", nil, "where its answers are sent, to the letter; the port of 127.0.0.1, [::1] and localhost is free. Repeat it for more")
	c.Flags().BoolVar(&confidential, "confidential", false, "it has a secret, and proves itself by it")
	c.Flags().StringVar(&account, "service-account", "", "the address that it signs in as by itself; it is confidential then")
	c.Flags().StringSliceVar(&scopes, "scope", nil, "may be granted these scopes only, such as imap,smtp")
	c.Flags().StringArrayVar(&logout, "post-logout", nil, "where people may be sent after they signed out. Repeat it for more")
	c.Flags().StringVar(&backChannel, "backchannel-logout", "", "an https address that is told when somebody signs out")
	c.Flags().StringVar(&alg, "id-token-alg", "", "sign its id tokens with ES256 or RS256; without it RS256, which every program can read")
	a.liveFlag(c, "service-account", people, "address")
	complete(c, "id-token-alg", "ES256", "RS256")
	complete(c, "scope", scopeWordsOfClients...)
	return c
}

// credentials prints a program's id and secret as a shell can take them.
func credentials(w io.Writer, f map[string]any) {
	fmt.Fprintf(w, "client_id=%s\n", text(f["id"]))
	if secret := text(f["secret"]); secret != "" {
		fmt.Fprintf(w, "client_secret=%s\n", secret)
	}
}

// scopeWordsOfClients are the scopes that are offered for completion.
var scopeWordsOfClients = []string{"mail", "imap", "pop", "smtp", "sieve", "contacts", "calendars", "openid", "email", "profile", "offline_access"}

func (a *app) clientList() *cobra.Command {
	var state string
	c := verb("list", "List programs: those that come with the server, yours, and those that registered themselves", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), clients, values("state", state), 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("id", "id"), field("name", "name"), field("kind", "kind"), of("standing", standing), field("limit", "limit"),
			field("grants", "grants"), when("last used", "used"), field("from", "network"))
	})
	c.Flags().StringVar(&state, "state", "", "only those that are open, allowed or forbidden")
	complete(c, "state", "open", "allowed", "forbidden")
	return c
}

// standing is what a program may do, in a word or two.
func standing(f map[string]any) string {
	switch {
	case f["state"] == "forbidden":
		return "forbidden"
	case f["verified"] == true:
		return "verified"
	case f["mayAsk"] != true:
		return "unverified, refused"
	case f["imitates"] == true:
		return "unverified, a name like another's"
	}
	return "unverified"
}

func (a *app) clientShow() *cobra.Command {
	c := verb("show ID|NAME", "Show a program; never its secret", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.client().object(cmd.Context(), path(clients, args[0]), nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.showClient(w, r.fields) })
	})
	c.ValidArgsFunction = a.names(clients, "id")
	return c
}

func (a *app) showClient(w io.Writer, f map[string]any) {
	s, o := sheet{w: w}, a.output()
	s.line("Id", text(f["id"]))
	s.line("Name", text(f["name"]))
	s.line("Kind", map[string]string{"builtin": "comes with the server", "managed": "made by an administrator", "registered": "registered itself, from " + text(f["network"])}[text(f["kind"])])
	s.line("Standing", standing(f))
	proof := "none: it is public, and uses PKCE"
	if f["public"] != true {
		proof = "its secret"
	}
	s.line("Proof", proof)
	if made := text(f["secretMade"]); made != "" {
		s.line("Secret", "made "+o.time(made))
	}
	if until := text(f["oldSecretUntil"]); until != "" {
		s.line("Old secret", "made "+o.time(text(f["oldSecretMade"]))+", good until "+o.time(until)+"; `portreeve client secret "+text(f["id"])+" --end-old` ends it")
	}
	for i, r := range stringsOf(f["redirects"]) {
		s.line([]string{"Answered at", ""}[min(i, 1)], r)
	}
	for i, r := range stringsOf(f["postLogoutRedirects"]) {
		s.line([]string{"After logout", ""}[min(i, 1)], r)
	}
	s.line("Logouts to", text(f["backChannelLogout"]))
	s.line("Grant types", strings.Join(stringsOf(f["grantTypes"]), ", "))
	s.line("Limited to", text(f["limit"]))
	s.line("Signs in as", text(f["accountAddress"]))
	if text(f["account"]) != "" && text(f["accountAddress"]) == "" {
		s.line("Signs in as", "nobody: the person was deleted")
	}
	if uri := text(f["uri"]); uri != "" {
		s.line("Its page", uri+", as it says")
	}
	s.line("Software", strings.TrimSpace(text(f["softwareId"])+" "+text(f["softwareVersion"])))
	s.line("Id tokens", text(f["idTokenAlg"]))
	s.line("Made", o.time(text(f["created"])))
	s.line("Last used", o.time(text(f["used"])))
	if n := number(f["grants"]); n > 0 {
		s.line("Grants", fmt.Sprintf("%d; `portreeve session list --grants --client %s` lists them", n, text(f["id"])))
	}
}

// stringsOf is a list of texts.
func stringsOf(v any) (all []string) {
	list, _ := v.([]any)
	for _, one := range list {
		all = append(all, text(one))
	}
	return all
}

func (a *app) clientJudge(use, short, action, said string) *cobra.Command {
	c := verb(use, short, cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.clientDo(cmd.Context(), http.MethodPost, path(clients, args[0], action), nil, said)
	})
	c.ValidArgsFunction = a.names(clients, "id")
	return c
}

// clientDo changes a program and says what that ended.
func (a *app) clientDo(ctx context.Context, method, resource string, body any, said string) error {
	r, err := a.answered(ctx, method, resource, nil, body)
	if err != nil {
		return err
	}
	if a.format != "table" {
		return a.output().object(r, nil)
	}
	a.done("%s %s (%s)%s", said, printable(text(r.fields["name"])), printable(text(r.fields["id"])), endedWords(number(r.fields["ended"])))
	return nil
}

func endedWords(n int) string {
	if n == 0 {
		return ""
	}
	return ", and ended " + counted(float64(n), "grant")
}

func (a *app) clientLimit() *cobra.Command {
	var none bool
	c := verb("limit ID|NAME [SCOPE…]", "Let a program have these scopes only, or any again", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		scopes := slices.DeleteFunc(strings.FieldsFunc(strings.Join(args[1:], " "), func(r rune) bool { return r == ' ' || r == ',' }), func(s string) bool { return s == "" })
		if none == (len(scopes) > 0) {
			return misused(cmd, "say either scopes, such as imap smtp, or --none to lift the limit")
		}
		said := "limited"
		if none {
			said = "lifted the limit of"
		}
		if err := a.clientDo(cmd.Context(), http.MethodPatch, path(clients, args[0]), map[string]string{"limit": strings.Join(scopes, " ")}, said); err != nil {
			return err
		}
		if !none && !slices.Contains(scopes, "offline_access") {
			a.note("without offline_access it is given no refresh token: people sign in anew whenever a token has run out")
		}
		return nil
	})
	c.Long = `Let a program have these scopes only. What it was granted beyond them ends at once; it
asks for less at its next sign-in.`
	c.Flags().BoolVar(&none, "none", false, "lift the limit")
	c.ValidArgsFunction = a.names(clients, "id")
	return c
}

func (a *app) clientRename() *cobra.Command {
	c := verb("rename ID|NAME NEW", "Give a program the name that people read when they are asked for consent", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		return a.clientDo(cmd.Context(), http.MethodPatch, path(clients, args[0]), map[string]string{"name": args[1]}, "renamed:")
	})
	c.ValidArgsFunction = a.names(clients, "id")
	return c
}

func (a *app) clientSecret() *cobra.Command {
	var overlap string
	var endOld bool
	c := verb("secret ID|NAME", "Give a program with a secret another one, printed once; the old one stays good for a while", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if endOld {
			return a.clientDo(cmd.Context(), http.MethodDelete, path(clients, args[0], "oldSecret"), nil, "ended the old secret of")
		}
		r, err := a.answered(cmd.Context(), http.MethodPost, path(clients, args[0], "secret"), nil, map[string]string{"overlap": overlap})
		if err != nil {
			return byClientFlag(err)
		}
		return a.output().object(r, func(w io.Writer) {
			switch name, until := printable(text(r.fields["name"])), text(r.fields["oldSecretUntil"]); {
			case a.quiet:
			case until != "":
				fmt.Fprintf(a.err, "%s has a new secret, shown this once; the old one is good until %s:\n", name, a.output().time(until))
			default:
				fmt.Fprintf(a.err, "%s has a new secret, shown this once; no other is good any more:\n", name)
			}
			credentials(w, r.fields)
		})
	})
	c.Long = `Give a program with a secret another one, which is printed once. The one that it has stays
good for --overlap, so that it can be exchanged where the program runs without anybody
noticing; --end-old ends it before. Was a secret lost to somebody, say --overlap 0: no
secret but the new one is good from then on. What people granted to the program stays.`
	c.Flags().StringVar(&overlap, "overlap", "24h", "how long the present secret is good beside the new one, 30d at most; 0: no longer")
	c.Flags().BoolVar(&endOld, "end-old", false, "end the old secret now, and make no new one")
	c.MarkFlagsMutuallyExclusive("overlap", "end-old")
	c.ValidArgsFunction = a.names(clients, "id")
	return c
}

func (a *app) clientRemove() *cobra.Command {
	c := verb("rm ID|NAME", "Forget a program, and end what it was granted", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.clientDo(cmd.Context(), http.MethodDelete, path(clients, args[0]), nil, "removed")
	})
	c.ValidArgsFunction = a.names(clients, "id")
	return c
}
