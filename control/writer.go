package control

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"scp_rdma/wire"
)

// write is the goroutine that empties the queue and keeps the connection alive.
// All that gathered while one write ran goes out in the next: batches grow with
// the load and no timer delays anything.
func (c *Conn) write() {
	idle := time.NewTimer(c.cfg.Keepalive)
	defer idle.Stop()
	var spare []byte
	for pings := uint64(0); ; {
		select {
		case <-c.filled:
		case <-idle.C:
			pings++
			if c.Send(&wire.Ping{N: pings}) != nil {
				return // closed
			}
		case <-c.closed:
			return
		}
		out := c.take(spare)
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

// flush writes all of b, a piece at a time: Timeout runs anew with each, so a
// slow network is no silent peer.
func (c *Conn) flush(b []byte) error {
	for len(b) > 0 {
		if err := c.armWrite(); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		n, err := c.nc.Write(b[:min(len(b), c.piece())])
		b = b[n:]
		switch {
		case err == nil:
		case errors.Is(err, syscall.ETIMEDOUT):
			return fmt.Errorf("send: %w", c.unreachable(err))
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("send: %w: %d bytes are not taken within %v (--timeout)", ErrSilent, len(b), c.cfg.Timeout)
		default:
			return fmt.Errorf("send: %w", err)
		}
	}
	return nil
}

// piece is what must be taken within Timeout: less if that is short, so that a network
// is not too slow for a short one.
func (c *Conn) piece() int {
	return int(max(min(c.cfg.Timeout, defaultTimeout)*writePiece/defaultTimeout, minPiece))
}

// unreachable is what it means that the way is cut, or the kernel's ETIMEDOUT.
func (c *Conn) unreachable(err error) error {
	return fmt.Errorf("%w: nothing is acknowledged for %v (%w)", ErrSilent, c.dead(), err)
}

// dead is how long nothing may be acknowledged.
func (c *Conn) dead() time.Duration { return min(c.cfg.Timeout, wayDead) }

// watch gives a peer up that can't be reached; what waits for it ends. The pings see
// to it that something always wants to be acknowledged.
func (c *Conn) watch() {
	look := time.NewTicker(c.dead() / looks)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-c.closed:
			return
		}
		if cut(c.raw, c.dead()) {
			c.fail(fmt.Errorf("send: %w", c.unreachable(syscall.ETIMEDOUT)))
			return
		}
	}
}

// armWrite sets the deadline of the next write.
func (c *Conn) armWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return c.nc.SetWriteDeadline(c.closeBy)
	case c.frozen != nil:
		return c.frozen
	}
	return c.nc.SetWriteDeadline(time.Now().Add(c.cfg.Timeout))
}

// fail remembers why nothing more can be sent, and forgets what is queued: what
// broke off in the middle of a message can't be gone on from. A peer that takes nothing is
// given up for reading too; of one that is gone there may be a last word to read.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = nil
	if c.err == nil {
		c.err = err
	}
	if errors.Is(err, ErrSilent) && !c.ended && c.frozen == nil {
		c.frozen = err
		_ = c.nc.SetDeadline(time.Unix(1, 0))
	}
}
