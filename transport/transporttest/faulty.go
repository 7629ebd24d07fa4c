package transporttest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"scp_rdma/transport"
)

// Plan says what Faulty does to the streams of a transport. The zero Plan does nothing.
type Plan struct {
	// Seed is of all that is drawn by lot.
	Seed uint64
	// Corrupt is called with the data of every frame that arrives, numbered
	// over all streams from 0; what it changes is what the receiver gets.
	Corrupt func(frame uint64, data []byte)
	// DropAfter breaks each sending stream after so many frames; 0: never.
	DropAfter uint64
	// RecvDropAfter breaks each receiving stream before it gives that many frames and
	// one; 0: never.
	RecvDropAfter uint64
	// Spread: fewer than so many frames are added to both, drawn for each stream.
	Spread uint64
	// Delay: each Send, Recv and Release takes up to so much longer, drawn for each.
	Delay time.Duration
	// Connect is called before each Connect of an initiator; its error is Connect's.
	Connect func(req transport.OpenRequest) error
}

// ErrDropped is what Faulty breaks streams with.
var ErrDropped = errors.New("stream dropped by the test")

// Faults is a transport with faults.
type Faults struct {
	transport.Transport
	plan    Plan
	frames  atomic.Uint64
	dropped atomic.Uint64

	mu   sync.Mutex
	rng  *rand.Rand
	dead map[string]bool            // rails that are away
	open map[string]map[*fault]bool // streams, by their rail
}

// Faulty decorates a transport with faults.
func Faulty(t transport.Transport, plan Plan) *Faults {
	return &Faults{
		Transport: t, plan: plan, rng: rand.New(rand.NewPCG(plan.Seed, 0)),
		dead: map[string]bool{}, open: map[string]map[*fault]bool{},
	}
}

// Dropped is how many streams were broken.
func (f *Faults) Dropped() uint64 { return f.dropped.Load() }

// below draws a number from 0 to n-1; 0 for n 0.
func (f *Faults) below(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.Uint64N(n)
}

// after is when a stream breaks whose plan says so many frames.
func (f *Faults) after(frames uint64) uint64 {
	if frames == 0 {
		return 0
	}
	return frames + f.below(f.plan.Spread)
}

// Open implements transport.Transport.
func (f *Faults) Open(ctx context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	e, err := f.Transport.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	return &faultyEndpoint{Endpoint: e, f: f, req: req}, nil
}

type faultyEndpoint struct {
	transport.Endpoint
	f   *Faults
	req transport.OpenRequest
}

// Connect implements transport.Endpoint.
func (e *faultyEndpoint) Connect(ctx context.Context, peer []byte) (transport.Stream, error) {
	if err := e.f.refuses(e.req); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	st, err := e.Endpoint.Connect(ctx, peer)
	if err != nil {
		return nil, err
	}
	x := &fault{f: e.f, st: st, stream: e.req.Stream, gone: make(chan struct{})}
	if !e.f.begin(x) { // killed meanwhile
		return nil, x.dropped("connect")
	}
	gauge, gauged := st.(transport.Gauged)
	if s, ok := st.(transport.SendStream); ok {
		fs := &faultySend{SendStream: s, x: x, left: e.f.after(e.f.plan.DropAfter)}
		if gauged {
			return gaugedSend{fs, gauge}, nil
		}
		return fs, nil
	}
	fr := &faultyRecv{RecvStream: st.(transport.RecvStream), x: x, left: e.f.after(e.f.plan.RecvDropAfter)}
	if gauged {
		return gaugedRecv{fr, gauge}, nil
	}
	return fr, nil
}

// refuses says why an endpoint isn't to be connected.
func (f *Faults) refuses(req transport.OpenRequest) error {
	if f.away(req.Pair.Local.Name) {
		return &transport.StreamError{Op: "connect", Rail: req.Pair.Local.Name, Stream: req.Stream, Err: ErrDropped}
	}
	if c := f.plan.Connect; c != nil && req.Initiator {
		return c(req)
	}
	return nil
}

type faultySend struct {
	transport.SendStream
	x    *fault
	left uint64 // breaks after so many frames; 0: never
	sent uint64
}

// Acquire implements transport.SendStream.
func (s *faultySend) Acquire(ctx context.Context) (*transport.Slot, error) {
	slot, err := s.SendStream.Acquire(ctx)
	return slot, s.x.says("acquire", err)
}

// Send implements transport.SendStream.
func (s *faultySend) Send(ctx context.Context, slot *transport.Slot) error {
	if s.left > 0 && s.sent >= s.left {
		s.Discard(slot)
		return s.x.dropped("send")
	}
	s.sent++
	s.x.delay(ctx)
	return s.x.says("send", s.SendStream.Send(ctx, slot))
}

// Flush implements transport.SendStream.
func (s *faultySend) Flush(ctx context.Context) error {
	return s.x.says("flush", s.SendStream.Flush(ctx))
}

// Close implements transport.Stream.
func (s *faultySend) Close() error {
	s.x.end()
	return s.SendStream.Close()
}

type faultyRecv struct {
	transport.RecvStream
	x    *fault
	left uint64
	got  uint64
}

// Recv implements transport.RecvStream.
func (r *faultyRecv) Recv(ctx context.Context) (*transport.Slot, error) {
	if r.left > 0 && r.got >= r.left {
		return nil, r.x.dropped("recv")
	}
	r.got++
	slot, err := r.RecvStream.Recv(ctx)
	if err != nil {
		return nil, r.x.says("recv", err)
	}
	r.x.delay(ctx)
	if c := r.x.f.plan.Corrupt; c != nil {
		c(r.x.f.frames.Add(1)-1, slot.Data())
	}
	return slot, nil
}

// Release implements transport.RecvStream.
func (r *faultyRecv) Release(slot *transport.Slot) error {
	r.x.delay(context.Background())
	return r.x.says("release", r.RecvStream.Release(slot))
}

// Close implements transport.Stream.
func (r *faultyRecv) Close() error {
	r.x.end()
	return r.RecvStream.Close()
}

// gaugedSend is one over a stream that is Gauged.
type gaugedSend struct {
	*faultySend
	gauge transport.Gauged
}

// InUse implements transport.Gauged.
func (s gaugedSend) InUse() int { return s.gauge.InUse() }

type gaugedRecv struct {
	*faultyRecv
	gauge transport.Gauged
}

// InUse implements transport.Gauged.
func (r gaugedRecv) InUse() int { return r.gauge.InUse() }
