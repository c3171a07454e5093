package server

import (
	"context"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/config"
)

// openApprovals opens what people have granted to programs that know only a password.
func (s *Server) openApprovals(ctx context.Context) (err error) {
	s.approvals, err = approval.New(ctx, approval.Options{Store: s.store, Settings: windows(s.Config.Approval), Known: s.events.KnownNetwork, Tell: s.asked, Log: s.Log})
	if err != nil {
		return err
	}
	s.followers = append(s.followers, s.approvals.Apply)
	s.runs = append(s.runs, s.approvals.Run)
	return nil
}

// windows are the site's choices for approval windows.
func windows(c config.Approval) approval.Settings {
	return approval.Settings{Days: c.Days, IdleDays: c.IdleDays, Waiting: c.Waiting, DenyDays: c.DenyDays, Place: c.Place}
}
