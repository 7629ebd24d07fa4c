package mem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// packet is one CDC under way, with what a data CDC announces.
type packet struct {
	cdc        wire.CDC
	head, data []byte
}

// link is the two directions between two ends.
type link struct {
	proof  []byte
	hello  chan struct{}
	joined chan struct{} // closed when the responder took the hello
	gone   chan struct{} // closed when the responder gave up
	down   chan packet   // sender to receiver
	up     chan packet   // receiver to sender
	ends   [2]chan struct{}
}

// spare: CDCs that may be under way beside those of the slots: request, answer,
// done, heartbeat.
const spare = 8

func newLink(req transport.OpenRequest, gone chan struct{}) *link {
	return &link{
		proof: proof(req), hello: make(chan struct{}), joined: make(chan struct{}), gone: gone,
		down: make(chan packet, req.Slots+spare), up: make(chan packet, req.Slots+spare),
		ends: [2]chan struct{}{make(chan struct{}), make(chan struct{})},
	}
}

// stream is what both directions share.
type stream struct {
	req   transport.OpenRequest
	link  *link
	me    int // index of this end in link.ends
	slots []*transport.Slot
	lossy *lossy
	once  sync.Once

	mu   sync.Mutex
	held map[uint32]bool
	err  error
}

func newStream(req transport.OpenRequest, l *link, loss *lossy) transport.Stream {
	me := int(req.Role) - 1
	slots := transport.MakeSlots(make([]byte, req.Slots*(transport.HeadRoom+req.SlotSize)), req.Slots, req.SlotSize)
	if req.Role == transport.Sender {
		s := &sendStream{ledger: transport.NewSendLedger(req.Slots, req.Epoch)}
		s.req, s.link, s.me, s.slots, s.held, s.lossy = req, l, me, slots, map[uint32]bool{}, loss
		return s
	}
	s := &recvStream{ledger: transport.NewRecvLedger(req.Slots, req.Epoch)}
	s.req, s.link, s.me, s.slots, s.held, s.lossy = req, l, me, slots, map[uint32]bool{}, loss
	return s
}

// Rail implements transport.Stream.
func (s *stream) Rail() string { return s.req.Pair.Local.Name }

func (s *stream) wrap(op string, err error) error {
	return &transport.StreamError{Op: op, Rail: s.Rail(), Stream: s.req.Stream, Err: err}
}

func (s *stream) mine() chan struct{}   { return s.link.ends[s.me] }
func (s *stream) theirs() chan struct{} { return s.link.ends[1-s.me] }

// usable says why a call can't be made any more.
func (s *stream) usable(ctx context.Context) error {
	select {
	case <-s.mine():
		return transport.ErrClosed
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// errOverdue: nothing has come for so long that it may be lost.
var errOverdue = errors.New("overdue")

// receive waits for a packet, at most until late fires.
func (s *stream) receive(ctx context.Context, from chan packet, late <-chan time.Time) (packet, error) {
	select { // what was sent before the peer closed still counts
	case p := <-from:
		return p, nil
	default:
	}
	select {
	case p := <-from:
		return p, nil
	case <-late:
		select {
		case p := <-from:
			return p, nil
		default:
			return packet{}, errOverdue
		}
	case <-s.mine():
		return packet{}, transport.ErrClosed
	case <-s.theirs():
		select {
		case p := <-from:
			return p, nil
		default:
			return packet{}, transport.ErrPeerGone
		}
	case <-ctx.Done():
		return packet{}, context.Cause(ctx)
	}
}

// transmit hands a packet over.
func (s *stream) transmit(ctx context.Context, to chan packet, p packet) error {
	select {
	case <-s.theirs():
		return transport.ErrPeerGone
	default:
	}
	select {
	case to <- p:
		return nil
	case <-s.mine():
		return transport.ErrClosed
	case <-s.theirs():
		return transport.ErrPeerGone
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *stream) lend(slot *transport.Slot) {
	s.mu.Lock()
	s.held[slot.Index] = true
	s.mu.Unlock()
}

func (s *stream) back(slot *transport.Slot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.held[slot.Index]
	delete(s.held, slot.Index)
	return had
}

// fail remembers what ended the stream.
func (s *stream) fail(op string, err error) error {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	return s.wrap(op, err)
}

// Close implements transport.Stream.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.mine()) })
	return nil
}

// sendStream is the sending end.
type sendStream struct {
	stream
	ledger  *transport.SendLedger
	flushed bool
}

// Acquire implements transport.SendStream.
func (s *sendStream) Acquire(ctx context.Context) (*transport.Slot, error) {
	if err := s.wait(ctx, (*transport.SendLedger).Ready); err != nil {
		return nil, s.fail("acquire", err)
	}
	index, frame := s.ledger.Next()
	slot := s.slots[index]
	slot.Reset(frame)
	s.lend(slot)
	return slot, nil
}

// wait takes credits until the ledger says ready, asking when it is blocked.
func (s *sendStream) wait(ctx context.Context, ready func(*transport.SendLedger) bool) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	again := false
	for !ready(s.ledger) {
		if s.ledger.Ask(again) {
			if err := s.ask(ctx, again); err != nil {
				return err
			}
		}
		late, stop := s.lossy.overdue()
		p, err := s.receive(ctx, s.link.up, late)
		stop()
		if again = errors.Is(err, errOverdue); again {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.ledger.Grant(p.cdc.Epoch, p.cdc.Grant, p.cdc.Kind == wire.CDCAnswer); err != nil {
			return err
		}
	}
	return nil
}

// ask says that the writer is blocked. Once more is only said where there is room
// for the rest: the receiver may be slow, with nothing lost.
func (s *sendStream) ask(ctx context.Context, again bool) error {
	if s.lossy.loses() || again && len(s.link.down) >= spare/2 {
		return nil
	}
	return s.transmit(ctx, s.link.down, packet{cdc: wire.CDC{Kind: wire.CDCRequest, Epoch: s.req.Epoch}})
}

// Send implements transport.SendStream.
func (s *sendStream) Send(ctx context.Context, slot *transport.Slot) error {
	if !s.back(slot) {
		return s.wrap("send", fmt.Errorf("slot %d was not acquired: %w", slot.Index, transport.ErrProtocol))
	}
	if err := s.usable(ctx); err != nil {
		return s.fail("send", err)
	}
	head, data := clone(slot)
	c := wire.CDC{
		Kind: wire.CDCData, Epoch: s.req.Epoch, Frame: slot.Frame, Slot: slot.Index,
		HeadLen: uint32(len(head)), DataLen: uint32(len(data)),
	}
	s.mu.Lock()
	s.flushed = false
	s.mu.Unlock()
	s.ledger.Take()
	if err := s.ledger.Complete(slot.Index); err != nil {
		return s.fail("send", err)
	}
	if err := s.transmit(ctx, s.link.down, packet{cdc: c, head: head, data: data}); err != nil {
		return s.fail("send", err)
	}
	return nil
}

// Discard implements transport.SendStream.
func (s *sendStream) Discard(slot *transport.Slot) { s.back(slot) }

// Flush implements transport.SendStream.
func (s *sendStream) Flush(ctx context.Context) error {
	if err := s.wait(ctx, (*transport.SendLedger).Flushed); err != nil {
		return s.fail("flush", err)
	}
	s.mu.Lock()
	s.flushed = true
	s.mu.Unlock()
	return nil
}

// Close implements transport.Stream.
func (s *sendStream) Close() error {
	s.mu.Lock()
	clean := s.flushed && s.err == nil
	s.flushed = false // Done is said once
	s.mu.Unlock()
	if clean {
		// There is room: everything that was sent is released.
		s.link.down <- packet{cdc: wire.CDC{Kind: wire.CDCDone, Epoch: s.req.Epoch, Frame: s.ledger.Sent()}}
	}
	return s.stream.Close()
}

// recvStream is the receiving end. ledger is guarded by mu.
type recvStream struct {
	stream
	ledger *transport.RecvLedger
	eof    bool
}

// Recv implements transport.RecvStream.
func (s *recvStream) Recv(ctx context.Context) (*transport.Slot, error) {
	for {
		if s.eof {
			return nil, io.EOF
		}
		if err := s.usable(ctx); err != nil {
			return nil, s.fail("recv", err)
		}
		p, err := s.receive(ctx, s.link.down, nil)
		if err != nil {
			return nil, s.fail("recv", err)
		}
		slot, err := s.take(p)
		if err != nil {
			return nil, s.fail("recv", err)
		}
		if slot != nil {
			s.lend(slot)
			return slot, nil
		}
	}
}

func (s *recvStream) take(p packet) (*transport.Slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p.cdc.Kind {
	case wire.CDCRequest:
		if s.ledger.Request(p.cdc.Epoch) {
			s.tell(wire.CDCAnswer)
		}
	case wire.CDCDone:
		s.eof = true
	case wire.CDCData:
		if err := s.ledger.Arrive(p.cdc.Epoch, p.cdc.Slot, p.cdc.Frame); err != nil {
			return nil, err
		}
		slot := s.slots[p.cdc.Slot]
		slot.Reset(p.cdc.Frame)
		if err := slot.SetLen(len(p.head), len(p.data)); err != nil {
			return nil, err
		}
		copy(slot.Head(), p.head)
		copy(slot.Data(), p.data)
		return slot, nil
	case wire.CDCCredit, wire.CDCAnswer, wire.CDCClosed, wire.CDCHeartbeat:
		return nil, fmt.Errorf("cdc of kind %d from the sender: %w", p.cdc.Kind, transport.ErrProtocol)
	}
	return nil, nil
}

// tell sends the grant. mu is held. There is room for every grant that can be
// unread: see spare.
func (s *recvStream) tell(kind wire.CDCKind) {
	p := packet{cdc: wire.CDC{Kind: kind, Epoch: s.req.Epoch, Grant: s.ledger.Grant()}}
	s.ledger.Told()
	if s.lossy.loses() {
		return
	}
	select {
	case s.link.up <- p:
	case <-s.theirs():
	}
}

// Release implements transport.RecvStream.
func (s *recvStream) Release(slot *transport.Slot) error {
	if !s.back(slot) {
		return s.wrap("release", fmt.Errorf("slot %d is not held: %w", slot.Index, transport.ErrProtocol))
	}
	select {
	case <-s.mine():
		return s.wrap("release", transport.ErrClosed)
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tell, err := s.ledger.Release(slot.Index)
	if err != nil {
		return s.wrap("release", err)
	}
	if tell {
		s.tell(wire.CDCCredit)
	}
	return nil
}

var (
	_ transport.SendStream = (*sendStream)(nil)
	_ transport.RecvStream = (*recvStream)(nil)
)
