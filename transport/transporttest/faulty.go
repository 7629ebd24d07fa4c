package transporttest

import (
	"context"
	"errors"
	"sync/atomic"

	"scp_rdma/transport"
)

// Plan says what Faulty does to the streams of a transport. The zero Plan does nothing.
type Plan struct {
	// Corrupt is called with the data of every frame that arrives, numbered
	// over all streams from 0; what it changes is what the receiver gets.
	Corrupt func(frame uint64, data []byte)
	// DropAfter breaks each sending stream after so many frames; 0: never.
	DropAfter uint64
	// RecvDropAfter breaks each receiving stream before it gives that many frames and
	// one; 0: never.
	RecvDropAfter uint64
	// Connect is called before each Connect of an initiator; its error is Connect's.
	Connect func(req transport.OpenRequest) error
}

// ErrDropped is what Faulty breaks streams with.
var ErrDropped = errors.New("stream dropped by the test")

// Faulty decorates a transport with faults.
func Faulty(t transport.Transport, plan Plan) transport.Transport {
	return &faulty{Transport: t, plan: plan}
}

type faulty struct {
	transport.Transport
	plan   Plan
	frames atomic.Uint64
}

func (f *faulty) Open(ctx context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	e, err := f.Transport.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	return &faultyEndpoint{Endpoint: e, f: f, req: req}, nil
}

type faultyEndpoint struct {
	transport.Endpoint
	f   *faulty
	req transport.OpenRequest
}

func (e *faultyEndpoint) Connect(ctx context.Context, peer []byte) (transport.Stream, error) {
	if c := e.f.plan.Connect; c != nil && e.req.Initiator {
		if err := c(e.req); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	st, err := e.Endpoint.Connect(ctx, peer)
	if err != nil {
		return nil, err
	}
	if s, ok := st.(transport.SendStream); ok {
		return &faultySend{SendStream: s, f: e.f}, nil
	}
	return &faultyRecv{RecvStream: st.(transport.RecvStream), f: e.f}, nil
}

type faultySend struct {
	transport.SendStream
	f    *faulty
	sent uint64
}

func (s *faultySend) Send(ctx context.Context, slot *transport.Slot) error {
	if n := s.f.plan.DropAfter; n > 0 && s.sent >= n {
		s.Discard(slot)
		return &transport.StreamError{Op: "send", Rail: s.Rail(), Err: errors.Join(ErrDropped, s.SendStream.Close())}
	}
	s.sent++
	return s.SendStream.Send(ctx, slot)
}

type faultyRecv struct {
	transport.RecvStream
	f   *faulty
	got uint64
}

func (r *faultyRecv) Recv(ctx context.Context) (*transport.Slot, error) {
	if n := r.f.plan.RecvDropAfter; n > 0 && r.got >= n {
		return nil, &transport.StreamError{Op: "recv", Rail: r.Rail(), Err: errors.Join(ErrDropped, r.Close())}
	}
	r.got++
	slot, err := r.RecvStream.Recv(ctx)
	if err == nil && r.f.plan.Corrupt != nil {
		r.f.plan.Corrupt(r.f.frames.Add(1)-1, slot.Data())
	}
	return slot, err
}
