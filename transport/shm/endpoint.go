package shm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/internal/socket"
	"scp_rdma/wire"
)

const (
	// strangers: connections whose Hello is waited for at once. Any process of the host
	// can find the socket, and say nothing.
	strangers = 16
	// helloWait is for the Hello of a connection: it is written before anything is waited for.
	helloWait = 2 * time.Second
)

// endpoint is one end of a stream before it is connected.
type endpoint struct {
	t     *Transport
	req   transport.OpenRequest
	ln    *net.UnixListener // responder
	offer wire.SHMOffer

	mu     sync.Mutex
	done   bool                    // closed or connected
	cancel context.CancelCauseFunc // ends a Connect that waits
}

// Open implements transport.Transport.
func (t *Transport) Open(_ context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	e := &endpoint{t: t, req: req}
	if req.Initiator {
		return e, nil
	}
	rand.Read(e.offer.Nonce[:]) // crypto/rand never fails (Go 1.24)
	rand.Read(e.offer.Name[:])
	ln, err := net.ListenUnix("unix", address(e.offer))
	if err != nil {
		return nil, fmt.Errorf("open: %w: %w", transport.ErrUnavailable, err)
	}
	e.ln = ln
	return e, nil
}

// address is where the responder of an offer listens.
func address(o wire.SHMOffer) *net.UnixAddr {
	return &net.UnixAddr{Net: "unix", Name: "@scp_rdma-" + hex.EncodeToString(o.Name[:])}
}

// Offer implements transport.Endpoint. An initiator has nothing to say.
func (e *endpoint) Offer() []byte {
	if e.req.Initiator {
		return nil
	}
	return e.offer.Append(nil)
}

// Close implements transport.Endpoint.
func (e *endpoint) Close() error {
	e.finish()
	return nil
}

// finish ends the endpoint's wait; false if it was over before.
func (e *endpoint) finish() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return false
	}
	e.done = true
	if e.cancel != nil {
		e.cancel(transport.ErrClosed)
	}
	if !e.req.Initiator {
		_ = e.ln.Close() // who is in the queue hears of it
	}
	return true
}

// begin notes how Close can end a Connect; false: it is closed already.
func (e *endpoint) begin(cancel context.CancelCauseFunc) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return false
	}
	e.cancel = cancel
	return true
}

// Connect implements transport.Endpoint.
func (e *endpoint) Connect(ctx context.Context, peer []byte) (transport.Stream, error) {
	st, err := e.connect(ctx, peer)
	if err == nil && !e.finish() {
		_ = st.Close()
		err = transport.ErrClosed
	}
	if err != nil {
		_ = e.Close()
		return nil, &transport.StreamError{Op: "connect", Rail: e.req.Pair.Local.Name, Stream: e.req.Stream, Err: err}
	}
	return st, nil
}

func (e *endpoint) connect(ctx context.Context, peer []byte) (transport.Stream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !e.begin(cancel) {
		return nil, transport.ErrClosed
	}
	c, err := e.joined(ctx, peer)
	if err != nil {
		return nil, err
	}
	st, err := e.stream(ctx, c)
	if err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return st, nil
}

// joined is a connection whose ends are proved.
func (e *endpoint) joined(ctx context.Context, peer []byte) (*net.UnixConn, error) {
	if !e.req.Initiator {
		return e.accept(ctx)
	}
	offer, err := wire.ParseSHMOffer(peer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.t.cfg.Timeout)
	defer cancel()
	to := address(offer)
	nc, err := (&net.Dialer{}).DialContext(ctx, to.Net, to.Name)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %w", transport.ErrPeerGone, err)
	}
	c := nc.(*net.UnixConn)
	if err := e.hello(offer).Greet(ctx, c, nil); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// hello is what the ends prove themselves with; the offer is the responder's.
func (e *endpoint) hello(o wire.SHMOffer) socket.Hello {
	return socket.Hello{Transport: e.t.Name(), Request: e.req, Nonce: o.Nonce}
}

// accept waits for the connection that proves itself, and answers it.
func (e *endpoint) accept(ctx context.Context) (*net.UnixConn, error) {
	found := make(chan *net.UnixConn, 1)
	waiting, over := context.WithCancel(ctx)
	context.AfterFunc(waiting, func() { _ = e.ln.Close() })
	room := make(chan struct{}, strangers)
	var guests sync.WaitGroup
	var err error
	for err == nil {
		room <- struct{}{} // each leaves after helloWait
		var c *net.UnixConn
		if c, err = e.ln.AcceptUnix(); err != nil {
			break
		}
		guests.Go(func() {
			defer func() { <-room }()
			if why := e.check(waiting, c); why != nil {
				e.t.cfg.Logger.Info("data connection refused", "error", why)
				_ = c.Close()
				return
			}
			select {
			case found <- c:
				over()
			default: // somebody else was first
				_ = c.Close()
			}
		})
	}
	over()
	guests.Wait()
	select {
	case c := <-found:
		if err := e.hello(e.offer).Answer(ctx, c); err != nil {
			_ = c.Close()
			return nil, err
		}
		return c, nil
	default:
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return nil, err
}

// check reads the Hello of a connection and holds it against what is expected.
func (e *endpoint) check(ctx context.Context, c *net.UnixConn) error {
	if err := c.SetDeadline(time.Now().Add(min(helloWait, e.t.cfg.Timeout))); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	j, err := socket.ReadJoin(c)
	if err != nil {
		return err
	}
	if !e.hello(e.offer).Proves(j, socket.Initiator) {
		return transport.ErrProof
	}
	return nil
}

// stream makes the stream of a connection, once its slots have come or gone over it.
func (e *endpoint) stream(ctx context.Context, c *net.UnixConn) (transport.Stream, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	err := c.SetDeadline(time.Now().Add(e.t.cfg.Timeout))
	var slab *transport.Slab
	switch {
	case err != nil:
	case e.req.Role == transport.Receiver:
		slab, err = give(c, socket.SlabSize(e.req))
	default:
		slab, err = take(c, socket.SlabSize(e.req))
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	var st transport.Stream
	if err == nil {
		st, err = socket.New(socket.Config{Conn: c, Request: e.req, Shared: slab, Bound: e.t.cfg.Timeout, Silence: e.t.cfg.Timeout})
	}
	if err != nil && slab != nil {
		slab.Drop()
	}
	return st, err
}

// errShared: what should be slots is nothing that can be used as such.
var errShared = errors.New("the peer's memory can't be shared")
