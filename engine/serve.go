package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"scp_rdma/control"
)

// Serve is NewServer and its Serve, where nothing changes meanwhile.
func Serve(ctx context.Context, cfg ServeConfig) error { return NewServer(cfg).Serve(ctx) }

// Server takes clients. What it grants can change while it does.
type Server struct {
	cfg    ServeConfig
	quota  *quota
	roster *roster
	wg     sync.WaitGroup
	stop   context.CancelFunc // ends accept

	mu      sync.Mutex
	limits  Limits // of sessions that begin now
	running map[*receiver]context.CancelCauseFunc
}

// NewServer makes a server, which takes nobody yet.
func NewServer(cfg ServeConfig) *Server {
	return &Server{
		cfg: cfg, limits: cfg.Limits.withDefaults(), quota: newQuota(cfg.Quota.withDefaults()), roster: newRoster(),
		running: map[*receiver]context.CancelCauseFunc{},
	}
}

// Change has other limits hold for the sessions that begin from now on. Those that run keep
// what they have, and count.
func (s *Server) Change(l Limits, q Quota) {
	s.mu.Lock()
	s.limits = l.withDefaults()
	s.mu.Unlock()
	s.quota.change(q.withDefaults())
}

// Recheck ends the sessions of those whom Admits no longer takes.
func (s *Server) Recheck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r, end := range s.running {
		if err := s.admits(r); err != nil {
			end(err)
		}
	}
}

// admits asks whether a session may be.
func (s *Server) admits(r *receiver) error {
	if s.cfg.Admits == nil {
		return nil
	}
	return s.cfg.Admits(r.conn.Holder())
}

// enter has Recheck know of a session. It is asked itself whether it may be only then, so that
// a change meanwhile does not miss it.
func (s *Server) enter(ctx context.Context, r *receiver) (_ context.Context, leave func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	s.running[r] = cancel
	s.mu.Unlock()
	if err := s.admits(r); err != nil {
		cancel(err)
	}
	return ctx, func() {
		s.mu.Lock()
		delete(s.running, r)
		s.mu.Unlock()
		cancel(nil)
	}
}

// Serve takes clients until ctx ends or, with Once, the first session is over.
// Running sessions then have Grace to end by themselves; if any had to be cut
// off the error Is ErrCut. The listener is closed when Serve returns. It is called once.
func (s *Server) Serve(ctx context.Context) error {
	actx, stop := context.WithCancel(ctx)
	defer stop()
	s.stop = stop
	s.cfg.Meter = s.cfg.meter()
	s.cfg.Meter.watch(s.quota, s.cfg.Listener.Pending)
	// Sessions outlive ctx for the grace time.
	run, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	err := s.accept(actx, run)
	closeErr := s.cfg.Listener.Close()
	if s.drain(cut) {
		return ErrCut
	}
	return errors.Join(err, closeErr)
}

// accept starts a session for each client until ctx ends.
func (s *Server) accept(ctx, run context.Context) error {
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
func (s *Server) serveOne(ctx context.Context, conn *control.Conn) {
	s.mu.Lock()
	limits := s.limits
	s.mu.Unlock()
	seat, err := s.quota.take(conn.Holder().Key.ID())
	if err != nil {
		s.turnAway(conn, err)
		return
	}
	defer seat.free()
	r := newReceiver(&s.cfg, limits, s.roster, conn)
	r.seat = seat
	r.meter.enter(r)
	ctx, leave := s.enter(ctx, r)
	defer leave()
	err = r.session(ctx)
	r.meter.leave(r, err)
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
func (s *Server) turnAway(conn *control.Conn, err error) {
	s.cfg.Meter.turnedAway.Add(1)
	loggerOr(s.cfg.Logger).Warn("turned away", "peer", conn.RemoteAddr(), "name", conn.Holder().Name, "key", conn.Holder().Key, "error", err)
	_ = conn.Send(ByeFor(err)) // one that is gone need not know
	_ = conn.Close()
}

// drain waits for running sessions, first for the grace time, then cuts them
// off; it says whether it had to.
func (s *Server) drain(cut context.CancelCauseFunc) bool {
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
