package socket

import (
	"context"
	"fmt"
	"net"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// SendStream is the sending end. ledger is guarded by mu.
type SendStream struct {
	*stream
	ledger  *transport.SendLedger
	flushed bool // a Flush succeeded and nothing was sent since; under mu

	cdc  [wire.CDCSize]byte
	vecs [2][]byte
	left net.Buffers // what of vecs is not written yet
}

var (
	_ transport.SendStream = (*SendStream)(nil)
	_ transport.Gauged     = (*SendStream)(nil)
)

// Acquire implements transport.SendStream.
func (s *SendStream) Acquire(ctx context.Context) (*transport.Slot, error) {
	if err := s.enter("acquire"); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := s.wait(ctx, "acquire", (*transport.SendLedger).Ready); err != nil {
		return nil, err
	}
	s.mu.Lock()
	index, frame := s.ledger.Next()
	s.mu.Unlock()
	slot := s.hands.take(index)
	slot.Reset(frame)
	s.slab.Lend(slot.Index)
	return slot, nil
}

// wait reads credits until the ledger says ready, asking when it is blocked.
func (s *SendStream) wait(ctx context.Context, op string, ready func(*transport.SendLedger) bool) error {
	if s.check(ready) {
		return nil
	}
	if ctx.Err() != nil {
		return s.fail(ctx, op, ctx.Err())
	}
	stop := s.watch(ctx)
	defer stop()
	for !s.check(ready) {
		if err := s.ask(ctx); err != nil {
			return s.fail(ctx, op, err)
		}
		if err := s.readCredit(ctx); err != nil {
			return s.fail(ctx, op, err)
		}
	}
	if !stop() && ctx.Done() != nil {
		return s.fail(ctx, op, ctx.Err())
	}
	return nil
}

func (s *SendStream) check(ready func(*transport.SendLedger) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ready(s.ledger)
}

// ask tells the receiver that the writer is blocked. TCP loses nothing, so it
// never needs to be said again.
func (s *SendStream) ask(ctx context.Context) error {
	s.mu.Lock()
	ok := s.ledger.Ask(false)
	s.mu.Unlock()
	if !ok {
		return nil
	}
	return s.write(ctx, wire.CDC{Kind: wire.CDCRequest, Epoch: s.cfg.Request.Epoch}, nil)
}

// write writes a CDC and what belongs to it, in one call where the kernel takes
// it. Whatever a look interrupts goes on where it stopped.
func (s *SendStream) write(ctx context.Context, c wire.CDC, body []byte) error {
	s.vecs = [2][]byte{c.Append(s.cdc[:0]), body} // no body: nothing is written for it
	s.left = s.vecs[:]
	for {
		err := s.conn.SetWriteDeadline(s.look())
		if ctx.Err() != nil { // its end may have set a deadline just before ours
			err = context.Cause(ctx)
		}
		if err == nil {
			_, err = s.left.WriteTo(s.conn)
		}
		if !s.again(ctx, err) {
			return err
		}
	}
}

// readCredit reads one CDC of the receiver. A look between two parts of it loses nothing.
func (s *SendStream) readCredit(ctx context.Context) error {
	var c wire.CDC
	for {
		err := s.conn.SetReadDeadline(s.look())
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			c, err = s.readCDC()
		}
		if err == nil {
			break
		}
		if !s.again(ctx, err) {
			return err
		}
	}
	switch c.Kind {
	case wire.CDCCredit, wire.CDCAnswer:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ledger.Grant(c.Epoch, c.Grant, c.Kind == wire.CDCAnswer)
	case wire.CDCHeartbeat:
		return nil
	case wire.CDCClosed:
		return fmt.Errorf("the receiver closed the stream: %w", transport.ErrPeerGone)
	default:
		return fmt.Errorf("cdc of kind %d from the receiver: %w", c.Kind, transport.ErrProtocol)
	}
}

// Send implements transport.SendStream.
func (s *SendStream) Send(ctx context.Context, slot *transport.Slot) error {
	if err := s.enter("send"); err != nil {
		s.slab.Back(slot.Index)
		return err
	}
	defer s.leave()
	if !s.slab.Back(slot.Index) {
		return s.wrap("send", fmt.Errorf("slot %d was not acquired: %w", slot.Index, transport.ErrProtocol))
	}
	defer s.hands.drop(slot)
	if ctx.Err() != nil {
		return s.fail(ctx, "send", ctx.Err())
	}
	c := wire.CDC{
		Kind: wire.CDCData, Epoch: s.cfg.Request.Epoch, Frame: slot.Frame, Slot: slot.Index,
		HeadLen: uint32(len(slot.Head())), DataLen: uint32(len(slot.Data())),
	}
	s.mu.Lock()
	s.flushed = false
	s.ledger.Take()
	// The kernel has its own copy when a write returns; a slot that the peer reads
	// from is covered by its credit.
	err := s.ledger.Complete(slot.Index)
	s.mu.Unlock()
	if err != nil {
		return s.fail(ctx, "send", err)
	}
	stop := s.watch(ctx)
	body := slot.Bytes()
	if s.cfg.Shared != nil {
		body = nil
	}
	err = s.write(ctx, c, body)
	if !stop() && err == nil && ctx.Done() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return s.fail(ctx, "send", err)
	}
	return nil
}

// Discard implements transport.SendStream.
func (s *SendStream) Discard(slot *transport.Slot) {
	s.slab.Back(slot.Index)
	s.hands.drop(slot)
}

// Flush implements transport.SendStream.
func (s *SendStream) Flush(ctx context.Context) error {
	if err := s.enter("flush"); err != nil {
		return err
	}
	defer s.leave()
	if err := s.wait(ctx, "flush", (*transport.SendLedger).Flushed); err != nil {
		return err
	}
	s.mu.Lock()
	s.flushed = true
	s.mu.Unlock()
	return nil
}

// Close implements transport.Stream.
func (s *SendStream) Close() error {
	s.mu.Lock()
	clean := s.flushed && s.err == nil
	sent := s.ledger.Sent()
	s.mu.Unlock()
	if !s.finish() {
		return nil
	}
	if clean {
		done := wire.CDC{Kind: wire.CDCDone, Epoch: s.cfg.Request.Epoch, Frame: sent}
		_ = s.conn.SetWriteDeadline(time.Now().Add(closeWait))
		if _, err := s.conn.Write(done.Append(nil)); err != nil {
			clean = false
		}
	}
	err := s.shut(clean)
	s.slab.Drop()
	return err
}

// InUse implements transport.Gauged.
func (s *SendStream) InUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.InUse()
}
