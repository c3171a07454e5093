package admin

import (
	"net/http"
	"net/netip"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/whatif"
)

// matrix is many imagined sign-ins in one call.
type matrix struct {
	Users       []string `json:"users"`
	Group       string   `json:"group"` // everybody in it
	Protocols   []string `json:"protocols"`
	Credentials []string `json:"credentials"`
	Places      []string `json:"places"` // addresses, or countries
}

type cell struct {
	User       string `json:"user"`
	Protocol   string `json:"protocol"`
	Credential string `json:"credential"`
	Place      string `json:"place"`
	Effect     string `json:"effect"`
	Code       string `json:"code"`
	Title      string `json:"title"`
	ByName     string `json:"byName"`
}

// maxCells bounds a matrix.
const maxCells = 100_000

// whatIfMatrix judges people x protocols x kinds of credential x places.
func (a *api) whatIfMatrix(r *http.Request) (any, error) {
	var m matrix
	if err := decode(r, &m); err != nil {
		return nil, err
	}
	if m.Group != "" {
		g, err := a.findGroup(r, m.Group)
		if err != nil {
			return nil, err
		}
		members, err := a.Store.MembersOf(r.Context(), g.ID)
		if err != nil {
			return nil, err
		}
		for _, x := range members {
			if p, err := a.Store.Person(r.Context(), x.Member); err == nil && !x.IsGroup {
				m.Users = append(m.Users, p.Address)
			}
		}
	}
	if len(m.Protocols) == 0 {
		m.Protocols = protocol.Names()
	}
	if len(m.Credentials) == 0 {
		m.Credentials = []string{"password", "appPassword", "bearer", "certificate"}
	}
	if len(m.Places) == 0 {
		m.Places = []string{""}
	}
	if n := len(m.Users) * len(m.Protocols) * len(m.Credentials) * len(m.Places); n == 0 || n > maxCells {
		return nil, bad("users", "say who: users or a group, of at most %d cells in all", maxCells)
	}
	rows := []cell{}
	n := a.naming(r.Context())
	for _, user := range m.Users {
		for _, p := range m.Protocols {
			for _, k := range m.Credentials {
				for _, place := range m.Places {
					x, err := a.cell(r, n, imagined{User: user, Protocol: p, Credential: k}, place)
					if err != nil {
						return nil, err
					}
					rows = append(rows, x)
				}
			}
		}
	}
	return list(rows), nil
}

func (a *api) cell(r *http.Request, n *naming, q imagined, place string) (x cell, err error) {
	if _, err := netip.ParseAddr(place); err == nil {
		q.IP = place
	} else if place != "" {
		if len(place) != 2 {
			return x, bad("places", "a place is an address or a country's two letters, not %q", place)
		}
		q.Country = place
	}
	attempt, f, err := a.imagine(r, &q)
	if err != nil {
		return x, err
	}
	o := a.outcome(r, &q, attempt, f)
	x = cell{User: q.User, Protocol: f.Protocol.String(), Credential: f.Credential.String(), Place: place, Effect: whatif.EndWord(o.Verdict.Effect), Code: o.Code.String(), Title: o.Code.Meaning().Title}
	if o.Verdict.By != "" && o.Code != signin.OK {
		x.ByName = n.text(o.Verdict.By)
	}
	return x, nil
}
