package tcp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/internal/socket"
	"scp_rdma/wire"
)

// endpoint is one end of a stream before it is connected.
type endpoint struct {
	t     *Transport
	req   transport.OpenRequest
	nonce [16]byte
	offer []byte
	conns chan *net.TCPConn // responder: the connection that proved itself; room for one

	mu     sync.Mutex
	joined bool                    // a connection has proved itself
	done   bool                    // closed or connected
	cancel context.CancelCauseFunc // ends a Connect that waits
}

// Open implements transport.Transport.
func (t *Transport) Open(_ context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	e := &endpoint{t: t, req: req, conns: make(chan *net.TCPConn, 1)}
	rand.Read(e.nonce[:]) // crypto/rand never fails (Go 1.24)
	o := wire.TCPOffer{Nonce: e.nonce}
	if !req.Initiator {
		if r, err := wire.ParseTCPRail(req.Pair.Local.Info); err == nil {
			for _, p := range r.Prefixes {
				o.Addrs = append(o.Addrs, netip.AddrPortFrom(p.Addr(), t.cfg.Port))
			}
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.waiting[e.key()] != nil {
			return nil, fmt.Errorf("open: stream %d epoch %d is open already: %w", req.Stream, req.Epoch, transport.ErrProtocol)
		}
		t.waiting[e.key()] = e
	}
	e.offer = o.Append(nil)
	return e, nil
}

func (e *endpoint) key() key { return key{e.req.Session, e.req.Stream, e.req.Epoch} }

// Offer implements transport.Endpoint.
func (e *endpoint) Offer() []byte { return e.offer }

// Close implements transport.Endpoint.
func (e *endpoint) Close() error {
	if !e.finish() {
		return nil
	}
	select {
	case c := <-e.conns:
		return c.Close()
	default:
		return nil
	}
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
		e.t.mu.Lock()
		delete(e.t.waiting, e.key())
		e.t.mu.Unlock()
	}
	return true
}

// hello is what the ends prove themselves with; nonce is the responder's.
func (e *endpoint) hello(nonce [16]byte) socket.Hello {
	return socket.Hello{Transport: e.t.Name(), Request: e.req, Nonce: nonce}
}

// HandleData takes a connection that the server's listener found to be data. It
// reads the Join under the deadline that is set, and hands the connection to the
// endpoint it proves itself to. Anything else is closed without an answer.
func (t *Transport) HandleData(nc net.Conn) {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		_ = nc.Close()
		return
	}
	if err := t.accept(tc); err != nil {
		t.cfg.Logger.Info("data connection refused", "peer", nc.RemoteAddr(), "error", err)
		_ = nc.Close()
	}
}

func (t *Transport) accept(c *net.TCPConn) error {
	j, err := socket.ReadJoin(c)
	if err != nil {
		return err
	}
	t.mu.Lock()
	e := t.waiting[key{transport.ID(j.Session), j.Stream, j.Epoch}]
	t.mu.Unlock()
	if e == nil || !e.hello(e.nonce).Proves(j, socket.Initiator) {
		return transport.ErrProof
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.joined || e.done {
		return fmt.Errorf("stream %d has its connection: %w", j.Stream, transport.ErrProof)
	}
	e.joined = true
	t.tune(c, e.req.Role)
	e.conns <- c
	return nil
}

// Connect implements transport.Endpoint.
func (e *endpoint) Connect(ctx context.Context, peer []byte) (transport.Stream, error) {
	c, err := e.connect(ctx, peer)
	if err != nil {
		_ = e.Close()
		return nil, &transport.StreamError{Op: "connect", Rail: e.req.Pair.Local.Name, Stream: e.req.Stream, Err: err}
	}
	if !e.finish() {
		_ = c.Close()
		return nil, &transport.StreamError{Op: "connect", Rail: e.req.Pair.Local.Name, Stream: e.req.Stream, Err: transport.ErrClosed}
	}
	st, err := socket.New(socket.Config{
		Conn: c, Request: e.req, Bound: e.t.cfg.Timeout, Silence: e.t.cfg.Silence,
		Answers: func() bool { return answers(c, e.t.cfg.Silence) },
	})
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return st, nil
}

func (e *endpoint) connect(ctx context.Context, peer []byte) (*net.TCPConn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	if !e.begin(cancel) {
		cancel(nil)
		return nil, transport.ErrClosed
	}
	if e.req.Initiator {
		return e.dial(ctx, peer)
	}
	select {
	case c := <-e.conns:
		if err := e.hello(e.nonce).Answer(ctx, c); err != nil {
			_ = c.Close()
			return nil, err
		}
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
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

// dial tries the addresses of the pair until one is proved.
func (e *endpoint) dial(ctx context.Context, peer []byte) (*net.TCPConn, error) {
	offer, err := wire.ParseTCPOffer(peer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
	var errs []error
	for _, to := range e.addresses(offer) {
		c, err := e.dialOne(ctx, to, offer.Nonce)
		if err == nil {
			return c, nil
		}
		errs = append(errs, fmt.Errorf("%v: %w", to, err))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return nil, errors.Join(append(errs, transport.ErrPeerGone)...)
}

// addresses lists where to dial: the pair's address if it has one, else the
// control connection's. With the latter the port that control reached comes
// first (a NAT may have moved it), with others the port of the offer.
func (e *endpoint) addresses(o wire.TCPOffer) []netip.AddrPort {
	control := e.req.Control.Remote
	addr, ok := netip.AddrFromSlice(e.req.Pair.Info)
	if !ok || addr == control.Addr() {
		return []netip.AddrPort{control}
	}
	for _, a := range o.Addrs {
		if a.Addr() == addr && a.Port() != 0 {
			return []netip.AddrPort{a}
		}
	}
	return []netip.AddrPort{netip.AddrPortFrom(addr, control.Port())}
}

// dialOne joins over one address. A server at whose door too many knock drops
// connections before it has read them: such a one is tried again.
func (e *endpoint) dialOne(ctx context.Context, to netip.AddrPort, nonce [16]byte) (*net.TCPConn, error) {
	for try := 0; ; try++ {
		c, err := e.tryOne(ctx, to, nonce)
		if try == maxDropped || !errors.Is(err, socket.ErrDropped) {
			return c, err
		}
		t := time.NewTimer(droppedPause << try)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, err
		}
	}
}

// maxDropped further tries take 0.3 s in all, well within the engine's time for a stream.
const (
	maxDropped   = 4
	droppedPause = 20 * time.Millisecond
)

// tryOne bounds each try: an address that swallows everything must leave time
// for the next.
func (e *endpoint) tryOne(ctx context.Context, to netip.AddrPort, nonce [16]byte) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, e.t.cfg.Timeout)
	defer cancel()
	d, err := e.dialer(to.Addr())
	if err != nil {
		return nil, err
	}
	nc, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	c := nc.(*net.TCPConn)
	e.t.tune(c, e.req.Role)
	before := wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindData, Version: wire.Version})
	if err := e.hello(nonce).Greet(ctx, c, before); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// dialer is for connections to an address.
func (e *endpoint) dialer(to netip.Addr) (*net.Dialer, error) {
	d := &net.Dialer{}
	device := ""
	if len(e.t.cfg.Rails) > 0 {
		local, name, err := leaveBy(e.req.Pair.Local, to)
		if err != nil {
			return nil, err
		}
		d.LocalAddr, device = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)), name
	}
	d.ControlContext = func(_ context.Context, _, _ string, raw syscall.RawConn) (err error) {
		if ownAddress(to) {
			unpaced(raw)
		}
		if device != "" {
			_, err = bindToDevice(raw, device)
		}
		return err
	}
	return d, nil
}

// ownAddress says whether what is sent to an address stays inside this host.
func ownAddress(to netip.Addr) bool {
	if to.IsLoopback() {
		return true
	}
	// Without them the connection works all the same.
	addrs, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		own, _ := netip.AddrFromSlice(p.IP) // none: equal to no address
		return own.Unmap() == to.Unmap().WithZone("")
	})
}

// leaveBy is how connections to an address leave by a rail: from its address of the
// right family, and bound to its interface, if it is one.
func leaveBy(rail transport.Rail, to netip.Addr) (local netip.Addr, device string, err error) {
	r, err := wire.ParseTCPRail(rail.Info)
	if err != nil {
		return local, "", err
	}
	for _, p := range r.Prefixes {
		a := p.Addr()
		if a.Is4() != to.Is4() || a.IsLinkLocalUnicast() != to.IsLinkLocalUnicast() {
			continue
		}
		if !local.IsValid() || p.Contains(to.WithZone("")) {
			local = a.WithZone(to.Zone()) // none but for link-local ones
		}
	}
	if !local.IsValid() {
		return local, "", fmt.Errorf("rail %s has no address to reach %v from: %w", rail.Name, to, transport.ErrUnavailable)
	}
	if _, err := netip.ParseAddr(rail.Name); err == nil {
		return local, "", nil // an address was asked for, not an interface
	}
	return local, rail.Name, nil
}
