package verbs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// recvStream is the receiving end.
type recvStream struct {
	*link
	ledger  *transport.RecvLedger // all under mu
	arrived []*transport.Slot     // not received yet, at most Slots by the ledger
	eof     bool                  // the sender is done
	owed    wire.CDCKind          // a credit or an answer that had no room; 0: none
}

var (
	_ transport.RecvStream = (*recvStream)(nil)
	_ transport.Gauged     = (*recvStream)(nil)
)

// Recv implements transport.RecvStream.
func (r *recvStream) Recv(ctx context.Context) (*transport.Slot, error) {
	var slot *transport.Slot
	err := r.await(ctx, func() (bool, error) {
		switch {
		case len(r.arrived) > 0 && !r.shut:
			slot = r.arrived[0]
			r.arrived = append(r.arrived[:0], r.arrived[1:]...)
			r.slab.Lend(slot.Index)
			return true, nil
		case r.eof:
			return true, io.EOF
		}
		return false, r.usable()
	})
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, r.wrap("recv", err)
	}
	return slot, nil
}

// take implements role.
func (r *recvStream) take(c wire.CDC) error {
	if r.eof && c.Kind != wire.CDCHeartbeat {
		return fmt.Errorf("cdc of kind %d after the end: %w", c.Kind, transport.ErrProtocol)
	}
	switch c.Kind {
	case wire.CDCData:
		return r.data(c)
	case wire.CDCRequest:
		if r.ledger.Request(c.Epoch) {
			return r.tell(wire.CDCAnswer)
		}
		return nil
	case wire.CDCDone:
		return r.end(c)
	case wire.CDCHeartbeat:
		return nil
	case wire.CDCClosed:
		return fmt.Errorf("the sender closed the stream before its end: %w", transport.ErrPeerGone)
	case wire.CDCCredit, wire.CDCAnswer:
	}
	return fmt.Errorf("cdc of kind %d from the sender: %w", c.Kind, transport.ErrProtocol)
}

// data takes a frame: it is in its slot already, for RC keeps the order.
func (r *recvStream) data(c wire.CDC) error {
	if err := r.ledger.Arrive(c.Epoch, c.Slot, c.Frame); err != nil {
		return err
	}
	slot := r.slots[c.Slot]
	slot.Reset(c.Frame)
	if err := slot.SetLen(int(c.HeadLen), int(c.DataLen)); err != nil {
		return err
	}
	r.arrived = append(r.arrived, slot)
	return nil
}

// end takes the sender's Done and confirms it: all was released, so there is
// nothing more to say, and the sender need not wait for our engine.
func (r *recvStream) end(c wire.CDC) error {
	if c.Epoch != r.req.Epoch || c.Frame != r.ledger.Arrived() {
		return fmt.Errorf("done after %d frames, %d arrived: %w", c.Frame, r.ledger.Arrived(), transport.ErrProtocol)
	}
	r.eof = true
	r.move(ends)
	closed := wire.CDC{Kind: wire.CDCClosed, Epoch: r.req.Epoch}
	return r.say(closed.Append(nil), true, 0, 0)
}

// tell sends the grant, or remembers that it has to. Grants leave in order. mu is held.
func (r *recvStream) tell(kind wire.CDCKind) error {
	c := wire.CDC{Kind: kind, Epoch: r.req.Epoch, Grant: r.ledger.Grant()}
	err := r.say(c.Append(nil), false, 0, 0)
	if errors.Is(err, errNoRoom) {
		r.owed = max(r.owed, kind) // an answer is a credit as well
		return nil
	}
	if err == nil {
		r.ledger.Told()
		r.owed = 0
	}
	return err
}

// settle implements role: what had no room is said, and those who asked meanwhile
// may ask again.
func (r *recvStream) settle() error {
	if r.owed == 0 || r.eof {
		return nil
	}
	if err := r.tell(r.owed); err != nil || r.owed != 0 {
		return err
	}
	list := r.parked
	r.parked = nil
	return r.repost(list...)
}

// full implements role: one who asks and takes no answer gets no room to ask more.
func (r *recvStream) full(c wire.CDC) bool {
	return c.Kind == wire.CDCRequest && r.owed == wire.CDCAnswer
}

// idle implements role: a receiver sends no frames.
func (r *recvStream) idle(uint64) error { return nil }

// due implements role.
func (r *recvStream) due() uint64 { return r.ledger.Arrived() }

// ping implements role: the sender does it.
func (r *recvStream) ping() error { return nil }

// Release implements transport.RecvStream.
func (r *recvStream) Release(slot *transport.Slot) error {
	if !r.slab.Back(slot.Index) {
		return r.wrap("release", fmt.Errorf("slot %d is not held: %w", slot.Index, transport.ErrProtocol))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.release(slot); err != nil {
		return r.wrap("release", err)
	}
	return nil
}

func (r *recvStream) release(slot *transport.Slot) error {
	if err := r.usable(); err != nil {
		return err
	}
	tell, err := r.ledger.Release(slot.Index)
	if err != nil || !tell || r.eof {
		return err
	}
	if err := r.tell(wire.CDCCredit); err != nil {
		r.die(err)
		return err
	}
	return nil
}

// Close implements transport.Stream.
func (r *recvStream) Close() error { return r.close(false, wire.CDC{}) }

// InUse implements transport.Gauged.
func (r *recvStream) InUse() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ledger.InUse()
}
