package engine

import (
	"context"
	"errors"
	"time"

	"scp_rdma/planner"
	"scp_rdma/wire"
)

// railTick is how often rails are judged: some times in what they are judged by. A session
// with one rail needs none of that.
const railTick = 25 * time.Millisecond

// judged has the health of all rails of the session known.
func (s *sender) judged(all []*route) {
	now := time.Now()
	for _, way := range all {
		for _, l := range way.lanes {
			l.count.health = s.health.add(l.rail, float64(l.rate), now)
			l.count.health.far = l.far
		}
	}
}

// watchRails judges the rails until the session ends.
func (s *sender) watchRails(ctx context.Context) error {
	tick := time.NewTicker(railTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		s.judgeRails(time.Now())
	}
}

// judgeRails has the rails judged, and takes from those that are slow what others wait for.
func (s *sender) judgeRails(now time.Time) {
	s.mu.Lock()
	told := s.health.judge(now)
	for _, r := range s.health.rails {
		if !s.plan.Empty() || !s.health.late(r) {
			continue
		}
		r.park(now)
		for _, l := range s.live {
			if l.rail == r {
				l.cancel(errLate)
			}
		}
	}
	s.held.Broadcast()
	s.mu.Unlock()
	for _, c := range told {
		s.log.Info("a rail is given more or less", "lasts", c.Lasts, "rail", c.Rail, "state", c.State, "part of the best", c.Part, "best", c.Best)
		s.tellRail(c)
		if s.cfg.Observer != nil {
			s.cfg.Observer.RailChanged(c)
		}
	}
}

// errLate: a rail is so slow that what it has under way is sent over others.
var errLate = errors.New("others carry what is under way on a slow rail")

// nextUnit is the next unit for a rail; held: there is something, but not for this one now. s.mu is
// held.
func (s *sender) nextUnit(r *railHealth) (u planner.Unit, ok, held bool) {
	if r == nil || !s.health.limited(r) {
		u, ok = s.plan.Next()
		return u, ok, false
	}
	if s.plan.Empty() {
		return u, false, false
	}
	rest := rest{left: s.plan.Left(), last: s.walked && !s.unsized()}
	if s.ordered {
		rest.window = wire.StreamWindow
	}
	if room := s.health.room(r, rest, time.Now()); room > 0 {
		u, ok = s.plan.NextWithin(int(room))
	}
	return u, ok, !ok
}

// wakeAll wakes all workers. s.mu is held.
func (s *sender) wakeAll() {
	s.wake.Broadcast()
	s.held.Broadcast()
}

// waitForUnit waits until there may be a unit for a rail. held: there is one, but not for this rail;
// awake: this worker may have been woken for it, and others were not.
func (s *sender) waitForUnit(r *railHealth, held, awake bool) bool {
	if held {
		if awake {
			s.wake.Signal()
		}
		s.held.Wait()
		return false
	}
	if r != nil {
		r.idle++
		defer func() { r.idle-- }()
	}
	s.wake.Wait()
	return true
}

// railJoined notes that a stream is joined on its rail; railLeft, that it is no more.
func (s *sender) railJoined(st *joined) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.living.rail = st.lane.count.health
	st.living.rail.streams++
}

func (s *sender) railLeft(st *joined) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.living.rail.streams--
	s.held.Broadcast()
}

// rest has a stream that was ended because its rail is slow come again when that is probed.
func (s *sender) rest(st *joined, bytes uint64) {
	s.mu.Lock()
	until := st.living.rail.next
	s.mu.Unlock()
	s.log.Info("others carry what a slow rail had under way", "rail", st.lane.rail, "stream", st.key.stream, "bytes", bytes)
	s.routes.rests(st.lane, until)
}

// healthOf is what there is to say of a rail now.
func (s *sender) healthOf(c *railCount) RailHealth {
	r := c.health
	if r == nil {
		return RailHealth{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.report(time.Now())
}
