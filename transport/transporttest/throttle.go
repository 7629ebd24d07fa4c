package transporttest

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"scp_rdma/transport"
)

// Throttled is a transport whose rails have rates: what arrives over a rail takes turns on it,
// frame by frame, whatever the stream. It is for the receiving side. In virtual time what
// comes of it is exact.
type Throttled struct {
	transport.Transport

	mu    sync.Mutex
	rng   *rand.Rand
	rails map[string]*throttle
}

// throttle is one rail.
type throttle struct {
	rate   float64   // bytes per second; 0: none is imposed
	jitter float64   // a frame takes up to so many times as long more, drawn for each
	free   time.Time // when all that was let in has passed
	bytes  uint64
}

// Throttle decorates a transport; its rails are free until Rate is called. seed is of all that
// is drawn by lot.
func Throttle(t transport.Transport, seed uint64) *Throttled {
	return &Throttled{Transport: t, rng: rand.New(rand.NewPCG(seed, 0)), rails: map[string]*throttle{}}
}

// Rate sets what a rail carries from the next frame on, bytes per second; 0: any number.
func (t *Throttled) Rate(rail string, rate float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rail(rail).rate = rate
}

// Jitter has each frame of a rail take longer by chance, by up to so many times what it takes.
func (t *Throttled) Jitter(rail string, times float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rail(rail).jitter = times
}

// Stop has nothing come over any rail for a while.
func (t *Throttled) Stop(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rails {
		if now := time.Now(); r.free.Before(now) {
			r.free = now
		}
		r.free = r.free.Add(d)
	}
}

// Bytes is what a rail has carried.
func (t *Throttled) Bytes(rail string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rail(rail).bytes
}

// rail is the state of a rail; t.mu is held.
func (t *Throttled) rail(name string) *throttle {
	if t.rails[name] == nil {
		t.rails[name] = &throttle{}
	}
	return t.rails[name]
}

// pass says when n bytes have come over a rail.
func (t *Throttled) pass(name string, n int) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, now := t.rail(name), time.Now()
	r.bytes += uint64(n)
	if r.rate == 0 {
		return now
	}
	took := float64(n) / r.rate
	if r.jitter > 0 {
		took *= 1 + r.jitter*t.rng.Float64()
	}
	if r.free.Before(now) {
		r.free = now
	}
	r.free = r.free.Add(time.Duration(took * float64(time.Second)))
	return r.free
}

// Open implements transport.Transport.
func (t *Throttled) Open(ctx context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	e, err := t.Transport.Open(ctx, req)
	if err != nil || req.Role != transport.Receiver {
		return e, err
	}
	return throttledEndpoint{e, t}, nil
}

type throttledEndpoint struct {
	transport.Endpoint
	t *Throttled
}

// Connect implements transport.Endpoint.
func (e throttledEndpoint) Connect(ctx context.Context, peer []byte) (transport.Stream, error) {
	st, err := e.Endpoint.Connect(ctx, peer)
	if err != nil {
		return nil, err
	}
	return &throttledRecv{RecvStream: st.(transport.RecvStream), t: e.t, gone: make(chan struct{})}, nil
}

type throttledRecv struct {
	transport.RecvStream
	t    *Throttled
	once sync.Once
	gone chan struct{}
}

// Recv implements transport.RecvStream: a frame is there when its rail has carried it.
func (r *throttledRecv) Recv(ctx context.Context) (*transport.Slot, error) {
	slot, err := r.RecvStream.Recv(ctx)
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(time.Until(r.t.pass(r.Rail(), len(slot.Head())+len(slot.Data()))))
	defer late.Stop()
	select {
	case <-late.C:
		return slot, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-r.gone:
		err = transport.ErrClosed
	}
	return nil, &transport.StreamError{Op: "recv", Rail: r.Rail(), Err: err}
}

// Close implements transport.Stream.
func (r *throttledRecv) Close() error {
	r.once.Do(func() { close(r.gone) })
	return r.RecvStream.Close()
}
