package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/span"
)

const appPasswords = ours + "/appPasswords"

func (a *app) apppw() *cobra.Command {
	return noun("apppw", "App passwords: generated secrets of one program or device", a.apppwNew(), a.apppwList(), a.apppwShow(),
		a.apppwRevoke(), a.apppwApprove())
}

// scopeFlags are the flags of an app password's scope.
type scopeFlags struct {
	protocols, networks, countries, senders []string
	sendOnly                                bool
	rate                                    int
	expires, idle, bind                     string
}

func (f *scopeFlags) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.protocols, "protocol", nil, "only over these protocols")
	c.Flags().StringSliceVar(&f.networks, "cidr", nil, "only from these networks, such as 192.0.2.0/24")
	c.Flags().StringSliceVar(&f.countries, "country", nil, "only from these countries, such as DE")
	c.Flags().StringSliceVar(&f.senders, "sender", nil, "may send from these addresses only; @example.org is the whole domain")
	c.Flags().BoolVar(&f.sendOnly, "send-only", false, "may send and nothing else")
	c.Flags().IntVar(&f.rate, "rate", 0, "at most so many recipients an hour")
	c.Flags().StringVar(&f.expires, "expires", "", "until a day (2027-01-31), a moment (2027-01-31T08:00:00Z) or for so long (90d, 1y)")
	c.Flags().StringVar(&f.idle, "idle", "", "dies when unused for so long (90d)")
	c.Flags().StringVar(&f.bind, "bind", "", "what its first use binds it to: program (the default), owner (of the network), strict (both), none")
	complete(c, "protocol", "imap", "pop3", "submission", "sieve")
	complete(c, "bind", "program", "owner", "strict", "none")
}

// read puts the scope into a request.
func (f *scopeFlags) read(into map[string]any, now time.Time) error {
	networks, err := networksOf(f.networks)
	if err != nil {
		return err
	}
	for member, list := range map[string][]string{"protocols": f.protocols, "networks": networks, "countries": f.countries, "senders": f.senders} {
		if len(list) > 0 {
			into[member] = list
		}
	}
	into["sendOnly"], into["perHour"], into["binding"] = f.sendOnly, f.rate, f.bind
	if f.expires != "" {
		t, err := span.Ahead(f.expires, now)
		if err != nil {
			return usage("--expires: %v", err)
		}
		into["expires"] = t
	}
	if f.idle != "" {
		days, err := span.Days(f.idle)
		if err != nil {
			return usage("--idle: %v", err)
		}
		into["idleDays"] = days
	}
	return nil
}

// networksOf reads networks, or single addresses.
func networksOf(typed []string) (networks []string, err error) {
	for _, s := range typed {
		n, ok := network.Parse(s)
		if !ok {
			return nil, usage("--cidr: %q is no network such as 192.0.2.0/24", s)
		}
		networks = append(networks, n.String())
	}
	return networks, nil
}

// scopeFlagOf are the flags by the members that the server knows them by.
var scopeFlagOf = map[string]string{"protocols": "--protocol", "networks": "--cidr", "countries": "--country", "senders": "--sender", "perHour": "--rate",
	"idleDays": "--idle", "expires": "--expires", "binding": "--bind", "name": "--name", "sendOnly": "--send-only"}

// byFlag names the flag at fault as it is typed.
func byFlag(err error) error {
	var api *apiError
	if errors.As(err, &api) {
		if rest, ok := strings.CutPrefix(api.Error_.Message, api.Error_.Target+": "); ok && scopeFlagOf[api.Error_.Target] != "" {
			api.Error_.Message, api.Error_.Target = scopeFlagOf[api.Error_.Target]+": "+rest, ""
		}
	}
	return err
}

func (a *app) apppwNew() *cobra.Command {
	var scope scopeFlags
	var name string
	c := verb("new [PERSON]", "Make an app password and print it, once; without a person for the one --sender", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		body := map[string]any{"name": name}
		switch {
		case len(args) == 1:
			body["user"] = args[0]
		case len(scope.senders) == 1:
			body["user"] = scope.senders[0]
		default:
			return usage("say whose it is: portreeve apppw new mary@example.org, or one --sender")
		}
		if name == "" {
			body["name"] = scope.name()
		}
		if err := scope.read(body, time.Now()); err != nil {
			return err
		}
		r, err := a.answered(cmd.Context(), http.MethodPost, appPasswords, nil, body)
		if err != nil {
			return byFlag(err)
		}
		return a.output().object(r, func(w io.Writer) {
			if !a.quiet {
				fmt.Fprintf(a.err, "made %s for %s (%s); it is shown this once:\n", printable(text(r.fields["id"])), printable(text(r.fields["user"])), printable(text(r.fields["name"])))
			}
			fmt.Fprintln(w, text(r.fields["password"]))
		})
	})
	c.ValidArgsFunction = a.names(people, "address")
	c.Flags().StringVar(&name, "name", "", "what it is for, such as the device's name; without it made of the scope")
	scope.add(c)
	return c
}

// name is made of the scope where none is given.
func (f *scopeFlags) name() string {
	words := append(append([]string{}, f.protocols...), f.networks...)
	if f.sendOnly && len(f.protocols) == 0 {
		words = append([]string{"submission"}, words...)
	}
	if len(words) == 0 {
		return "app password"
	}
	return strings.Join(words, " ")
}

func (a *app) apppwList() *cobra.Command {
	c := verb("list [PERSON]", "List app passwords, revoked ones too", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		rows, err := a.client().rows(cmd.Context(), appPasswords, values("user", strings.Join(args, "")), 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("id", "id"), field("user", "user"), field("name", "name"), field("state", "state"),
			of("for", scopeWords), when("expires", "expires"), when("last used", "lastUsed"), field("from", "lastAddress"), field("by", "lastProgram"))
	})
	c.ValidArgsFunction = a.names(people, "address")
	return c
}

// scopeWords is a scope in a few words.
func scopeWords(f map[string]any) string {
	var words []string
	if f["sendOnly"] == true {
		words = append(words, "send only")
	} else if p := text(f["protocols"]); p != "" {
		words = append(words, p)
	}
	for _, m := range []string{"networks", "countries"} {
		if t := text(f[m]); t != "" {
			words = append(words, t)
		}
	}
	if t := text(f["senders"]); t != "" {
		words = append(words, "as "+t)
	}
	if n := number(f["perHour"]); n > 0 {
		words = append(words, fmt.Sprintf("%d an hour", n))
	}
	if len(words) == 0 {
		return "everything"
	}
	return strings.Join(words, "; ")
}

func (a *app) apppwShow() *cobra.Command {
	var user string
	c := verb("show ID|NAME", "Show an app password; never its text", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.client().object(cmd.Context(), path(appPasswords, args[0]), values("user", user))
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.showAppPassword(w, r.fields) })
	})
	a.apppwFlags(c, &user)
	return c
}

func (a *app) showAppPassword(w io.Writer, f map[string]any) {
	s, o := sheet{w: w}, a.output()
	s.line("Id", text(f["id"]))
	s.line("Person", text(f["user"]))
	s.line("Name", text(f["name"]))
	s.line("State", text(f["state"]))
	s.line("For", scopeWords(f))
	s.line("Expires", o.time(text(f["expires"])))
	if n := number(f["idleDays"]); n > 0 {
		s.line("Dies unused", fmt.Sprintf("after %dd", n))
	}
	s.line("Binding", text(f["binding"]))
	s.line("Bound to", strings.Trim(text(f["boundProgram"])+"; "+text(f["boundOwner"]), "; "))
	s.line("Made", strings.TrimSpace(o.time(text(f["created"]))+" by "+text(f["createdBy"])))
	s.line("Last used", strings.TrimSpace(o.time(text(f["lastUsed"]))+" "+text(f["lastAddress"])+" "+text(f["lastProgram"])))
	s.line("Revoked", o.time(text(f["revoked"])))
	if f["pending"] == true {
		s.line("Refused to", a.pendingWords(f))
	}
}

func (a *app) apppwFlags(c *cobra.Command, user *string) {
	c.Flags().StringVar(user, "user", "", "of this person, where several have one of this name")
	a.liveFlag(c, "user", people, "address")
	c.ValidArgsFunction = a.names(appPasswords, "id")
}

func (a *app) apppwRevoke() *cobra.Command {
	var user string
	c := verb("revoke ID|NAME", "Revoke an app password and close its connections", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.apppwDo(cmd, http.MethodDelete, path(appPasswords, args[0]), user, nil, "revoked")
	})
	a.apppwFlags(c, &user)
	return c
}

// apppwApprove approves what was shown: whoever else has shown the app password
// since, such as a thief, is not let in in its place.
func (a *app) apppwApprove() *cobra.Command {
	var user, pending string
	c := verb("approve ID|NAME", "Let an app password be used by the program and network that it was refused to last", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if pending == "" {
			r, err := a.client().object(cmd.Context(), path(appPasswords, args[0]), values("user", user))
			if err != nil {
				return err
			}
			if r.fields["pending"] == true {
				return usage("say which program is approved, with --pending; refused to %s", a.pendingWords(r.fields))
			}
			pending = "none" // and the server says what there is to say
		}
		return a.apppwDo(cmd, http.MethodPost, path(appPasswords, args[0], "approve"), user, map[string]any{"pendingMark": pending}, "approved")
	})
	c.Flags().StringVar(&pending, "pending", "", "which program and network is meant: the mark that apppw show names")
	a.apppwFlags(c, &user)
	return c
}

// pendingWords is what waits for approval, and how it is approved.
func (a *app) pendingWords(f map[string]any) string {
	return text(f["pendingProgram"]) + " at " + text(f["pendingAddress"]) + " (" + text(f["pendingOwner"]) + "), " + a.output().time(text(f["pendingSince"])) +
		"; `portreeve apppw approve " + text(f["id"]) + " --pending " + text(f["pendingMark"]) + "` lets it in"
}

func (a *app) apppwDo(cmd *cobra.Command, method, resource, user string, body any, said string) error {
	var did struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if err := a.client().do(cmd.Context(), method, resource, values("user", user), body, &did); err != nil {
		return err
	}
	a.done("%s %s (%s)", said, printable(did.ID), printable(did.Name))
	return nil
}
