package store

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// AdminToken is an administrator's token for the interface over HTTPS; its
// secret is nowhere.
type AdminToken struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"` // unique in any case; the client's id at the token endpoint
	Print    Sealed         `json:"-"`
	Role     string         `json:"role"`
	Scopes   []string       `json:"scopes"`   // empty: all of the role's
	Networks []netip.Prefix `json:"networks"` // empty: from anywhere
	Created  time.Time      `json:"created"`
	Issuer   string         `json:"issuer"` // who made it
	Expires  time.Time      `json:"expires,omitzero"`
	Used     time.Time      `json:"used,omitzero"` // last, to the minute
	UsedFrom string         `json:"usedFrom,omitempty"`
}

const adminTokenColumns = `id, name, print, role, scopes, networks, created, issuer, expires, used, used_from`

func scanAdminToken(r scanner) (t AdminToken, err error) {
	var created, expires, used int64
	var scopes, networks string
	err = r.Scan(&t.ID, &t.Name, (*[]byte)(&t.Print), &t.Role, &scopes, &networks, &created, &t.Issuer, &expires, &used, &t.UsedFrom)
	if err != nil {
		return t, err
	}
	t.Scopes, t.Networks = strings.Fields(scopes), []netip.Prefix{}
	for _, s := range strings.Fields(networks) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return t, fmt.Errorf("reading the networks of token %s: %w", t.Name, err)
		}
		t.Networks = append(t.Networks, p)
	}
	t.Created, t.Expires, t.Used = fromNanos(created), fromNanos(expires), fromNanos(used)
	return t, nil
}

// AdminTokens lists every administrator's token, by name.
func (s *Store) AdminTokens(ctx context.Context) ([]AdminToken, error) {
	return collect(ctx, s, scanAdminToken, `SELECT `+adminTokenColumns+` FROM admin_tokens ORDER BY name`)
}

// AdminToken finds one by id or name; ErrNotFound.
func (s *Store) AdminToken(ctx context.Context, idOrName string) (AdminToken, error) {
	return one(ctx, s, scanAdminToken, adminTokenQuery, idOrName, idOrName, idOrName)
}

const adminTokenQuery = `SELECT ` + adminTokenColumns + ` FROM admin_tokens WHERE id = ? OR name = ? ORDER BY id = ? DESC LIMIT 1`

// AdminTokenByPrint finds one by its secret's fingerprint; ErrNotFound.
func (s *Store) AdminTokenByPrint(ctx context.Context, print []byte) (AdminToken, error) {
	return one(ctx, s, scanAdminToken, `SELECT `+adminTokenColumns+` FROM admin_tokens WHERE print = ?`, print)
}

// AddAdminToken keeps a new token; ErrExists if another has the name. It fills
// in what it decided.
func (tx *Tx) AddAdminToken(t *AdminToken) error {
	if tx.audit == nil {
		return errUnaudited
	}
	t.ID, t.Created, t.Issuer = newObjectID(t.ID), tx.audit.at.UTC(), tx.audit.who.Name
	var networks []string
	for _, p := range t.Networks {
		networks = append(networks, p.String())
	}
	err := tx.exec(`INSERT INTO admin_tokens (`+adminTokenColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '')`, t.ID, t.Name, []byte(t.Print), t.Role,
		strings.Join(t.Scopes, " "), strings.Join(networks, " "), nanos(t.Created), t.Issuer, nanos(t.Expires))
	if err != nil {
		return fmt.Errorf("keeping the token %s: %w", t.Name, exists(err))
	}
	return tx.record("create", "adminToken", t.ID, t.Name, nil, t)
}

// DeleteAdminToken revokes a token, given by id or name; ErrNotFound.
func (tx *Tx) DeleteAdminToken(idOrName string) (AdminToken, error) {
	t, err := oneIn(tx, scanAdminToken, adminTokenQuery, idOrName, idOrName, idOrName)
	if err == nil {
		err = tx.exec(`DELETE FROM admin_tokens WHERE id = ?`, t.ID)
	}
	if err != nil {
		return t, fmt.Errorf("revoking the token %s: %w", idOrName, err)
	}
	return t, tx.record("delete", "adminToken", t.ID, t.Name, t, nil)
}

// UseAdminToken notes when and from where a token was last used.
func (tx *Tx) UseAdminToken(id string, at time.Time, from netip.Addr) error {
	if err := tx.exec(`UPDATE admin_tokens SET used = ?, used_from = ? WHERE id = ?`, nanos(at), from.String(), id); err != nil {
		return fmt.Errorf("noting a token's use: %w", err)
	}
	return nil
}
