package admin

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/portreeve/portreeve/internal/store"
)

// checkDatabase looks at the whole database while it is used.
func (a *api) checkDatabase(r *http.Request) (any, error) {
	report, err := a.Store.Check(r.Context())
	return report, err
}

// backupDatabase sends a copy of the database as it is at this moment. Whoever
// asks can read all that is in it, so it is audited before it is sent.
func (a *api) backupDatabase(r *http.Request) (any, error) {
	if err := a.Store.Change(r.Context(), actor(r), r.Header.Get("X-Reason"), func(tx *store.Tx) error {
		return tx.Note("backup", "database", "", "", nil)
	}); err != nil {
		return nil, err
	}
	f, size, err := a.Store.OpenBackup(r.Context())
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(r.Context(), func() { _ = f.Close() }) // whoever asked has gone
	return streamed(func(w http.ResponseWriter) {
		defer stop()
		defer f.Close()
		w.Header().Set("Content-Type", "application/vnd.sqlite3")
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		_, _ = io.Copy(w, f) // one that breaks off is shorter than its length says
	}), nil
}
