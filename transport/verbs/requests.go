package verbs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// askedAtOnce is how many requests may wait for one stream: one is right, others are
// of somebody who has seen its nonce on the wire.
const askedAtOnce = 4

// requests takes the requests of rdma_cm to one address, for all streams that wait
// for one there, and refuses the others. Which stream is meant a request tells by the
// nonce of the offer that it answers; the rest of its word is for the stream to check.
type requests struct {
	refs int // under Transport.mu
	ln   nic.Listener

	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	waiting map[[16]byte]chan nic.Conn
}

// requestsAt finds or makes what takes requests to an address, and holds it.
func (t *Transport) requestsAt(at netip.Addr) (*requests, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.requests[at]; r != nil {
		r.refs++
		return r, nil
	}
	ln, err := t.listen(at)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &requests{refs: 1, ln: ln, cancel: cancel, waiting: map[[16]byte]chan nic.Conn{}}
	r.work.Go(func() { r.run(ctx, t) })
	t.requests[at] = r
	return r, nil
}

// listen takes the first port that is free of those that may be used.
func (t *Transport) listen(at netip.Addr) (nic.Listener, error) {
	cm, err := t.cfg.Devices.Connector()
	if err != nil {
		return nil, err
	}
	for port := t.cfg.CMPorts.First; ; port++ {
		ln, err := cm.Listen(netip.AddrPortFrom(at, port))
		switch {
		case err == nil:
			return ln, nil
		case !errors.Is(err, unix.EADDRINUSE):
			return nil, fmt.Errorf("%w: %w", err, transport.ErrUnavailable)
		case port >= t.cfg.CMPorts.Last:
			return nil, fmt.Errorf("%w: give --cm-port a range: %w", err, transport.ErrUnavailable)
		}
	}
}

// release lets go; the last one closes, before anybody else wants the port.
func (r *requests) release(t *Transport) error {
	t.mu.Lock()
	r.refs--
	if r.refs > 0 {
		t.mu.Unlock()
		return nil
	}
	r.leave(t)
	r.cancel()
	err := r.ln.Close()
	t.mu.Unlock()
	r.work.Wait()
	return err
}

// leave has the next one who asks for the address listen anew; t.mu is held.
func (r *requests) leave(t *Transport) {
	if at := r.ln.Addr().Addr(); t.requests[at] == r {
		delete(t.requests, at)
	}
}

// expect says where the request with a nonce comes.
func (r *requests) expect(nonce [16]byte) chan nic.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	ch := make(chan nic.Conn, askedAtOnce)
	r.waiting[nonce] = ch
	return ch
}

// forget refuses what shows the nonce from now on, and what has come already.
func (r *requests) forget(nonce [16]byte, ch chan nic.Conn) error {
	r.mu.Lock()
	delete(r.waiting, nonce)
	r.mu.Unlock()
	var err error
	for {
		select {
		case c := <-ch:
			err = errors.Join(err, c.Close())
		default:
			return err
		}
	}
}

// run takes requests.
func (r *requests) run(ctx context.Context, t *Transport) {
	for {
		c, err := r.ln.Accept(ctx)
		if err != nil {
			t.mu.Lock()
			r.leave(t)
			t.mu.Unlock()
			if ctx.Err() == nil {
				t.cfg.Logger.Warn("no more requests of rdma_cm", "error", err)
			}
			return
		}
		if !r.give(c) {
			t.cfg.Logger.Info("a request of rdma_cm that nobody waits for", "device", c.Device())
			_ = c.Close() // it is refused
		}
	}
}

// give gives a request to whom it is for.
func (r *requests) give(c nic.Conn) bool {
	word := c.Private()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(word) < 16 {
		return false
	}
	select {
	case r.waiting[[16]byte(word)] <- c: // never, if nobody waits
		return true
	default:
		return false
	}
}
