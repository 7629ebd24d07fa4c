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

// connect makes the session, however often a busy server has to be asked for
// it. s.conn stays nil if there was not even a connection.
func (s *sender) connect(ctx context.Context) error {
	start := time.Now()
	for pause := busyPause; ; pause = min(2*pause, busyPauseMax) {
		err := s.dial(ctx)
		left := s.cfg.Wait - time.Since(start)
		if !busy(err) || left <= 0 {
			return err
		}
		if s.conn != nil {
			s.conn.Abort()
			s.conn = nil
		}
		// At random, so that those who came at once don't come at once again.
		again := min(pause-rand.N(pause/2), left)
		if s.cfg.Observer != nil {
			s.cfg.Observer.Busy(err, again)
		}
		s.log.Info("busy", "error", err, "again in", again)
		t := time.NewTimer(again)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
	}
}

// dial connects, proves and greets.
func (s *sender) dial(ctx context.Context) error {
	conn, err := control.Dial(ctx, s.cfg.Server)
	if err != nil {
		return err
	}
	s.conn = conn
	err = s.greet(ctx)
	var remote *RemoteError
	if errors.As(err, &remote) && remote.Code == wire.ByeBusy {
		return fmt.Errorf("connect to %s: %w", s.cfg.Server.Addr, &control.BusyError{Text: remote.Text})
	}
	return err
}

// busy says whether an error means that there is no room now.
func busy(err error) bool {
	var no *control.BusyError
	return errors.As(err, &no)
}

// denied is an error for what a key's rights don't cover.
func denied(name, what string) error {
	return fmt.Errorf("the key of %s has no right to %s here: %w", name, what, control.ErrAuth)
}
