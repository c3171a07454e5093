package server

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/portreeve/portreeve/internal/admin"
)

// Run serves until ctx ends, then stops: no new connections, sign-ins under way
// finish, sessions end, events are written.
func (s *Server) Run(ctx context.Context) error {
	accepting, stop := context.WithCancel(ctx)
	defer stop()
	working, finish := context.WithCancel(context.Background())
	defer finish()
	var fronts, rooms sync.WaitGroup
	faults := make(chan error, 64)
	start := func(wg *sync.WaitGroup, ctx context.Context, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil {
				faults <- err
				stop()
			}
		})
	}
	for _, f := range s.rooms() {
		start(&rooms, working, f)
	}
	for _, d := range s.doors {
		start(&fronts, accepting, func(ctx context.Context) error { return d.server.Serve(ctx, d.listener) })
	}
	for _, f := range s.fronts() {
		start(&fronts, accepting, f)
	}
	thrift()
	s.Log.Info("serving", "doors", len(s.doors), "state", string(s.Config.State))
	<-accepting.Done()
	fronts.Wait()
	s.stopping.Store(true)
	_ = s.relay.Close()
	finish()
	rooms.Wait()
	close(faults)
	var all []error
	for err := range faults {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// rooms are the parts that own goroutines and outlive the listeners.
func (s *Server) rooms() []func(context.Context) error {
	rooms := []func(context.Context) error{s.events.Run, s.carry, s.backends.Run, s.keeper.run, s.changes.Run,
		func(ctx context.Context) error { return s.sessions.Run(ctx, s.keeper.refresh) },
		func(ctx context.Context) error { s.places.Run(ctx); return nil }}
	if s.certs != nil {
		rooms = append(rooms, func(ctx context.Context) error { s.certs.Run(ctx); return nil })
	}
	if s.tokens != nil {
		rooms = append(rooms, s.tokens.Run)
	}
	if s.upstream != nil {
		rooms = append(rooms, s.upstream.Run)
	}
	if s.sources != nil {
		rooms = append(rooms, s.sources.Rooms()...)
	}
	if len(s.cas) > 0 {
		rooms = append(rooms, s.watchCertificates)
	}
	for _, w := range s.writers {
		rooms = append(rooms, w.Run)
	}
	return append(rooms, s.runs...)
}

// carry runs the relay. That it was closed before it began is no fault of a
// server that is stopping.
func (s *Server) carry(ctx context.Context) error {
	if err := s.relay.Run(ctx); err != nil && !s.stopping.Load() {
		return err
	}
	return nil
}

// fronts are the listeners that are no doors for mail programs.
func (s *Server) fronts() []func(context.Context) error {
	administration := s.adminHandler()
	fronts := []func(context.Context) error{func(ctx context.Context) error { return admin.Serve(ctx, s.admin, administration) },
		func(ctx context.Context) error { administration.KeepCounts(ctx); return nil }}
	if s.remote != nil {
		fronts = append(fronts, s.serveAdministrators(administration.Remote(s.Config.Admin.Names)))
	}
	if s.observe != nil {
		fronts = append(fronts, s.serveHTTP(s.observe, s.observer))
	}
	if s.public != nil {
		fronts = append(fronts, s.serveHTTP(s.public, s.pages))
	}
	return fronts
}

// serveHTTP serves one HTTP listener within bounds.
func (s *Server) serveHTTP(l net.Listener, h http.Handler) func(context.Context) error {
	return func(ctx context.Context) error {
		srv := &http.Server{Handler: h, ErrorLog: log.New(httpFaults{s.Log}, "", 0), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
			IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes}
		defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}
