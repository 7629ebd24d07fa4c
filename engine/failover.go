package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// living is one opening of one stream, from its StreamOpen to its end.
type living struct {
	ctx    context.Context // ends when the receiver has ended the stream, with its reason
	cancel context.CancelCauseFunc
	unheed func() bool   // ends that the workers are woken when ctx ends
	fenced chan struct{} // closed then
	acked  int           // units with a result; under sender.mu, as is
	rail   *railHealth   // that it is joined on; nil: not yet
}

// begin has the end of a stream heard of. forget must be called.
func (s *sender) begin(ctx context.Context, key streamKey) *living {
	l := &living{fenced: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	// The worker looks at this context. That the session's has ended is known before
	// those that it has made end, and who was woken between would wait on.
	l.unheed = context.AfterFunc(l.ctx, s.wakeWorkers)
	s.mu.Lock()
	s.live[key] = l
	s.mu.Unlock()
	return l
}

func (s *sender) forget(key streamKey) {
	s.mu.Lock()
	l := s.live[key]
	delete(s.live, key)
	s.mu.Unlock()
	if l != nil {
		l.unheed()
		l.cancel(nil)
	}
}

// takeFenced: the receiver has ended a stream. All it has applied of it has its
// result, for those were said before.
func (s *sender) takeFenced(m *wire.Fenced) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.live[streamKey{m.Stream, m.Epoch}]
	if l == nil || isClosed(l.fenced) {
		return
	}
	text := m.Error
	if text == "" {
		text = wasFenced
	}
	close(l.fenced)
	l.cancel(fmt.Errorf("%w: %s", errStreamLost, text))
	s.wakeAll()
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// errStreamLost: the receiver has lost a stream, or given it up.
var errStreamLost = errors.New("the other side ended the stream")

// wasFenced is the reason of a receiver that was asked to end a stream.
const wasFenced = "it was to end it"

// withPeersReason adds to an error why the receiver has ended the stream, if it had a
// reason of its own: this end often knows only that it is gone.
func withPeersReason(st *joined, err error) error {
	told := context.Cause(st.living.ctx)
	if told == nil || errors.Is(err, errStreamLost) || !errors.Is(told, errStreamLost) || strings.HasSuffix(told.Error(), wasFenced) {
		return err
	}
	return fmt.Errorf("%w (%w)", err, told)
}

// errBroken: a stream has found out by itself that it is broken.
var errBroken = errors.New("the stream is broken")

// broke says whether an error is one of a stream, which others can stand in for.
func broke(err error) bool {
	var stream *transport.StreamError
	return errors.As(err, &stream) || errors.Is(err, errStreamLost) || errors.Is(err, errBroken) || errors.Is(err, errLate)
}

// replace takes what a broken stream carried and has no result to the others. Not
// before the receiver has ended it: nothing may be written late.
func (s *sender) replace(ctx context.Context, st *joined, cause error) error {
	if !isClosed(st.living.fenced) {
		if err := s.conn.Send(&wire.Fence{Stream: st.key.stream, Epoch: st.key.epoch}); err != nil {
			return err
		}
		if _, err := wait(ctx, st.living.fenced); err != nil {
			return err
		}
	}
	cause = withPeersReason(st, cause)
	now := time.Now()
	s.mu.Lock()
	var lost []sent
	for id, u := range s.units {
		if u.key == st.key {
			lost = append(lost, u)
			delete(s.units, id)
			if u.rail != nil {
				u.rail.lost(u.cost, now)
			}
		}
	}
	progress := st.living.acked > 0
	s.mu.Unlock()
	var bytes uint64
	for _, u := range lost {
		if err := s.requeue(u, false); err != nil {
			return err
		}
		bytes += u.bytes
	}
	s.count.carriedAgain.Add(bytes)
	if errors.Is(cause, errLate) {
		s.rest(st, bytes)
		return nil
	}
	st.lane.count.broken.Add(1)
	s.log.Warn("a stream broke, others carry what it had under way", "rail", st.lane.rail, "stream", st.key.stream, "bytes", bytes, "error", cause)
	s.routes.broke(st.lane, fmt.Errorf("rail %s: %w", st.lane.rail, cause), progress, time.Now())
	return nil
}

// joined is a stream that was joined with the peer.
type joined struct {
	transport.SendStream
	key    streamKey
	lane   *lane
	living *living
}

// opening opens one stream, as often as it takes.
type opening struct {
	s     *sender
	id    uint32
	epoch uint32 // of the next try
}

// open joins the stream with the peer; nil: nothing is left to carry.
func (o *opening) open(ctx context.Context) (*joined, error) {
	s := o.s
	for {
		c, err := s.routes.choose(o.id, time.Now())
		if c.passed != nil {
			s.passed(c)
		}
		if err != nil {
			return nil, err
		}
		if c.lane == nil {
			if s.restUntil(ctx, c.until) {
				return nil, context.Cause(ctx)
			}
			continue
		}
		st, err := o.over(ctx, c.route, c.lane)
		if err == nil {
			s.routes.joined(c.lane)
			s.railJoined(st)
			return st, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		first, ever := s.routes.failed(c.lane, err, time.Now())
		if s.cfg.EveryRail && !ever {
			return nil, err
		}
		if first && len(c.route.lanes) > 1 {
			s.log.Warn("no stream comes about on a rail, the others carry its share", "error", err)
		}
	}
}

// passed tells that a transport was given up for the next.
func (s *sender) passed(c choice) {
	name, _ := s.routes.counts()
	s.log.Info("the next transport is tried", "transport", name, "error", c.passed)
	if s.cfg.Observer != nil {
		s.cfg.Observer.Chosen(name, []error{c.passed})
	}
}

// restUntil waits; true if there is nothing left to do, or ctx has ended.
func (s *sender) restUntil(ctx context.Context, t time.Time) bool {
	defer time.AfterFunc(time.Until(t), s.wakeWorkers).Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for time.Now().Before(t) {
		if ctx.Err() != nil || s.walked && len(s.open) == 0 {
			return true
		}
		s.wake.Wait()
	}
	return false
}

// over tries the ways of one lane, each with an epoch of its own, until one is proved.
func (o *opening) over(ctx context.Context, r *route, l *lane) (*joined, error) {
	var errs []error
	for _, pair := range l.pairs {
		key := streamKey{o.id, o.epoch}
		o.epoch++
		life := o.s.begin(ctx, key)
		st, err := o.s.tryPair(life.ctx, r.transport, key, pair)
		if err == nil {
			l.count.peer.Store(&pair.Peer.Name)
			o.s.log.Debug("stream joined", "stream", o.id, "rail", l.rail, "peer", pair.Peer.Name, "since start", time.Since(o.s.started))
			return &joined{st, key, l, life}, nil
		}
		o.s.forget(key)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		o.s.log.Info("rail candidate does not work", "rail", l.rail, "peer", pair.Peer.Name, "error", err)
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("rail %s: %w", l.rail, errors.Join(append(errs, transport.ErrUnavailable)...))
}
