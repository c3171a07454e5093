package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Client is a program that may ask for tokens. Kind and State are package
// client's; the secret of a confidential one is nowhere.
type Client struct {
	ID                string       `json:"id"`
	Kind              string       `json:"kind"`
	Name              string       `json:"name"`
	State             string       `json:"state"`
	Public            bool         `json:"public"`
	Redirects         []string     `json:"redirects"`
	PostLogout        []string     `json:"postLogoutRedirects"`
	BackChannelLogout string       `json:"backChannelLogout,omitempty"`
	Grants            []string     `json:"grantTypes"`
	Limit             string       `json:"limit,omitempty"` // scopes; empty: none
	URI               string       `json:"uri,omitempty"`
	SoftwareID        string       `json:"softwareId,omitempty"`
	SoftwareVersion   string       `json:"softwareVersion,omitempty"`
	IDTokenAlg        string       `json:"idTokenAlg,omitempty"`
	Account           string       `json:"account,omitempty"` // person's id
	Network           netip.Prefix `json:"network,omitzero"`
	Print             Sealed       `json:"-"`
	SecretMade        time.Time    `json:"secretMade,omitzero"`
	OldPrint          Sealed       `json:"-"` // of the secret before, until OldUntil
	OldMade           time.Time    `json:"oldSecretMade,omitzero"`
	OldUntil          time.Time    `json:"oldSecretUntil,omitzero"`
	Created           time.Time    `json:"created"`
	Used              time.Time    `json:"used,omitzero"`
}

const clientColumns = `id, kind, name, state, public, redirects, post_logout, back_channel, grants, scope_limit, uri, software, software_version,
	id_token_alg, account, network, print, created, used, secret_made, old_print, old_made, old_until`

func scanClient(r scanner) (c Client, err error) {
	var redirects, logout, grants, network string
	var created, used, made, oldMade, oldUntil int64
	err = r.Scan(&c.ID, &c.Kind, &c.Name, &c.State, &c.Public, &redirects, &logout, &c.BackChannelLogout, &grants, &c.Limit, &c.URI, &c.SoftwareID,
		&c.SoftwareVersion, &c.IDTokenAlg, &c.Account, &network, (*[]byte)(&c.Print), &created, &used,
		&made, (*[]byte)(&c.OldPrint), &oldMade, &oldUntil)
	if err != nil {
		return c, err
	}
	err = errors.Join(json.Unmarshal([]byte(redirects), &c.Redirects), json.Unmarshal([]byte(logout), &c.PostLogout), json.Unmarshal([]byte(grants), &c.Grants))
	if err == nil && network != "" {
		c.Network, err = netip.ParsePrefix(network)
	}
	if err != nil {
		return c, fmt.Errorf("reading the client %s: %w", c.ID, err)
	}
	c.Created, c.Used = fromNanos(created), fromNanos(used)
	c.SecretMade, c.OldMade, c.OldUntil = fromNanos(made), fromNanos(oldMade), fromNanos(oldUntil)
	return c, nil
}

// Clients lists every client that there is a row of.
func (s *Store) Clients(ctx context.Context) ([]Client, error) {
	return collect(ctx, s, scanClient, `SELECT `+clientColumns+` FROM clients ORDER BY id`)
}

// Client finds one by its id; ErrNotFound.
func (tx *Tx) Client(id string) (Client, error) {
	return oneIn(tx, scanClient, `SELECT `+clientColumns+` FROM clients WHERE id = ?`, id)
}

// AddClient keeps a client that an administrator makes; ErrExists if its id is taken.
func (tx *Tx) AddClient(c *Client) error {
	if tx.audit == nil {
		return errUnaudited
	}
	c.Created = tx.audit.at.UTC()
	if len(c.Print) > 0 {
		c.SecretMade = c.Created
	}
	if err := tx.insertClient(c, ""); err != nil {
		return fmt.Errorf("keeping the client %s: %w", c.Name, exists(err))
	}
	tx.touched(Clients)
	return tx.record("create", "client", c.ID, c.Name, nil, c)
}

// RegisterClient keeps a client that registered itself. That is no
// administrator's change; nobody is told of it.
func (tx *Tx) RegisterClient(c *Client) error {
	if err := tx.insertClient(c, ""); err != nil {
		return fmt.Errorf("keeping the client %s: %w", c.ID, exists(err))
	}
	return nil
}

// JudgeClient keeps a client's name, state and limit as an administrator wants
// them. Of one that comes with the program a row is made. The action is what
// the audit calls it.
func (tx *Tx) JudgeClient(action string, c *Client) error {
	if tx.audit == nil {
		return errUnaudited
	}
	var was any
	before, err := tx.Client(c.ID)
	switch {
	case err == nil:
		was = before
	case !errors.Is(err, ErrNotFound):
		return fmt.Errorf("changing the client %s: %w", c.ID, err)
	}
	if err := tx.insertClient(c, ` ON CONFLICT (id) DO UPDATE SET name = excluded.name, state = excluded.state, scope_limit = excluded.scope_limit`); err != nil {
		return fmt.Errorf("changing the client %s: %w", c.ID, err)
	}
	after, err := tx.Client(c.ID)
	if err != nil {
		return fmt.Errorf("changing the client %s: %w", c.ID, err)
	}
	tx.touched(Clients)
	return tx.record(action, "client", c.ID, c.Name, was, after)
}

func (tx *Tx) insertClient(c *Client, otherwise string) error {
	redirects, logout, grants := textOf(c.Redirects), textOf(c.PostLogout), textOf(c.Grants)
	network := ""
	if c.Network.IsValid() {
		network = c.Network.String()
	}
	return tx.exec(`INSERT INTO clients (`+clientColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`+otherwise,
		c.ID, c.Kind, c.Name, c.State, c.Public, redirects, logout, c.BackChannelLogout, grants, c.Limit, c.URI, c.SoftwareID, c.SoftwareVersion,
		c.IDTokenAlg, c.Account, network, append([]byte{}, c.Print...), nanos(c.Created), nanos(c.Used),
		nanos(c.SecretMade), append([]byte{}, c.OldPrint...), nanos(c.OldMade), nanos(c.OldUntil))
}

// ChangeClientSecret keeps the fingerprints of a client's secrets, when they were
// made and until when the one before is good; ErrNotFound. The action is what the
// audit calls it.
func (tx *Tx) ChangeClientSecret(action string, c *Client) error {
	if tx.audit == nil {
		return errUnaudited
	}
	before, err := tx.Client(c.ID)
	if err == nil {
		err = tx.exec(`UPDATE clients SET print = ?, secret_made = ?, old_print = ?, old_made = ?, old_until = ? WHERE id = ?`,
			append([]byte{}, c.Print...), nanos(c.SecretMade), append([]byte{}, c.OldPrint...), nanos(c.OldMade), nanos(c.OldUntil), c.ID)
	}
	var after Client
	if err == nil {
		after, err = tx.Client(c.ID)
	}
	if err != nil {
		return fmt.Errorf("changing the secret of the client %s: %w", c.ID, err)
	}
	tx.touched(Clients)
	return tx.record(action, "client", c.ID, c.Name, before, after)
}

// textOf is a list as the table has it; never null.
func textOf(list []string) string {
	b, _ := json.Marshal(append([]string{}, list...)) // text always has a form
	return string(b)
}

// UseClient notes when somebody last signed in with a client. One that comes
// with the program is given a row; of another that is gone none is made, and
// there is false.
func (tx *Tx) UseClient(c *Client, builtin bool) (there bool, err error) {
	if builtin {
		err = tx.insertClient(c, ` ON CONFLICT (id) DO UPDATE SET used = max(used, excluded.used)`)
		there = err == nil
	} else {
		var n int64
		n, err = tx.affected(`UPDATE clients SET used = max(used, ?) WHERE id = ?`, nanos(c.Used), c.ID)
		there = n == 1
	}
	if err != nil {
		return false, fmt.Errorf("noting the use of the client %s: %w", c.ID, err)
	}
	return there, nil
}

// DeleteClient forgets a client; ErrNotFound.
func (tx *Tx) DeleteClient(id string) error {
	before, err := tx.Client(id)
	if err == nil {
		err = tx.exec(`DELETE FROM clients WHERE id = ?`, id)
	}
	if err != nil {
		return fmt.Errorf("forgetting the client %s: %w", id, err)
	}
	tx.touched(Clients)
	return tx.record("delete", "client", id, before.Name, before, nil)
}

// ExpireClients forgets clients that registered themselves, of those given,
// which were not used since a time.
func (tx *Tx) ExpireClients(ids []string, since time.Time) error {
	for _, id := range ids {
		if err := tx.exec(`DELETE FROM clients WHERE id = ? AND kind = 'registered' AND used <= ?`, id, nanos(since)); err != nil {
			return fmt.Errorf("forgetting clients that nobody used: %w", err)
		}
	}
	return nil
}
