package socket

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// RecvStream is the receiving end. ledger is guarded by mu, writing by writes,
// which is taken first: a peer that doesn't listen can stop writes, not Close.
type RecvStream struct {
	*stream
	ledger *transport.RecvLedger
	eof    bool // the sender is done; set by Recv under mu

	writes sync.Mutex
	out    [wire.CDCSize]byte
}

var (
	_ transport.RecvStream = (*RecvStream)(nil)
	_ transport.Gauged     = (*RecvStream)(nil)
)

// Recv implements transport.RecvStream.
func (s *RecvStream) Recv(ctx context.Context) (*transport.Slot, error) {
	if s.eof {
		return nil, io.EOF
	}
	if err := s.enter("recv"); err != nil {
		return nil, err
	}
	defer s.leave()
	if ctx.Err() != nil {
		return nil, s.fail(ctx, "recv", ctx.Err())
	}
	stop := s.watch(ctx)
	defer stop()
	for {
		slot, err := s.next(ctx)
		switch {
		case err != nil:
			return nil, s.fail(ctx, "recv", err)
		case s.eof:
			return nil, io.EOF
		case slot == nil:
			continue
		}
		if !stop() && ctx.Done() != nil {
			return nil, s.fail(ctx, "recv", ctx.Err())
		}
		s.slab.Lend(slot.Index)
		return slot, nil
	}
}

// next reads one CDC and what belongs to it. No slot: it was not data.
func (s *RecvStream) next(ctx context.Context) (*transport.Slot, error) {
	c, err := s.readCDC()
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case wire.CDCData:
		return s.data(c)
	case wire.CDCRequest:
		s.mu.Lock()
		answer := s.ledger.Request(c.Epoch)
		s.mu.Unlock()
		if answer {
			return nil, s.tell(ctx, wire.CDCAnswer)
		}
		return nil, nil
	case wire.CDCDone:
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.Epoch != s.cfg.Request.Epoch || c.Frame != s.ledger.Arrived() {
			return nil, fmt.Errorf("done after %d frames, %d arrived: %w", c.Frame, s.ledger.Arrived(), transport.ErrProtocol)
		}
		s.eof = true
		// All was released, so there is nothing more to say. The sender waits
		// for this, and need not wait for our engine.
		_ = s.conn.CloseWrite()
		return nil, nil
	case wire.CDCHeartbeat:
		return nil, nil
	default:
		return nil, fmt.Errorf("cdc of kind %d from the sender: %w", c.Kind, transport.ErrProtocol)
	}
}

// data reads a frame into its slot, after the ledger and the slot have agreed.
func (s *RecvStream) data(c wire.CDC) (*transport.Slot, error) {
	s.mu.Lock()
	err := s.ledger.Arrive(c.Epoch, c.Slot, c.Frame)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	slot := s.hands.take(c.Slot)
	slot.Reset(c.Frame)
	if err := slot.SetLen(int(c.HeadLen), int(c.DataLen)); err != nil {
		return nil, err
	}
	if s.cfg.Shared != nil {
		return slot, nil
	}
	return slot, s.readFull(slot.Bytes())
}

// Release implements transport.RecvStream.
func (s *RecvStream) Release(slot *transport.Slot) error {
	index := slot.Index // another frame's, perhaps, once it is dropped
	if !s.slab.Back(index) {
		return s.wrap("release", fmt.Errorf("slot %d is not held: %w", index, transport.ErrProtocol))
	}
	s.hands.drop(slot)
	tell, err := s.release(index)
	if err != nil {
		return s.wrap("release", err)
	}
	if !tell {
		return nil
	}
	if err := s.tell(context.Background(), wire.CDCCredit); err != nil {
		return s.fail(context.Background(), "release", err)
	}
	return nil
}

func (s *RecvStream) release(index uint32) (tell bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, transport.ErrClosed
	}
	return s.ledger.Release(index)
}

// tell sends the grant. Grants leave in order. An honest sender always has room
// for one (see doc.go), so this waits for no more than the network.
func (s *RecvStream) tell(ctx context.Context, kind wire.CDCKind) error {
	s.writes.Lock()
	defer s.writes.Unlock()
	s.mu.Lock()
	if s.err != nil { // half a CDC may have been written
		defer s.mu.Unlock()
		return s.err
	}
	c := wire.CDC{Kind: kind, Epoch: s.cfg.Request.Epoch, Grant: s.ledger.Grant()}
	s.ledger.Told()
	s.mu.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.cfg.Bound)); err != nil {
		return err
	}
	if ctx.Err() != nil { // its end may have set a deadline just before ours
		return context.Cause(ctx)
	}
	_, err := s.conn.Write(c.Append(s.out[:0]))
	return err
}

// Close implements transport.Stream.
func (s *RecvStream) Close() error {
	if !s.finish() {
		return nil
	}
	s.mu.Lock()
	clean := s.eof
	s.mu.Unlock()
	err := s.shut(clean)
	s.slab.Drop()
	return err
}

// InUse implements transport.Gauged.
func (s *RecvStream) InUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.InUse()
}
