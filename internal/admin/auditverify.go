package admin

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"

	"github.com/portreeve/portreeve/internal/store"
)

// verified says whether the rows of the audit fit their neighbours.
type verified struct {
	Whole  bool   `json:"whole"`
	Broken int64  `json:"firstBroken,omitempty"` // the first row that does not fit
	Rows   int64  `json:"rows"`
	Last   int64  `json:"last"`  // number of the last row
	Chain  string `json:"chain"` // its SHA-256 over it and all before
}

func (a *api) verifyAudits(r *http.Request) (any, error) {
	broken, err := a.Store.VerifyAudit(r.Context())
	if err != nil {
		return nil, err
	}
	rows, last, chain, err := a.Store.AuditEnd(r.Context())
	if err != nil {
		return nil, err
	}
	return verified{broken == 0, broken, rows, last, hex.EncodeToString(chain)}, nil
}

// auditStory is one row with what it changed, member by member.
type auditStory struct {
	auditRow
	Changes []difference `json:"changes"`
}

func (a *api) auditRow(r *http.Request) (any, error) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil {
		return nil, bad("n", "a row is named by its number")
	}
	x, err := a.Store.AuditRow(r.Context(), n)
	if errors.Is(err, store.ErrNotFound) {
		return nil, (&Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "there is no row " + r.PathValue("n")}).then("`portreeve audit list` lists the rows")
	}
	if err != nil {
		return nil, err
	}
	return auditStory{a.auditWords(r).row(&x), differences(x.Before, x.After)}, nil
}
