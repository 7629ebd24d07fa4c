package softnic

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

const (
	// waiting is how many requests a listener holds.
	waiting = 64
	// ibPrivate is the room for what goes with a request on InfiniBand and RoCE: it
	// always arrives whole, with zeros after it.
	ibPrivate = 56
)

// What ends a connection, as the other side hears of it.
var (
	errEnded   = fmt.Errorf("the peer has ended the connection, or is gone: %w", transport.ErrPeerGone)
	errRefused = fmt.Errorf("the peer has refused the connection: %w", transport.ErrPeerGone)
	errRemoved = fmt.Errorf("the device was removed: %w", transport.ErrPeerGone)
)

// connector is rdma_cm of a host.
type connector struct{ h *Host }

// Connector implements nic.Provider.
func (h *Host) Connector() (nic.Connector, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	return connector{h}, h.noCM
}

// NoConnector has the host say why it has no rdma_cm.
func (h *Host) NoConnector(why error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.noCM = why
}

// at finds the device of a host with an address; f.mu is held.
func (h *Host) at(a netip.Addr) *hardware {
	for _, hw := range h.devices {
		for _, g := range hw.GIDs {
			if g.Type != nic.GIDIB && netip.AddrFrom16(g.GID).Unmap() == a.Unmap() && !hw.removed {
				return hw
			}
		}
	}
	return nil
}

// listener takes requests.
type listener struct {
	object
	at    netip.AddrPort
	queue chan *conn
	once  sync.Once
	gone  chan struct{}
}

// Listen implements nic.Connector.
func (c connector) Listen(at netip.AddrPort) (nic.Listener, error) {
	f := c.h.f
	f.mu.Lock()
	defer f.mu.Unlock()
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	if c.h.at(at.Addr()) == nil {
		return nil, fmt.Errorf("listen on %v: %w", at, unix.EADDRNOTAVAIL)
	}
	if at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), uint16(20000+f.number()%40000))
	}
	if f.listeners[at] != nil {
		return nil, fmt.Errorf("listen on %v: %w", at, unix.EADDRINUSE)
	}
	l := &listener{object: object{f: f, kind: "listener"}, at: at, queue: make(chan *conn, waiting), gone: make(chan struct{})}
	f.listeners[at] = l
	return l, l.grow()
}

// Addr implements nic.Listener.
func (l *listener) Addr() netip.AddrPort { return l.at }

// Accept implements nic.Listener.
func (l *listener) Accept(ctx context.Context) (nic.Conn, error) {
	c, err := within(ctx, l.queue, l.gone)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close implements nic.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.gone) })
	l.f.mu.Lock()
	first, err := l.end()
	if first {
		delete(l.f.listeners, l.at)
	}
	l.f.mu.Unlock()
	for first {
		select {
		case c := <-l.queue:
			err = errors.Join(err, c.Close())
		default:
			first = false
		}
	}
	return err
}

// conn is one side of a connection.
type conn struct {
	object
	hw      *hardware
	to      netip.AddrPort // of who asks
	private []byte         // of who is asked

	// under f.mu
	q        *qp
	other    *conn
	answered bool  // accepted
	why      error // it has ended

	once  sync.Once
	gone  chan struct{} // closed by Close
	ready chan struct{} // closed when the other side has answered
	ended chan struct{} // closed when it has ended
}

func newConn(f *Fabric, hw *hardware) (*conn, error) {
	c := &conn{object: object{f: f, kind: "connection"}, hw: hw,
		gone: make(chan struct{}), ready: make(chan struct{}), ended: make(chan struct{})}
	if err := c.grow(); err != nil {
		return nil, err
	}
	hw.conns[c] = true
	return c, nil
}

// Dial implements nic.Connector.
func (c connector) Dial(_ context.Context, from netip.Addr, to netip.AddrPort) (nic.Conn, error) {
	f := c.h.f
	f.mu.Lock()
	defer f.mu.Unlock()
	hw := c.h.at(from)
	far := false
	for _, h := range f.hosts {
		o := h.at(to.Addr())
		far = far || o != nil && !(hw != nil && hw.Alone && o != hw && o.host == hw.host)
	}
	if hw == nil || !far {
		return nil, fmt.Errorf("find the way from %v to %v: no way to the address, or nobody answers there: %w", from, to, transport.ErrUnavailable)
	}
	d, err := newConn(f, hw)
	if err != nil {
		return nil, err
	}
	d.to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	return d, nil
}

// Device implements nic.Conn.
func (c *conn) Device() string { return c.hw.Name }

// Private implements nic.Conn.
func (c *conn) Private() []byte { return c.private }

// take makes a QP the connection's; f.mu is held.
func (c *conn) take(q nic.QP) error {
	own, ok := q.(*qp)
	if !ok || own.dev.hw != c.hw {
		return fmt.Errorf("connect a QP of another device than %s: %w", c.hw.Name, unix.EINVAL)
	}
	if own.state != nic.Init {
		return fmt.Errorf("connect QP %d in %v: %w", own.qpn, own.state, unix.EINVAL)
	}
	c.q = own
	return c.use("connect")
}

// join brings the QP to RTS towards the other side's; f.mu is held.
func (c *conn) join(w nic.Peer, r nic.Retry) error {
	if err := c.q.modify(nic.Init, nic.RTS, true); err != nil {
		return err
	}
	o := c.other.q
	c.q.peer = nic.Peer{QPN: o.qpn, GID: o.dev.hw.GIDs[0].GID, Global: true, PathMTU: w.PathMTU}
	c.q.retry, c.q.conn = r, c
	return nil
}

// Connect implements nic.Conn.
func (c *conn) Connect(ctx context.Context, q nic.QP, private []byte, w nic.Peer, r nic.Retry) error {
	if len(private) > nic.MaxPrivate {
		return fmt.Errorf("a request with %d bytes: %w", len(private), unix.EINVAL)
	}
	if err := c.ask(q, private); err != nil {
		return err
	}
	select {
	case <-c.ready:
	case <-c.ended:
		return errRefused
	case <-c.gone:
		return os.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.why != nil {
		return c.why
	}
	return c.join(w, r)
}

// ask sends the request. Where a cable is out nobody answers.
func (c *conn) ask(q nic.QP, private []byte) error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if err := c.take(q); err != nil {
		return err
	}
	l := c.f.listeners[c.to]
	var far *hardware
	for _, h := range c.f.hosts {
		if hw := h.at(c.to.Addr()); hw != nil {
			far = hw
		}
	}
	switch {
	case c.hw.down || far == nil || far.down:
		return nil
	case l == nil:
		return errRefused
	}
	o, err := newConn(c.f, far)
	if err != nil {
		return err
	}
	o.other, o.private = c, append([]byte{}, private...)
	if !far.IWARP {
		o.private = append(o.private, make([]byte, ibPrivate-len(private))...)
	}
	select {
	case l.queue <- o:
	default:
		_, err := o.end()
		delete(far.conns, o)
		return errors.Join(errRefused, err)
	}
	c.other = o
	return nil
}

// Accept implements nic.Conn.
func (c *conn) Accept(q nic.QP, w nic.Peer, r nic.Retry) error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if err := c.take(q); err != nil {
		return err
	}
	if c.why != nil || c.other == nil || c.answered {
		return fmt.Errorf("accept: the request is gone: %w", unix.ECONNRESET)
	}
	if err := c.join(w, r); err != nil {
		return err
	}
	c.q.quiet = c.hw.IWARP
	c.answered = true
	close(c.other.ready)
	return nil
}

// Wait implements nic.Conn.
func (c *conn) Wait(ctx context.Context) error {
	select {
	case <-c.ended:
		c.f.mu.Lock()
		defer c.f.mu.Unlock()
		return c.why
	case <-c.gone:
		return os.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// over ends a side of a connection, and its QP where TCP is below; f.mu is held.
func (c *conn) over(why error) {
	if c.why != nil {
		return
	}
	c.why = why
	close(c.ended)
	if c.hw.IWARP && c.q != nil && c.q.conn == c && c.q.state != nic.Err {
		c.q.fail()
	}
}

// Close implements nic.Conn.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.gone) })
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	first, err := c.end()
	if first {
		delete(c.hw.conns, c)
		c.over(os.ErrClosed)
		if c.other != nil && !c.hw.mute && !c.other.hw.mute {
			c.other.over(errEnded)
		}
	}
	return err
}
