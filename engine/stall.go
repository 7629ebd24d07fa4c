package engine

import (
	"context"
	"time"
)

// stallAfter: a server that answers but has written nothing for so long has a slow disk
// or a limit on its rate. That is waited for, and told.
const stallAfter = 10 * time.Second

// heardOf notes that the receiver has got on with something.
func (s *sender) heardOf() { s.lastDone.Store(time.Now().UnixNano()) }

// stalled is for how long nothing was acknowledged of what is under way; 0: nothing is.
func (s *sender) stalled(now time.Time) time.Duration {
	s.mu.Lock()
	oldest := len(s.units) > 0
	s.mu.Unlock()
	if !oldest {
		return 0
	}
	return now.Sub(time.Unix(0, s.lastDone.Load()))
}

// watchStall tells of each time that nothing gets on although the server answers, which
// it was heard last when heard says.
func (s *sender) watchStall(ctx context.Context, heard func() time.Time) error {
	t := time.NewTicker(stallAfter / 2)
	defer t.Stop()
	told := false
	for {
		select {
		case now := <-t.C:
			d := s.stalled(now)
			if now.Sub(heard()) > silentAfter {
				d = 0 // it does not answer: that is for control to say
			}
			if d >= stallAfter && !told {
				s.cfg.Observer.Stalled(d)
			}
			told = d >= stallAfter
		case <-ctx.Done():
			return nil
		}
	}
}
