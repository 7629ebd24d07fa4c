package verbs

import (
	"context"
	"fmt"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// sendStream is the sending end.
type sendStream struct {
	*link
	ledger  *transport.SendLedger // all under mu
	gone    uint64                // frames that have left their slots
	flushed bool                  // a Flush succeeded and nothing was sent since
}

var (
	_ transport.SendStream = (*sendStream)(nil)
	_ transport.Gauged     = (*sendStream)(nil)
)

// Acquire implements transport.SendStream.
func (s *sendStream) Acquire(ctx context.Context) (*transport.Slot, error) {
	var slot *transport.Slot
	err := s.await(ctx, func() (bool, error) {
		if err := s.usable(); err != nil || !s.ledger.Ready() {
			return false, s.ask(err, s.ledger.Blocked())
		}
		index, frame := s.ledger.Next()
		slot = s.slots[index]
		slot.Reset(frame)
		s.slab.Lend(slot.Index)
		return true, nil
	})
	if err != nil {
		return nil, s.wrap("acquire", err)
	}
	return slot, nil
}

// ask tells the receiver, if it is so and nothing is wrong, that the writer is
// blocked. RC loses nothing, so it never needs to be said again. mu is held.
func (s *sendStream) ask(err error, blocked bool) error {
	if err != nil || !blocked || !s.ledger.Ask(false) {
		return err
	}
	c := wire.CDC{Kind: wire.CDCRequest, Epoch: s.req.Epoch}
	if err := s.say(c.Append(nil), true, 0, 0); err != nil {
		s.die(err)
		return err
	}
	return nil
}

// ping implements role.
func (s *sendStream) ping() error {
	if len(s.marks) > 0 || !s.ledger.Ping() {
		return nil
	}
	c := wire.CDC{Kind: wire.CDCRequest, Epoch: s.req.Epoch}
	return s.say(c.Append(nil), true, 0, 0)
}

// Send implements transport.SendStream. It never waits: who has a slot has room
// in the queue for its two requests.
func (s *sendStream) Send(ctx context.Context, slot *transport.Slot) error {
	if !s.slab.Back(slot.Index) {
		return s.wrap("send", fmt.Errorf("slot %d was not acquired: %w", slot.Index, transport.ErrProtocol))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.usable()
	switch {
	case err != nil:
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	default:
		if err = s.send(slot); err != nil {
			s.die(err)
		}
	}
	if err != nil {
		return s.wrap("send", err)
	}
	return nil
}

// send posts a frame. What tells of it is signalled if it takes the last slot that is
// free here: the next Acquire waits for nothing else. mu is held.
func (s *sendStream) send(slot *transport.Slot) error {
	head, data := len(slot.Head()), len(slot.Data())
	c := wire.CDC{
		Kind: wire.CDCData, Epoch: s.req.Epoch, Frame: slot.Frame, Slot: slot.Index,
		HeadLen: uint32(head), DataLen: uint32(data),
	}
	s.flushed = false
	s.ledger.Take()
	s.frames = slot.Frame + 1
	last := s.frames-s.gone == uint64(s.req.Slots)
	offset := int(slot.Index)*(transport.HeadRoom+s.req.SlotSize) + transport.HeadRoom - head
	if s.imm {
		return s.bring(c, last, offset, head+data)
	}
	return s.say(c.Append(nil), last, offset, head+data)
}

var _ transport.Breaker = (*sendStream)(nil)

// Discard implements transport.SendStream.
func (s *sendStream) Discard(slot *transport.Slot) { s.slab.Back(slot.Index) }

// Flush implements transport.SendStream.
func (s *sendStream) Flush(ctx context.Context) error {
	err := s.await(ctx, func() (bool, error) {
		if err := s.usable(); err != nil || !s.ledger.Flushed() {
			return false, s.ask(err, true)
		}
		s.flushed = true
		return true, nil
	})
	if err != nil {
		return s.wrap("flush", err)
	}
	return nil
}

// take implements role.
func (s *sendStream) take(c wire.CDC) error {
	switch c.Kind {
	case wire.CDCCredit, wire.CDCAnswer:
		return s.ledger.Grant(c.Epoch, c.Grant, c.Kind == wire.CDCAnswer)
	case wire.CDCHeartbeat:
		return nil
	case wire.CDCClosed:
		if s.state == ending {
			s.finish()
			return nil
		}
		return fmt.Errorf("the receiver closed the stream: %w", transport.ErrPeerGone)
	case wire.CDCData, wire.CDCRequest, wire.CDCDone:
	}
	return fmt.Errorf("cdc of kind %d from the receiver: %w", c.Kind, transport.ErrProtocol)
}

// idle implements role.
func (s *sendStream) idle(upTo uint64) error {
	for ; s.gone < upTo; s.gone++ {
		if err := s.ledger.Complete(uint32(s.gone % uint64(s.req.Slots))); err != nil {
			return err
		}
	}
	return nil
}

// settle implements role: nothing of a sender ever waits for room.
func (s *sendStream) settle() error { return nil }

// due implements role: none comes.
func (s *sendStream) due() uint64 { return 0 }

// full implements role: a sender owes no answers.
func (s *sendStream) full(wire.CDC) bool { return false }

// Close implements transport.Stream.
func (s *sendStream) Close() error {
	s.mu.Lock()
	clean := s.flushed && s.state == open
	done := wire.CDC{Kind: wire.CDCDone, Epoch: s.req.Epoch, Frame: s.ledger.Sent()}
	s.mu.Unlock()
	return s.close(clean, done)
}

// InUse implements transport.Gauged.
func (s *sendStream) InUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.InUse()
}
