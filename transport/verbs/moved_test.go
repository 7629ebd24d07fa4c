package verbs

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

// pairOf is two hosts with a way to make streams from one to the other.
type pairOf struct {
	near, far *softnic.Host
	side      [2]*Transport
	req       transport.OpenRequest
}

// apart makes it, with a rail of the near host's that is named.
func apart(t *testing.T, mine, theirs softnic.Spec, rail string) *pairOf {
	t.Helper()
	f := &softnic.Fabric{}
	p := &pairOf{near: f.Host(mine), far: f.Host(theirs)}
	t.Cleanup(func() {
		if left := f.Leaks(); len(left) != 0 {
			t.Errorf("left open: %v", left)
		}
	})
	p.side = [2]*Transport{New(Config{Devices: p.near, Rails: []string{rail}, AckTimeout: quick}), New(Config{Devices: p.far, AckTimeout: quick})}
	ours, errA := p.side[0].Probe(t.Context())
	others, errB := p.side[1].Probe(t.Context())
	pairs, errC := p.side[0].Pair(ours, others, transport.Path{})
	if err := errors.Join(errA, errB, errC); err != nil {
		t.Fatal(err)
	}
	p.req = transport.OpenRequest{Pair: pairs[0], Key: make([]byte, 32), Slots: 4, SlotSize: 8192}
	return p
}

// try makes a stream.
func (p *pairOf) try(t *testing.T) (*sendStream, *recvStream, error) {
	t.Helper()
	p.req.Stream++
	req := p.req
	req.Role, req.Initiator = transport.Sender, true
	a, err := p.side[0].Open(t.Context(), req)
	if err != nil {
		return nil, nil, err
	}
	req.Role, req.Initiator, req.Offer = transport.Receiver, false, a.Offer()
	req.Pair.Local, req.Pair.Peer = req.Pair.Peer, req.Pair.Local
	b, err := p.side[1].Open(t.Context(), req)
	if err != nil {
		return nil, nil, errors.Join(err, a.Close())
	}
	s, err := a.Connect(t.Context(), b.Offer())
	if err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	r, err := b.Connect(t.Context(), a.Offer())
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	t.Cleanup(func() { _ = errors.Join(s.Close(), r.Close()) })
	return s.(*sendStream), r.(*recvStream), nil
}

func (p *pairOf) join(t *testing.T) *sendStream {
	t.Helper()
	s, _, err := p.try(t)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// change changes both hosts' devices. They have seen what it tells when it returns:
// events are taken in order, and the last one ends a stream.
func (p *pairOf) change(t *testing.T, change func()) {
	t.Helper()
	s, r, err := p.try(t)
	if err != nil {
		t.Fatal(err)
	}
	change()
	p.near.Event("mlx5_0", nic.Event{Type: nic.EventQPFatal, QPN: s.qpn})
	p.far.Event("mlx5_0", nic.Event{Type: nic.EventQPFatal, QPN: r.qpn})
	<-s.Broken()
	<-r.Broken()
}

// A port's table changes: a stream ends if its own row is gone, and not if it has moved.
// The next one finds the table as it is then.
func TestAStreamEndsWithItsGIDAndNoOther(t *testing.T) {
	v6 := gid(2, nic.GIDRoCEv2, "2001:db8::1")
	v4 := func(row int) nic.GID { return gid(row, nic.GIDRoCEv2, "::ffff:192.0.2.1") }
	p := apart(t, roce("fe80::1", "::ffff:192.0.2.1", "2001:db8::1"), roce("fe80::2", "::ffff:192.0.2.2", "2001:db8::2"), "mlx5_0:1:1")
	var row atomic.Uint32
	p.near.OnModify(func(_ string, _ uint32, a nic.QPAttr) {
		if a.State == nic.RTR {
			row.Store(uint32(a.AH.GRH.SGIDIndex))
		}
	})
	first := p.join(t)
	p.change(t, func() { p.near.SetGIDs("mlx5_0", v6, v4(7)) })
	second := p.join(t)
	if row.Load() != 7 {
		t.Errorf("row %d, the address is in 7 now", row.Load())
	}
	passes(t, first)
	p.change(t, func() { p.near.SetGIDs("mlx5_0", v6) })
	for _, s := range []*sendStream{first, second} {
		<-s.Broken()
		_, err := s.Acquire(t.Context())
		if !errors.Is(err, transport.ErrPeerGone) || !strings.Contains(err.Error(), "rail mlx5_0:1:1: ") ||
			!strings.Contains(err.Error(), "GID ::ffff:192.0.2.1 (RoCE v2) has left port 1") {
			t.Errorf("a stream without its GID: %v", err)
		}
	}
	if _, _, err := p.try(t); !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("a stream while the GID is gone: %v", err)
	}
	p.near.SetGIDs("mlx5_0", v6, v4(9))
	third, _, err := p.try(t)
	for errors.Is(err, transport.ErrUnavailable) { // as the engine does, but for the pauses: until the event is taken
		third, _, err = p.try(t)
	}
	if err != nil || row.Load() != 9 {
		t.Fatalf("row %d, the address is in 9 now: %v", row.Load(), err)
	}
	passes(t, third)
}

// A stream over one address goes on when another goes.
func TestAStreamGoesOnWithoutTheGIDsOfOthers(t *testing.T) {
	p := apart(t, roce("fe80::1", "::ffff:192.0.2.1", "2001:db8::1"), roce("fe80::2", "::ffff:192.0.2.2", "2001:db8::2"), "mlx5_0:1:2")
	s := p.join(t)
	p.change(t, func() {
		p.near.SetGIDs("mlx5_0", gid(2, nic.GIDRoCEv2, "2001:db8::1"))
		p.far.SetGIDs("mlx5_0", gid(2, nic.GIDRoCEv2, "2001:db8::2"))
	})
	passes(t, s)
	// The same address of another version of RoCE is another GID. The far end is the one to see it.
	p.change(t, func() { p.far.SetGIDs("mlx5_0", gid(2, nic.GIDRoCEv1, "2001:db8::2")) })
	<-s.Broken()
}

// A subnet manager gives a port another LID: what goes to the old one arrives nowhere.
func TestAStreamEndsWithItsLID(t *testing.T) {
	p := apart(t, ib(5, "fe80::5"), ib(9, "fe80::9"), "mlx5_0")
	s := p.join(t)
	p.change(t, func() { p.near.SetLID("mlx5_0", 5) }) // it was only looked at
	passes(t, s)
	p.change(t, func() { p.near.SetLID("mlx5_0", 6) })
	<-s.Broken()
	if _, err := s.Acquire(t.Context()); err == nil || !strings.Contains(err.Error(), "LID 5 no more, but 6") {
		t.Error(err)
	}
	passes(t, p.join(t))
}

// passes has a frame arrive.
func passes(t *testing.T, s *sendStream) {
	t.Helper()
	if err := errors.Join(post(t.Context(), s, 100), s.arrived(t)); err != nil {
		t.Errorf("a frame: %v", err)
	}
}

// arrived waits until what was posted is done: RC says so when it is there.
func (s *sendStream) arrived(t *testing.T) error {
	return s.await(t.Context(), func() (bool, error) { return len(s.marks) == 0 && s.unmarked == 0, s.usable() })
}
