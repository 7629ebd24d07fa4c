package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"scp_rdma/control"
)

// Serve takes clients until ctx ends or, with Once, the first session is over.
// Running sessions then have Grace to end by themselves; if any had to be cut
// off the error Is ErrCut. The listener is closed when Serve returns.
func Serve(ctx context.Context, cfg ServeConfig) error {
	actx, stop := context.WithCancel(ctx)
	defer stop()
	s := &server{cfg: cfg, stop: stop, quota: newQuota(cfg.Quota.withDefaults()), roster: newRoster()}
	s.cfg.Limits = cfg.Limits.withDefaults()
	// Sessions outlive ctx for the grace time.
	run, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	err := s.accept(actx, run)
	closeErr := cfg.Listener.Close()
	if s.drain(cut) {
		return ErrCut
	}
	return errors.Join(err, closeErr)
}

// server holds what the sessions of one Serve share.
type server struct {
	cfg    ServeConfig
	quota  *quota
	roster *roster
	wg     sync.WaitGroup
	stop   context.CancelFunc // ends accept
}

// accept starts a session for each client until ctx ends.
func (s *server) accept(ctx, run context.Context) error {
	for {
		conn, err := s.cfg.Listener.Accept(ctx)
		if err != nil {
			if ctx.Err() == nil {
				return fmt.Errorf("accept: %w", err)
			}
			return nil
		}
		s.wg.Go(func() { s.serveOne(run, conn) })
	}
}

// serveOne runs one session and tells the observer of it.
func (s *server) serveOne(ctx context.Context, conn *control.Conn) {
	limits := s.cfg.Limits
	memory, free, err := s.quota.take(conn.Holder().Key.ID(), limits.Memory)
	if err != nil {
		s.turnAway(conn, err)
		return
	}
	defer free()
	limits.Memory = memory
	r := newReceiver(&s.cfg, limits, s.roster, conn)
	err = r.session(ctx)
	switch {
	case r.inspected:
		r.log.Info("inspected", "error", err)
		return
	case !r.opened:
		r.log.Info("no session", "peer", conn.RemoteAddr(), "error", err)
		return
	}
	if s.cfg.Observer != nil {
		s.cfg.Observer.Ended(r.info(), r.report(), err)
	}
	if s.cfg.Once {
		s.stop()
	}
}

// turnAway tells a client that there is no room for it.
func (s *server) turnAway(conn *control.Conn, err error) {
	loggerOr(s.cfg.Logger).Warn("turned away", "peer", conn.RemoteAddr(), "name", conn.Holder().Name, "key", conn.Holder().Key, "error", err)
	_ = conn.Send(ByeFor(err)) // one that is gone need not know
	_ = conn.Close()
}

// drain waits for running sessions, first for the grace time, then cuts them
// off; it says whether it had to.
func (s *server) drain(cut context.CancelCauseFunc) bool {
	idle := make(chan struct{})
	go func() { // ends when the sessions have; waited for below
		s.wg.Wait()
		close(idle)
	}()
	if waitFor(idle, s.cfg.Grace) {
		return false
	}
	cut(errors.New("the server is stopping"))
	<-idle
	return true
}
