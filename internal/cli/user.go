package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/portreeve/portreeve/internal/policy"
)

const people = ours + "/people"

func (a *app) user() *cobra.Command {
	return noun("user", "People who have a mailbox", a.userList(), a.userShow(), a.userAdd(), a.userSet(),
		a.userSwitch("disable", "Refuse a person every sign-in, and close what is open", true),
		a.userSwitch("enable", "Let a disabled person sign in again", false), a.userDelete(), a.userCut(), a.userImport(), a.userReset(), a.userMFA())
}

func (a *app) userList() *cobra.Command {
	return verb("list [TEXT]", "List people, or those whose name or address has the text in it", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		rows, err := a.client().rows(cmd.Context(), people, values("filter", strings.Join(args, "")), 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("address", "address"), field("name", "displayName"), of("state", func(f map[string]any) string {
			if f["disabled"] == true {
				return "disabled"
			}
			return "enabled"
		}), field("password", "secretKind"), field("backend", "backend"), field("origin", "origin"))
	})
}

func (a *app) userShow() *cobra.Command {
	c := verb("show ADDRESS", "Show a person", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.client().object(cmd.Context(), path(people, args[0]), nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.showUser(w, r.fields) })
	})
	c.ValidArgsFunction = a.names(people, "address")
	return c
}

func (a *app) showUser(w io.Writer, f map[string]any) {
	s := sheet{w: w}
	s.line("Address", text(f["address"]))
	s.line("Name", text(f["displayName"]))
	s.line("Id", text(f["id"]))
	if f["disabled"] == true {
		s.line("State", "disabled: every sign-in is refused")
	}
	s.line("Password", map[string]string{"backend": "checked by the mail server", "argon2id": "kept here (argon2id)", "imported": "kept here (imported hash)", "directory": "checked by the directory " + text(f["source"])}[text(f["secretKind"])])
	s.line("Backend", text(f["backend"]))
	for word, bits := range guests {
		if bits != 0 && number(f["guest"]) == int(bits) {
			s.line("Guest", word)
		}
	}
	s.line("Aliases", strings.ReplaceAll(text(f["aliases"]), ",", ", "))
	s.line("Groups", strings.ReplaceAll(text(f["groups"]), ",", ", "))
	s.line("Origin", text(f["origin"]))
	s.line("Made", a.output().time(text(f["created"])))
}

// secretFlags are the ways to give a secret; none of them is an argument, which
// others could read in the list of processes.
type secretFlags struct{ prompt, fromStdin, hashFromStdin, none bool }

func (s *secretFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&s.prompt, "password", false, "ask for a password, to be kept here as an argon2id hash")
	c.Flags().BoolVar(&s.fromStdin, "password-stdin", false, "read the password from the first line of standard input")
	c.Flags().BoolVar(&s.hashFromStdin, "hash-stdin", false, "read an existing hash ({SSHA512}…, $2y$…) from the first line of standard input")
	c.MarkFlagsMutuallyExclusive("password", "password-stdin", "hash-stdin")
}

// read puts the secret into a change.
func (s *secretFlags) read(a *app, change map[string]any) error {
	switch {
	case s.none:
		change["password"] = ""
	case s.prompt:
		p, err := a.askPassword()
		change["password"] = p
		return err
	case s.fromStdin, s.hashFromStdin:
		line, err := bufio.NewReaderSize(io.LimitReader(a.in, maxSecret), maxSecret).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading standard input: %w", err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return usage("standard input holds no password")
		}
		change[map[bool]string{true: "passwordHash", false: "password"}[s.hashFromStdin]] = line
	}
	return nil
}

const maxSecret = 4096 // bytes of a password or hash on standard input

// askPassword asks twice, without showing what is typed.
func (a *app) askPassword() (string, error) {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", &failure{exit: exitUsage, what: "there is no terminal to ask for a password on", next: "give it on standard input with --password-stdin"}
	}
	var typed [2][]byte
	for i, prompt := range []string{"New password: ", "Once more: "} {
		fmt.Fprint(a.err, prompt)
		p, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.err)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		typed[i] = p
	}
	if string(typed[0]) != string(typed[1]) || len(typed[0]) == 0 {
		return "", usage("the two are not the same, or empty")
	}
	return string(typed[0]), nil
}

func (a *app) userAdd() *cobra.Command {
	var secret secretFlags
	var name, backend string
	var aliases []string
	c := verb("add ADDRESS", "Add a person; without a password the mail server checks theirs", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		change := map[string]any{"address": args[0], "displayName": name, "backend": backend, "addAliases": aliases}
		if err := secret.read(a, change); err != nil {
			return err
		}
		var added struct {
			Address string `json:"address"`
		}
		if err := a.client().do(cmd.Context(), http.MethodPost, people, nil, change, &added); err != nil {
			return err
		}
		a.done("added %s", printable(added.Address))
		return nil
	})
	secret.add(c)
	c.Flags().StringVar(&name, "name", "", "name to show")
	c.Flags().StringVar(&backend, "backend", "", "the mail server's name in the configuration; without it the domain's")
	c.Flags().StringSliceVar(&aliases, "alias", nil, "further addresses")
	return c
}

func (a *app) userSet() *cobra.Command {
	var secret secretFlags
	var address, name, backend, guest string
	var add, drop []string
	c := verb("set ADDRESS", "Change a person", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		change := map[string]any{}
		for flag, member := range map[string]string{"address": "address", "name": "displayName", "backend": "backend"} {
			if cmd.Flags().Changed(flag) {
				change[member] = cmd.Flags().Lookup(flag).Value.String()
			}
		}
		if cmd.Flags().Changed("guest") {
			bits, ok := guests[guest]
			if !ok {
				return usage("--guest is none, %s", strings.Join(guestWords(), ", "))
			}
			change["guest"] = bits
		}
		if len(add) > 0 {
			change["addAliases"] = add
		}
		if len(drop) > 0 {
			change["removeAliases"] = drop
		}
		if err := secret.read(a, change); err != nil {
			return err
		}
		if len(change) == 0 {
			return misused(cmd, "say what to change: --name, --address, --backend, --add-alias, --remove-alias, --guest or a password")
		}
		return a.changeUser(cmd, args[0], change, "changed")
	})
	c.ValidArgsFunction = a.names(people, "address")
	secret.add(c)
	c.Flags().BoolVar(&secret.none, "no-password", false, "keep no password here: the mail server checks it")
	c.Flags().StringVar(&address, "address", "", "new address")
	c.Flags().StringVar(&name, "name", "", "name to show")
	c.Flags().StringVar(&backend, "backend", "", "the mail server's name in the configuration; empty is the domain's")
	c.Flags().StringVar(&guest, "guest", "", "what kind of guest, in Microsoft Graph's words, or none for a member")
	complete(c, "guest", append(guestWords(), "none")...)
	c.Flags().StringSliceVar(&add, "add-alias", nil, "further addresses")
	c.Flags().StringSliceVar(&drop, "remove-alias", nil, "addresses to take away")
	return c
}

// guests are the kinds of guest by Graph's words.
var guests = map[string]policy.GuestTypes{"none": 0, "internalGuest": policy.InternalGuest, "b2bCollaborationGuest": policy.B2BCollaborationGuest,
	"b2bCollaborationMember": policy.B2BCollaborationMember, "b2bDirectConnectUser": policy.B2BDirectConnectUser,
	"otherExternalUser": policy.OtherExternalUser, "serviceProvider": policy.ServiceProvider}

func guestWords() []string {
	words := slices.Sorted(maps.Keys(guests))
	return slices.DeleteFunc(words, func(w string) bool { return w == "none" })
}

func (a *app) changeUser(cmd *cobra.Command, who string, change map[string]any, word string) error {
	var now struct {
		Address string `json:"address"`
	}
	if err := a.client().do(cmd.Context(), http.MethodPatch, path(people, who), nil, change, &now); err != nil {
		return err
	}
	a.done("%s %s", word, printable(now.Address))
	return nil
}

func (a *app) userSwitch(name, short string, disabled bool) *cobra.Command {
	c := verb(name+" ADDRESS", short, cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.changeUser(cmd, args[0], map[string]any{"disabled": disabled}, name+"d")
	})
	c.ValidArgsFunction = a.names(people, "address")
	return c
}

func (a *app) userDelete() *cobra.Command {
	c := verb("delete ADDRESS", "Delete a person with aliases and switches; sign-ins stay in the log", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if err := a.client().do(cmd.Context(), http.MethodDelete, path(people, args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.done("deleted %s", printable(args[0]))
		return nil
	})
	c.ValidArgsFunction = a.names(people, "address")
	return c
}
