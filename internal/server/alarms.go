package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/alarm"
	"github.com/portreeve/portreeve/internal/backend"
)

// openAlarms prepares what administrators are told without asking.
func (s *Server) openAlarms(context.Context) error {
	o := alarm.Options{Store: s.store, Box: s.box, Now: s.conditions, Version: s.Version,
		Fault: func(what string, err error) { s.Log.Warn(what, "err", err) }}
	if s.notices != nil {
		o.Mail = s.notices.Send
	}
	if len(s.Config.Backends) > 0 {
		o.Around = s.around
	}
	s.alarms = alarm.New(o)
	s.runs = append(s.runs, s.alarms.Run)
	return nil
}

// conditions are what is so now that somebody should hear of.
func (s *Server) conditions(context.Context) (all []alarm.Condition) {
	if e := s.events.State(); e.Journal {
		all = append(all, alarm.Condition{Kind: alarm.JournalFilling, About: "journal",
			Sentence: fmt.Sprintf("The database cannot be written; sign-ins go into the journal, which is %.0f %% full. When it is full, nobody is let in.", 100*e.Fill)})
	}
	for _, b := range s.backends.States() {
		if b.Fault != "" {
			about := b.Backend + " (" + b.Protocol.String() + ")"
			all = append(all, alarm.Condition{Kind: alarm.BackendAway, About: about, Sentence: fmt.Sprintf("The mail server %s at %s is away: %s.", about, b.Address, b.Fault)})
		}
	}
	if s.sources == nil {
		return all
	}
	for _, d := range s.sources.States() {
		if d.Fault != "" {
			all = append(all, alarm.Condition{Kind: alarm.DirectoryAway, About: d.Name, Sentence: fmt.Sprintf("The directory %s is away: %s.", d.Name, d.Fault)})
		}
	}
	return all
}

// around are the doors of the mail servers that nobody judges.
func (s *Server) around(ctx context.Context) (all []alarm.Condition) {
	found, err := s.checkBackends(ctx, "")
	if err != nil {
		s.Log.Warn("cannot look for ways around the gate", "err", err)
		return nil
	}
	findings, _ := found.([]backend.Finding)
	for _, f := range findings {
		if strings.HasPrefix(f.ID, backend.FindingAround) {
			all = append(all, alarm.Condition{Kind: alarm.BypassFound, About: f.Backend + " at " + f.Address, Sentence: f.Sentence})
		}
	}
	return all
}
