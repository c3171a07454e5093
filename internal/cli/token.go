package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"github.com/portreeve/portreeve/internal/lint"
)

const (
	addressBytes  = 320              // RFC 5321: 64 + @ + 255
	refreshTime   = 25 * time.Second // for all attempts to refresh
	refusalRested = 30 * time.Second // programs that try again at once are told the last refusal
)

// refreshPauses are between attempts: an answer that was lost is given again
// for 30 s.
var refreshPauses = []time.Duration{time.Second, 3 * time.Second}

// token prints an access token for mail programs; it speaks to the server's
// public address as whoever calls it, not to the administrators' socket.
func (a *app) token() *cobra.Command {
	t := &tokenCall{app: a}
	var server, setup string
	var forget bool
	var m mailServers
	c := &cobra.Command{
		Use: "token --user ADDRESS", Short: "Sign in once and print access tokens for mail programs of the terminal", Args: fitting(cobra.NoArgs),
		Long: `Mail programs call this command for their password and get an access token. It
needs no server on this machine and no rights there: it speaks to the server's
public address, as the person that it is run by.

The first time, in a terminal, it has you sign in by browser; then it keeps a
refresh token in a file that nobody else may read ($XDG_STATE_HOME/portreeve/tokens)
or in the desktop's keyring, and remembers the server. Called by a program, it
never asks a person: without a sign-in, or after one that has ended, it says so and
ends. (A token that is older than half a minute is shown to the server first, for
two seconds at most.) $PORTREEVE_SERVER stands in for
--server.

Exit codes: 1 nobody has signed in, or it failed; 3 a person must sign in again;
5 others may read the file; 8 the server does not answer, and everything is kept.`,
		Example: "  portreeve token --user leela@example.org --server https://mail.example.org\n  portreeve token --user leela@example.org --setup mutt\n  portreeve token --user leela@example.org --forget",
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := t.prepare(server)
			switch {
			case err != nil:
			case setup != "":
				err = t.setUp(cmd.Context(), setup, m)
			case forget:
				err = t.forget(cmd.Context())
			default:
				err = t.print(cmd.Context(), cmd.Flags().Changed("keyring"))
			}
			if errors.Is(err, context.Canceled) {
				return &ended{exitFailed} // a program must not take nothing for a token
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&t.user, "user", "", "the mailbox's `address`")
	f.StringVar(&server, "server", "", "the server's public `address`, such as https://mail.example.org; remembered")
	f.StringVar(&t.ca, "ca", "", "a `file` with the server's private authority; remembered")
	f.BoolVar(&t.device, "device", false, "sign in on another device: an address and a code to type there")
	f.BoolVar(&t.login, "login", false, "sign in anew, whatever is kept")
	f.BoolVar(&t.keyring, "keyring", false, "keep the tokens in the desktop's keyring; remembered")
	f.BoolVar(&forget, "forget", false, "remove and revoke what is kept")
	f.StringVar(&setup, "setup", "", "print the lines to paste into a `program`'s settings: "+strings.Join(setupNames(), ", "))
	f.StringVar(&m.IMAP, "imap", "", "the IMAP server's `host:port` in those lines (imap://host:port for STARTTLS); the server's own without it")
	f.StringVar(&m.POP3, "pop3", "", "likewise of POP3, `host:port`")
	f.StringVar(&m.SMTP, "smtp", "", "likewise of submission, `host:port`")
	_ = c.MarkFlagRequired("user")
	c.MarkFlagsMutuallyExclusive("setup", "forget", "login")
	c.MarkFlagsMutuallyExclusive("setup", "forget", "device")
	complete(c, "setup", setupNames()...)
	return c
}

// tokenCall is one call of the command.
type tokenCall struct {
	app     *app
	user    string
	server  string // as it was typed or stands in the environment; empty: as remembered
	named   bool   // it was typed
	ca      string
	device  bool
	login   bool
	keyring bool

	store *tokenStore
	// attended says that a person sits in front, who can sign in.
	attended bool
	open     func(address string) error // the browser
}

// prepare reads what was typed.
func (t *tokenCall) prepare(server string) (err error) {
	if t.user == "" || len(t.user) > addressBytes || strings.ContainsFunc(t.user, func(r rune) bool { return r == ' ' || steers(r) }) {
		return usage("--user is the mailbox's address, such as leela@example.org, not %q", t.user)
	}
	t.named = server != ""
	if !t.named {
		server = os.Getenv("PORTREEVE_SERVER")
	}
	if server != "" {
		if t.server, err = issuerURL(server); err != nil {
			return err
		}
	}
	if t.ca != "" {
		if t.ca, err = filepath.Abs(t.ca); err != nil {
			return err
		}
	}
	t.store, err = newTokenStore(t.user)
	t.attended = isTerminal(t.app.in) && isTerminal(t.app.out) && isTerminal(t.app.err)
	t.open = openBrowser
	return err
}

// remembered is what is kept of the address, with what was typed now.
func (t *tokenCall) remembered(ctx context.Context) (*kept, error) {
	k, err := t.store.read(ctx)
	if err != nil || k == nil {
		return nil, err
	}
	if t.named && t.server != k.Server && !t.login {
		return nil, usage("the sign-in of %s that is kept is at %s; --login signs in at %s instead", printable(t.user), printable(k.Server), t.server)
	}
	if t.ca != "" {
		k.CA = t.ca
	}
	return k, nil
}

// print prints an access token, and nothing else on standard output.
func (t *tokenCall) print(ctx context.Context, keyringTyped bool) error {
	k, err := t.remembered(ctx)
	if err != nil && !(t.login && t.attended) { // a new sign-in mends what is damaged
		return err
	}
	if k == nil || k.Tokens == nil || t.login {
		return t.signIn(ctx, k, keyringTyped)
	}
	doubted := heldToken("")
	if k.Tokens.fresh(time.Now()) {
		if !t.over(ctx, k) {
			return t.hand(k)
		}
		doubted = k.Tokens.Access
	}
	k, err = t.refresh(ctx, doubted)
	if err != nil {
		return err
	}
	return t.hand(k)
}

func (t *tokenCall) hand(k *kept) error {
	_, err := fmt.Fprintln(t.app.out, string(k.Tokens.Access))
	return err
}

// signIn has a person sign in, if one is there, and keeps the tokens.
func (t *tokenCall) signIn(ctx context.Context, old *kept, keyringTyped bool) error {
	if !t.attended {
		return &failure{exit: exitFailed, what: fmt.Sprintf("nobody has signed in as %s yet: run `%s` once in a terminal", printable(t.user), t.command())}
	}
	k := &kept{User: t.user, Server: t.server, CA: t.ca, Client: helperClient, Keyring: t.keyring}
	if old != nil {
		if t.server == "" || !t.named {
			k.Server = old.Server
		}
		if k.CA == "" && k.Server == old.Server {
			k.CA = old.CA
		}
		k.Keyring = t.keyring || old.Keyring && !keyringTyped
	}
	if k.Server == "" {
		return usage("the server is not known yet: name its public address once, --server https://mail.example.org (or PORTREEVE_SERVER)")
	}
	issuer, err := k.issuer(ctx)
	if err != nil {
		return err
	}
	way := t.signInByBrowser
	if t.device {
		way = t.signInByDevice
	}
	token, err := way(ctx, issuer)
	if err != nil {
		return k.told(err)
	}
	if k.Tokens, err = held(token); err != nil {
		return err
	}
	if err := t.keep(ctx, k, old); err != nil {
		return err
	}
	if old != nil && old.Tokens != nil && old.Server == k.Server && issuer.revoke(ctx, old.Tokens.Refresh) != nil {
		t.app.note("the sign-in before this one could not be ended; your list of programs in the portal can end it")
	}
	if missing := lacking(token); missing != "" {
		t.app.note("the server grants less than was asked for; without " + missing)
	}
	if !t.app.quiet {
		fmt.Fprintf(t.app.err, "Signed in; %s keeps it. From now on this command prints a token for the program that runs it, such as this one:\n", t.keeper(k))
	}
	return t.hand(k)
}

// keeper is what holds the secrets, for people.
func (t *tokenCall) keeper(k *kept) string {
	if k.Keyring {
		return "the keyring"
	}
	return t.store.file()
}

// keep writes a new sign-in down, in place of an old one.
func (t *tokenCall) keep(ctx context.Context, k, old *kept) error {
	unlock, err := t.store.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := t.store.draft()
	if err != nil {
		return err
	}
	if err := d.commit(ctx, k); err != nil {
		return err
	}
	if old != nil && old.Keyring && !k.Keyring {
		return t.store.forgetKeyring(ctx)
	}
	return nil
}

// lacking are the scopes that were asked for and not granted.
func lacking(t *oauth2.Token) string {
	granted, ok := t.Extra("scope").(string)
	if !ok {
		return "" // as asked (RFC 6749, section 5.1)
	}
	var missing []string
	for _, s := range helperScopes {
		if !strings.Contains(" "+granted+" ", " "+s+" ") {
			missing = append(missing, s)
		}
	}
	return strings.Join(missing, ", ")
}

// issuer asks the server what it is.
func (k *kept) issuer(ctx context.Context) (*tokenIssuer, error) {
	client, err := newIssuerClient(k.CA)
	if err != nil {
		return nil, err
	}
	return discoverIssuer(ctx, k.Server, client)
}

// refresh gets the next access token, in place of one that has run out or is
// doubted. Of many calls at once one asks the server; the others find what it was
// given.
func (t *tokenCall) refresh(ctx context.Context, doubted heldToken) (*kept, error) {
	unlock, err := t.store.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	k, err := t.remembered(ctx)
	switch {
	case err != nil:
		return nil, err
	case k == nil || k.Tokens == nil:
		return nil, fmt.Errorf("the sign-in of %s was forgotten just now", printable(t.user))
	case k.Tokens.fresh(time.Now()) && k.Tokens.Access != doubted:
		return k, nil
	case k.Refused != nil && !t.attended && time.Since(k.Refused.At).Abs() < refusalRested:
		return nil, k.over(printable(k.Refused.Text))
	}
	d, err := t.store.draft()
	if err != nil {
		return nil, err
	}
	defer d.drop()
	token, err := k.ask(ctx)
	if err != nil {
		if code, text, refused := refusal(err); refused && code == "invalid_grant" {
			k.Refused = &keptRefusal{time.Now().UTC(), text}
			_ = d.commit(ctx, k) // it is told anyhow
		}
		return nil, k.told(err)
	}
	next, err := held(token)
	if err != nil {
		return nil, err
	}
	k.Tokens, k.Refused = next, nil
	// What was given must be kept although nobody waits for it any more.
	return k, d.commit(context.WithoutCancel(ctx), k)
}

// ask trades the refresh token, again where the answer was lost.
func (k *kept) ask(ctx context.Context) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	issuer, err := k.issuer(ctx)
	if err != nil {
		return nil, err
	}
	for _, pause := range append(refreshPauses, -1) {
		token, err := issuer.oauth("").TokenSource(issuer.context(ctx), &oauth2.Token{RefreshToken: string(k.Tokens.Refresh)}).Token()
		if err == nil || pause < 0 || !worthAgain(err) {
			return token, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
	return nil, errors.ErrUnsupported // the loop has returned
}

// forget removes and revokes.
func (t *tokenCall) forget(ctx context.Context) error {
	unlock, err := t.store.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	k, err := t.remembered(ctx)
	if err != nil {
		return err
	}
	if k == nil {
		return &failure{exit: exitNotFound, what: "nothing is kept of " + printable(t.user)}
	}
	if err := t.store.forget(ctx, k.Keyring); err != nil {
		return err
	}
	if k.Tokens == nil {
		t.app.done("forgotten")
		return nil
	}
	issuer, err := k.issuer(ctx)
	if err == nil {
		err = issuer.revoke(ctx, k.Tokens.Refresh)
	}
	if err != nil {
		return &failure{exit: exitUnreachable, what: "it is forgotten here, but not revoked: " + issuerText(err.Error()), next: "end it in your list of programs at " + printable(k.Server) + "/programs"}
	}
	t.app.done("forgotten, and revoked at %s", printable(k.Server))
	return nil
}

// command is the line that signs in.
func (t *tokenCall) command() string {
	words := "portreeve token --user " + lint.ShellWord(t.user)
	if t.server != "" {
		return words + " --server " + lint.ShellWord(t.server)
	}
	return words
}
