package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"scp_rdma/control"
	"scp_rdma/wire"
)

// labelJoin is for the secret by which a session's streams prove that they
// belong to it: only the two ends of its control connection can derive it.
const labelJoin = "scp_rdma join v1"

// connect makes the session, however often a server without room has to be asked
// for it. s.conn stays nil if there was not even a connection.
func (s *sender) connect(ctx context.Context) error {
	start := time.Now()
	var tries retries
	for {
		err := s.dial(ctx)
		pause, again := tries.after(err, s.cfg.Wait-time.Since(start))
		if !again {
			return err
		}
		if s.conn != nil {
			s.conn.Abort()
			s.conn = nil
		}
		if s.cfg.Observer != nil {
			s.cfg.Observer.Busy(err, pause)
		}
		s.log.Info("asking again", "error", err, "in", pause)
		if waitFor(ctx.Done(), pause) {
			return context.Cause(ctx)
		}
	}
}

// retries counts the tries that came to nothing.
type retries struct{ busy, dropped int }

// after says whether to try again after an error, with so much time left, and
// after which pause: each is longer than the last, and partly by chance, so that
// those who came at once don't come at once again.
func (r *retries) after(err error, left time.Duration) (pause time.Duration, again bool) {
	var no *control.BusyError
	switch {
	case left <= 0:
		return 0, false
	case errors.As(err, &no):
		pause = min(busyPause<<min(r.busy, 10), busyPauseMax)
		r.busy++
	case errors.Is(err, control.ErrDropped) && r.dropped < maxDropped:
		pause = droppedPause << r.dropped
		r.dropped++
	default:
		return 0, false
	}
	return min(pause-rand.N(pause/2), left), true
}

// dial connects, proves and greets.
func (s *sender) dial(ctx context.Context) error {
	conn, err := control.Dial(s.scout.hope, s.cfg.Server)
	<-s.scout.ready // a rail that was named and isn't there is what the user has to hear first
	if s.scout.hope.Err() != nil && ctx.Err() == nil {
		err = context.Cause(s.scout.hope)
	}
	if err != nil {
		if conn != nil {
			conn.Abort()
		}
		return err
	}
	s.conn = conn
	s.log.Debug("connected", "server", conn.RemoteAddr(), "since start", time.Since(s.started))
	err = s.meet(ctx)
	var remote *RemoteError
	if errors.As(err, &remote) && remote.Code == wire.ByeBusy {
		return fmt.Errorf("connect to %s: %w", s.cfg.Server.Addr, &control.BusyError{Text: remote.Text})
	}
	return err
}

// denied is an error for what a key's rights don't cover.
func denied(name, what string) error {
	if name == "" { // the one key of a server, or none
		return fmt.Errorf("no client has a right to %s here: the server must allow it (--allow): %w", what, control.ErrAuth)
	}
	return fmt.Errorf("the key of %s has no right to %s here: %w", name, what, control.ErrAuth)
}
