package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// runStreams opens the session's streams, walks the source and carries units
// until every entry has its result. Streams are flushed and closed when it returns nil.
func (s *sender) runStreams(c *crew) error {
	counts := make([]*railCount, len(s.lanes))
	for i, l := range s.lanes {
		counts[i] = &railCount{name: l.rail}
	}
	s.rails.Store(&counts)
	workers, err := newPool(s.streams, c.cancel)
	if err != nil {
		return err
	}
	entries := make(chan wire.Entry, announceBatch*2)
	c.run(func(ctx context.Context) error { return s.walk(ctx, entries) })
	c.run(func(ctx context.Context) error { return s.announce(ctx, entries) })
	for i := range s.streams {
		at := i % len(s.lanes)
		err := workers.run(func() error { return s.work(c.ctx, uint32(i), s.lanes[at], counts[at]) })
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

// work is the life of one worker: its stream is opened, fed and closed here.
func (s *sender) work(ctx context.Context, id uint32, l lane, count *railCount) error {
	st, epoch, err := s.openStream(ctx, id, l, count)
	if err != nil {
		return because(ctx, err)
	}
	count.streams.Add(1)
	w := &sendWorker{s: s, stream: st, id: id, epoch: epoch, count: count}
	err = w.run(ctx)
	if err == nil {
		err = st.Flush(ctx)
	}
	if closeErr := st.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return because(ctx, err)
	}
	return nil
}

// openStream joins one stream with the peer: the lane's ways one after the
// other, each with an epoch of its own, until one is proved.
func (s *sender) openStream(ctx context.Context, id uint32, l lane, count *railCount) (transport.SendStream, uint32, error) {
	var errs []error
	for epoch, pair := range l.pairs {
		st, err := s.tryPair(ctx, id, uint32(epoch), pair)
		if err == nil {
			count.peer.Store(&pair.Peer.Name)
			s.log.Debug("stream joined", "stream", id, "rail", l.rail, "peer", pair.Peer.Name, "since start", time.Since(s.started))
			return st, uint32(epoch), nil
		}
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		s.log.Info("rail candidate does not work", "rail", l.rail, "peer", pair.Peer.Name, "error", err)
		errs = append(errs, err)
	}
	return nil, 0, fmt.Errorf("rail %s: %w", l.rail, errors.Join(append(errs, transport.ErrUnavailable)...))
}

// tryPair opens one endpoint, has the peer open its own, and connects. The time
// for that runs from when the target is open: before, the peer is busy with it.
func (s *sender) tryPair(ctx context.Context, id, epoch uint32, pair transport.RailPair) (transport.SendStream, error) {
	octx, opened := context.WithTimeout(ctx, connectTimeout)
	defer opened()
	ep, err := s.transport.Open(octx, transport.OpenRequest{
		Pair: pair, Role: transport.Sender, Initiator: true, Session: s.id, Key: s.key,
		Stream: id, Epoch: epoch, Slots: s.slots, SlotSize: s.slotSize, Control: pathOf(s.conn),
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = ep.Close() }() // a no-op once it is connected
	answer := s.ready.expect(streamKey{id, epoch})
	err = s.conn.Send(&wire.StreamOpen{
		Stream: id, Epoch: epoch, Transport: s.transport.Name(), Local: pair.Local.Name, Peer: pair.Peer.Name,
		Slots: uint32(s.slots), SlotSize: uint32(s.slotSize), Offer: ep.Offer(),
	})
	if err != nil {
		return nil, err
	}
	if _, err := wait(ctx, s.opened); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	ready, err := wait(ctx, answer)
	if err != nil {
		return nil, err
	}
	if ready.Error != "" {
		return nil, &RemoteError{Code: wire.ByeNoTransport, Text: ready.Error}
	}
	st, err := ep.Connect(ctx, ready.Offer)
	if err != nil {
		return nil, err
	}
	return st.(transport.SendStream), nil
}
