package hostile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"scp_rdma/control"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

const (
	// attackTime bounds one attack if nobody says otherwise.
	attackTime = 60 * time.Second
	// frameTime bounds the wait for one credit: the server may have closed long ago.
	frameTime = 2 * time.Second

	slots    = 4
	slotSize = 64 << 10
	// labelJoin is the engine's.
	labelJoin = "scp_rdma join v1"
)

// Peer is a client of one server.
type Peer struct {
	Server    control.DialConfig
	Transport transport.Transport
	Patience  time.Duration // for one attack: a server that hangs fails the test; 0: a minute
}

func (p *Peer) patience() time.Duration { return cmp.Or(p.Patience, attackTime) }

// errOver: the server has ended the session, as it may.
var errOver = errors.New("the session is over")

// session is one conversation.
type session struct {
	p     *Peer
	ctx   context.Context
	conn  *control.Conn
	id    transport.ID
	key   []byte
	mine  []transport.Rail
	peer  []transport.Rail
	heard chan wire.Message // what the server says, and no more than fits

	epoch  uint32
	stream transport.SendStream
	ep     transport.Endpoint
}

// begin comes in as an honest client does.
func (p *Peer) begin(ctx context.Context, open *wire.Open) (*session, error) {
	rails, err := p.Transport.Probe(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := control.Dial(ctx, p.Server)
	if err != nil {
		return nil, err
	}
	s := &session{p: p, ctx: ctx, conn: conn, mine: rails, heard: make(chan wire.Message, 1024)}
	if err := s.greet(open); err != nil {
		s.end()
		return nil, err
	}
	go s.listen()
	return s, nil
}

func (s *session) greet(open *wire.Open) (err error) {
	if s.key, err = s.conn.Derive(labelJoin); err != nil {
		return err
	}
	set := wire.RailSet{Transport: s.p.Transport.Name()}
	for _, r := range s.mine {
		set.Rails = append(set.Rails, wire.Rail{Name: r.Name, Info: r.Info})
	}
	if err := s.conn.Send(&wire.Hello{Version: wire.Version, Rails: []wire.RailSet{set}}); err != nil {
		return err
	}
	m, err := s.conn.Recv(s.ctx)
	hello, ok := m.(*wire.Hello)
	if err != nil || !ok {
		return fmt.Errorf("no hello: %w", errors.Join(err, errOver))
	}
	s.id = transport.ID(hello.Session)
	for _, set := range hello.Rails {
		if set.Transport != s.p.Transport.Name() {
			continue
		}
		for _, r := range set.Rails {
			s.peer = append(s.peer, transport.Rail{Name: r.Name, Info: r.Info})
		}
	}
	return s.conn.Send(open)
}

// listen takes all that the server says, until it ends.
func (s *session) listen() {
	defer close(s.heard)
	for {
		m, err := s.conn.Recv(s.ctx)
		if err != nil {
			return
		}
		select {
		case s.heard <- m:
		default: // nobody waits for so much
		}
	}
}

// end leaves without a word.
func (s *session) end() {
	if s.stream != nil {
		_ = s.stream.Close()
	}
	s.conn.Abort()
}

// say sends messages; the server may have ended the session by then.
func (s *session) say(messages ...wire.Message) error {
	for _, m := range messages {
		if s.conn.Send(m) != nil {
			return errOver
		}
	}
	return nil
}

// await waits until the server has said something that ok takes; errOver if it ends before.
func (s *session) await(ok func(wire.Message) bool) error {
	for {
		select {
		case m, more := <-s.heard:
			if !more {
				return errOver
			}
			if ok(m) {
				return nil
			}
		case <-s.ctx.Done():
			return fmt.Errorf("the server says nothing: %w", context.Cause(s.ctx))
		}
	}
}

// refused waits until the server ends the session.
func (s *session) refused() error {
	if err := s.await(func(m wire.Message) bool { _, bye := m.(*wire.Bye); return bye }); err != nil && !errors.Is(err, errOver) {
		return err
	}
	return nil
}

// answered waits for an answer about an entry.
func (s *session) answered(id uint64) error {
	_, err := s.answer(id)
	return err
}

// answer is answered, and gives the answer.
func (s *session) answer(id uint64) (action wire.Action, err error) {
	err = s.await(func(m wire.Message) bool {
		a, ok := m.(*wire.Answers)
		if !ok {
			return false
		}
		for _, one := range a.List {
			if one.ID == id {
				action = one.Action
				return true
			}
		}
		return false
	})
	return action, err
}

// open opens stream 0, as an honest client does, or with the numbers given.
func (s *session) open() error {
	ctx, cancel := context.WithTimeout(s.ctx, s.p.patience()/2)
	defer cancel()
	path := transport.Path{Local: s.conn.LocalAddr(), Remote: s.conn.RemoteAddr()}
	pairs, err := s.p.Transport.Pair(s.mine, s.peer, path)
	if err != nil {
		return err
	}
	s.ep, err = s.p.Transport.Open(ctx, transport.OpenRequest{
		Pair: pairs[0], Role: transport.Sender, Initiator: true, Session: s.id, Key: s.key, Epoch: s.epoch, Slots: slots, SlotSize: slotSize, Control: path,
	})
	if err != nil {
		return err
	}
	m := &wire.StreamOpen{
		Epoch: s.epoch, Transport: s.p.Transport.Name(), Local: pairs[0].Local.Name, Peer: pairs[0].Peer.Name, Slots: slots, SlotSize: slotSize, Offer: s.ep.Offer(),
	}
	s.epoch++
	if err := s.say(m); err != nil {
		return err
	}
	var ready *wire.StreamReady
	err = s.await(func(m wire.Message) bool { r, ok := m.(*wire.StreamReady); ready = r; return ok })
	if err == nil && ready.Error != "" {
		err = fmt.Errorf("stream refused: %s", ready.Error)
	}
	if err != nil {
		return err
	}
	st, err := s.ep.Connect(ctx, ready.Offer)
	if err != nil {
		return err
	}
	s.stream = st.(transport.SendStream)
	return nil
}

// frame sends one. meddle is called with the slot after it was sent: what it does there
// lies in memory that the server reads from, over shm, or that a device may still read.
func (s *session) frame(h wire.FrameHead, meddle func(*transport.Slot)) error {
	ctx, cancel := context.WithTimeout(s.ctx, frameTime)
	defer cancel()
	slot, err := s.stream.Acquire(ctx)
	if err != nil {
		return errOver
	}
	if err := slot.SetLen(wire.HeadSize(len(h.Chunks)), int(min(h.DataLen, slotSize))); err != nil {
		s.stream.Discard(slot)
		return err
	}
	h.Append(slot.Head()[:0])
	head := slot.Head()
	if err := s.stream.Send(ctx, slot); err != nil {
		return errOver
	}
	if meddle != nil && head != nil {
		meddle(slot)
	}
	return nil
}
