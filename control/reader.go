package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"scp_rdma/wire"
)

// Recv waits for the next message; one goroutine at a time. Pings are answered
// here and pongs swallowed. It returns
//
//   - a Bye as a message, and after it io.EOF when the peer has closed;
//   - an error that Is io.ErrUnexpectedEOF if the peer is gone without a Bye;
//   - an error that Is ErrSilent if nothing came for Timeout, or if the peer
//     took nothing for as long;
//   - the cause of ctx, after which Recv may be called again: nothing is lost;
//   - an error that Is wire.ErrUnknownType for a message of a later version,
//     after which Recv may be called again too;
//   - an error that Is wire.ErrMalformed for bytes that are no message;
//   - ErrClosed once Close or Abort was called.
func (c *Conn) Recv(ctx context.Context) (wire.Message, error) {
	stop := c.until(ctx)
	defer stop()
	for {
		m, err := c.read(ctx)
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *wire.Ping:
			c.pong(m.N)
		case *wire.Pong:
		case *wire.Bye:
			c.bye = true
			return m, nil
		default:
			return m, nil
		}
	}
}

// read reads one message. What came of it stays in c.in when ctx ends.
func (c *Conn) read(ctx context.Context) (wire.Message, error) {
	if err := c.fill(ctx, wire.HeaderSize); err != nil {
		return nil, c.readError(ctx, err)
	}
	t, n, err := wire.ParseHeader(c.in[:wire.HeaderSize])
	if err != nil {
		return nil, fmt.Errorf("recv: %w", err)
	}
	if err := c.fill(ctx, wire.HeaderSize+n); err != nil {
		return nil, c.readError(ctx, err)
	}
	m, err := wire.ParseMessage(t, c.in[wire.HeaderSize:])
	c.in = c.in[:0]
	if err != nil {
		return nil, fmt.Errorf("recv: %w", err)
	}
	return m, nil
}

// fill reads until c.in has n bytes. It grows as they arrive: a length that is
// only announced allocates nothing big.
func (c *Conn) fill(ctx context.Context, n int) error {
	for len(c.in) < n {
		if c.r.Buffered() == 0 {
			if err := c.armRead(ctx); err != nil {
				return err
			}
		}
		have := len(c.in)
		c.in = slices.Grow(c.in, min(n-have, readBuffer))
		got, err := c.r.Read(c.in[have : have+min(n-have, readBuffer)])
		c.in = c.in[:have+got]
		if got > 0 {
			c.heard.Store(time.Now().UnixNano())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// armRead sets the deadline of the next read, unless there is to be none.
// Timeout runs anew with every read that brings something.
func (c *Conn) armRead(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return ErrClosed
	case c.frozen != nil:
		return c.frozen
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return c.nc.SetReadDeadline(time.Now().Add(c.cfg.Timeout))
}

// readError says what a failed read means.
func (c *Conn) readError(ctx context.Context, err error) error {
	c.mu.Lock()
	ended, frozen := c.ended, c.frozen
	c.mu.Unlock()
	reset := errors.Is(err, syscall.ECONNRESET)
	cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) // with and without TLS's own end
	switch {
	case ended:
		return ErrClosed
	case (reset || cut) && c.bye && len(c.in) == 0:
		return io.EOF
	case cut:
		return fmt.Errorf("recv: %w", io.ErrUnexpectedEOF)
	case reset:
		return fmt.Errorf("recv: %w: %w", io.ErrUnexpectedEOF, err)
	case frozen != nil:
		return frozen
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Errorf("recv: %w", c.unreachable(err))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("recv: %w: not a byte for %v (--timeout)", ErrSilent, c.cfg.Timeout)
	}
	return fmt.Errorf("recv: %w", err)
}
