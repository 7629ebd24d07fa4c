package control

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"scp_rdma/keys"
	"scp_rdma/wire"
)

// Conn is one side of a control connection, after the proofs.
type Conn struct {
	nc     net.Conn
	raw    net.Conn // what nc runs over: closing TLS itself would wait for the peer
	cfg    Config
	holder keys.Holder
	secret []byte // what Derive begins with

	// Recv's alone.
	r   *bufio.Reader
	in  []byte // header and body of the message that is coming, as far as they came
	bye bool   // the peer has said Bye

	filled  chan struct{} // room for one: something is queued
	closed  chan struct{} // Close or Abort was called
	closing sync.Once
	heard   atomic.Int64   // when a byte came last, ns since 1970
	work    sync.WaitGroup // write and watch

	mu      sync.Mutex
	queue   []byte
	err     error     // why nothing more can be sent
	frozen  error     // why nothing more is read: the peer takes nothing
	ended   bool      // Close or Abort was called: deadlines are theirs
	closeBy time.Time // when ended
}

// proved takes over a connection whose two ends have proved themselves.
func proved(tc *tls.Conn, h keys.Holder, cfg Config) (*Conn, error) {
	secret, err := export(tc, exportSecret)
	if err != nil {
		return nil, err
	}
	c := newConn(tc, tc.NetConn(), cfg)
	c.holder, c.secret = h, secret
	return c, nil
}

// Holder is who the peer of a listener's connection is. On a dialled one it is
// the dialling side's own key.
func (c *Conn) Holder() keys.Holder { return c.holder }

// Derive makes a secret of keys.Size bytes that only the two ends of this
// connection have; both get the same for the same label.
func (c *Conn) Derive(label string) ([]byte, error) { return c.holder.Key.Derive(c.secret, label) }

// newConn takes over a connection whose handshakes are done.
func newConn(nc, raw net.Conn, cfg Config) *Conn {
	c := &Conn{
		nc: nc, raw: raw, cfg: cfg.withDefaults(), r: bufio.NewReaderSize(nc, readBuffer),
		filled: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	c.heard.Store(time.Now().UnixNano())
	c.work.Go(c.write)
	c.work.Go(c.watch)
	return c
}

// LocalAddr is this side's address.
func (c *Conn) LocalAddr() netip.AddrPort { return addrPort(c.nc.LocalAddr()) }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() netip.AddrPort { return addrPort(c.nc.RemoteAddr()) }

// addrPort is an address as people write it: IPv4 is IPv4, also on a socket of both families.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// Send queues a message and keeps nothing of it. It never waits for the network.
// A message that the peer would have to refuse Is wire.ErrMalformed; more than
// MaxQueued bytes waiting Is ErrQueueFull. Neither harms the connection. Once it
// has failed or is closed, every Send returns why.
func (c *Conn) Send(m wire.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if len(c.queue) > MaxQueued {
		return fmt.Errorf("send message %d: %d bytes wait: %w", m.Type(), len(c.queue), ErrQueueFull)
	}
	return c.enqueue(m)
}

// Queued is how many bytes wait to be written.
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

// enqueue appends to the queue and wakes the writer. c.mu is held.
func (c *Conn) enqueue(m wire.Message) error {
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

// pong answers a ping. With much in the queue it doesn't: what is queued proves
// life as well, and a peer that pings and never reads must not fill memory. Nor
// does a failure matter here: who sends or reads next will see it.
func (c *Conn) pong(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && len(c.queue) < readBuffer {
		_ = c.enqueue(&wire.Pong{N: n})
	}
}

// take empties the queue, which goes on in spare's memory.
func (c *Conn) take(spare []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.queue
	c.queue = spare[:0]
	return out
}

// end begins the end: nothing more can be sent, and a Recv that waits returns.
// From here on deadlines are set by Close alone.
func (c *Conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended, c.closeBy = true, time.Now().Add(closeWait)
	if c.err == nil {
		c.err = ErrClosed
	}
	close(c.closed)
	// A writer in the middle of a write gets the same few seconds.
	_ = c.nc.SetWriteDeadline(c.closeBy)
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// Close writes what is queued, closes the connection and waits for its
// goroutines: a few seconds at most, less if Abort is called meanwhile. An error
// says that the peer didn't take all. Only the first call does anything.
func (c *Conn) Close() error {
	var err error
	c.closing.Do(func() {
		c.end()
		c.work.Wait()
		err = c.lastWords()
		if closeErr := c.raw.Close(); err == nil && !errors.Is(closeErr, net.ErrClosed) {
			err = closeErr
		}
	})
	return err
}

// lastWords writes what the writer left and sees it on its way.
func (c *Conn) lastWords() error {
	c.mu.Lock()
	out := c.queue
	c.queue = nil
	c.mu.Unlock()
	if err := c.flush(out); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	linger(c.nc)
	return nil
}

// linger lets the peer read the last words: a socket that is closed while input
// waits unread is reset (RFC 2525, 2.17), and a reset destroys what is still
// under way. So: no more output, then read until the peer has closed as well.
func linger(nc net.Conn) {
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if nc.SetReadDeadline(time.Now().Add(lingerWait)) == nil {
		_, _ = io.Copy(io.Discard, nc)
	}
}

// Abort closes the connection at once and waits for its goroutines. What is
// queued is lost. It may be called at any time, also while Close waits.
func (c *Conn) Abort() {
	c.end()
	c.mu.Lock()
	c.queue = nil
	c.mu.Unlock()
	_ = c.raw.Close()
	c.work.Wait()
}

// until ends a read of nc when ctx ends. stop waits for that, so that it can't
// hit a later read.
func (c *Conn) until(ctx context.Context) (stop func()) {
	return onDone(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ended {
			_ = c.nc.SetReadDeadline(time.Unix(1, 0))
		}
	})
}

// onDone calls f when ctx ends, unless stop is called before. After stop f is
// not running.
func onDone(ctx context.Context, f func()) (stop func()) {
	done := make(chan struct{})
	disarm := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return sync.OnceFunc(func() {
		if !disarm() {
			<-done
		}
	})
}
