package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// runStreams opens the session's streams, walks the source and carries units
// until every entry has its result. Streams are flushed and closed when it returns nil.
func (s *sender) runStreams(c *crew) error {
	workers, err := newPool(s.streams, c.cancel)
	if err != nil {
		return err
	}
	s.clocks.begin(s.streams, s.started)
	entries := make(chan wire.Entry, announceBatch*2)
	c.run(func(ctx context.Context) error { return s.walk(ctx, entries) })
	c.run(func(ctx context.Context) error { return s.announce(ctx, entries) })
	if s.routes.several() {
		c.run(s.watchRails)
	}
	for i := range s.streams {
		err := workers.run(func() error { return s.work(c.ctx, uint32(i)) })
		if err != nil {
			c.cancel(err)
			break
		}
	}
	if err := workers.stop(); err != nil {
		c.cancel(err)
	}
	return context.Cause(c.ctx)
}

// work is the life of one worker: its stream is opened, fed and closed here, and if
// it breaks another takes its place.
func (s *sender) work(ctx context.Context, id uint32) error {
	o := opening{s: s, id: id, slots: s.slots}
	account := s.clocks.of(id)
	defer account.to(DoingEnd)
	for {
		account.to(DoingJoin)
		st, err := o.open(ctx)
		if err != nil {
			return because(ctx, err)
		}
		if st == nil {
			return nil
		}
		account.joined(st.lane.rail)
		s.crowd.change(1, 0)
		err = s.feed(ctx, st)
		s.railLeft(st)
		st.done()
		s.crowd.change(-1, 0)
		account.to(DoingJoin)
		if err != nil && ctx.Err() == nil && broke(err) {
			if err = s.replace(ctx, st, err); err == nil {
				short := s.shortOf(st.living, nil)
				s.forget(st.key)
				if short == nil {
					o.slots = s.slots
				} else if s.restUntil(ctx, o.less(short, time.Now())) {
					return because(ctx, context.Cause(ctx))
				}
				continue
			}
		}
		s.forget(st.key)
		if err != nil {
			return because(ctx, err)
		}
		s.routes.ended(st.lane)
		return nil
	}
}

// feed carries units over a stream until every entry has its result.
func (s *sender) feed(ctx context.Context, st *joined) error {
	w := newSendWorker(s, st, st.key, st.lane.count)
	w.lease, w.grow = st.lease, st.grow
	stop := s.heed(st)
	leave := s.slotsJoined.join(st.SendStream, st.slots, st.lane.count)
	err := byRail(st.lane.cores, s.streams, func() error { return w.run(st.living.ctx) })
	leave()
	stop()
	if errors.Is(err, errStreamLost) || errors.Is(err, errBroken) {
		err = withOwnReason(ctx, st, err)
	}
	if err != nil {
		_ = st.Close() // it is broken: what it has to say is said
		return err
	}
	// Nothing that could still happen to the stream changes a result.
	if err := errors.Join(st.Flush(st.living.ctx), st.Close()); err != nil {
		s.log.Debug("stream did not end cleanly", "stream", st.key.stream, "error", err)
	}
	return nil
}

// heed ends the worker of a stream that breaks while it waits for units. stop ends that.
func (s *sender) heed(st *joined) (stop func()) {
	b, ok := st.SendStream.(transport.Breaker)
	if !ok {
		return func() {}
	}
	var work sync.WaitGroup
	quit := make(chan struct{})
	work.Go(func() {
		select {
		case <-b.Broken():
			st.living.cancel(errBroken)
			s.wakeWorkers()
		case <-quit:
		}
	})
	return func() {
		close(quit)
		work.Wait()
	}
}

// ownWait: the two ends of a stream learn of its end by different ways.
const ownWait = 100 * time.Millisecond

// withOwnReason adds to an error why the stream broke as this end sees it, if it
// does: the other end often knows only that it did.
func withOwnReason(ctx context.Context, st transport.SendStream, err error) error {
	ctx, cancel := context.WithTimeout(ctx, ownWait)
	defer cancel()
	if own := st.Flush(ctx); own != nil && !errors.Is(own, context.DeadlineExceeded) {
		return fmt.Errorf("%w (%w)", own, err)
	}
	return err
}

// tryPair opens one endpoint, has the peer open its own, and connects. The error Is a
// *shortError if the peer has no memory for so many slots.
func (s *sender) tryPair(ctx context.Context, tr transport.Transport, key streamKey, pair transport.RailPair, slots int) (transport.SendStream, error) {
	if s.asked {
		return s.dialled(ctx, tr, key, pair, slots)
	}
	octx, opened := within(ctx, connectTimeout)
	defer opened()
	ep, err := tr.Open(octx, transport.OpenRequest{
		Pair: pair, Role: transport.Sender, Initiator: true, Session: s.id, Key: s.key,
		Stream: key.stream, Epoch: key.epoch, Slots: slots, SlotSize: s.slotSize, Control: pathOf(s.conn),
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = ep.Close() }() // a no-op once it is connected
	return s.readied(ctx, tr, key, pair, slots, ep.Offer(), func(ctx context.Context, ready []byte) (transport.SendStream, error) {
		return connected(ep.Connect(ctx, ready))
	})
}

// readied has the peer open its end of a stream, and goes on with its offer. The time for
// that runs from when the target is open: before, the peer is busy with it.
func (s *sender) readied(ctx context.Context, tr transport.Transport, key streamKey, pair transport.RailPair, slots int, offer []byte,
	then func(ctx context.Context, ready []byte) (transport.SendStream, error),
) (transport.SendStream, error) {
	answer := s.ready.expect(key)
	err := s.conn.Send(&wire.StreamOpen{
		Stream: key.stream, Epoch: key.epoch, Transport: tr.Name(), Local: pair.Local.Name, Peer: pair.Peer.Name,
		Slots: uint32(slots), SlotSize: uint32(s.slotSize), Offer: offer,
	})
	if err != nil {
		return nil, err
	}
	if _, err := wait(ctx, s.opened); err != nil {
		return nil, err
	}
	rctx, cancel := within(ctx, leaseWait+connectTimeout)
	defer cancel()
	ready, err := wait(rctx, answer)
	if err != nil {
		return nil, err
	}
	switch {
	case ready.Short:
		return nil, &shortError{int(min(ready.Slots, transport.MaxSlots))}
	case ready.Error != "":
		return nil, &RemoteError{Code: wire.ByeNoTransport, Text: ready.Error}
	}
	st, err := then(rctx, ready.Offer)
	if errors.Is(err, transport.ErrPeerGone) {
		// Its end was ended before it was joined, and why it says at the latest now.
		err = errors.Join(err, s.conn.Send(&wire.Fence{Stream: key.stream, Epoch: key.epoch}))
		waitFor(ctx.Done(), connectTimeout)
	}
	return st, err
}

// within bounds how long joining a stream may take, and says so if it takes longer.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("not joined within %v: the network swallows what goes that way, or one of the hosts is overloaded: %w", d, transport.ErrUnavailable))
}

// connected is the sending end that Connect gave.
func connected(st transport.Stream, err error) (transport.SendStream, error) {
	if err != nil {
		return nil, err
	}
	return st.(transport.SendStream), nil
}
