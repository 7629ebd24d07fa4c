package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"scp_rdma/wire"
)

// Conn is one side of a control connection, after the preambles.
type Conn struct {
	nc  net.Conn
	cfg Config
	r   *bufio.Reader

	body []byte // of the message that is read; grown as bytes arrive
	bye  bool   // the peer has said Bye

	mu     sync.Mutex
	queue  []byte
	err    error // why nothing more can be sent
	filled chan struct{}
	closed chan struct{} // Close or Abort was called
	once   sync.Once
	wg     sync.WaitGroup
}

// newConn takes over a connection whose preambles are done.
func newConn(nc net.Conn, cfg Config) *Conn {
	c := &Conn{
		nc: nc, cfg: cfg.withDefaults(), r: bufio.NewReaderSize(nc, readBuffer),
		filled: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	c.wg.Go(c.write)
	return c
}

// LocalAddr is this side's address.
func (c *Conn) LocalAddr() netip.AddrPort { return addrPort(c.nc.LocalAddr()) }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() netip.AddrPort { return addrPort(c.nc.RemoteAddr()) }

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// Send queues a message. It never waits for the network. Once the connection
// has failed or is closed it returns why.
func (c *Conn) Send(m wire.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if len(c.queue) > MaxQueued {
		return fmt.Errorf("send message %d: %d bytes wait: %w", m.Type(), len(c.queue), ErrQueueFull)
	}
	q, err := wire.AppendMessage(c.queue, m)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	c.queue = q
	select {
	case c.filled <- struct{}{}:
	default:
	}
	return nil
}

// write is the goroutine that empties the queue and keeps the connection alive.
func (c *Conn) write() {
	idle := time.NewTimer(c.cfg.Keepalive)
	defer idle.Stop()
	var spare []byte
	var pings uint64
	for {
		select {
		case <-c.filled:
		case <-idle.C:
			pings++
			if c.Send(&wire.Ping{N: pings}) != nil {
				return
			}
		case <-c.closed:
			return
		}
		c.mu.Lock()
		out := c.queue
		c.queue = spare[:0]
		c.mu.Unlock()
		if err := c.flush(out); err != nil {
			c.fail(err)
			return
		}
		if spare = out; cap(spare) > 4*readBuffer {
			spare = nil // a burst must not hold its memory for ever
		}
		idle.Reset(c.cfg.Keepalive)
	}
}

func (c *Conn) flush(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.cfg.Timeout)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if _, err := c.nc.Write(b); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("%w: it took nothing for %v", ErrSilent, c.cfg.Timeout)
		}
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// fail remembers why nothing more can be sent.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
}

// Recv waits for the next message; one goroutine at a time. Pings are answered
// here. A Bye is returned as a message; after it the end of the connection is
// io.EOF, without it io.ErrUnexpectedEOF.
func (c *Conn) Recv(ctx context.Context) (wire.Message, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetReadDeadline(past) })
	defer stop()
	for {
		m, err := c.read(ctx)
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *wire.Ping:
			if err := c.Send(&wire.Pong{N: m.N}); err != nil {
				return nil, err
			}
		case *wire.Pong:
		case *wire.Bye:
			c.bye = true
			return m, nil
		default:
			return m, nil
		}
	}
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// read reads one message.
func (c *Conn) read(ctx context.Context) (wire.Message, error) {
	var h [wire.HeaderSize]byte
	if err := c.fill(ctx, h[:]); err != nil {
		return nil, c.readError(ctx, err)
	}
	t, n, err := wire.ParseHeader(h[:])
	if err != nil {
		return nil, fmt.Errorf("recv: %w", err)
	}
	// Grown piece by piece as bytes arrive: a length alone allocates nothing big.
	c.body = c.body[:0]
	for len(c.body) < n {
		at := len(c.body)
		step := min(n-at, readBuffer)
		c.body = append(c.body, make([]byte, step)...)
		if err := c.fill(ctx, c.body[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, c.readError(ctx, err)
		}
	}
	m, err := wire.ParseMessage(t, c.body)
	if err != nil {
		return nil, fmt.Errorf("recv: %w", err)
	}
	return m, nil
}

// fill reads all of b. Timeout runs anew with every read that brings something.
func (c *Conn) fill(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		if c.r.Buffered() == 0 {
			if err := c.nc.SetReadDeadline(time.Now().Add(c.cfg.Timeout)); err != nil {
				return err
			}
			if ctx.Err() != nil { // the deadline set by the end of ctx may have been overwritten
				return context.Cause(ctx)
			}
		}
		n, err := c.r.Read(b)
		b = b[n:]
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) readError(ctx context.Context, err error) error {
	select {
	case <-c.closed:
		return ErrClosed
	default:
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("recv: %w: not a byte for %v", ErrSilent, c.cfg.Timeout)
	case errors.Is(err, io.EOF) && c.bye:
		return io.EOF
	case errors.Is(err, io.EOF):
		return fmt.Errorf("recv: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("recv: %w", err)
}

// Close writes what is queued, for a few seconds at most, and closes.
func (c *Conn) Close() error {
	var err error
	c.once.Do(func() {
		c.fail(ErrClosed)
		close(c.closed)
		// A writer that is stuck in a write gets the same few seconds.
		_ = c.nc.SetWriteDeadline(time.Now().Add(closeWait))
		c.wg.Wait()
		c.mu.Lock()
		out := c.queue
		c.queue = nil
		c.mu.Unlock()
		if len(out) > 0 {
			_ = c.nc.SetWriteDeadline(time.Now().Add(closeWait))
			_, err = c.nc.Write(out)
		}
		err = errors.Join(err, c.linger(), c.nc.Close())
	})
	return err
}

// linger lets the peer read the last words: a socket that is closed while input
// waits unread is reset, and a reset destroys what is still under way. So: no
// more output, then read until the peer has closed too.
func (c *Conn) linger() error {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	if err := half.CloseWrite(); err != nil {
		return nil // the peer is gone: nothing to wait for
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(closeWait))
	_, _ = io.Copy(io.Discard, c.nc)
	return nil
}

// Abort closes at once. What is queued is lost.
func (c *Conn) Abort() {
	c.once.Do(func() {
		c.fail(ErrClosed)
		close(c.closed)
		_ = c.nc.Close()
		c.wg.Wait()
	})
}
