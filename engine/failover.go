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

	// Under sender.mu.
	acked int         // units with a result
	rail  *railHealth // that it is joined on; nil: not yet
	short *shortError // why it has ended, or has to, if nothing is wrong but for memory
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
	if m.Short {
		l.short = &shortError{int(min(m.Slots, transport.MaxSlots))}
	}
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
	return errors.As(err, &stream) || errors.As(err, new(*shortError)) || errors.Is(err, errStreamLost) || errors.Is(err, errBroken) || errors.Is(err, errLate) || errors.Is(err, errGrow)
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
	again := s.shortOf(st.living, cause) != nil || errors.Is(cause, errGrow)
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
	if again {
		s.log.Debug("a stream comes again with other slots", "rail", st.lane.rail, "stream", st.key.stream, "bytes again", bytes, "error", cause)
		s.routes.ended(st.lane)
		return nil
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
	slots  int
	grow   time.Time // then it ends, to come again with more; zero: never
	lease  *lease    // of them, where this side has to share its memory; done ends it
	done   func()
}

// opening opens one stream, as often as it takes.
type opening struct {
	s     *sender
	id    uint32
	epoch uint32 // of the next try
	slots int    // for it
	short int    // so often in a row there was no memory
	small int    // so often in a row it came about with less than all slots, and no more than before
	had   int    // slots, the last time
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
			o.short = 0
			st.grow = o.growAt(st.slots, time.Now())
			return st, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if short := new(shortError); errors.As(err, &short) {
			if s.restUntil(ctx, o.less(short, time.Now())) {
				return nil, context.Cause(ctx)
			}
			continue
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

const (
	// roomPause is the first pause of a stream for which there was no memory, each further
	// one is twice as long, up to roomPauseMax: another session may last for hours, and
	// a stream that comes in vain has registered its slots in vain.
	roomPause    = time.Second
	roomPauseMax = 16 * time.Second
)

const (
	// growAfter is when a stream that has made room, or came about with less, asks again for
	// all slots: each further time in a row twice as long, up to growMax. It costs some round
	// trips and slots that are registered again, and others may need the memory for long.
	growAfter = 15 * time.Second
	growMax   = 4 * time.Minute
)

// errGrow: a stream ends to come again with more slots.
var errGrow = errors.New("there may be room for more slots")

// growAt is when a stream that came about with so many slots asks for more; zero: never.
func (o *opening) growAt(slots int, now time.Time) time.Time {
	if slots >= o.s.slots {
		o.small, o.had = 0, slots
		return time.Time{}
	}
	if slots > o.had {
		o.small = 0
	}
	pause := min(growAfter<<min(o.small, 16), growMax)
	o.small, o.had = o.small+1, slots
	return now.Add(pause)
}

// less has the next try ask for as many slots as there is room for, and says when that may be.
// For ever less at once, for all after a while.
func (o *opening) less(e *shortError, now time.Time) time.Time {
	if 0 < e.slots && e.slots < o.slots {
		o.slots = e.slots
		return now
	}
	o.slots = o.s.slots
	pause := min(roomPause<<min(o.short, 16), roomPauseMax)
	o.short++
	return now.Add(pause)
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
		st, err := o.try(life, r.transport, key, pair)
		if err == nil {
			l.count.peer.Store(&pair.Peer.Name)
			o.s.log.Debug("stream joined", "stream", o.id, "rail", l.rail, "peer", pair.Peer.Name, "slots", st.slots, "since start", time.Since(o.s.started))
			st.lane = l
			return st, nil
		}
		o.s.forget(key)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if short := o.s.shortOf(life, err); short != nil {
			o.s.log.Debug("a stream has to wait, or be smaller", "stream", o.id, "error", short)
			return nil, short
		}
		o.s.log.Info("rail candidate does not work", "rail", l.rail, "peer", pair.Peer.Name, "error", err)
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("rail %s: %w", l.rail, errors.Join(append(errs, transport.ErrUnavailable)...))
}

// try opens the stream over one way. Where this side has to share its memory it has as many
// slots as there is room for here.
func (o *opening) try(life *living, tr transport.Transport, key streamKey, pair transport.RailPair) (*joined, error) {
	s := o.s
	l := newLease(o.id, o.slots, s.slotSize, func(slots int) { life.cancel(&shortError{slots}) })
	done, err := s.seat.lease(life.ctx, l)
	if err != nil {
		return nil, err
	}
	st, err := s.tryPair(life.ctx, tr, key, pair, l.slots)
	if err != nil {
		done()
		return nil, err
	}
	return &joined{SendStream: st, key: key, living: life, slots: l.slots, lease: l, done: done}, nil
}

// shortOf is the word about memory that has ended a stream, or kept it from being; nil: it is
// something else.
func (s *sender) shortOf(l *living, err error) *shortError {
	s.mu.Lock()
	defer s.mu.Unlock()
	short := l.short
	if short == nil && !errors.As(context.Cause(l.ctx), &short) && !errors.As(err, &short) {
		return nil
	}
	return short
}
